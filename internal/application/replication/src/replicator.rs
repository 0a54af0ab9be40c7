use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{
    Action, Advance, GroupLog, Landed, Polled, PortError, Replica, Start, Tail, WholeRows,
};
use millstream_runtime::Stop;

use crate::batch::{Batch, Halves};
use crate::figures::Figures;
use crate::set_aside::SetAside;

/// Records a transaction writes at most, while all goes well.
const BATCH_RECORDS_MAX: usize = 8_192;

/// How long a poll waits for records.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long to wait before doing again what failed.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The topic's second place in the tail, by which only its ends are looked for.
const ENDS: usize = 1;

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
/// **Invariant:** a partition is read from where the replica says it is, and nothing of it is staged beside what is to be
/// committed next.
pub struct Replicator<G, T, R> {
    plan: Plan,
    group: G,
    pub(crate) tail: T,
    replica: R,
    figures: Arc<Figures>,
    /// Partitions that the group gave us, and are not read yet.
    to_open: BTreeSet<Partition>,
    /// Where the replica is with each partition that is read.
    positions: BTreeMap<Partition, Option<Offset>>,
    batch: Batch,
    /// Dead letters that are safe already, though the records may be read again: a refused transaction is tried in parts.
    safe: BTreeSet<(Partition, Offset)>,
    /// Records a transaction writes at most. It falls while transactions are refused, down to the one that is at fault.
    limit: usize,
    again_at: Option<Instant>,
    /// What is wrong with the topic, while nothing comes of it.
    trouble: Option<String>,
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
        if self.batch.is_empty() {
            self.read()?;
        }
        self.commit()?;
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

    fn check(&self, partition: Partition, at: Offset, first: Offset, end: Offset) -> Result<(), PortError> {
        let topic = &self.plan.topic;
        if at > end {
            return Err(self.made_anew(partition, at, &format!("which ends at {end}")));
        }
        if first > at {
            let lost = at.until(first);
            tracing::warn!(%topic, %partition, lost, "records were deleted before they were replicated");
        }
        Ok(())
    }

    fn made_anew(&self, partition: Partition, at: Offset, seen: &str) -> PortError {
        let topic = &self.plan.topic;
        PortError::stop(format!(
            "the table is at offset {at} of {topic}/{partition}, {seen}: the topic was made anew; \
             empty the table, and delete the topic's rows from millstream_positions"
        ))
    }

    fn read(&mut self) -> Result<(), PortError> {
        let halves = Halves { keys: &*self.plan.keys, values: &*self.plan.values };
        let (batch, replica, keeps) = (&mut self.batch, &mut self.replica, self.limit == 1);
        let positions = &self.positions;
        let mut behind = None;
        self.tail.poll(PATIENCE, self.limit, |record| {
            let at = positions.get(&record.partition).copied().flatten();
            if let Some(at) = at.filter(|at| record.offset < *at) {
                behind = Some((record.partition, at, record.offset));
                return ControlFlow::Break(());
            }
            batch.take(&record, &halves, replica, keeps)
        })?;
        if let Some((partition, at, offset)) = behind {
            return Err(self.made_anew(partition, at, &format!("and offset {offset} came of it")));
        }
        if !self.batch.is_empty() {
            return Ok(());
        }
        // The record at fault is the first, and is read again.
        let Some(reason) = self.batch.put_off.take() else { return Ok(()) };
        self.reopen()?;
        Err(PortError::retry(reason))
    }

