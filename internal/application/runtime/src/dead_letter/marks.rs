use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use millstream_model::{NoHeaders, Offset, Partition, RecordView, TopicName};
use millstream_ports::{Action, Outlet, PortError, SendRecord, Start, Tag, Tail, TopicSpec, World};

/// Waiting for records, and for transactions to be decided.
const POLL_WAIT: Duration = Duration::from_millis(50);

const BATCH_RECORDS_MAX: usize = 1_000;

/// Which letters of a topic were replayed: a compacted topic beside it, with an entry a letter.
pub(super) struct Marks {
    topic: TopicName,
    replayed: BTreeSet<Vec<u8>>,
}

fn place(partition: Partition, offset: Offset) -> Vec<u8> {
    format!("{partition}@{offset}").into_bytes()
}

impl Marks {
    pub(super) fn name(letters: &TopicName) -> Result<TopicName, PortError> {
        TopicName::new(format!("{letters}-replayed"))
            .map_err(|error| PortError::stop("the dead letters' topic has too long a name").because(error))
    }

    /// Reads which letters were replayed. Where none ever was, the topic is made if so told.
    pub(super) fn read<W: World>(world: &W, letters: &TopicName, makes: bool) -> Result<Self, PortError> {
        let topic = Self::name(letters)?;
        let mut replayed = BTreeSet::new();
        if width(world, &topic)?.is_some() {
            read_all(world, &topic, &[Partition::new(0)], |record| {
                replayed.extend(record.key.map(<[u8]>::to_vec));
                Ok(())
            })?;
        } else if makes {
            let settings = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
            world.create_topic(&TopicSpec {
                name: topic.clone(),
                partitions: 1,
                replication: None,
                settings,
            })?;
        }
        Ok(Self { topic, replayed })
    }

    pub(super) fn has(&self, record: &RecordView<'_>) -> bool {
        self.replayed.contains(&place(record.partition, record.offset))
    }

    /// Marks a letter, in the transaction that replays it.
    pub(super) fn mark(
        &self,
        log: &mut impl Outlet,
        (partition, offset): (Partition, Offset),
    ) -> Result<(), PortError> {
        log.send(&SendRecord {
            topic: &self.topic,
            partition: Some(Partition::new(0)),
            key: Some(&place(partition, offset)),
            value: Some(b"replayed"),
            headers: &NoHeaders,
            timestamp: None,
            tag: Tag::NONE,
        })
    }
}

/// How many partitions a topic has, if there is one.
pub(super) fn width<W: World>(world: &W, topic: &TopicName) -> Result<Option<u32>, PortError> {
    let found = world.describe_topics(std::slice::from_ref(topic))?.into_iter().flatten().next();
    Ok(found.map(|topic| topic.partitions))
}

/// Reads partitions of a topic from the oldest record kept to their ends as of now.
pub(super) fn read_all<W: World>(
    world: &W,
    topic: &TopicName,
    partitions: &[Partition],
    mut each: impl FnMut(&RecordView<'_>) -> Result<(), PortError>,
) -> Result<(), PortError> {
    let mut tail = world.tail(&format!("{topic}-reader"), std::slice::from_ref(topic))?;
    let mut ends = Vec::new();
    for partition in partitions {
        ends.push((*partition, begin(&mut tail, *partition)?));
    }
    let mut failure = None;
    while !has_all(&tail, &ends)? {
        tail.poll(POLL_WAIT, BATCH_RECORDS_MAX, |record| {
            let is_before =
                ends.iter().any(|(partition, end)| *partition == record.partition && record.offset < *end);
            match if is_before { each(&record) } else { Ok(()) } {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failure.get_or_insert(error);
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(error) = failure.take() {
            return Err(error);
        }
    }
    Ok(())
}

/// Begins to read once nothing before the end is in doubt.
fn begin<T: Tail>(tail: &mut T, partition: Partition) -> Result<Offset, PortError> {
    loop {
        match tail.add(0, partition, Start::Earliest) {
            Ok((_, end)) => return Ok(end),
            Err(error) if error.action() == Action::Retry => {
                tail.poll(POLL_WAIT, 1, |_| ControlFlow::Continue(()))?;
            }
            Err(error) => return Err(error),
        }
    }
}

fn has_all<T: Tail>(tail: &T, ends: &[(Partition, Offset)]) -> Result<bool, PortError> {
    for (partition, end) in ends {
        if tail.position(0, *partition)? < *end {
            return Ok(false);
        }
    }
    Ok(true)
}
