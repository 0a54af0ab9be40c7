use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use millstream_model::{Offset, Partition, RecordView, TopicName};
use millstream_ports::{
    CalledOff, Delivery, GroupLog, Outlet, Polled, PortError, Rejection, SendRecord, Tag, Tally,
};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Message as _, TopicPartitionList};

use crate::KafkaLog;
use crate::failure::{passes, port_error};
use crate::group::asking::Asking;
pub(crate) use crate::group::clerk::Clerk;
pub(crate) use crate::group::ending::Ending;
use crate::group::inputs::Watch;
use crate::group::membership::{GroupContext, Shared};
use crate::group::order::Order;
use crate::group::renewal::Renewal;
use crate::group::sender::Sender;
use crate::settings::Farewell;
use crate::view::{TopicIndex, lend};

mod asking;
mod clerk;
mod closing;
mod commits;
mod ending;
mod inputs;
mod membership;
mod order;
mod renewal;
mod sender;
mod taking;
mod transactor;

/// How long the group may take to say what it has committed; records wait meanwhile.
const POSITION_WAIT: Duration = Duration::from_secs(2);

/// Time between two looks what came of a commit, where nothing else can be done.
const LOOK_AGAIN: Duration = Duration::from_micros(200);

/// A member of a consumer group, and the producer that writes what it makes of the records.
///
/// A rebalance is incremental (KIP-429, or KIP-848 where the broker has it): what stays is read on meanwhile. The group
/// divides the partitions of the first input, and a member reads the same ones of all others, so that inputs are
/// co-partitioned whatever assignor divides them. Dropping a member leaves the group without committing.
pub struct KafkaGroup {
    consumer: Option<Arc<BaseConsumer<GroupContext>>>,
    /// Who commits positions that are of no transaction, and what comes of it.
    clerk: Option<Clerk>,
    committing: Option<Receiver<KafkaResult<()>>>,
    shared: Arc<Shared>,
    sender: Sender,
    inputs: TopicIndex,
    owned: BTreeSet<Partition>,
    started: BTreeSet<Partition>,
    /// What the client reads: all that is started, but for what still has to wait.
    reading: BTreeSet<Partition>,
    paused: BTreeSet<Partition>,
    order: Order,
    /// Something that is owned is asked back, or gone: nothing is read anew until that is answered.
    is_going: bool,
    /// What was read since the last commit was taken back, and is to be read again.
    is_behind: bool,
    is_paused: bool,
    farewell: Farewell,
    renewal: Renewal,
    watch: Watch,
    /// Of a group whose members are told by their heartbeats alone.
    asking: Option<Asking>,
    /// Whether nobody waits for the brokers any more.
    called_off: CalledOff,
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
        let client = log.client_name(group, instance);
        let attempt = || format!("could not join group '{group}'");
        let shared = Arc::new(Shared::default());
        let names = inputs.iter().map(ToString::to_string).collect();
        let context = GroupContext { shared: shared.clone(), inputs: names };
        log.learn_protocol();
        let consumer: BaseConsumer<_> = log
            .member(group, instance)
            .create_with_context(context)
            .map_err(|error| port_error(attempt(), &error))?;
        subscribe(&consumer, inputs).map_err(|error| port_error(attempt(), &error))?;
        Ok(Self {
            consumer: Some(Arc::new(consumer)),
            clerk: (delivery == Delivery::AtLeastOnce).then(Clerk::start).transpose()?,
            committing: None,
            shared,
            sender: Sender::new(log, group, &client, delivery)?,
            inputs: TopicIndex::new(inputs),
            owned: BTreeSet::new(),
            started: BTreeSet::new(),
            reading: BTreeSet::new(),
            paused: BTreeSet::new(),
            order: Order::default(),
            is_going: false,
            is_behind: false,
            is_paused: false,
            farewell: log.farewell(),
            renewal: Renewal::every(log.renew_interval),
            watch: Watch::default(),
            asking: (!log.is_classic()).then(Asking::begin),
            called_off: Arc::new(|| false),
            name: group.to_owned(),
        })
    }

    /// Reads what was started and is not read yet, from what the group has committed, unless it has to wait.
    fn read_on(&mut self) -> Result<(), PortError> {
        if self.is_paused || self.is_going {
            return Ok(());
        }
        let waiting = self.started.difference(&self.reading).copied();
        let mut ready: Vec<_> = waiting.filter(|partition| self.sender.has_taken(*partition)).collect();
        if !self.order.first.is_empty() {
            let asked = ready.iter().map(|partition| Ok((*partition, self.hold_back(*partition)?)));
            let asked = asked.collect::<Result<Vec<_>, PortError>>()?;
            ready = asked.into_iter().filter_map(|(partition, known)| known.then_some(partition)).collect();
        }
        if ready.is_empty() {
            return Ok(());
        }
        let list = self.list(&ready);
        self.consumer()?.incremental_assign(&list).map_err(self.refused("start reading"))?;
        self.reading.extend(ready);
        Ok(())
    }

    /// Reads no more of these, and answers a rebalance that asks for them.
    fn stop_reading(&mut self, partitions: &BTreeSet<Partition>) -> Result<(), PortError> {
        let consumer = self.consumer()?;
        let paused: Vec<_> = self.paused.intersection(partitions).collect();
        let going: Vec<_> = self.reading.intersection(partitions).collect();
        if !paused.is_empty() {
            // The client would remember it when they come back.
            consumer.resume(&self.list(paused)).map_err(self.refused("give its partitions up"))?;
        }
        let unassigned = consumer.incremental_unassign(&self.list(going));
        unassigned.map_err(self.refused("give its partitions up"))?;
        for partition in partitions {
            self.order.forget(*partition);
            self.watch.forget(*partition);
        }
        self.reading.retain(|reading| !partitions.contains(reading));
        self.paused.retain(|paused| !partitions.contains(paused));
        Ok(())
    }

    /// Reads what was started, and nothing else, from what the group has committed.
    fn read_from_committed(&mut self) -> Result<(), PortError> {
        if !self.reading.is_empty() {
            self.stop_reading(&self.reading.clone())?;
        }
        self.read_on()
    }

    /// Comes to the group anew, as a member that has nothing.
    fn rejoin(&mut self) -> Result<(), PortError> {
        tracing::warn!(
            group = self.name,
            "this member's partitions are another's, or will be this one's anew; it joins the group again"
        );
        self.shared.lose(self.owned.iter().copied().collect());
        let consumer = self.consumer()?;
        consumer.unsubscribe();
        subscribe(consumer, self.inputs.names()).map_err(self.refused("join again"))
    }

    fn consumer(&self) -> Result<&BaseConsumer<GroupContext>, PortError> {
        self.consumer.as_deref().ok_or_else(|| left(&self.name))
    }

    /// These partitions of every input, but for those that wait for others.
    fn list<'a>(&self, partitions: impl IntoIterator<Item = &'a Partition>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            let names = self.inputs.names().iter().enumerate();
            for (_, topic) in names.filter(|(topic, _)| !self.order.holds(*topic, *partition)) {
                list.add_partition(topic.as_str(), partition.as_i32());
            }
        }
        list
    }

    fn refused(&self, deed: &str) -> impl Fn(KafkaError) -> PortError + use<> {
        let attempt = format!("group '{}' could not {deed}", self.name);
        move |error| port_error(attempt.clone(), &error)
    }

    fn can_not_read(&self, error: &KafkaError) -> PortError {
        port_error(format!("group '{}' can't read its inputs{}", self.name, self.shared.complaints), error)
    }

    fn next_event(&mut self) -> Result<Option<Polled>, PortError> {
        self.look_at_inputs()?;
        let Some(polled) = self.shared.next_event() else { return Ok(None) };
        if matches!(polled, Polled::Assigned(_)) && self.inputs.names().len() > 1 {
            self.shared.doubt_inputs();
            self.look_at_inputs()?;
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
        if self.is_going {
            // By KIP-848 that is all that a member hears of an input that is deleted.
            self.shared.doubt_inputs();
        }
        self.asking = self.asking.as_ref().map(|_| Asking::begin());
        Ok(Some(polled))
    }

    /// Asks the group for news, where they may be waiting: to subscribe to the same again is a heartbeat.
    fn ask(&mut self) -> Result<(), PortError> {
        if self.is_going || !self.asking.as_mut().is_some_and(|asking| asking.is_due(Instant::now())) {
            return Ok(());
        }
        subscribe(self.consumer()?, self.inputs.names()).map_err(self.refused("ask for its partitions"))
    }
}

