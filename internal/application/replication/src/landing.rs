//! What was read goes to the replica: one write at a time, while the next records are read.

use std::time::Instant;

use millstream_model::{Offset, Partition};
use millstream_ports::{Action, Advance, GroupLog, Landed, PortError, Replica, Tail};

use crate::batch::Batch;
use crate::replicator::{BATCH_RECORDS_MAX, Replicator};
use crate::set_aside::SetAside;

/// What the replica writes.
pub(crate) struct Writing {
    pub(crate) batch: Batch,
    begun: Instant,
}

impl<G: GroupLog, T: Tail, R: Replica> Replicator<G, T, R> {
    /// Once the replica is free, or there is nothing else to do than wait for it, it gets what was read.
    pub(crate) fn move_on(&mut self) -> Result<(), PortError> {
        if self.replica.is_writing() && self.room() > 0 {
            return Ok(());
        }
        self.land()?;
        self.hand_over()
    }

    fn hand_over(&mut self) -> Result<(), PortError> {
        if self.batch.is_empty() {
            // The record at fault is the first, and is read again.
            let Some(reason) = self.batch.put_off.take() else { return Ok(()) };
            self.reopen()?;
            return Err(PortError::retry(reason));
        }
        self.send_set_aside()?;
        self.replica.begin(self.advances());
        self.writing = Some(Writing { batch: std::mem::take(&mut self.batch), begun: Instant::now() });
        Ok(())
    }

    /// Waits for what is under way.
    pub(crate) fn land(&mut self) -> Result<(), PortError> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        match self.replica.finish() {
            Ok(Landed::Yes) => self.landed(&writing),
            // Another member was there, or an earlier try was not lost after all: the replica knows where to go on.
            Ok(Landed::Elsewhere) => self.reopen(),
            Err(error) if error.action() == Action::DeadLetter => self.refused(writing.batch, &error),
            Err(error) => {
                self.figures.now().commit_failures += 1;
                self.reopen()?;
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

    fn landed(&mut self, writing: &Writing) -> Result<(), PortError> {
        for (partition, next) in &writing.batch.next {
            self.positions.insert(*partition, Some(*next));
        }
        let next = &writing.batch.next;
        self.safe.retain(|(partition, offset)| next.get(partition).is_none_or(|next| offset >= next));
        self.limit = (self.limit * 2).min(BATCH_RECORDS_MAX);
        self.note_positions();
        self.note_landed(writing);
        match writing.batch.put_off {
            Some(_) => self.reopen(),
            None => Ok(()),
        }
    }

    pub(crate) fn note_landed(&self, writing: &Writing) {
        let mut now = self.figures.now();
        now.records += writing.batch.records;
        now.bytes += writing.batch.bytes;
        now.commits += 1;
        now.commit_time += writing.begun.elapsed();
    }

    /// Something staged can't be written. In ever smaller transactions it is found, and set aside.
    fn refused(&mut self, mut batch: Batch, error: &PortError) -> Result<(), PortError> {
        // The batch may have been put together before the limit fell.
        if let Some(only) = batch.only.take().filter(|_| batch.records == 1) {
            tracing::warn!(topic = %self.plan.topic, offset = %only.offset, %error, "the database refuses a record");
            batch.set_aside.push(only.because(error));
            self.batch = batch;
            return Ok(());
        }
        let refused = usize::try_from(batch.records).unwrap_or(BATCH_RECORDS_MAX);
        self.limit = (refused.min(self.limit) / 2).max(1);
        self.reopen()
    }
}
