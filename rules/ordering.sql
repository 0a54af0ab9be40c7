-- Each order's own history, in the order in which its events were written: a key's records stay in one partition, and
-- a partition is worked off record by record.

CREATE STREAM order_events (order_id STRING KEY, status STRING)
  WITH (KAFKA_TOPIC='order_events', VALUE_FORMAT='JSON', PARTITIONS=6);

CREATE TABLE order_history
  WITH (KAFKA_TOPIC='order_history') AS
  SELECT order_id, COLLECT_LIST(status) AS history, LATEST_BY_OFFSET(status) AS status
  FROM order_events
  GROUP BY order_id
  EMIT CHANGES;
