use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use millstream_model::{Partition, TopicName};
use millstream_ports::{TableId, TableStore};
use millstream_sled_table::SledTables;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::audit::reader;
use crate::load::Model;
use crate::member::{GROUP, TABLE};
use crate::quiet::Quiet;

/// How long the changelog may take to be read.
const READ_WAIT: Duration = Duration::from_mins(2);

/// Rows by partition, key and text of the value.
type Rows = BTreeMap<String, String>;

/// How many keys of the group's table are not what the model says: in the changelog, and on the disks of the instances. Of
/// each partition some instance's disk must have all of it, as its last owner stopped cleanly.
pub(crate) fn wrong(brokers: &str, partitions: u32, folders: &[&Path], model: &Model) -> anyhow::Result<u64> {
    let changelog = read_changelog(brokers, partitions)?;
    let said: Rows = changelog.iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
    let expected: Rows = model.iter().map(|(key, count)| (key.clone(), count.to_string())).collect();
    let mut wrong = differences(&said, &expected);
    for (partition, rows) in (0..).zip(&changelog) {
        let stores = folders.iter().filter_map(|folder| stored(folder, partition));
        wrong += stores.map(|stored| differences(&stored, rows)).min().unwrap_or(rows.len() as u64);
    }
    Ok(wrong)
}

fn differences(one: &Rows, other: &Rows) -> u64 {
    let missing = other.keys().filter(|key| !one.contains_key(*key)).count();
    let changed = one.iter().filter(|(key, value)| other.get(*key) != Some(value)).count();
    (missing + changed) as u64
}

/// What a disk has of a partition; `None` when it can't be opened.
fn stored(folder: &Path, partition: u32) -> Option<Rows> {
    let id = TableId {
        owner: GROUP.to_owned(),
        table: TopicName::new(TABLE).ok()?,
        partition: Partition::new(partition),
    };
    let store = SledTables::at(folder).open(&id).ok()?;
    let mut rows = Rows::new();
    let mut each = |key: &[u8], value: &[u8]| {
        rows.insert(text(key), text(value));
        true
    };
    store.scan(b"", &mut each).ok()?;
    Some(rows)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The changelog's last value of each key, partition by partition.
fn read_changelog(brokers: &str, partitions: u32) -> anyhow::Result<Vec<Rows>> {
    let consumer = reader(brokers, true)?;
    let mut list = TopicPartitionList::new();
    for partition in 0..i32::try_from(partitions)? {
        list.add_partition_offset(TABLE, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let mut rows = vec![Rows::new(); partitions as usize];
    let (mut open, begun) = (partitions, Instant::now());
    while open > 0 {
        ensure!(begun.elapsed() < READ_WAIT, "the changelog could not be read to its end");
        open -= u32::from(reaches_end(&consumer, &mut rows)?);
    }
    Ok(rows)
}

/// Takes in a record; answers whether it was a partition's end instead.
fn reaches_end(consumer: &BaseConsumer<Quiet>, rows: &mut [Rows]) -> anyhow::Result<bool> {
    let message = match consumer.poll(Duration::from_secs(1)) {
        None => return Ok(false),
        Some(Err(KafkaError::PartitionEOF(_))) => return Ok(true),
        Some(message) => message?,
    };
    let rows = usize::try_from(message.partition()).ok().and_then(|place| rows.get_mut(place));
    let (Some(rows), Some(key)) = (rows, message.key()) else { return Ok(false) };
    match message.payload() {
        Some(value) => rows.insert(text(key), text(value)),
        None => rows.remove(&text(key)),
    };
    Ok(false)
}
