-- Recommendations: for each prompt that a user has searched for, the products of exactly that name.
--
-- A recommendation changes when a prompt comes, and when a product of its name comes, changes, is renamed or goes.

CREATE STREAM prompts (prompt_key STRING KEY)
  WITH (KAFKA_TOPIC='analytic_products_find', VALUE_FORMAT='AVRO');

CREATE TABLE products (id STRING PRIMARY KEY)
  WITH (KAFKA_TOPIC='analytic_products_filtered', VALUE_FORMAT='AVRO');

-- What each user has asked for, and when last.
CREATE TABLE searches
  WITH (KAFKA_TOPIC='personal_recom_searches', KEY_FORMAT='AVRO') AS
  SELECT user, prompt, LATEST_BY_OFFSET(asked_at) AS asked_at
  FROM prompts
  GROUP BY user, prompt
  EMIT CHANGES;

-- What goes by each name, every product once, as it was last seen.
CREATE TABLE offers
  WITH (KAFKA_TOPIC='personal_recom_offers') AS
  SELECT
    name,
    COLLECT_LIST(STRUCT(
      `id` := id,
      `name` := name,
      `price` := price->amount,
      `currency` := price->currency,
      `brand` := brand,
      `store_id` := store_id
    )) AS products
  FROM products
  GROUP BY name
  HAVING COUNT(*) > 0
  EMIT CHANGES;

CREATE TABLE personal_recom
  WITH (KAFKA_TOPIC='personal_recom', KEY_FORMAT='AVRO') AS
  SELECT
    s.user,
    s.prompt,
    AS_VALUE(s.user) AS `user`,
    AS_VALUE(s.prompt) AS `prompt`,
    o.products AS `products`,
    s.asked_at AS `asked_at`
  FROM searches s
  JOIN offers o ON s.prompt = o.name
  EMIT CHANGES;
