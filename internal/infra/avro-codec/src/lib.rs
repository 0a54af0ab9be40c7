//! Avro in the Confluent wire format, with schemas kept in a Schema Registry.
