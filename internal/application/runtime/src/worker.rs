use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use millstream_ports::{Action, Delivery, GroupLog, Outlet, Polled, PortError, World};

use crate::commit::{Progress, begin, commit, expire, go_on, send, settle_stores, take_back, write_behind};
use crate::desk::{COMMIT_WAIT, Desk};
use crate::partition::{Phase, Plan};
use crate::processor::ProcessorError;
use crate::query::{self, Asking, Query};
use crate::rebalance::{self, Kept};
use crate::recovery::Recovery;
use crate::standby::SharedShelf;
use crate::status::Status;
use crate::stop::{Heard, Stop};

/// Records taken from the log at a time. Their effects are held in memory until all are processed.
const BATCH_RECORDS_MAX: usize = 2_000;

/// How long a worker that is to stop waits for records that are deferred. Those it leaves are processed again elsewhere.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// Waiting for a record while completions are awaited, or what comes of a commit.
const DEFERRED_WAIT: Duration = Duration::from_millis(1);

/// Waiting while there is work beside processing, such as a recovery.
const BUSY_WAIT: Duration = Duration::from_millis(5);

/// Damaged tables that a worker repairs before it takes the disk to be broken.
const REPAIRS_MAX: u64 = 100;

/// Where a worker is on its way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Course {
    Working,
    /// It is to stop, and brings to an end what it has begun.
    Stopping,
    /// The brokers have not acknowledged what was done last, and are not waited for any more.
    Late,
}

/// A member of the group, and the owner of its partitions' state. It works step by step, on one thread.
pub(crate) struct Worker<W: World> {
    instance: usize,
    log: W::Group,
    pub(crate) desk: Desk<W>,
    recovery: Recovery<W>,
    kept: Kept<W>,
    questions: Receiver<Query>,
    asking: Asking,
    committed_at: Duration,
    /// Whether no record is read until those are done that a commit waits for.
    is_settling: bool,
    course: Course,
    is_paused: bool,
}

/// Comes to the group, with its inputs in their order.
fn join<W: World>(world: &W, plan: &Plan, instance: usize) -> Result<W::Group, PortError> {
    let (spec, (first, later)) = (&plan.graph.spec, &plan.graph.order);
    let mut log = world.join_group(&spec.group, instance, &spec.inputs, plan.settings.delivery)?;
    log.read_first(first, later);
    Ok(log)
}

impl<W: World> Worker<W> {
    pub(crate) fn new(
        world: &W,
        plan: Arc<Plan>,
        instance: usize,
        questions: Receiver<Query>,
        standbys: Option<SharedShelf<W>>,
    ) -> Result<Self, PortError> {
        let log = join(world, &plan, instance)?;
        let desk = Desk::new(world.clone(), plan);
        let recovery = Recovery::new(&desk, instance)?;
        let committed_at = world.elapsed();
        let (asking, is_paused) = (Asking::default(), false);
        let is_settling = false;
        Ok(Self {
            instance,
            log,
            desk,
            recovery,
            kept: Kept { worker: instance, standbys },
            questions,
            asking,
            committed_at,
            is_settling,
            course: Course::Working,
            is_paused,
        })
    }

    /// Works until told to stop or until it can't go on; then commits what was processed and leaves the group.
    pub(crate) fn run(mut self, stop: &Stop, status: &Status) -> Result<(), ProcessorError> {
        self.desk.stop = Heard::of(stop);
        self.heed();
        let outcome = self.work(status);
        self.end(outcome, status)
    }

    /// Has the log wait no longer for the brokers than a worker may that is to stop.
    fn heed(&mut self) {
        let (stop, world) = (self.desk.stop.clone(), self.desk.world.clone());
        self.log.heed(Arc::new(move || stop.is_older(world.elapsed(), COMMIT_WAIT)));
    }

