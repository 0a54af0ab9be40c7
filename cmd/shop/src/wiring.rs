use std::sync::Arc;

use anyhow::bail;
use millstream_avro_codec::{AvroBorrowed, Registry, value_subject};
use millstream_kafka_log::{KafkaLog, KafkaWorld};
use millstream_ports::{PortError, Utf8, World};
use millstream_runtime::{Emitter, Output, Traces};
use millstream_sled_table::SledTable;
use millstream_storefront::ProductShape;
use millstream_storefront::wire::PRODUCT_SCHEMA;
use millstream_telemetry::Spans;

use crate::settings::ShopSettings;

/// Products by their ids as text, in Avro, to Kafka.
pub(crate) type ShopEmitter = Emitter<KafkaWorld<SledTable>, Utf8, AvroBorrowed<ProductShape>>;

pub(crate) fn emitter(settings: &ShopSettings) -> anyhow::Result<ShopEmitter> {
    let kafka = KafkaLog::new(&settings.brokers).with_properties(settings.kafka.clone())?;
    let world = KafkaWorld::new(kafka, |_| Err(PortError::stop("the shop keeps no tables")));
    let topic = &settings.topic;
    // Asked before the schema is registered, so that a mistaken name leaves nothing behind.
    if world.describe_topics(std::slice::from_ref(topic))?.iter().flatten().next().is_none() {
        bail!("topic '{topic}' does not exist at {}; create it with 'make create-topics'", settings.brokers);
    }
    let registry = Registry::new(settings.registry_url.reveal())?;
    let product = AvroBorrowed::writer(&registry, &value_subject(topic.as_str()), PRODUCT_SCHEMA)?;
    let spans = settings.spans.as_ref().map(Spans::start).transpose()?;
    let traces = Traces::from(spans.map(Arc::new));
    Ok(Emitter::open(&world, "shop", Output::new(topic.as_str(), Utf8, product))?.traced(traces))
}
