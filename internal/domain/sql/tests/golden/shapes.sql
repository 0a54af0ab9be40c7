-- Every kind of query that runs.
SET 'auto.offset.reset' = 'earliest';

CREATE STREAM clicks (id STRING KEY, user_id STRING, page STRING, ms BIGINT, tags ARRAY<STRING>, extra MAP<STRING, STRING>)
  WITH (KAFKA_TOPIC='clicks', KEY_FORMAT='KAFKA', VALUE_FORMAT='JSON');
CREATE TABLE users (id STRING PRIMARY KEY, name STRING, home STRUCT<city STRING, zip STRING>, "Level" INT)
  WITH (KAFKA_TOPIC='users', VALUE_FORMAT='JSON');
CREATE TABLE IF NOT EXISTS users (id STRING PRIMARY KEY) WITH (KAFKA_TOPIC='other', VALUE_FORMAT='JSON');

/* Each record by itself. */
CREATE STREAM slow AS
  SELECT id, UCASE(page) AS page, ms / 1000.0 AS seconds, tags[1] AS first_tag, extra['ref'] AS ref, ROWTIME AS at
  FROM clicks
  WHERE ms BETWEEN 1000 AND 60000 AND NOT page LIKE '/health%' AND user_id IN ('ann', 'bob');

-- Keyed by something else.
CREATE STREAM by_user WITH (KAFKA_TOPIC='by_user', PARTITIONS=6) AS
  SELECT * FROM clicks PARTITION BY user_id EMIT CHANGES;

-- Events put together.
CREATE TABLE pages AS
  SELECT page, COUNT(*) AS visits, SUM(ms) / COUNT(*) AS mean_ms, MAX(ms) - MIN(ms) AS spread
  FROM clicks
  GROUP BY page
  HAVING COUNT(*) > 10
  EMIT CHANGES;

-- Rows put together.
CREATE TABLE cities AS
  SELECT home->city AS city, COUNT(*) AS people, COLLECT_LIST(name) AS names
  FROM users
  WHERE "Level" >= 2
  GROUP BY home->city;

-- Events beside the row that is there when they come.
CREATE STREAM named AS
  SELECT c.user_id, c.page, u.name, COALESCE(u."Level", 0) AS level,
         CASE WHEN u.name IS NULL THEN 'stranger' WHEN u."Level" > 5 THEN 'friend' ELSE 'guest' END AS kind
  FROM clicks c
  LEFT OUTER JOIN users u ON c.user_id = u.id;

-- Rows side by side.
CREATE TABLE homes (id STRING PRIMARY KEY, home STRUCT<city STRING, zip STRING>) WITH (KAFKA_TOPIC='homes', VALUE_FORMAT='JSON');
CREATE OR REPLACE TABLE cards AS
  SELECT u.id, u.name, h.home->city AS city,
         STRUCT(`name` := u.name, pair := ARRAY[u.name, h.home->zip], m := MAP('a' := 1, 'b' := 2.5)) AS s
  FROM users u JOIN homes h ON u.id = h.id
  WHERE h.home IS NOT NULL;
