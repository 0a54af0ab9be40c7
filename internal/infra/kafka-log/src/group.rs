use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millstream_model::{Offset, Partition, RecordView, TopicName};
use millstream_ports::{GroupLog, Outlet, Polled, PortError, SendRecord, Tag, Tally};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Message, Statistics, TopicPartitionList};

use crate::failure::{passes, port_error};
use crate::outlet::KafkaOutlet;
use crate::view::{TopicIndex, lend};
use crate::{KafkaLog, client};

/// A member of a consumer group, and the producer that writes what it makes of the records.
pub struct KafkaGroup {
    consumer: Option<BaseConsumer<GroupContext>>,
    context: Arc<Shared>,
    outlet: KafkaOutlet,
    topics: TopicIndex,
    group: String,
}

/// What the consumer's callbacks leave for the worker to find.
#[derive(Default)]
struct Shared {
    events: Mutex<VecDeque<Polled>>,
    lags: Mutex<HashMap<(String, i32), i64>>,
    is_leaving: AtomicBool,
}

struct GroupContext(Arc<Shared>);

impl ClientContext for GroupContext {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, "{reason}");
    }

    fn stats(&self, statistics: Statistics) {
        let mut lags = locked(&self.0.lags);
        lags.clear();
        for (name, topic) in statistics.topics {
            let known = topic.partitions.into_iter().filter(|(_, partition)| partition.consumer_lag >= 0);
            lags.extend(known.map(|(number, partition)| ((name.clone(), number), partition.consumer_lag)));
        }
    }
}

impl ConsumerContext for GroupContext {
    /// Only notes what happens: the group waits until the worker has committed, and answers by `accept` or `release`.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if self.0.is_leaving.load(Ordering::Acquire) {
            let _ = give_up(consumer, list);
            return;
        }
        let numbers = list
            .elements()
            .iter()
            .filter_map(|element| Partition::try_from(element.partition()).ok())
            .collect::<BTreeSet<_>>();
        let partitions: Vec<_> = numbers.into_iter().collect();
        let noted = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Polled::Assigned(partitions),
            _ if consumer.assignment_lost() => Polled::Lost(partitions),
            _ => Polled::Revoked(partitions),
        };
        locked(&self.0.events).push_back(noted);
    }
}

fn give_up(consumer: &BaseConsumer<GroupContext>, list: &TopicPartitionList) -> Result<(), KafkaError> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl KafkaGroup {
    pub(crate) fn join(
        log: &KafkaLog,
        group: &str,
        instance: usize,
        inputs: &[TopicName],
    ) -> Result<Self, PortError> {
        let name = format!("{group}-{instance}");
        let context = Arc::new(Shared::default());
        let config = log.consumer(group, &name);
        let attempt = || format!("could not join group '{group}'");
        let consumer: BaseConsumer<GroupContext> = config
            .create_with_context(GroupContext(context.clone()))
            .map_err(|error| port_error(attempt(), &error))?;
        let names: Vec<_> = inputs.iter().map(TopicName::as_str).collect();
        consumer.subscribe(&names).map_err(|error| port_error(attempt(), &error))?;
        let outlet = KafkaOutlet::open(log, &name)?;
        let topics = TopicIndex::new(inputs);
        Ok(Self { consumer: Some(consumer), context, outlet, topics, group: group.to_owned() })
    }

    fn consumer(&self) -> Result<&BaseConsumer<GroupContext>, PortError> {
        self.consumer.as_ref().ok_or_else(|| PortError::stop(format!("group '{}' was left", self.group)))
    }

    fn list(&self, partitions: &[Partition]) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for topic in self.topics.names() {
            for partition in partitions {
                list.add_partition(topic.as_str(), partition.as_i32());
            }
        }
        list
    }

    fn refused(&self, deed: &str) -> impl Fn(KafkaError) -> PortError {
        let attempt = format!("group '{}' could not {deed}", self.group);
        move |error| port_error(attempt.clone(), &error)
    }
}