    fn work(&mut self, status: &Status) -> Result<(), ProcessorError> {
        while !self.desk.stop.is_set() {
            self.step(status)?;
        }
        if self.course == Course::Working {
            self.course = Course::Stopping;
        }
        let waits = |worker: &Self, most| {
            let since = worker.desk.stopping_since();
            worker.course != Course::Late && since < Some(most)
        };
        while self.desk.deferred() > 0 && waits(self, STOP_WAIT)
            || self.is_unacknowledged() && waits(self, COMMIT_WAIT)
        {
            self.step(status)?;
        }
        if self.is_unacknowledged() {
            self.course = Course::Late;
        }
        Ok(())
    }

    /// Whether what was done is not committed yet, and may be waited for in steps.
    fn is_unacknowledged(&self) -> bool {
        !self.desk.is_exact() && (self.desk.under_way.is_some() || self.desk.has_uncommitted())
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
        query::answer(&self.questions, &mut self.desk, &mut self.asking);
        self.asking.answer(&self.log, &mut self.desk);
        let came_up = match self.turn() {
            Err(ProcessorError::Port(error)) => self.mend(error)?,
            outcome => outcome?,
        };
        status.publish(self.instance, &mut self.desk, &self.log);
        Ok(came_up)
    }

    /// Does what an error asks for, where something can be done.
    fn mend(&mut self, error: PortError) -> Result<bool, ProcessorError> {
        let desk = &mut self.desk;
        let refused = desk.suspects.hear(self.log.rejections(), &desk.plan);
        match refused {
            Ok(Some(wait)) => {
                self.desk.set_back_by_refusal(wait, &error);
                self.do_again(&error)?;
            }
            Ok(None) if self.can_take_back(&error) => {
                self.desk.set_back(&error)?;
                self.do_again(&error)?;
            }
            Ok(None) if self.desk.gave_up(&error) => self.course = Course::Late,
            Ok(None) if error.action() == Action::DeadLetter => self.begin_anew(error)?,
            Ok(None) => return Err(ProcessorError::Port(error)),
            Err(fatal) => return Err(ProcessorError::Port(fatal)),
        }
        Ok(true)
    }

    fn do_again(&mut self, error: &PortError) -> Result<(), PortError> {
        tracing::warn!(%error, "what was not committed is taken back and done again");
        match take_back(&mut self.log, &mut self.desk) {
            Err(error) if self.desk.gave_up(&error) => {
                self.course = Course::Late;
            }
            outcome => outcome?,
        }
        self.is_settling = false;
        self.desk.status.measures.aborts += 1;
        Ok(())
    }

    /// A table's store is damaged: leaves the group as after a crash, and joins it again. The store is then opened anew, which
    /// sets it aside, and the table is read from its changelog.
    fn begin_anew(&mut self, error: PortError) -> Result<(), ProcessorError> {
        if self.desk.status.repairs >= REPAIRS_MAX {
            return Err(ProcessorError::Port(error));
        }
        tracing::error!(%error, "a table is damaged; the worker begins anew, and builds it from its changelog");
        if let Err(error) = self.close(false) {
            tracing::warn!(%error, "not all was stored; it is read from the changelog");
        }
        let Self { instance, desk, .. } = self;
        self.kept.forget();
        desk.tasks.clear();
        self.log = join(&desk.world, &desk.plan, *instance)?;
        let mut fresh = Desk::new(desk.world.clone(), desk.plan.clone());
        std::mem::swap(&mut fresh.status, &mut desk.status);
        fresh.stop = desk.stop.clone();
        fresh.status.repairs += 1;
        self.desk = fresh;
        self.heed();
        self.recovery = Recovery::new(&self.desk, self.instance)?;
        Ok(())
    }

