use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{Action, GroupLog, Landed, Polled, PortError, Replica, Start, Tail, WholeRows};
use millstream_runtime::Stop;

use crate::batch::{Batch, Halves};
use crate::figures::Figures;
use crate::landing::Writing;

/// Records a transaction writes at most, while all goes well.
pub(crate) const BATCH_RECORDS_MAX: usize = 8_192;

/// How long a poll waits for records.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long it waits beside a write: the database is not to wait for more.
const MOMENT: Duration = Duration::from_millis(5);

/// How long to wait before doing again what failed.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How often the group is told how far its members got, for whoever watches its lag.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// What is replicated.
pub struct Plan {
    /// The topic.
    pub topic: TopicName,
    /// The consumer group's name, for dead letters.
    pub group: String,
    /// Where records go that no table can hold.
    pub dead_letters: TopicName,
    /// Reads keys.
    pub keys: Arc<dyn WholeRows>,
    /// Reads values.
    pub values: Arc<dyn WholeRows>,
}

/// Keeps a replica equal to a topic.
///
/// **Invariant:** a partition is read from where the replica says it is. What is staged begins where the write under way ends,
/// and is dropped unless that lands.
pub struct Replicator<G, T, R> {
    pub(crate) plan: Plan,
    pub(crate) group: G,
    pub(crate) tail: T,
    pub(crate) replica: R,
    pub(crate) figures: Arc<Figures>,
    /// Partitions that the group gave us, and are not read yet.
    to_open: BTreeSet<Partition>,
    /// Where the replica is with each partition that is read.
    pub(crate) positions: BTreeMap<Partition, Option<Offset>>,
    /// What was read last.
    pub(crate) batch: Batch,
    /// What the replica writes meanwhile.
    pub(crate) writing: Option<Writing>,
    /// Dead letters that are safe already, though the records may be read again: a refused transaction is tried in parts.
    pub(crate) safe: BTreeSet<(Partition, Offset)>,
    /// Records a transaction writes at most. It falls while transactions are refused, down to the one that is at fault.
    pub(crate) limit: usize,
    again_at: Option<Instant>,
    /// What is wrong with the topic, while nothing comes of it.
    pub(crate) trouble: Option<String>,
    told_at: Instant,
}

impl<G: GroupLog, T: Tail, R: Replica> Replicator<G, T, R> {
    /// A replicator whose `group` was joined on the plan's topic alone, and whose `tail` has it as its first topic and, to look for
    /// its ends, as its second.
    pub fn new(plan: Plan, group: G, tail: T, replica: R) -> Self {
        let figures = Arc::new(Figures::new(plan.topic.clone()));
        Self {
            plan,
            group,
            tail,
            replica,
            figures,
            to_open: BTreeSet::new(),
            positions: BTreeMap::new(),
            batch: Batch::default(),
            writing: None,
            safe: BTreeSet::new(),
            limit: BATCH_RECORDS_MAX,
            again_at: None,
            trouble: None,
            told_at: Instant::now(),
        }
    }

    /// What it tells of itself.
    pub fn figures(&self) -> Arc<Figures> {
        self.figures.clone()
    }

    /// Works until told to stop.
    ///
    /// # Errors
    /// When the brokers or the database refuse the work for good. What was committed stays; the rest is done again by the
    /// next who starts.
    pub fn run(mut self, stop: &Stop) -> Result<(), PortError> {
        let mut outcome = Ok(());
        while outcome.is_ok() && !stop.is_set() {
            outcome = self.turn();
        }
        // What is under way is waited for; what it would be retried for is read again at the next start.
        let landed =
            self.land().or_else(|error| if error.action() == Action::Retry { Ok(()) } else { Err(error) });
        outcome = outcome.and(landed);
        if let Err(error) = &outcome {
            self.figures.now().failure = Some(error.to_string());
        }
        self.tell_group();
        self.group.leave();
        outcome
    }

    pub(crate) fn turn(&mut self) -> Result<(), PortError> {
        self.attend_group()?;
        if self.again_at.is_some_and(|at| Instant::now() < at) {
            thread::sleep(Duration::from_millis(20));
            return Ok(());
        }
        self.again_at = None;
        let outcome = self.work();
        self.waits_out(outcome)?;
        if self.told_at.elapsed() >= TOLD_EVERY {
            self.tell_group();
            self.note_ends();
        }
        Ok(())
    }

    /// Goes on at once after a fault.
    #[cfg(test)]
    pub(crate) fn skip_waiting(&mut self) {
        self.again_at = None;
    }

    fn work(&mut self) -> Result<(), PortError> {
        self.open()?;
        self.read()?;
        self.move_on()?;
        let mut now = self.figures.now();
        now.waits.clone_from(&self.trouble);
        now.is_reading = self.to_open.is_empty() && !self.positions.is_empty();
        Ok(())
    }

