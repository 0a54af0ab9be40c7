use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use millstream_model::Partition;
use millstream_ports::Polled;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Statistics, TopicPartitionList};

use crate::client::{self, Complaints, locked};
use crate::failure::is_absence;

/// What the consumer's callbacks leave for the worker to find. They run on the worker's thread, inside its polls.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) complaints: Complaints,
    pub(crate) is_leaving: AtomicBool,
    doubts_inputs: AtomicBool,
    was_reset: AtomicBool,
    events: Mutex<VecDeque<Polled>>,
    lags: Mutex<HashMap<String, BTreeMap<i32, u64>>>,
    statistics: AtomicU64,
}

impl Shared {
    pub(crate) fn next_event(&self) -> Option<Polled> {
        locked(&self.events).pop_front()
    }

    /// Whether the inputs looked as if they had different numbers of partitions, or one were gone, since this was last asked.
    pub(crate) fn doubts_inputs(&self) -> bool {
        self.doubts_inputs.swap(false, Ordering::AcqRel)
    }

    /// Has the inputs looked at.
    pub(crate) fn doubt_inputs(&self) {
        self.doubts_inputs.store(true, Ordering::Release);
    }

    /// What a client complains of may be that an input is not there.
    pub(crate) fn weigh(&self, error: &KafkaError) {
        if is_absence(error) {
            self.doubt_inputs();
        }
    }

    /// What the client says of positions that a topic does not have it says in its own words, and goes on.
    fn tell_reset(&self, facility: &str, message: &str) {
        let is_reset = facility == "OFFSET" && message.contains("out of range");
        if is_reset && !self.was_reset.swap(true, Ordering::AcqRel) {
            tracing::warn!(
                "the group's position is not in its topic: records were deleted before they were processed (see retention.ms and \
                 retention.bytes), or the topic was made anew; it is read on as auto.offset.reset says"
            );
        }
    }

    /// Notes that partitions are gone, before the group says so.
    pub(crate) fn lose(&self, partitions: Vec<Partition>) {
        locked(&self.events).push_back(Polled::Lost(partitions));
    }

    /// How many statistics were told so far.
    pub(crate) fn statistics(&self) -> u64 {
        self.statistics.load(Ordering::Acquire)
    }

    pub(crate) fn lag(&self, topic: &str, partition: Partition) -> Option<u64> {
        locked(&self.lags).get(topic)?.get(&partition.as_i32()).copied()
    }
}

pub(crate) struct GroupContext {
    pub(crate) shared: Arc<Shared>,
    /// The topics that are read.
    pub(crate) inputs: Vec<String>,
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
        self.shared.tell_reset(facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.shared.weigh(&error);
        self.shared.complaints.hear(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let width = |topic: &String| {
            Some(statistics.topics.get(topic)?.partitions.values().filter(|one| exists(one)).count())
        };
        let widths: BTreeSet<_> = self.inputs.iter().filter_map(width).filter(|width| *width > 0).collect();
        if widths.len() > 1 {
            self.shared.doubt_inputs();
        }
        let lags = statistics.topics.into_iter().map(|(name, topic)| {
            let lags =
                topic.partitions.iter().filter_map(|(number, partition)| Some((*number, lag(partition)?)));
            (name, lags.collect())
        });
        *locked(&self.shared.lags) = lags.collect();
        self.shared.statistics.fetch_add(1, Ordering::Release);
    }
}

/// The statistics list partitions that are asked for and are not there, and one that stands for none.
fn exists(partition: &rdkafka::statistics::Partition) -> bool {
    partition.partition >= 0 && !partition.unknown
}

/// How far the reader is from the end. librdkafka's own figure counts from what was committed, and so knows none before.
fn lag(partition: &rdkafka::statistics::Partition) -> Option<u64> {
    if partition.fetch_state != "active" || partition.ls_offset < 0 {
        return None;
    }
    // With nothing queued, all that was fetched was handed over, markers of transactions included.
    let fetched = if partition.fetchq_cnt == 0 { partition.next_offset } else { -1 };
    let position = partition.app_offset.max(fetched);
    let position = if position < 0 { partition.committed_offset.max(partition.lo_offset) } else { position };
    (position >= 0).then(|| u64::try_from(partition.ls_offset - position).unwrap_or(0))
}

impl ConsumerContext for GroupContext {
    /// Only notes what happens: the group waits until the worker has committed, and answers by `accept` or `release`.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = numbers(list);
        if partitions.is_empty() || self.shared.is_leaving.load(Ordering::Acquire) {
            // Nothing changes for this member, or it goes: nobody else answers.
            let nothing = TopicPartitionList::new();
            let _ = match event {
                RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => consumer.incremental_assign(&nothing),
                _ => consumer.incremental_unassign(&nothing),
            };
            return;
        }
        let noted = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Polled::Assigned(partitions),
            _ if consumer.assignment_lost() => Polled::Lost(partitions),
            _ => Polled::Revoked(partitions),
        };
        locked(&self.shared.events).push_back(noted);
    }
}

/// The numbers of the partitions in a list.
fn numbers(list: &TopicPartitionList) -> Vec<Partition> {
    let all = list.elements();
    let numbers: BTreeSet<_> =
        all.iter().filter_map(|one| Partition::try_from(one.partition()).ok()).collect();
    numbers.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_counted_from_what_was_handed_over() {
        let of = |app, committed, next, queued, low, end| {
            lag(&rdkafka::statistics::Partition {
                fetch_state: "active".to_owned(),
                app_offset: app,
                committed_offset: committed,
                next_offset: next,
                fetchq_cnt: queued,
                lo_offset: low,
                ls_offset: end,
                ..Default::default()
            })
        };
        assert_eq!(of(-1001, -1001, -1001, 0, 0, -1001), None, "no end is known yet");
        assert_eq!(of(-1001, -1001, 8, 8, 0, 8), Some(8), "all is queued");
        assert_eq!(of(-1001, 5, 8, 3, 0, 8), Some(3), "all since the commit is queued");
        assert_eq!(of(6, 5, 8, 2, 0, 8), Some(2));
        assert_eq!(of(8, -1001, 9, 0, 0, 9), Some(0), "the last is a marker, which is never handed over");
        let paused =
            rdkafka::statistics::Partition { fetch_state: "stopped".to_owned(), ..Default::default() };
        assert_eq!(lag(&paused), None);
    }
}