fn subscribe(consumer: &BaseConsumer<GroupContext>, inputs: &[TopicName]) -> Result<(), KafkaError> {
    // What divides the first input divides all: see `KafkaGroup`.
    let first: Vec<_> = inputs.iter().take(1).map(TopicName::as_str).collect();
    consumer.subscribe(&first)
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
        self.sender.tend()?;
        self.read_on()?;
        self.let_go()?;
        if let Some(event) = self.next_event()? {
            return Ok(event);
        }
        self.ask()?;
        self.renew_committed()?;
        let Some(consumer) = &self.consumer else { return Err(left(&self.name)) };
        let (mut count, mut patience) = (0, wait);
        while count < max {
            match consumer.poll(patience) {
                Some(Ok(message)) => {
                    patience = Duration::ZERO;
                    let Some(topic) = self.inputs.of(&message) else { continue };
                    if let Some(name) = self.inputs.get(topic) {
                        self.watch.note((topic, name), message.partition(), message.offset())?;
                    }
                    count += 1;
                    if lend(&message, topic, &mut each).is_some_and(|flow| flow.is_break()) {
                        break;
                    }
                }
                // A rebalance ends the wait too. It is told once the records before it are processed.
                None => break,
                Some(Err(error)) if passes(&error) => {
                    self.shared.weigh(&error);
                    break;
                }
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
        // Nothing is read before it is started, and so nothing is handed to the client yet.
        let answered = self.consumer()?.incremental_assign(&TopicPartitionList::new());
        answered.map_err(self.refused("take its partitions over"))?;
        self.owned.extend(partitions);
        self.sender.take_over(partitions)
    }

    fn read_first(&mut self, first: &[usize], later: &[usize]) {
        (self.order.first, self.order.later) = (first.to_vec(), later.to_vec());
    }

    fn start(&mut self, partition: Partition) -> Result<(), PortError> {
        if !self.owned.contains(&partition) {
            let said = format!("group '{}' can't start partition {partition}: it is not assigned", self.name);
            return Err(PortError::stop(said));
        }
        self.started.insert(partition);
        self.read_on()
    }

    fn release(&mut self, partitions: &[Partition]) -> Result<(), PortError> {
        self.sender.release(partitions);
        let partitions: BTreeSet<_> = partitions.iter().copied().collect();
        let is_behind = std::mem::take(&mut self.is_behind);
        self.stop_reading(&if is_behind { self.reading.clone() } else { partitions.clone() })?;
        self.owned.retain(|owned| !partitions.contains(owned));
        self.started.retain(|started| !partitions.contains(started));
        self.is_going = false;
        self.read_on()
    }

    fn commit(&mut self, positions: &[(usize, Partition, Offset)]) -> Result<(), PortError> {
        if self.committing.is_none() && !self.sender.is_ending() {
            self.begin_commit(positions)?;
        }
        while !self.has_committed()? {
            if (self.called_off)() {
                let said = format!("group '{}' could not commit: the brokers do not answer", self.name);
                return Err(PortError::retry(said));
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    fn begin_commit(&mut self, positions: &[(usize, Partition, Offset)]) -> Result<(), PortError> {
        if positions.is_empty() && !self.sender.has_begun() {
            return Ok(());
        }
        let list = self.positions(positions)?;
        let Some(consumer) = &self.consumer else { return Err(left(&self.name)) };
        match &mut self.sender {
            Sender::Plain(_) => {
                let (clerk, consumer) = (self.clerk.as_ref(), consumer.clone());
                let commit = move || consumer.commit(&list, CommitMode::Sync);
                self.committing = clerk.map(|clerk| clerk.begin(commit));
                Ok(())
            }
            Sender::Transactional(transactor) => {
                let member = consumer.group_metadata().ok_or_else(|| left(&self.name))?;
                transactor.begin_commit(list, member)
            }
        }
    }

    fn has_committed(&mut self) -> Result<bool, PortError> {
        let is_done = match &mut self.sender {
            Sender::Plain(_) => self.has_answer()?,
            Sender::Transactional(transactor) => transactor.has_committed()?,
        };
        if is_done {
            self.after_commit();
        }
        Ok(is_done)
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

    fn heed(&mut self, is_called_off: CalledOff) {
        self.sender.heed(&is_called_off);
        self.called_off = is_called_off;
    }

    fn abort(&mut self) -> Result<(), PortError> {
        match (self.is_going, self.sender.abort()?) {
            // With an answer due, it is read again as part of that.
            (true, _) => {
                self.is_behind = true;
                Ok(())
            }
            (false, true) => self.rejoin(),
            (false, false) => self.read_from_committed(),
        }
    }

    fn pause(&mut self) -> Result<(), PortError> {
        self.is_paused = true;
        self.consumer()?.pause(&self.list(&self.reading)).map_err(self.refused("pause"))?;
        self.paused = self.reading.clone();
        Ok(())
    }

    fn resume(&mut self) -> Result<(), PortError> {
        if !std::mem::replace(&mut self.is_paused, false) {
            return Ok(());
        }
        let paused = std::mem::take(&mut self.paused);
        self.consumer()?.resume(&self.list(&paused)).map_err(self.refused("go on after a pause"))?;
        self.read_on()
    }

    fn lag(&self, topic: usize, partition: Partition) -> Option<u64> {
        self.shared.lag(self.inputs.get(topic)?.as_str(), partition)
    }

    fn leave(&mut self) {
        self.shared.is_leaving.store(true, Ordering::Release);
        // The client is closed by whoever lets go of it last.
        let patience = if (self.called_off)() { Duration::ZERO } else { POSITION_WAIT };
        drop(self.committing.take().map(|answer| answer.recv_timeout(patience)));
        let Some(consumer) = self.consumer.take() else { return };
        // Answers the rebalance that the worker may have left unanswered: without that the consumer does not close.
        let _ = consumer.incremental_assign(&TopicPartitionList::new());
        let _ = consumer.incremental_unassign(&self.list(&self.reading));
        closing::hear_out(&consumer);
        if self.farewell == Farewell::Told {
            // A client that is closed while its group gives it nothing keeps that from the group (librdkafka 2.12), which
            // then waits for it until its session is over.
            consumer.unsubscribe();
        }
        self.sender.release(&self.owned.iter().copied().collect::<Vec<_>>());
        self.owned.clear();
        self.started.clear();
        self.reading.clear();
        closing::close(consumer, &self.name);
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

    fn offer(&mut self, record: &SendRecord<'_>, patience: Duration) -> Result<bool, PortError> {
        self.sender.offer(record, patience)
    }

    fn settle(&mut self) -> Result<(), PortError> {
        self.sender.settle(&self.called_off)
    }

    fn draw_line(&mut self) {
        self.sender.draw_line();
    }

    fn has_settled(&mut self) -> Result<bool, PortError> {
        self.sender.has_settled()
    }

    fn rejections(&mut self) -> Vec<Rejection> {
        self.sender.rejections()
    }

    fn tally(&self) -> Tally {
        self.sender.tally()
    }

    fn acknowledged(&self, tag: Tag) -> Option<Offset> {
        self.sender.acknowledged(tag)
    }
}
