-- Who asked for what is offered by exactly that name.
CREATE STREAM prompts (prompt_key STRING KEY) WITH (KAFKA_TOPIC='asked', VALUE_FORMAT='AVRO');
CREATE TABLE products (id STRING PRIMARY KEY) WITH (KAFKA_TOPIC='offered', VALUE_FORMAT='AVRO');
CREATE TABLE searches WITH (KEY_FORMAT='AVRO') AS
  SELECT user, prompt, LATEST_BY_OFFSET(asked_at) AS asked_at FROM prompts GROUP BY user, prompt EMIT CHANGES;
CREATE TABLE offers AS
  SELECT name, COLLECT_LIST(STRUCT(`id` := id, `name` := name, `price` := price->amount)) AS products
  FROM products GROUP BY name HAVING COUNT(*) > 0 EMIT CHANGES;
CREATE TABLE recommendations WITH (KAFKA_TOPIC='recommended', KEY_FORMAT='AVRO') AS
  SELECT s.user, s.prompt, AS_VALUE(s.user) AS `user`, AS_VALUE(s.prompt) AS `prompt`, o.products AS `products`
  FROM searches s JOIN offers o ON s.prompt = o.name EMIT CHANGES;