    fn turn(&mut self) -> Result<bool, ProcessorError> {
        let recovered = self.recovery.step(&mut self.log, &mut self.desk, Duration::ZERO)?;
        let stored = write_behind(&mut self.desk)?;
        let is_busy = self.work_apart()? || recovered || stored;
        let wait = if is_busy { Duration::ZERO } else { self.wait() };
        self.pause_or_resume()?;
        let desk = &mut self.desk;
        let polled = self.log.poll(wait, BATCH_RECORDS_MAX, |record| {
            let world = &desk.world;
            desk.status.measures.begin(|| world.elapsed());
            desk.process(&record)
        })?;
        if let Some(failure) = self.desk.failure.take() {
            return Err(failure);
        }
        let came_up = polled != Polled::Records(0);
        match polled {
            Polled::Records(_) => {
                self.ring_for_now()?;
                send(&mut self.log, &mut self.desk)?;
                self.measure_batch();
                expire(&mut self.desk)?;
            }
            // Where partitions are lost, nothing can be sent for them any more.
            event => self.take_note(event)?,
        }
        let committed = self.commit_when_due()?;
        Ok(is_busy || came_up || committed)
    }

    fn measure_batch(&mut self) {
        let (elapsed, now) = (self.desk.world.elapsed(), self.desk.world.now());
        self.desk.status.measures.end(elapsed, now);
    }

    /// Calls the timers that the records at hand have set to a time that has passed, so that one commit has both.
    fn ring_for_now(&mut self) -> Result<(), ProcessorError> {
        if self.desk.is_set_back() { Ok(()) } else { self.desk.ring_all().map(drop) }
    }

    /// Does what is due without a record from the log: timers, what waited, visits.
    fn work_apart(&mut self) -> Result<bool, ProcessorError> {
        if self.desk.is_set_back() {
            return Ok(false);
        }
        let rang = self.desk.ring_all()?;
        let went_on = self.desk.go_on(self.is_settling || self.course != Course::Working)?;
        let told = self.desk.tell_idle()?;
        Ok(self.desk.visit_some()? || rang || went_on || told)
    }

    /// Reads no records while enough of them wait; the member stays in the group, and hears of rebalances.
    fn pause_or_resume(&mut self) -> Result<(), PortError> {
        let pauses = self.is_settling
            || self.course != Course::Working
            || self.desk.refusal.is_some()
            || self.desk.is_set_back()
            || self.desk.is_full();
        if pauses == self.is_paused {
            return Ok(());
        }
        self.is_paused = pauses;
        if pauses { self.log.pause() } else { self.log.resume() }
    }

    fn take_note(&mut self, polled: Polled) -> Result<(), PortError> {
        let Self { log, desk, recovery, kept, .. } = self;
        match polled {
            Polled::Records(_) => Ok(()),
            Polled::Assigned(partitions) => {
                desk.status.measures.rebalances += 1;
                rebalance::assigned(log, desk, kept, &partitions)
            }
            Polled::Revoked(partitions) => rebalance::revoked(log, desk, recovery, kept, &partitions),
            Polled::Lost(partitions) => rebalance::lost(log, desk, recovery, kept, &partitions),
        }
    }

    /// Under exactly-once nothing that failed has taken effect, and all of it can be done again.
    fn can_take_back(&self, error: &PortError) -> bool {
        self.desk.plan.settings.delivery == Delivery::ExactlyOnce && error.action() == Action::Retry
    }

    fn wait(&mut self) -> Duration {
        if Recovery::is_busy(&mut self.desk) || self.asking.goes_on(self.desk.world.elapsed()) {
            return BUSY_WAIT;
        }
        if self.desk.deferred() > 0 || self.desk.under_way.is_some() {
            return DEFERRED_WAIT;
        }
        let interval = self.desk.plan.settings.commit_interval();
        let joins = !self.desk.plan.graph.spec.joins.is_empty();
        let most = if joins { BUSY_WAIT * 4 } else { Duration::from_millis(100) };
        if !self.desk.has_uncommitted() {
            return most;
        }
        interval.saturating_sub(self.since_commit()).clamp(Duration::from_millis(1), most)
    }

