use std::collections::{BTreeMap, VecDeque};

use millstream_model::{Headers, Offset, Partition, TopicName};
use millstream_ports::{Action, Outlet, PortError, Rejection, SendRecord, Tag, Tally};

use crate::inside::Inside;
use crate::topic::SimRecord;
use crate::transaction::Verdict;
use crate::world::Sim;

/// A writer in no group.
pub struct SimOutlet {
    sim: Sim,
    sender: Sender,
}

/// Records on their way into topics, in the order they were sent.
#[derive(Default)]
pub(crate) struct Sender {
    queue: VecDeque<Queued>,
    tally: Tally,
    acknowledged: BTreeMap<usize, Offset>,
    spread: u32,
    rejections: Vec<Rejection>,
    /// What keeps all since the last commit from being acknowledged, or the transaction from being committed.
    refused: Option<String>,
}

struct Queued {
    topic: TopicName,
    partition: Partition,
    record: SimRecord,
    tag: Tag,
    /// Whether it was sent before the line was drawn.
    is_above: bool,
}

impl SimOutlet {
    pub(crate) fn new(sim: &Sim) -> Self {
        Self { sim: sim.clone(), sender: Sender::default() }
    }
}

impl Outlet for SimOutlet {
    fn send(&mut self, record: &SendRecord<'_>) -> Result<(), PortError> {
        self.sim.with(|inside, process| self.sender.send(inside, process, record, None))
    }

    fn settle(&mut self) -> Result<(), PortError> {
        self.sim.with(|inside, process| self.sender.settle(inside, process, None))
    }

    fn draw_line(&mut self) {
        self.sender.draw_line();
    }

    fn has_settled(&mut self) -> Result<bool, PortError> {
        self.sim.with(|inside, process| self.sender.has_settled(inside, process))
    }

    fn rejections(&mut self) -> Vec<Rejection> {
        self.sender.rejections()
    }

    fn tally(&self) -> Tally {
        self.sender.tally
    }

    fn acknowledged(&self, tag: Tag) -> Option<Offset> {
        self.sender.acknowledged(tag)
    }
}

impl Sender {
    pub(crate) fn send(
        &mut self,
        inside: &mut Inside,
        process: usize,
        record: &SendRecord<'_>,
        transaction: Option<usize>,
    ) -> Result<(), PortError> {
        inside.check_alive(process)?;
        let bytes = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        if inside.faults.record_bytes_max.is_some_and(|most| bytes > most) {
            let said = format!("could not send to topic '{}': {bytes} bytes are too many", record.topic);
            return Err(PortError::new(Action::DeadLetter, said));
        }
        let partition = self.partition(inside, record)?;
        let timestamp = record.timestamp.unwrap_or_else(|| inside.now());
        let kept = SimRecord {
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: Headers::copy_of(record.headers),
            timestamp,
        };
        self.queue.push_back(Queued {
            topic: record.topic.clone(),
            partition,
            record: kept,
            tag: record.tag,
            is_above: false,
        });
        self.deliver_some(inside, process, transaction)
    }

    /// The partition that was asked for, or the next of all.
    fn partition(&mut self, inside: &Inside, record: &SendRecord<'_>) -> Result<Partition, PortError> {
        let topic = inside.topics.get(record.topic);
        let topic = topic.ok_or_else(|| PortError::stop(format!("there is no topic '{}'", record.topic)))?;
        let width = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
        self.spread = self.spread.wrapping_add(1);
        let partition = record.partition.unwrap_or_else(|| Partition::new(self.spread % width.max(1)));
        if partition.index() < topic.partitions.len() {
            return Ok(partition);
        }
        self.tally.failed += 1;
        Err(PortError::stop(format!("there is no partition {partition} of topic '{}'", record.topic)))
    }

    /// Delivers what is not slow.
    pub(crate) fn deliver_some(
        &mut self,
        inside: &mut Inside,
        process: usize,
        transaction: Option<usize>,
    ) -> Result<(), PortError> {
        while !self.queue.is_empty() && !inside.hits(|faults| faults.slow_sends) {
            self.deliver(inside, process, transaction)?;
        }
        Ok(())
    }

