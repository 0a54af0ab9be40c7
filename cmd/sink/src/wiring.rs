use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use millstream_avro_codec::Registry;
use millstream_kafka_log::{KafkaGroup, KafkaLog, KafkaTail, KafkaWorld};
use millstream_model::TopicName;
use millstream_ports::{Delivery, Side, TopicSpec, World};
use millstream_postgres_sink::{Database, PostgresTable, Target};
use millstream_replication::{Plan, Replicator};
use millstream_sled_table::SledTable;

use crate::rows::{AvroWhole, Keys};
use crate::settings::{Route, SinkSettings};

/// Follows one topic.
pub(crate) type Follower = Replicator<KafkaGroup, KafkaTail, PostgresTable>;

/// A follower for each topic, once all topics are there.
pub(crate) fn followers(settings: &SinkSettings) -> anyhow::Result<Vec<Follower>> {
    let kafka = KafkaLog::new(settings.all.brokers()?).with_properties(settings.all.kafka_properties())?;
    let registry = Registry::new(settings.all.registry_url()?.reveal())?;
    let database = Database::at(settings.all.database_dsn()?.reveal())?;
    check_topics(&kafka, settings)?;
    let world = KafkaWorld::new(kafka, no_tables);
    settings.routes.iter().map(|route| follower(settings, &world, &registry, &database, route)).collect()
}

/// The world has no tables here: what the sink keeps is in the database.
fn no_tables(id: &millstream_ports::TableId) -> Result<SledTable, millstream_ports::PortError> {
    Err(millstream_ports::PortError::stop(format!("the sink keeps no table {}", id.table)))
}

fn group(settings: &SinkSettings, topic: &TopicName) -> String {
    format!("{}-{topic}", settings.group)
}

fn dead_letters(settings: &SinkSettings, topic: &TopicName) -> anyhow::Result<TopicName> {
    Ok(TopicName::new(format!("{}-dead-letters", group(settings, topic)))?)
}

/// All topics have to be there; those for dead letters are made.
fn check_topics(kafka: &KafkaLog, settings: &SinkSettings) -> anyhow::Result<()> {
    let topics: Vec<_> = settings.routes.iter().map(|route| route.topic.clone()).collect();
    let found = kafka.describe_topics(&topics)?;
    for (topic, found) in topics.iter().zip(found) {
        anyhow::ensure!(
            found.is_some(),
            "there is no topic '{topic}'; create it (the shop's: make create-topics)"
        );
    }
    let letters = topics.iter().map(|topic| dead_letters(settings, topic)).collect::<Result<Vec<_>, _>>()?;
    let found = kafka.describe_topics(&letters)?;
    for name in letters.into_iter().zip(found).filter(|(_, found)| found.is_none()).map(|(name, _)| name) {
        let settings = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
        kafka.create_topic(&TopicSpec { name, partitions: 1, replication: None, settings })?;
    }
    Ok(())
}

fn follower(
    settings: &SinkSettings,
    world: &KafkaWorld<SledTable>,
    registry: &Registry,
    database: &Database,
    route: &Route,
) -> anyhow::Result<Follower> {
    let topic = &route.topic;
    let name = group(settings, topic);
    let group = world
        .join_group(&name, 0, std::slice::from_ref(topic), Delivery::AtLeastOnce)
        .context("could not join the group")?;
    let tail = world.tail(&name, &[topic.clone(), topic.clone()])?;
    let target = Target {
        topic: topic.clone(),
        schema: settings.schema.clone(),
        table: route.table.clone(),
        key_column: route.key_column.clone(),
    };
    let plan = Plan {
        topic: topic.clone(),
        group: name,
        dead_letters: dead_letters(settings, topic)?,
        keys: Arc::new(Keys::new(registry, topic)),
        values: Arc::new(AvroWhole::new(registry, topic, Side::Value)),
    };
    Ok(Replicator::new(plan, group, tail, PostgresTable::new(database.clone(), target)))
}
