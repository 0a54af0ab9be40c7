use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millstream_model::{Offset, Partition, RecordView, TopicName};
use millstream_ports::{Delivery, GroupLog, Outlet, Polled, PortError, SendRecord, Tag, Tally};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;

use crate::KafkaLog;
use crate::failure::{passes, port_error};
use crate::group::membership::{Event, GroupContext, Shared};
use crate::group::sender::Sender;
use crate::view::{TopicIndex, lend};

mod membership;
mod sender;
mod transactor;

/// How long the brokers may take to describe the inputs.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// How long the group may take to say what it has committed; records wait meanwhile.
const POSITION_WAIT: Duration = Duration::from_secs(2);

/// A member of a consumer group, and the producer that writes what it makes of the records.
///
/// The group's protocol is the eager one: a rebalance revokes all that a member has, and assigns anew. Dropping a member
/// leaves the group without committing.
pub struct KafkaGroup {
    consumer: Option<BaseConsumer<GroupContext>>,
    shared: Arc<Shared>,
    sender: Sender,
    inputs: TopicIndex,
    owned: BTreeSet<Partition>,
    started: BTreeSet<Partition>,
    /// What is owned is asked back, or gone: it is not read again.
    is_going: bool,
    is_paused: bool,
    name: String,
}

impl KafkaGroup {
    pub(crate) fn join(
        log: &KafkaLog,
        group: &str,
        instance: usize,
        inputs: &[TopicName],
        delivery: Delivery,
    ) -> Result<Self, PortError> {
        let client = format!("{group}-{instance}");
        let attempt = || format!("could not join group '{group}'");
        let shared = Arc::new(Shared::default());
        let context = GroupContext { shared: shared.clone(), topics: inputs.len() };
        let consumer: BaseConsumer<_> = log
            .member(group, &client, instance)
            .create_with_context(context)
            .map_err(|error| port_error(attempt(), &error))?;
        subscribe(&consumer, inputs).map_err(|error| port_error(attempt(), &error))?;
        Ok(Self {
            consumer: Some(consumer),
            shared,
            sender: Sender::new(log, group, &client, delivery)?,
            inputs: TopicIndex::new(inputs),
            owned: BTreeSet::new(),
            started: BTreeSet::new(),
            is_going: false,
            is_paused: false,
            name: group.to_owned(),
        })
    }

    /// Reads what was started, and nothing else, from what the group has committed.
    fn read_from_committed(&self) -> Result<(), PortError> {
        let (consumer, all, started) = (self.consumer()?, self.list(&self.owned), self.list(&self.started));
        consumer
            .assign(&all)
            .and_then(|()| consumer.pause(&all))
            .and_then(|()| if self.is_paused { Ok(()) } else { consumer.resume(&started) })
            .map_err(self.refused("read on from what it has committed"))
    }

    /// Comes to the group anew, as a member that has nothing.
    fn rejoin(&mut self) -> Result<(), PortError> {
        tracing::warn!(
            group = self.name,
            "another member has this one's partitions; it joins the group again"
        );
        self.shared.lose(self.owned.iter().copied().collect());
        let consumer = self.consumer()?;
        consumer.unsubscribe();
        subscribe(consumer, self.inputs.names()).map_err(self.refused("join again"))
    }

    fn consumer(&self) -> Result<&BaseConsumer<GroupContext>, PortError> {
        self.consumer.as_ref().ok_or_else(|| left(&self.name))
    }