    /// A fault that passes is told once and waited out; the group is attended meanwhile.
    fn waits_out(&mut self, outcome: Result<(), PortError>) -> Result<(), PortError> {
        match outcome {
            Err(error) if error.action() == Action::Retry => {
                let mut now = self.figures.now();
                if now.waits.is_none() {
                    tracing::warn!(topic = %self.plan.topic, %error, "replication waits");
                }
                now.waits = Some(error.to_string());
                self.again_at = Some(Instant::now() + AGAIN_AFTER);
                Ok(())
            }
            other => other,
        }
    }

    /// The group says which partitions are ours; it has no records for us.
    fn attend_group(&mut self) -> Result<(), PortError> {
        let wait =
            if self.positions.is_empty() && self.to_open.is_empty() { PATIENCE } else { Duration::ZERO };
        match self.group.poll(wait, 1, |_| ControlFlow::Continue(()))? {
            Polled::Records(_) => return Ok(()),
            Polled::Assigned(partitions) => {
                tracing::info!(topic = %self.plan.topic, ?partitions, "partitions assigned");
                self.group.accept(&partitions)?;
                self.to_open.extend(partitions);
            }
            Polled::Revoked(partitions) | Polled::Lost(partitions) => {
                tracing::info!(topic = %self.plan.topic, ?partitions, "partitions given up");
                self.close_all()?;
                // Who has them next may not get as far before they come back.
                self.safe.retain(|(partition, _)| !partitions.contains(partition));
                self.to_open.retain(|kept| !partitions.contains(kept));
                self.group.release(&partitions)?;
            }
        }
        self.figures.now().rebalances += 1;
        Ok(())
    }

    /// Begins reading what is ours and not read yet, where the replica says.
    fn open(&mut self) -> Result<(), PortError> {
        if self.to_open.is_empty() {
            return Ok(());
        }
        self.land()?;
        let known = self.replica.positions()?;
        for partition in self.to_open.clone() {
            let at = known.get(&partition).copied();
            let (first, end) = self.tail.add(0, partition, at.map_or(Start::Earliest, Start::At))?;
            if let Some(at) = at {
                self.check(partition, at, first, end)?;
            }
            self.positions.insert(partition, at);
            self.to_open.remove(&partition);
            self.figures.now().partitions.insert(partition, (first, end));
        }
        Ok(())
    }

    /// Reads on while there is room, beside a write for a moment only.
    fn read(&mut self) -> Result<(), PortError> {
        let room = self.room();
        if room == 0 {
            return Ok(());
        }
        let wait = if self.writing.is_some() { MOMENT } else { PATIENCE };
        let halves = Halves { keys: &*self.plan.keys, values: &*self.plan.values };
        let Self { batch, replica, positions, writing, tail, limit, .. } = self;
        let mut behind = None;
        tail.poll(wait, room, |record| {
            let reached = batch.next.get(&record.partition);
            let reached = reached.or_else(|| writing.as_ref()?.batch.next.get(&record.partition)).copied();
            let at = reached.or_else(|| positions.get(&record.partition).copied().flatten());
            if let Some(at) = at.filter(|at| record.offset < *at) {
                behind = Some((record.partition, at, record.offset));
                return ControlFlow::Break(());
            }
            batch.take(&record, &halves, replica, *limit == 1)
        })?;
        match behind {
            None => Ok(()),
            Some((partition, at, offset)) => {
                Err(self.made_anew(partition, at, &format!("and offset {offset} came of it")))
            }
        }
    }

    /// How many more records the batch takes in. While a record is looked for that the replica refuses, and behind one that
    /// can't be read yet, nothing is read ahead.
    pub(crate) fn room(&self) -> usize {
        let is_ahead = |writing: &Writing| self.limit < BATCH_RECORDS_MAX || writing.batch.put_off.is_some();
        if self.batch.is_full() || self.writing.as_ref().is_some_and(is_ahead) {
            return 0;
        }
        self.limit.saturating_sub(usize::try_from(self.batch.records).unwrap_or(usize::MAX))
    }

    /// Reads all partitions anew from where the replica is.
    pub(crate) fn reopen(&mut self) -> Result<(), PortError> {
        let mine: Vec<_> = self.positions.keys().copied().collect();
        self.close_all()?;
        self.to_open.extend(mine);
        Ok(())
    }

    fn close_all(&mut self) -> Result<(), PortError> {
        if let Some(writing) = self.writing.take()
            && matches!(self.replica.finish(), Ok(Landed::Yes))
        {
            self.note_landed(&writing);
        }
        self.replica.clear();
        self.batch = Batch::default();
        for partition in std::mem::take(&mut self.positions).into_keys() {
            self.tail.remove(0, partition)?;
        }
        let mut now = self.figures.now();
        now.partitions.clear();
        now.is_reading = false;
        Ok(())
    }

    /// For whoever watches the group's lag from outside; nothing here depends on it.
    fn tell_group(&mut self) {
        self.told_at = Instant::now();
        let known = self.positions.iter().filter_map(|(partition, at)| Some((0, *partition, (*at)?)));
        let positions: Vec<_> = known.collect();
        if let Err(error) = self.group.commit(&positions) {
            tracing::debug!(topic = %self.plan.topic, %error, "could not tell the group how far it is");
        }
    }
}
