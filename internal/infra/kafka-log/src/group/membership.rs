use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millstream_model::Partition;
use millstream_ports::Polled;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Statistics, TopicPartitionList};

use crate::client::{self, Complaints};

/// What the consumer's callbacks leave for the worker to find. They run on the worker's thread, inside its polls.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) complaints: Complaints,
    pub(crate) is_leaving: AtomicBool,
    events: Mutex<VecDeque<Event>>,
    lags: Mutex<HashMap<String, BTreeMap<i32, u64>>>,
}

/// What the group did.
pub(crate) struct Event {
    pub(crate) polled: Polled,
    /// Partitions that were assigned of some inputs and not of all. They are not in `polled`, and are not taken over.
    pub(crate) uneven: Vec<Partition>,
}

impl Shared {
    pub(crate) fn next_event(&self) -> Option<Event> {
        locked(&self.events).pop_front()
    }

    /// Notes that partitions are gone, before the group says so.
    pub(crate) fn lose(&self, partitions: Vec<Partition>) {
        let event = Event { polled: Polled::Lost(partitions), uneven: Vec::new() };
        locked(&self.events).push_back(event);
    }

    pub(crate) fn lag(&self, topic: &str, partition: Partition) -> Option<u64> {
        locked(&self.lags).get(topic)?.get(&partition.as_i32()).copied()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) struct GroupContext {
    pub(crate) shared: Arc<Shared>,
    /// How many topics are subscribed to.
    pub(crate) topics: usize,
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.shared.complaints.hear(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let lags = statistics.topics.into_iter().map(|(name, topic)| {
            let lags =
                topic.partitions.iter().filter_map(|(number, partition)| Some((*number, lag(partition)?)));
            (name, lags.collect())
        });
        *locked(&self.shared.lags) = lags.collect();
    }
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
        if self.shared.is_leaving.load(Ordering::Acquire) {
            // Nobody will answer any more, and without an answer the consumer does not close.
            let _ = consumer.unassign();
            return;
        }
        let (whole, uneven) = by_number(list, self.topics);
        let noted = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                Event { polled: Polled::Assigned(whole), uneven }
            }
            _ if consumer.assignment_lost() => Event { polled: Polled::Lost(whole), uneven: Vec::new() },
            _ => Event { polled: Polled::Revoked(whole), uneven: Vec::new() },
        };
        locked(&self.shared.events).push_back(noted);
    }
}

/// The numbers of the partitions in a list: those of all topics, and those of some.
fn by_number(list: &TopicPartitionList, topics: usize) -> (Vec<Partition>, Vec<Partition>) {
    let mut counts = BTreeMap::<_, usize>::new();
    for element in list.elements() {
        if let Ok(number) = Partition::try_from(element.partition()) {
            *counts.entry(number).or_default() += 1;
        }
    }
    let (whole, uneven): (Vec<_>, Vec<_>) = counts.into_iter().partition(|(_, count)| *count >= topics);
    let numbers = |counts: Vec<(Partition, usize)>| counts.into_iter().map(|(number, _)| number).collect();
    (numbers(whole), numbers(uneven))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_of_every_input_are_told_from_those_of_some() {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in [("a", 0), ("b", 0), ("a", 1), ("b", 1), ("a", 2)] {
            list.add_partition(topic, partition);
        }
        let [p0, p1, p2] = [0, 1, 2].map(Partition::new);
        assert_eq!(by_number(&list, 2), (vec![p0, p1], vec![p2]));
        assert_eq!(by_number(&list, 1), (vec![p0, p1, p2], vec![]));
    }

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
