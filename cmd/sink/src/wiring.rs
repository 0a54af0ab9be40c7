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

/// A topic's group. Members share partitions, so they must have the same tables in mind: its name has the database in it, and
/// what tells it from another of that name. Two addresses of one database make two groups, which is waste and no harm.
fn group(settings: &SinkSettings, database: &Database, topic: &TopicName) -> String {
    let place = || {
        let identity = format!("{} {}", database.identity(), settings.schema);
        format!("sink-{}-{}-{:08x}", database.name(), settings.schema, fingerprint(&identity))
    };
    format!("{}-{topic}", settings.group.clone().unwrap_or_else(place))
}

/// The 32-bit FNV-1a hash of a text: the same in every version and on every machine.
fn fingerprint(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn dead_letters(topic: &TopicName) -> anyhow::Result<TopicName> {
    Ok(TopicName::new(format!("sink-{topic}-dead-letters"))?)
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
    let letters = topics.iter().map(dead_letters).collect::<Result<Vec<_>, _>>()?;
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
    let name = group(settings, database, topic);
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
        dead_letters: dead_letters(topic)?,
        keys: Arc::new(Keys::new(registry, topic)),
        values: Arc::new(AvroWhole::new(registry, topic, Side::Value)),
    };
    Ok(Replicator::new(plan, group, tail, PostgresTable::new(database.clone(), target)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_never_changes() {
        // From the test vectors of the hash's authors.
        for (text, hash) in [("", 0x811c_9dc5), ("a", 0xe40c_292c), ("foobar", 0xbf9c_f968)] {
            assert_eq!(fingerprint(text), hash);
        }
    }

    #[test]
    fn groups_are_shared_by_those_who_write_the_same_tables() {
        let database = |dsn: &str| Database::at(dsn).unwrap().identity();
        let one = database("postgres://ann:pw@db:5432/shop");
        assert_eq!(one, database("postgres://bob:other@db:5432/shop?sslmode=disable"));
        for other in [
            "postgres://ann:pw@db:5433/shop",
            "postgres://ann:pw@db2:5432/shop",
            "postgres://ann:pw@db:5432/ship",
        ] {
            assert_ne!(one, database(other));
        }
        assert!(!one.contains("pw") && !one.contains("ann"));
    }
}
