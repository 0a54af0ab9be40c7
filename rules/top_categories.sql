-- The three categories with the most sales of each hour. An hour is told when it is over, so that each category's count
-- of it comes once, as it is in the end.

CREATE STREAM sales (id STRING KEY, category STRING, amount DECIMAL(12, 2))
  WITH (KAFKA_TOPIC='sales', VALUE_FORMAT='JSON', PARTITIONS=6);

CREATE TABLE sales_per_hour
  WITH (KAFKA_TOPIC='sales_per_hour') AS
  SELECT category, AS_VALUE(category) AS name, COUNT(*) AS sold
  FROM sales
  WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 5 MINUTES)
  GROUP BY category
  EMIT FINAL;

-- The counts once more as events, each with the hour that it is of.
CREATE STREAM hourly_counts (category STRING KEY, name STRING, sold BIGINT)
  WITH (KAFKA_TOPIC='sales_per_hour', VALUE_FORMAT='JSON', WINDOW_TYPE='TUMBLING', WINDOW_SIZE='1 HOUR');

CREATE TABLE top_categories
  WITH (KAFKA_TOPIC='top_categories') AS
  SELECT WINDOWSTART AS hour_start, TOPK(sold, name, 3) AS top
  FROM hourly_counts
  GROUP BY WINDOWSTART
  EMIT CHANGES;
