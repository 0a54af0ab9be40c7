use std::net::SocketAddr;

use anyhow::Context as _;
use millstream_kafka_log::{KafkaLog, KafkaWorld};
use millstream_registry::{Registry, Settings};

/// A schema registry over the Kafka at `brokers`, which may be the one in this process.
pub(crate) fn serve(brokers: &str, listen: SocketAddr, is_open: bool) -> anyhow::Result<Registry> {
    // Its journal is small, and its readers wait for each record.
    let swift = [("producer.linger.ms", "0"), ("producer.delivery.timeout.ms", "15000")];
    let properties = swift.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let world = KafkaWorld::without_tables(KafkaLog::new(brokers).with_properties(properties)?);
    let settings = Settings { is_open, ..Settings::at(listen.to_string()) };
    Registry::start(&world, &settings).context("can't serve schemas")
}
