use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use millstream_ports::{Action, Delivery, GroupLog, Polled, PortError, World};

use crate::commit::{commit, send, settle_stores, take_back, write_behind};
use crate::desk::Desk;
use crate::idle;
use crate::partition::{Phase, Plan};
use crate::processor::ProcessorError;
use crate::query::{self, Query};
use crate::rebalance::{self, Parked};
use crate::recovery::Recovery;
use crate::status::Status;
use crate::stop::Stop;

/// Records taken from the log at a time. Their effects are held in memory until all are processed.
const BATCH_RECORDS_MAX: usize = 2_000;

/// Waiting while there is work beside processing, such as a recovery.
const BUSY_WAIT: Duration = Duration::from_millis(5);

/// A member of the group, and the owner of its partitions' state. It works step by step, on one thread.
pub(crate) struct Worker<W: World> {
    instance: usize,
    log: W::Group,
    pub(crate) desk: Desk<W>,
    recovery: Recovery<W>,
    parked: Parked<W::Store>,
    questions: Receiver<Query>,
    committed_at: Duration,
}

impl<W: World> Worker<W> {
    pub(crate) fn new(
        world: &W,
        plan: Arc<Plan>,
        instance: usize,
        questions: Receiver<Query>,
    ) -> Result<Self, PortError> {
        let spec = &plan.graph.spec;
        let log = world.join_group(&spec.group, instance, &spec.inputs, plan.settings.delivery)?;
        let desk = Desk::new(world.clone(), plan);
        let recovery = Recovery::new(&desk, instance)?;
        let committed_at = world.elapsed();
        Ok(Self { instance, log, desk, recovery, parked: Parked::new(), questions, committed_at })
    }

    /// Works until told to stop or until it can't go on; then commits what was processed and leaves the group.
    pub(crate) fn run(mut self, stop: &Stop, status: &Status) -> Result<(), ProcessorError> {
        let outcome = self.work(stop, status);
        self.end(outcome, status)
    }

    fn work(&mut self, stop: &Stop, status: &Status) -> Result<(), ProcessorError> {
        while !stop.is_set() {
            self.step(status)?;
        }
        Ok(())
    }

    /// Commits what was processed unless it ended badly, leaves the group, and tells how all of it went.
    pub(crate) fn end(
        mut self,
        outcome: Result<(), ProcessorError>,
        status: &Status,
    ) -> Result<(), ProcessorError> {
        let closed = self.close(outcome.is_ok());
        status.publish(self.instance, &mut self.desk, &self.log);
        outcome.and(closed.map_err(ProcessorError::Port))
    }

    /// Answers questions, brings tables forward, processes a batch, and commits when that is due. Answers whether anything
    /// came up; where nothing did, it has waited for a moment.
    pub(crate) fn step(&mut self, status: &Status) -> Result<bool, ProcessorError> {
        query::answer(&self.questions, &mut self.desk);
        let came_up = match self.turn() {
            Err(ProcessorError::Port(error)) if self.can_take_back(&error) => {
                tracing::warn!(%error, "what was not committed is taken back and done again");
                take_back(&mut self.log, &mut self.desk)?;
                true
            }
            outcome => outcome?,
        };
        status.publish(self.instance, &mut self.desk, &self.log);
        Ok(came_up)
    }

    fn turn(&mut self) -> Result<bool, ProcessorError> {
        let recovered = self.recovery.step(&mut self.log, &mut self.desk, Duration::ZERO)?;
        let stored = write_behind(&mut self.desk)?;
        let wait = if recovered || stored { Duration::ZERO } else { self.wait() };
        let was_stalled = self.desk.stalled.is_some();
        if was_stalled && self.desk.retry_stalled()? {
            self.log.resume()?;
        }
        let desk = &mut self.desk;
        let polled = self.log.poll(wait, BATCH_RECORDS_MAX, |record| desk.process(&record))?;
        if let Some(failure) = self.desk.failure.take() {
            return Err(failure);
        }
        if !was_stalled && self.desk.stalled.is_some() {
            self.log.pause()?;
        }
        let came_up = polled != Polled::Records(0) || idle::tell(&mut self.desk)?;
        send(&mut self.log, &mut self.desk)?;
        self.take_note(polled)?;
        let committed = self.commit_when_due()?;
        Ok(recovered || stored || came_up || committed)
    }

    fn take_note(&mut self, polled: Polled) -> Result<(), PortError> {
        let Self { log, desk, recovery, parked, .. } = self;
        match polled {
            Polled::Records(_) => Ok(()),
            Polled::Assigned(partitions) => rebalance::assigned(log, desk, parked, &partitions),
            Polled::Revoked(partitions) => rebalance::revoked(log, desk, recovery, parked, &partitions),
            Polled::Lost(partitions) => rebalance::lost(log, desk, recovery, parked, &partitions),
        }
    }

    /// Under exactly-once nothing that failed has taken effect, and all of it can be done again.
    fn can_take_back(&self, error: &PortError) -> bool {
        self.desk.plan.settings.delivery == Delivery::ExactlyOnce && error.action() == Action::Retry
    }

    fn wait(&mut self) -> Duration {
        if Recovery::is_busy(&mut self.desk) {
            return BUSY_WAIT;
        }
        let interval = self.desk.plan.settings.commit_interval;
        let joins = !self.desk.plan.graph.spec.joins.is_empty();
        let due = interval.saturating_sub(self.since_commit());
        due.clamp(Duration::from_millis(1), if joins { BUSY_WAIT * 4 } else { Duration::from_millis(100) })
    }

    fn since_commit(&self) -> Duration {
        self.desk.world.elapsed().saturating_sub(self.committed_at)
    }

    fn commit_when_due(&mut self) -> Result<bool, ProcessorError> {
        let settings = &self.desk.plan.settings;
        let (interval, dirty_max) = (settings.commit_interval, settings.dirty_bytes_max);
        let dirty: usize =
            self.desk.owned().filter_map(|task| task.own_layer().map(|layer| layer.dirty_bytes())).sum();
        if self.since_commit() < interval && dirty < dirty_max {
            return Ok(false);
        }
        self.committed_at = self.desk.world.elapsed();
        match commit(&mut self.log, &mut self.desk) {
            Err(error) if error.action() == Action::Retry && !self.can_take_back(&error) => {
                // The group is rebalancing: what comes next is a revocation, which commits, or a loss, which repeats.
                tracing::warn!(%error, "commit put off");
                Ok(false)
            }
            outcome => Ok(outcome?),
        }
    }

    fn close(&mut self, is_healthy: bool) -> Result<(), PortError> {
        let committed = if is_healthy { commit(&mut self.log, &mut self.desk).map(drop) } else { Ok(()) };
        if self.desk.plan.settings.delivery == Delivery::ExactlyOnce && (committed.is_err() || !is_healthy) {
            // Spares readers the wait for a transaction that nobody will end.
            if let Err(error) = take_back(&mut self.log, &mut self.desk) {
                tracing::warn!(%error, "the open transaction is left to its time-out");
            }
        }
        let stored = settle_stores(&mut self.desk);
        for task in self.desk.owned().filter(|task| task.phase == Phase::Running) {
            if let Some(layer) = task.own_layer() {
                millstream_ports::TableStore::flush(layer.store())?;
            }
        }
        self.log.leave();
        committed.and(stored)
    }
}
