-- High-value transactions: those of more than 1,000, as they come.

CREATE STREAM transactions (id STRING KEY, account STRING, amount DECIMAL(12, 2), made_at TIMESTAMP)
  WITH (KAFKA_TOPIC='transactions', VALUE_FORMAT='JSON', PARTITIONS=6);

CREATE STREAM high_value_transactions
  WITH (KAFKA_TOPIC='high_value_transactions') AS
  SELECT id, account, amount, made_at
  FROM transactions
  WHERE amount > 1000
  EMIT CHANGES;