    /// These partitions of every input.
    fn list<'a>(&self, partitions: impl IntoIterator<Item = &'a Partition>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            for topic in self.inputs.names() {
                list.add_partition(topic.as_str(), partition.as_i32());
            }
        }
        list
    }

    fn refused(&self, deed: &str) -> impl Fn(KafkaError) -> PortError {
        let attempt = format!("group '{}' could not {deed}", self.name);
        move |error| port_error(attempt.clone(), &error)
    }

    fn can_not_read(&self, error: &KafkaError) -> PortError {
        port_error(format!("group '{}' can't read its inputs{}", self.name, self.shared.complaints), error)
    }

    fn next_event(&mut self) -> Result<Option<Polled>, PortError> {
        let Some(Event { polled, uneven }) = self.shared.next_event() else { return Ok(None) };
        if !uneven.is_empty() {
            self.check_widths(&uneven)?;
        }
        // What was never taken over can't be taken away.
        let owned = |partitions: Vec<Partition>| {
            partitions.into_iter().filter(|partition| self.owned.contains(partition)).collect()
        };
        let polled = match polled {
            Polled::Revoked(partitions) => Polled::Revoked(owned(partitions)),
            Polled::Lost(partitions) => Polled::Lost(owned(partitions)),
            other => other,
        };
        self.is_going = matches!(polled, Polled::Revoked(_) | Polled::Lost(_));
        Ok(Some(polled))
    }

    /// Inputs may look uneven for a moment, while one of them is new to a broker; the group then assigns again by itself.
    fn check_widths(&self, uneven: &[Partition]) -> Result<(), PortError> {
        tracing::warn!(
            group = self.name,
            ?uneven,
            "partitions were assigned of some inputs only; they are not read"
        );
        let metadata =
            self.consumer()?.fetch_metadata(None, ANSWER_WAIT).map_err(self.refused("see its inputs"))?;
        let width = |name: &TopicName| {
            let topic = metadata.topics().iter().find(|topic| topic.name() == name.as_str())?;
            Some(topic.partitions().len()).filter(|width| *width > 0)
        };
        let widths: BTreeSet<_> = self.inputs.names().iter().filter_map(width).collect();
        if widths.len() <= 1 {
            return Ok(());
        }
        let said: Vec<_> =
            self.inputs.names().iter().map(|name| format!("{name} {}", width(name).unwrap_or(0))).collect();
        Err(PortError::stop(format!(
            "the inputs of group '{}' no longer have the same number of partitions: {}; give them the same",
            self.name,
            said.join(", ")
        )))
    }
}

fn subscribe(consumer: &BaseConsumer<GroupContext>, inputs: &[TopicName]) -> Result<(), KafkaError> {
    let names: Vec<_> = inputs.iter().map(TopicName::as_str).collect();
    consumer.subscribe(&names)
}

fn left(group: &str) -> PortError {
    PortError::stop(format!("group '{group}' was left"))
}

