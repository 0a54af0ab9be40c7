-- How many events of each kind came in each five minutes, with the window's bounds in the row.

CREATE STREAM events (id STRING KEY, kind STRING)
  WITH (KAFKA_TOPIC='events', VALUE_FORMAT='JSON', PARTITIONS=6);

CREATE TABLE event_counts
  WITH (KAFKA_TOPIC='event_counts') AS
  SELECT kind, WINDOWSTART AS window_start, WINDOWEND AS window_end, COUNT(*) AS events
  FROM events
  WINDOW TUMBLING (SIZE 5 MINUTES, GRACE PERIOD 1 MINUTE)
  GROUP BY kind
  EMIT CHANGES;