    fn since_commit(&self) -> Duration {
        self.desk.world.elapsed().saturating_sub(self.committed_at)
    }

    /// Begins a commit when that is due, and takes one that is under way further. Answers whether there is one, or was.
    fn commit_when_due(&mut self) -> Result<bool, ProcessorError> {
        let is_full = self.desk.uncommitted_bytes() >= self.desk.plan.settings.dirty_bytes_max;
        let was_under_way = self.desk.under_way.is_some();
        let begun = if was_under_way { Ok(true) } else { self.begin_commit(is_full) };
        // What would be the next one's is too much: it waits for this one. A transaction is waited for in any case: what is done
        // meanwhile is of the next one, and would be committed two intervals late.
        let waits = self.desk.is_exact() || (was_under_way && is_full);
        let outcome = begun.and_then(|begun| {
            if begun { go_on(&mut self.log, &mut self.desk, waits) } else { Ok(Progress::Nothing) }
        });
        match outcome {
            Err(error) if error.action() == Action::Retry && !self.can_take_back(&error) => {
                // The group is rebalancing: what comes next is a revocation, which commits, or a loss, which repeats.
                tracing::warn!(%error, "commit put off");
                Ok(false)
            }
            outcome => Ok(self.came_to(outcome?)),
        }
    }

    fn begin_commit(&mut self, is_full: bool) -> Result<bool, PortError> {
        let is_due = self.since_commit() >= self.desk.plan.settings.commit_interval();
        if !is_due && !is_full && self.course == Course::Working {
            return Ok(false);
        }
        self.is_settling = (self.desk.is_exact() && self.desk.has_gaps()) || self.desk.refusal.is_some();
        if self.is_settling {
            return Ok(false);
        }
        self.committed_at = self.desk.world.elapsed();
        begin(&mut self.log, &mut self.desk).map(|()| true)
    }

    fn came_to(&mut self, progress: Progress) -> bool {
        if progress == Progress::Committed {
            let took = self.since_commit();
            self.desk.status.measures.commits.note(took);
        }
        progress != Progress::Nothing
    }

    /// What the brokers refuse now is left to the next owner, who does by the policies with it.
    fn commit_last(&mut self) -> Result<(), PortError> {
        let Err(error) = commit(&mut self.log, &mut self.desk) else { return Ok(()) };
        if self.desk.gave_up(&error) {
            self.course = Course::Late;
            return Ok(());
        }
        if self.desk.suspects.hear(self.log.rejections(), &self.desk.plan)?.is_none() {
            return Err(error);
        }
        tracing::warn!(%error, "what was done last is not committed");
        take_back(&mut self.log, &mut self.desk)
    }

    fn close(&mut self, is_healthy: bool) -> Result<(), PortError> {
        // What is deferred and can't be waited for is left to the next owner, with all since the last commit.
        let is_whole = is_healthy && !(self.desk.is_exact() && self.desk.has_gaps());
        let committed = if is_whole && self.course != Course::Late { self.commit_last() } else { Ok(()) };
        if self.course == Course::Late {
            tracing::warn!(
                "the brokers do not answer: what was done last is not committed, and is done again at the next start"
            );
        }
        if self.desk.is_exact() && self.course != Course::Late && (committed.is_err() || !is_whole) {
            // Spares readers the wait for a transaction that nobody will end.
            if let Err(error) = take_back(&mut self.log, &mut self.desk) {
                tracing::warn!(%error, "the open transaction is left to its time-out");
            }
        }
        let stored = settle_stores(&mut self.desk);
        let mut flushed = Ok(());
        for task in self.desk.owned().filter(|task| task.phase == Phase::Running) {
            if let Some(layer) = task.own_layer() {
                flushed = flushed.and(millstream_ports::TableStore::flush(layer.store()));
            }
        }
        self.log.leave();
        committed.and(stored).and(flushed)
    }
}