impl GroupLog for KafkaGroup {
    fn poll<F>(&mut self, wait: Duration, max: usize, mut each: F) -> Result<Polled, PortError>
    where
        F: FnMut(RecordView<'_>) -> ControlFlow<()>,
    {
        // Acknowledgements are taken in as records come, so that their queue stays short.
        self.sender.tend();
        if let Some(event) = self.next_event()? {
            return Ok(event);
        }
        let Some(consumer) = &self.consumer else { return Err(left(&self.name)) };
        let (mut count, mut patience) = (0, wait);
        while count < max {
            match consumer.poll(patience) {
                Some(Ok(message)) => {
                    patience = Duration::ZERO;
                    let Some(topic) = self.inputs.of(&message) else { continue };
                    count += 1;
                    if lend(&message, topic, &mut each).is_some_and(|flow| flow.is_break()) {
                        break;
                    }
                }
                // A rebalance ends the wait too. It is told once the records before it are processed.
                None => break,
                Some(Err(error)) if passes(&error) => break,
                Some(Err(error)) => return Err(self.can_not_read(&error)),
            }
        }
        if count > 0 {
            self.shared.complaints.settle();
            return Ok(Polled::Records(count));
        }
        Ok(self.next_event()?.unwrap_or(Polled::Records(0)))
    }

    fn accept(&mut self, partitions: &[Partition]) -> Result<(), PortError> {
        let (consumer, list) = (self.consumer()?, self.list(partitions));
        consumer
            .assign(&list)
            .and_then(|()| consumer.pause(&list))
            .map_err(self.refused("take its partitions over"))?;
        self.owned = partitions.iter().copied().collect();
        self.started.clear();
        self.sender.take_over(partitions)
    }

    fn start(&mut self, partition: Partition) -> Result<(), PortError> {
        if !self.owned.contains(&partition) {
            let said = format!("group '{}' can't start partition {partition}: it is not assigned", self.name);
            return Err(PortError::stop(said));
        }
        self.started.insert(partition);
        if self.is_paused {
            return Ok(());
        }
        self.consumer()?.resume(&self.list([&partition])).map_err(self.refused("start reading a partition"))
    }

    fn release(&mut self, partitions: &[Partition]) -> Result<(), PortError> {
        // By the eager protocol this is all that is owned.
        self.consumer()?.unassign().map_err(self.refused("give its partitions up"))?;
        self.owned.retain(|owned| !partitions.contains(owned));
        self.started.retain(|started| !partitions.contains(started));
        self.is_going = false;
        Ok(())
    }

    fn commit(&mut self, positions: &[(usize, Partition, Offset)]) -> Result<(), PortError> {
        if positions.is_empty() && !self.sender.has_begun() {
            return Ok(());
        }
        if let Some((_, foreign, _)) =
            positions.iter().find(|(_, partition, _)| !self.owned.contains(partition))
        {
            let said =
                format!("group '{}' can't commit for partition {foreign}: it is not assigned", self.name);
            return Err(PortError::retry(said));
        }
        let mut list = TopicPartitionList::new();
        for (topic, partition, next) in positions {
            let name = self.inputs.get(*topic).ok_or_else(|| {
                PortError::stop(format!("group '{}' has no input number {topic}", self.name))
            })?;
            list.add_partition_offset(name.as_str(), partition.as_i32(), rdkafka::Offset::Offset(next.0))
                .map_err(self.refused("commit"))?;
        }
        let Some(consumer) = &self.consumer else { return Err(left(&self.name)) };
        match &mut self.sender {
            Sender::Plain(_) => consumer.commit(&list, CommitMode::Sync).map_err(self.refused("commit"))?,
            Sender::Transactional(transactor) => {
                let member = consumer.group_metadata().ok_or_else(|| left(&self.name))?;
                transactor.commit(&list, &member)?;
            }
        }
        self.shared.complaints.settle();
        Ok(())
    }

    fn committed(&self, topic: usize, partition: Partition) -> Result<Option<Offset>, PortError> {
        let name = self.inputs.get(topic);
        let name = name
            .ok_or_else(|| PortError::stop(format!("group '{}' has no input number {topic}", self.name)))?;
        let mut list = TopicPartitionList::new();
        list.add_partition(name.as_str(), partition.as_i32());
        let found = self.consumer()?.committed_offsets(list, POSITION_WAIT);
        let found = found.map_err(self.refused("ask what it has committed"))?;
        Ok(found.elements().iter().find_map(|element| match element.offset() {
            rdkafka::Offset::Offset(next) => Some(Offset(next)),
            _ => None,
        }))
    }

    fn abort(&mut self) -> Result<(), PortError> {
        let Sender::Transactional(transactor) = &mut self.sender else {
            return Err(PortError::stop(format!("group '{}' can take nothing back", self.name)));
        };
        transactor.abort()?;
        match (self.is_going, transactor.is_fenced()) {
            (true, _) => Ok(()),
            (false, true) => self.rejoin(),
            (false, false) => self.read_from_committed(),
        }
    }

    fn pause(&mut self) -> Result<(), PortError> {
        self.is_paused = true;
        self.consumer()?.pause(&self.list(&self.started)).map_err(self.refused("pause"))
    }

    fn resume(&mut self) -> Result<(), PortError> {
        if !std::mem::replace(&mut self.is_paused, false) {
            return Ok(());
        }
        self.consumer()?.resume(&self.list(&self.started)).map_err(self.refused("go on after a pause"))
    }

    fn lag(&self, topic: usize, partition: Partition) -> Option<u64> {
        self.shared.lag(self.inputs.get(topic)?.as_str(), partition)
    }

    fn leave(&mut self) {
        self.shared.is_leaving.store(true, Ordering::Release);
        let Some(consumer) = self.consumer.take() else { return };
        // Answers the rebalance that the worker may have left unanswered: without that the consumer does not close.
        let _ = consumer.unassign();
        self.owned.clear();
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
        self.sender.send(record)
    }

    fn settle(&mut self) -> Result<(), PortError> {
        self.sender.settle()
    }

    fn tally(&self) -> Tally {
        self.sender.tally()
    }

    fn acknowledged(&self, tag: Tag) -> Option<Offset> {
        self.sender.acknowledged(tag)
    }
}
