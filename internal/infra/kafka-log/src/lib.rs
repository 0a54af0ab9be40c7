//! Apache Kafka through librdkafka, as the log.
