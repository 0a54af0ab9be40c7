-- Cards whose number was mistyped, told by a function that is a script: luhn.rhai.
--   rules run rules/functions --functions rules/functions

CREATE STREAM cards (id STRING KEY, number STRING)
  WITH (KAFKA_TOPIC='cards', VALUE_FORMAT='JSON', PARTITIONS=6);

CREATE STREAM mistyped_cards
  WITH (KAFKA_TOPIC='mistyped_cards') AS
  SELECT id, number FROM cards WHERE NOT luhn(number) EMIT CHANGES;
