use std::sync::Arc;

use anyhow::bail;
use millstream_avro_codec::{AvroBorrowed, Registry, value_subject};
use millstream_kafka_log::{KafkaLog, KafkaWorld};
use millstream_ports::{PortError, Utf8, World};
use millstream_runtime::{Output, Traces};
use millstream_sled_table::SledTable;
use millstream_storefront::wire::PROMPT_SCHEMA;
use millstream_storefront::{Answers, PromptShape, RecommendationShape, Search, open_search};
use millstream_telemetry::Spans;

use crate::settings::ClientSettings;

/// Properties that suit a person at a prompt, unless the settings have others.
const DEFAULTS: [(&str, &str, &str); 2] = [
    // A prompt that can't be sent is given up sooner than librdkafka would.
    ("producer", "message.timeout.ms", "30000"),
    // The ends of partitions are asked over the connection that also waits for records, so that the start would take
    // one such wait a partition.
    ("consumer", "fetch.wait.max.ms", "50"),
];

type ClientWorld = KafkaWorld<SledTable>;

/// Prompts by their text, in Avro, to Kafka.
pub(crate) type ClientSearch = Search<ClientWorld, AvroBorrowed<PromptShape>>;
/// Recommendations in Avro, from Kafka.
pub(crate) type ClientAnswers = Answers<ClientWorld, AvroBorrowed<RecommendationShape>>;

pub(crate) fn open(settings: &ClientSettings) -> anyhow::Result<(ClientSearch, ClientAnswers)> {
    let world = world(settings)?;
    let (prompts, recommendations) = (&settings.prompts, &settings.recommendations);
    let topics = [prompts.clone(), recommendations.clone()];
    for (topic, found) in topics.iter().zip(world.describe_topics(&topics)?) {
        if found.is_none() {
            bail!(
                "topic '{topic}' does not exist at {}; create it with 'make create-topics'",
                settings.brokers
            );
        }
    }
    let registry = Registry::new(settings.registry_url.reveal())?;
    let prompt = AvroBorrowed::writer(&registry, &value_subject(prompts.as_str()), PROMPT_SCHEMA)?;
    let output = Output::new(prompts.as_str(), Utf8, prompt);
    let reader = AvroBorrowed::reader(&registry);
    let (search, answers) = open_search(&world, &settings.user, output, recommendations, reader)?;
    let spans = settings.spans.as_ref().map(Spans::start).transpose()?;
    let traces = Traces::from(spans.map(Arc::new));
    Ok((search.traced(traces), answers))
}

fn world(settings: &ClientSettings) -> anyhow::Result<ClientWorld> {
    let mut properties = settings.kafka.clone();
    for (kind, name, value) in DEFAULTS {
        if !properties.contains_key(name) {
            properties.entry(format!("{kind}.{name}")).or_insert_with(|| value.to_owned());
        }
    }
    let kafka = KafkaLog::new(&settings.brokers).with_properties(properties)?;
    Ok(KafkaWorld::new(kafka, |_| Err(PortError::stop("the client keeps no tables"))))
}
