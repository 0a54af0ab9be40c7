use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use millstream_model::{
    HeaderSource, Headers, NoHeaders, Offset, Partition, RecordView, Timestamp, TopicName,
};

use crate::{Outlet, SendRecord, Tag, Tail, TopicSpec, World};

mod group;
mod membership;
mod outlet;
mod tail;
mod topics;
mod transactions;

/// How long one poll waits.
const WAIT: Duration = Duration::from_millis(50);

/// Polls after which a suite gives up waiting: two minutes where each of them waits.
const POLLS_MAX: usize = 2_400;

/// Puts a world's log through what [`Outlet`], [`crate::GroupLog`], [`Tail`] and the topics' half of [`World`] promise.
///
/// The topics and groups it makes begin with `prefix`, which nothing else may use.
pub fn log<W: World>(world: &W, prefix: &str) {
    let stage = Stage { world, prefix };
    let parts =
        [topics::suite, outlet::suite, tail::suite, group::suite, membership::suite, transactions::suite];
    for part in parts {
        part(&stage);
    }
}

/// Where a suite plays: a world, and names of its own.
struct Stage<'a, W> {
    world: &'a W,
    prefix: &'a str,
}

impl<W: World> Stage<'_, W> {
    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn topic_name(&self, name: &str) -> TopicName {
        TopicName::new(self.name(name)).unwrap()
    }

    /// A new topic.
    fn topic(&self, name: &str, partitions: u32) -> TopicName {
        let name = self.topic_name(name);
        let spec = TopicSpec { name: name.clone(), partitions, replication: None, settings: BTreeMap::new() };
        self.world.create_topic(&spec).unwrap();
        name
    }

    /// Writes `count` records to each of the partitions; values are numbers from 0.
    fn fill(&self, topic: &TopicName, partitions: u32, count: u32) {
        let mut outlet = self.world.outlet(&self.name("fill")).unwrap();
        for number in 0..count {
            for partition in (0..partitions).map(Partition::new) {
                let value = number.to_string();
                outlet.send(&record(topic, partition, value.as_bytes())).unwrap();
            }
        }
        outlet.settle().unwrap();
    }

    /// Writes to each of these topics as [`Stage::fill`] does.
    fn fill_all(&self, topics: &[TopicName], partitions: u32, count: u32) {
        for topic in topics {
            self.fill(topic, partitions, count);
        }
    }
}

/// A record with a value and nothing else.
fn record<'a>(topic: &'a TopicName, partition: Partition, value: &'a [u8]) -> SendRecord<'a> {
    let (headers, partition) = (&NoHeaders, Some(partition));
    SendRecord { topic, partition, key: None, value: Some(value), headers, timestamp: None, tag: Tag::NONE }
}

/// A record as it was read, to be kept.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    topic: usize,
    partition: Partition,
    offset: Offset,
    timestamp: Timestamp,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Headers,
}

impl Seen {
    fn of(record: &RecordView<'_>) -> Self {
        Self {
            topic: record.topic,
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: Headers::copy_of(record.headers as &dyn HeaderSource),
        }
    }
}

/// The offsets that were seen of each topic's partition, in the order they came.
fn offsets(seen: &[Seen]) -> BTreeMap<(usize, Partition), Vec<i64>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for each in seen {
        all.entry((each.topic, each.partition)).or_default().push(each.offset.0);
    }
    all
}

/// One poll of a tail.
fn read<T: Tail>(tail: &mut T, seen: &mut Vec<Seen>) {
    tail.poll(WAIT, 100, |record| {
        seen.push(Seen::of(&record));
        ControlFlow::Continue(())
    })
    .unwrap();
}

/// Takes steps until one of them answers `true`.
fn until(what: &str, mut step: impl FnMut() -> bool) {
    assert!((0..POLLS_MAX).any(|_| step()), "waited in vain until {what}");
}

/// Takes steps enough for anything that is on its way to arrive.
fn a_while(mut step: impl FnMut()) {
    (0..20).for_each(|_| step());
}
