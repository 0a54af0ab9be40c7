-- Products whose price falls: each time one comes cheaper than it was before, with both prices.

CREATE STREAM product_prices (id STRING KEY, name STRING, price DECIMAL(12, 2))
  WITH (KAFKA_TOPIC='product_prices', VALUE_FORMAT='JSON', PARTITIONS=6);

-- The last two prices of each product.
CREATE TABLE recent_prices
  WITH (KAFKA_TOPIC='recent_prices') AS
  SELECT id, LATEST_BY_OFFSET(name) AS name, LATEST_BY_OFFSET(price, 2) AS prices
  FROM product_prices
  GROUP BY id
  EMIT CHANGES;

CREATE TABLE price_drops
  WITH (KAFKA_TOPIC='price_drops') AS
  SELECT id, name, prices[1] AS was, prices[2] AS now
  FROM recent_prices
  WHERE prices[2] < prices[1]
  EMIT CHANGES;