    fn commit(&mut self) -> Result<(), PortError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.send_set_aside()?;
        let begun = Instant::now();
        match self.replica.commit(&self.advances()) {
            Ok(Landed::Yes) => self.landed(begun.elapsed()),
            // Another member was there, or an earlier try was not lost after all: the replica knows where to go on.
            Ok(Landed::Elsewhere) => self.reopen(),
            Err(error) if error.action() == Action::DeadLetter => self.refused(&error),
            Err(error) => {
                self.figures.now().commit_failures += 1;
                Err(error)
            }
        }
    }

    fn advances(&self) -> Vec<Advance> {
        let advance = |(partition, to): (&Partition, &Offset)| Advance {
            partition: *partition,
            from: self.positions.get(partition).copied().flatten(),
            to: *to,
        };
        self.batch.next.iter().map(advance).collect()
    }

    /// Dead letters are safe before the positions behind them are.
    fn send_set_aside(&mut self) -> Result<(), PortError> {
        self.batch.set_aside.retain(|each| !self.safe.contains(&each.place()));
        if self.batch.set_aside.is_empty() {
            return Ok(());
        }
        for each in &self.batch.set_aside {
            each.send(&mut self.group, &self.plan.topic, &self.plan.group, &self.plan.dead_letters)?;
        }
        self.group.settle()?;
        self.safe.extend(self.batch.set_aside.iter().map(SetAside::place));
        let count = self.batch.set_aside.len();
        tracing::warn!(topic = %self.plan.topic, count, to = %self.plan.dead_letters, "records were set aside");
        self.figures.now().dead_letters += count as u64;
        self.batch.set_aside.clear();
        Ok(())
    }

    fn landed(&mut self, took: Duration) -> Result<(), PortError> {
        let batch = std::mem::take(&mut self.batch);
        for (partition, next) in &batch.next {
            self.positions.insert(*partition, Some(*next));
        }
        self.safe.retain(|(partition, offset)| batch.next.get(partition).is_none_or(|next| offset >= next));
        self.limit = (self.limit * 2).min(BATCH_RECORDS_MAX);
        self.note_positions();
        let mut now = self.figures.now();
        now.records += batch.records;
        now.bytes += batch.bytes;
        now.commits += 1;
        now.commit_time += took;
        drop(now);
        match batch.put_off {
            Some(_) => self.reopen(),
            None => Ok(()),
        }
    }

    /// Markers of transactions count as read, though no record comes of them.
    fn note_positions(&self) {
        let mut now = self.figures.now();
        for (partition, (at, end)) in &mut now.partitions {
            if let Ok(next) = self.tail.position(0, *partition) {
                *at = next;
                *end = (*end).max(next);
            }
        }
    }

    /// Where the partitions end by now; what can't be found out stays as it was, and is not asked for long.
    fn note_ends(&mut self) {
        for partition in self.positions.keys() {
            let found = self.tail.add(ENDS, *partition, Start::Latest);
            let removed = self.tail.remove(ENDS, *partition);
            let end = match (found, removed) {
                (Ok((_, end)), Ok(())) => end,
                (Err(error), _) | (_, Err(error)) => {
                    self.trouble = self.trouble_of(&error);
                    return;
                }
            };
            if let Some(known) = self.figures.now().partitions.get_mut(partition) {
                known.1 = end;
            }
        }
        self.trouble = None;
        self.note_positions();
    }

    /// An outage is no trouble of the topic's; a topic that is gone, or that may not be read any more, is. Told once.
    fn trouble_of(&self, error: &PortError) -> Option<String> {
        if error.action() == Action::Retry {
            return self.trouble.clone();
        }
        if self.trouble.is_none() {
            tracing::warn!(topic = %self.plan.topic, %error, "the topic can't be looked at");
        }
        Some(error.to_string())
    }

    /// Something staged can't be written. In ever smaller transactions it is found, and set aside.
    fn refused(&mut self, error: &PortError) -> Result<(), PortError> {
        // The batch may have been put together before the limit fell.
        if let Some(only) = self.batch.only.take().filter(|_| self.batch.records == 1) {
            tracing::warn!(topic = %self.plan.topic, offset = %only.offset, %error, "the database refuses a record");
            self.replica.clear();
            self.batch.set_aside.push(only.because(error));
            return self.commit();
        }
        let refused = usize::try_from(self.batch.records).unwrap_or(BATCH_RECORDS_MAX);
        self.limit = (refused.min(self.limit) / 2).max(1);
        self.reopen()
    }

    /// Reads all partitions anew from where the replica is.
    fn reopen(&mut self) -> Result<(), PortError> {
        let mine: Vec<_> = self.positions.keys().copied().collect();
        self.close_all()?;
        self.to_open.extend(mine);
        Ok(())
    }

    fn close_all(&mut self) -> Result<(), PortError> {
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
