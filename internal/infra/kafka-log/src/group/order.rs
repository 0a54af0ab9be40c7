use std::collections::BTreeMap;

use millstream_model::{Offset, Partition};
use millstream_ports::PortError;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;

use super::{KafkaGroup, POSITION_WAIT};
use crate::failure::passes;

/// Statistics after which those count that were made before a partition was read at all.
const STALE_STATISTICS: u64 = 2;

/// Inputs that are read up to their ends before others are read at all.
#[derive(Default)]
pub(super) struct Order {
    pub(super) first: Vec<usize>,
    pub(super) later: Vec<usize>,
    awaited: BTreeMap<Partition, Awaited>,
}

/// What a partition's later inputs wait for.
struct Awaited {
    /// Where the first inputs ended when reading began, as far as they have not come there.
    ends: Vec<(usize, Offset)>,
    /// How many statistics had been told then.
    since: u64,
}

impl Order {
    /// Whether an input of a partition is not handed to the client yet.
    pub(super) fn holds(&self, topic: usize, partition: Partition) -> bool {
        self.awaited.contains_key(&partition) && self.later.contains(&topic)
    }

    pub(super) fn forget(&mut self, partition: Partition) {
        self.awaited.remove(&partition);
    }
}

impl KafkaGroup {
    /// Has the later inputs of a partition wait for the first ones, unless those are at their ends. Answers whether that is
    /// to be known: what passes is asked for again.
    pub(super) fn hold_back(&mut self, partition: Partition) -> Result<bool, PortError> {
        let mut ends = Vec::new();
        for topic in self.order.first.clone() {
            match self.end_ahead(topic, partition) {
                Ok(end) => ends.extend(end.map(|end| (topic, end))),
                Err(error) if passes(&error) => return Ok(false),
                Err(error) => return Err(self.refused("see where its inputs end")(error)),
            }
        }
        if !ends.is_empty() {
            self.order.awaited.insert(partition, Awaited { ends, since: self.shared.statistics() });
        }
        Ok(true)
    }

    /// Where an input ends, if the group has not come there.
    fn end_ahead(
        &self,
        topic: usize,
        partition: Partition,
    ) -> Result<Option<Offset>, rdkafka::error::KafkaError> {
        let (Some(name), Some(consumer)) = (self.inputs.get(topic), &self.consumer) else { return Ok(None) };
        let (begin, end) = consumer.fetch_watermarks(name.as_str(), partition.as_i32(), POSITION_WAIT)?;
        let mut list = TopicPartitionList::new();
        list.add_partition(name.as_str(), partition.as_i32());
        let committed = consumer.committed_offsets(list, POSITION_WAIT)?;
        let committed = committed.elements().iter().find_map(|element| match element.offset() {
            rdkafka::Offset::Offset(next) => Some(next),
            _ => None,
        });
        Ok((committed.unwrap_or(begin).max(begin) < end).then_some(Offset(end)))
    }

    /// Reads the later inputs of partitions whose first ones have come to where they ended.
    pub(super) fn let_go(&mut self) -> Result<(), PortError> {
        if self.order.awaited.is_empty() || self.is_paused || self.is_going {
            return Ok(());
        }
        let positions = self.consumer()?.position().map_err(self.refused("see where it reads"))?;
        let is_ready = |(partition, awaited): &(&Partition, &Awaited)| {
            awaited.ends.iter().all(|(topic, end)| {
                self.has_come(&positions, *topic, **partition, *end)
                    || self.is_at_end(*topic, **partition, awaited)
            })
        };
        let ready: Vec<_> =
            self.order.awaited.iter().filter(is_ready).map(|(partition, _)| *partition).collect();
        if ready.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for partition in ready {
            self.order.forget(partition);
            for name in self.order.later.iter().filter_map(|topic| self.inputs.get(*topic)) {
                list.add_partition(name.as_str(), partition.as_i32());
            }
        }
        self.consumer()?.incremental_assign(&list).map_err(self.refused("start reading"))
    }

    fn has_come(
        &self,
        positions: &TopicPartitionList,
        topic: usize,
        partition: Partition,
        end: Offset,
    ) -> bool {
        let Some(name) = self.inputs.get(topic) else { return true };
        let place = positions.find_partition(name.as_str(), partition.as_i32());
        place.is_some_and(|place| matches!(place.offset(), rdkafka::Offset::Offset(next) if next >= end.0))
    }

    /// Positions stand still before markers of transactions and what compaction has taken out; the statistics know better.
    fn is_at_end(&self, topic: usize, partition: Partition, awaited: &Awaited) -> bool {
        let is_new = self.shared.statistics() >= awaited.since + STALE_STATISTICS;
        let lag = self.inputs.get(topic).and_then(|name| self.shared.lag(name.as_str(), partition));
        is_new && lag == Some(0)
    }
}