    fn deliver(
        &mut self,
        inside: &mut Inside,
        process: usize,
        transaction: Option<usize>,
    ) -> Result<(), PortError> {
        if transaction.is_some_and(|number| inside.transactions.verdict(number) != Verdict::Open) {
            return Err(PortError::retry("another owner of the partition has ended the transaction"));
        }
        if let (Some(said), true) = (&self.refused, transaction.is_some()) {
            return Err(PortError::retry(said.clone()));
        }
        let Some(Queued { topic, partition, record, tag, .. }) = self.queue.pop_front() else {
            return Ok(());
        };
        inside.effect(process)?;
        if inside.faults.accepted_bytes_max.is_some_and(|most| record.bytes() > most) {
            self.refuse(topic, partition);
            return Ok(());
        }
        let offset = inside.append(&topic, partition, record, transaction)?;
        self.tally.delivered += 1;
        if tag != Tag::NONE {
            let highest = self.acknowledged.entry(tag.0).or_insert(offset);
            *highest = (*highest).max(offset);
        }
        Ok(())
    }

    /// A topic takes no batch with a record like that, and the batch is all that waits for the partition.
    fn refuse(&mut self, topic: TopicName, partition: Partition) {
        let before = self.queue.len();
        self.queue.retain(|queued| (&queued.topic, queued.partition) != (&topic, partition));
        self.tally.failed += 1 + (before - self.queue.len()) as u64;
        let reason =
            format!("a record for {topic}/{partition} was not delivered: it is too large for its topic");
        self.refused = Some(reason.clone());
        if self.rejections.iter().all(|known| known.topic != topic) {
            self.rejections.push(Rejection { topic, reason });
        }
    }

    pub(crate) fn rejections(&mut self) -> Vec<Rejection> {
        std::mem::take(&mut self.rejections)
    }

    pub(crate) fn settle(
        &mut self,
        inside: &mut Inside,
        process: usize,
        transaction: Option<usize>,
    ) -> Result<(), PortError> {
        inside.check_alive(process)?;
        self.deliver_first(inside, process, transaction, self.queue.len())
    }

    /// Delivers so many of the first records and those that go with them, or gives up in the midst of it.
    fn deliver_first(
        &mut self,
        inside: &mut Inside,
        process: usize,
        transaction: Option<usize>,
        count: usize,
    ) -> Result<(), PortError> {
        let fails = count > 0 && inside.hits(|faults| faults.failing_sends);
        let behind = self.queue.len() - count;
        let left = if fails { behind + 1 + inside.chance.below(count) } else { behind };
        while self.queue.len() > left {
            self.deliver(inside, process, transaction)?;
        }
        if fails { Err(self.give_up(transaction)) } else { self.outcome(transaction) }
    }

    /// What became of all that was delivered.
    fn outcome(&mut self, transaction: Option<usize>) -> Result<(), PortError> {
        match (&self.refused, transaction) {
            (None, _) => Ok(()),
            (Some(said), Some(_)) => Err(PortError::retry(said.clone())),
            (Some(_), None) => {
                let said = self.refused.take().unwrap_or_default();
                Err(PortError::new(Action::DeadLetter, said))
            }
        }
    }

    fn give_up(&mut self, transaction: Option<usize>) -> PortError {
        self.tally.failed += self.queue.len() as u64;
        self.queue.clear();
        let said = "records were not delivered in time";
        if transaction.is_some() { PortError::retry(said) } else { PortError::stop(said) }
    }

    pub(crate) fn draw_line(&mut self) {
        self.queue.iter_mut().for_each(|queued| queued.is_above = true);
    }

    /// As [`Sender::settle`], of what is above the line, and in no transaction. It does not wait for what is slow.
    pub(crate) fn has_settled(&mut self, inside: &mut Inside, process: usize) -> Result<bool, PortError> {
        inside.check_alive(process)?;
        let above = self.queue.iter().filter(|queued| queued.is_above).count();
        if above > 0 && inside.hits(|faults| faults.slow_commits) {
            return Ok(false);
        }
        self.deliver_first(inside, process, None, above).map(|()| true)
    }

    pub(crate) fn forget(&mut self) {
        self.queue.clear();
        self.refused = None;
    }

    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    pub(crate) fn acknowledged(&self, tag: Tag) -> Option<Offset> {
        self.acknowledged.get(&tag.0).copied()
    }
}
