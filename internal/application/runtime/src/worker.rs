use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use millstream_ports::{Action, GroupLog, Polled, PortError, World};

use crate::commit::{commit, send, settle_stores};
use crate::desk::Desk;
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

/// One thread of a processor: a member of the group, and the owner of its partitions' state.
pub(crate) struct Worker<W: World> {
    instance: usize,
    log: W::Group,
    desk: Desk<W>,
    recovery: Recovery<W>,
    parked: Parked<W::Store>,
    questions: Receiver<Query>,
    committed_at: Instant,
}

impl<W: World> Worker<W> {
    pub(crate) fn new(
        world: &W,
        plan: Arc<Plan>,
        instance: usize,
        questions: Receiver<Query>,
    ) -> Result<Self, PortError> {
        let spec = &plan.graph.spec;
        let log = world.join_group(&spec.group, instance, &spec.inputs)?;
        let desk = Desk::new(world.clone(), plan);
        let recovery = Recovery::new(&desk, instance)?;
        Ok(Self {
            instance,
            log,
            desk,
            recovery,
            parked: Parked::new(),
            questions,
            committed_at: Instant::now(),
        })
    }

    /// Works until told to stop or until it can't go on; then commits what was processed and leaves the group.
    pub(crate) fn run(mut self, stop: &Stop, status: &Status) -> Result<(), ProcessorError> {
        let outcome = self.work(stop, status);
        let closed = self.close(outcome.is_ok());
        status.publish(self.instance, &mut self.desk, &self.log);
        outcome.and(closed.map_err(ProcessorError::Port))
    }

    fn work(&mut self, stop: &Stop, status: &Status) -> Result<(), ProcessorError> {
        while !stop.is_set() {
            self.turn()?;
            status.publish(self.instance, &mut self.desk, &self.log);
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<(), ProcessorError> {
        query::answer(&self.questions, &mut self.desk);
        let wait = self.wait();
        self.recovery.step(&mut self.log, &mut self.desk, Duration::ZERO)?;
        let desk = &mut self.desk;
        let polled = self.log.poll(wait, BATCH_RECORDS_MAX, |record| desk.process(&record))?;
        if let Some(failure) = self.desk.failure.take() {
            return Err(failure);
        }
        send(&mut self.log, &mut self.desk)?;
        match polled {
            Polled::Records(_) => {}
            Polled::Assigned(partitions) => {
                rebalance::assigned(&mut self.log, &mut self.desk, &mut self.parked, &partitions)?;
            }
            Polled::Revoked(partitions) => {
                let Self { log, desk, recovery, parked, .. } = self;
                rebalance::revoked(log, desk, recovery, parked, &partitions)?;
            }
            Polled::Lost(partitions) => {
                let Self { log, desk, recovery, parked, .. } = self;
                rebalance::lost(log, desk, recovery, parked, &partitions)?;
            }
        }
        self.commit_when_due()
    }

    fn wait(&mut self) -> Duration {
        if Recovery::is_busy(&mut self.desk) {
            return BUSY_WAIT;
        }
        let interval = self.desk.plan.settings.commit_interval;
        let joins = !self.desk.plan.graph.spec.joins.is_empty();
        let due = interval.saturating_sub(self.committed_at.elapsed());
        due.clamp(Duration::from_millis(1), if joins { BUSY_WAIT * 4 } else { Duration::from_millis(100) })
    }

    fn commit_when_due(&mut self) -> Result<(), ProcessorError> {
        let settings = &self.desk.plan.settings;
        let (interval, dirty_max) = (settings.commit_interval, settings.dirty_bytes_max);
        let dirty: usize =
            self.desk.owned().filter_map(|task| task.own_layer().map(|layer| layer.dirty_bytes())).sum();
        if self.committed_at.elapsed() < interval && dirty < dirty_max {
            return Ok(());
        }
        self.committed_at = Instant::now();
        match commit(&mut self.log, &mut self.desk) {
            // The group is rebalancing: what comes next is a revocation, which commits, or a loss, which repeats.
            Err(error) if error.action() == Action::Retry => {
                tracing::warn!(%error, "commit put off");
                Ok(())
            }
            outcome => Ok(outcome?),
        }
    }

    fn close(&mut self, is_healthy: bool) -> Result<(), PortError> {
        let committed = if is_healthy { commit(&mut self.log, &mut self.desk) } else { Ok(()) };
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