impl GroupLog for KafkaGroup {
    fn poll<F>(&mut self, wait: Duration, max: usize, mut each: F) -> Result<Polled, PortError>
    where
        F: FnMut(RecordView<'_>) -> ControlFlow<()>,
    {
        let Some(consumer) = &self.consumer else {
            return Err(PortError::stop(format!("group '{}' was left", self.group)));
        };
        let (mut count, mut patience) = (0, wait);
        while count < max {
            if let Some(event) = locked(&self.context.events).pop_front() {
                // Records before it were processed; the event waits until they are, in the next call.
                if count > 0 {
                    locked(&self.context.events).push_front(event);
                    break;
                }
                return Ok(event);
            }
            let message = match consumer.poll(patience) {
                None => {
                    if locked(&self.context.events).is_empty() {
                        break;
                    }
                    continue;
                }
                Some(Ok(message)) => message,
                Some(Err(error)) if passes(&error) => {
                    tracing::warn!(group = self.group, %error, "the consumer reports a fault, and goes on");
                    break;
                }
                Some(Err(error)) => {
                    return Err(port_error(format!("group '{}' can't read its inputs", self.group), &error));
                }
            };
            patience = Duration::ZERO;
            let Some(topic) = self.topics.find(message.topic()) else { continue };
            count += 1;
            if lend(&message, topic, &mut each).is_some_and(|flow| flow.is_break()) {
                break;
            }
        }
        // Acknowledgements are taken in as records come, so that their queue stays short.
        self.outlet.tend();
        Ok(Polled::Records(count))
    }

    fn accept(&mut self, partitions: &[Partition]) -> Result<(), PortError> {
        let (consumer, list) = (self.consumer()?, self.list(partitions));
        let assigned = match consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => consumer.incremental_assign(&list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(&list),
        };
        assigned.and_then(|()| consumer.pause(&list)).map_err(self.refused("take its partitions over"))
    }

    fn start(&mut self, partition: Partition) -> Result<(), PortError> {
        let list = self.list(&[partition]);
        self.consumer()?.resume(&list).map_err(self.refused("start reading a partition"))
    }

    fn release(&mut self, partitions: &[Partition]) -> Result<(), PortError> {
        let list = self.list(partitions);
        give_up(self.consumer()?, &list).map_err(self.refused("give its partitions up"))
    }

    fn commit(&mut self, positions: &[(usize, Partition, Offset)]) -> Result<(), PortError> {
        let mut list = TopicPartitionList::new();
        for (topic, partition, next) in positions {
            let Some(name) = self.topics.names().get(*topic) else { continue };
            list.add_partition_offset(name.as_str(), partition.as_i32(), rdkafka::Offset::Offset(next.0))
                .map_err(self.refused("commit"))?;
        }
        self.consumer()?.commit(&list, CommitMode::Sync).map_err(self.refused("commit"))
    }

    fn lag(&self, topic: usize, partition: Partition) -> Option<u64> {
        let name = self.topics.names().get(topic)?;
        let lag = locked(&self.context.lags).get(&(name.as_str().to_owned(), partition.as_i32())).copied()?;
        u64::try_from(lag).ok()
    }

    fn leave(&mut self) {
        self.context.is_leaving.store(true, Ordering::Release);
        let Some(consumer) = self.consumer.take() else { return };
        // A rebalance that nobody answered yet would keep the consumer from closing.
        if !locked(&self.context.events).is_empty() {
            let _ = consumer.unassign();
        }
        drop(consumer);
    }
}

impl Drop for KafkaGroup {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Outlet for KafkaGroup {
    fn send(&mut self, record: &SendRecord<'_>) -> Result<(), PortError> {
        self.outlet.send(record)
    }

    fn settle(&mut self) -> Result<(), PortError> {
        self.outlet.settle()
    }

    fn tally(&self) -> Tally {
        self.outlet.tally()
    }

    fn acknowledged(&self, tag: Tag) -> Option<Offset> {
        self.outlet.acknowledged(tag)
    }
}
