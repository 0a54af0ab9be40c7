-- The balance of each account, from what was paid in and out and what was taken back.

CREATE STREAM account_events (account STRING KEY, event_type STRING, amount DECIMAL(12, 2))
  WITH (KAFKA_TOPIC='account_events', VALUE_FORMAT='JSON', PARTITIONS=6);

CREATE TABLE account_balance
  WITH (KAFKA_TOPIC='account_balance') AS
  SELECT
    account,
    SUM(CASE
      WHEN event_type IN ('DEPOSIT', 'REFUND') THEN amount
      WHEN event_type IN ('WITHDRAWAL', 'FEE') THEN -amount
      ELSE CAST(0 AS DECIMAL(12, 2))
    END) AS balance,
    COUNT(*) AS events
  FROM account_events
  GROUP BY account
  EMIT CHANGES;
