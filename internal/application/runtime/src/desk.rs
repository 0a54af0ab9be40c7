use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use millstream_model::{Partition, RecordView};
use millstream_ports::{Action, Delivery, PortError, World};

use crate::commit::UnderWay;
use crate::context::Aside;
use crate::deferral::{Completed, Deferral};
use crate::effects::{Effects, Mark};
use crate::graph::StepError;
use crate::held::{Lane, OwnedRecord, Retrying, Turn, may_pass};
use crate::partition::{PartitionTask, Phase, Plan, Quiet};
use crate::policy::{Policy, Retry, Verdict};
use crate::processor::ProcessorError;
use crate::refused::Refusal;
use crate::status::WorkerStatus;
use crate::stop::Heard;
use crate::suspects::Suspects;
use crate::visit::Visit;

mod alarms;
mod aside;
mod calling;
mod idle;
mod visiting;
mod waiting;

/// Waiting after what was done is taken back: half of the first wait, and the longest.
const FIRST_SETBACK: Duration = Duration::from_millis(10);
const SETBACK_MAX: Duration = Duration::from_millis(200);

/// How long a worker that is to stop waits for brokers to acknowledge what it did. What they do not is done again elsewhere.
pub(crate) const COMMIT_WAIT: Duration = Duration::from_secs(5);

/// Where records are worked on: everything a worker owns but its log, so that the log can lend records to it.
pub(crate) struct Desk<W: World> {
    pub(crate) world: W,
    pub(crate) plan: Arc<Plan>,
    /// By partition number.
    pub(crate) tasks: Vec<Option<PartitionTask<W::Store>>>,
    pub(crate) effects: Effects,
    pub(crate) status: WorkerStatus,
    pub(crate) failure: Option<ProcessorError>,
    deferral: Deferral,
    completed: Receiver<Completed>,
    /// Whether a record may have been deferred since this was last looked at.
    has_deferred: bool,
    pub(crate) visits: VecDeque<Visit>,
    /// Whether something was done since the last commit that is of no record.
    pub(crate) has_worked_apart: bool,
    /// The commit that has begun and is not over.
    pub(crate) under_way: Option<UnderWay>,
    /// When the group last took a commit of this member, which it does of those that it counts in.
    pub(crate) counted_at: Duration,
    /// What must be sent before anything else is.
    pub(crate) refusal: Option<Refusal>,
    pub(crate) setback: Option<Setback>,
    pub(crate) suspects: Suspects,
    /// Whether the worker is to stop, and when it heard of that.
    pub(crate) stop: Heard,
}

/// What was not committed was taken back, and is done again after a moment.
pub(crate) struct Setback {
    /// How often, since the last commit.
    pub(crate) times: u32,
    pub(crate) due: Duration,
    pub(crate) reason: String,
}

/// Where a record comes from that is being tried.
#[derive(Clone, Copy)]
struct Attempt {
    /// How often it was retried.
    tried: u32,
    /// Whether records after it in its partition are done.
    was_overtaken: bool,
}

impl Attempt {
    const FIRST: Self = Self { tried: 0, was_overtaken: false };
}

impl<W: World> Desk<W> {
    pub(crate) fn new(world: W, plan: Arc<Plan>) -> Self {
        let status = WorkerStatus::new(plan.graph.spec.inputs.len(), plan.widths.len());
        let (deferral, completed) = Deferral::new();
        Self {
            world,
            plan,
            tasks: Vec::new(),
            effects: Effects::default(),
            status,
            failure: None,
            deferral,
            completed,
            has_deferred: false,
            visits: VecDeque::new(),
            has_worked_apart: false,
            under_way: None,
            counted_at: Duration::ZERO,
            refusal: None,
            setback: None,
            suspects: Suspects::default(),
            stop: Heard::default(),
        }
    }

    /// How long the worker is to stop already; none where it is not.
    pub(crate) fn stopping_since(&self) -> Option<Duration> {
        self.stop.since(self.world.elapsed())
    }

    /// Whether a worker that is to stop has waited for the brokers for as long as it may.
    pub(crate) fn is_late(&self) -> bool {
        self.stop.is_older(self.world.elapsed(), COMMIT_WAIT)
    }

    /// Whether an error is of a wait that such a worker has broken off.
    pub(crate) fn gave_up(&self, error: &PortError) -> bool {
        error.action() == Action::Retry && self.is_late()
    }

    pub(crate) fn owned(&mut self) -> impl Iterator<Item = &mut PartitionTask<W::Store>> {
        self.tasks.iter_mut().flatten()
    }

    pub(crate) fn task(&mut self, partition: Partition) -> Option<&mut PartitionTask<W::Store>> {
        self.tasks.get_mut(partition.index())?.as_mut()
    }

    pub(crate) fn put_task(&mut self, task: PartitionTask<W::Store>) {
        let place = task.partition.index();
        if self.tasks.len() <= place {
            self.tasks.resize_with(place + 1, || None);
        }
        if let Some(slot) = self.tasks.get_mut(place) {
            *slot = Some(task);
        }
    }

    fn running(&mut self, partition: Partition) -> Option<&mut PartitionTask<W::Store>> {
        self.task(partition).filter(|task| task.phase == Phase::Running)
    }

    /// Whether a commit covers all that was done or nothing: then no record may be done before one that is not.
    pub(crate) fn is_exact(&self) -> bool {
        self.plan.settings.delivery == Delivery::ExactlyOnce
    }

    /// Processes one record; breaks off when the processor must stop, or enough is deferred.
    pub(crate) fn process(&mut self, record: &RecordView<'_>) -> ControlFlow<()> {
        match self.take(record) {
            Ok(()) if self.has_deferred && self.deferred() >= self.plan.settings.deferred_max => {
                ControlFlow::Break(())
            }
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failure.get_or_insert(error);
                ControlFlow::Break(())
            }
        }
    }

    fn take(&mut self, record: &RecordView<'_>) -> Result<(), ProcessorError> {
        if self.failure.is_some() {
            // A log may hand over what it had in hand; none of it counts after a failure.
            return Ok(());
        }
        let is_exact = self.is_exact();
        let Some(task) = self.running(record.partition) else {
            let said = format!("a record of partition {} came before its table was ready", record.partition);
            return Err(ProcessorError::Port(PortError::stop(said)));
        };
        if task.ledger.knows(record.topic, record.offset) {
            return Ok(());
        }
        match task.held.turn(record.key) {
            Turn::Now => self.run(record, Attempt::FIRST),
            turn => {
                task.ledger.taken(record.topic, record.offset);
                task.held.wait(OwnedRecord::of(record), turn, is_exact);
                Ok(())
            }
        }
    }

    /// Calls a record's step and deals with what it answers.
    fn run(&mut self, record: &RecordView<'_>, attempt: Attempt) -> Result<(), ProcessorError> {
        let mark = self.effects.mark();
        let (outcome, aside) = self.call_step(record)?;
        let deferred = self.deferral.take();
        match (outcome, deferred) {
            (Ok(()), None) => {
                self.count(&aside);
                self.accept(record.partition);
                self.done(record)
            }
            (Ok(()), Some((number, outstanding))) => {
                self.count(&aside);
                let lane = self.lane(OwnedRecord::of(record), mark, outstanding, attempt.tried);
                self.defer(number, lane);
                Ok(())
            }
            (Err(error), _) => {
                self.reject(record.partition, mark);
                self.failed(record, &error, attempt, aside.policy)
            }
        }
    }

    fn count(&mut self, aside: &Aside) {
        self.status.skipped += aside.skipped;
        self.status.dead_letters += aside.letters;
    }

    /// What the record at hand wrote counts.
    fn accept(&mut self, partition: Partition) {
        let Self { plan, tasks, .. } = self;
        let Some(task) = tasks.get_mut(partition.index()).and_then(Option::as_mut) else { return };
        let PartitionTask { tables, timers, .. } = task;
        let Some(table) = tables.first_mut() else { return };
        if let Some(timers) = timers {
            timers.note_staged(&plan.graph.names.timers, table.layer.staged());
        }
        table.layer.accept_staged();
    }

    /// What the record at hand wrote and emitted never was.
    fn reject(&mut self, partition: Partition, mark: Mark) {
        if let Some(layer) = self.task(partition).and_then(PartitionTask::own_layer) {
            layer.reject_staged();
        }
        self.effects.rollback(mark);
    }

    /// Takes what the record at hand wrote and emitted aside, until it goes on.
    fn lane(&mut self, record: OwnedRecord, mark: Mark, outstanding: usize, tried: u32) -> Lane {
        let effects = self.effects.split_off(mark);
        let layer = self.task(record.partition).and_then(PartitionTask::own_layer);
        let staged = layer.map(crate::layer::TableLayer::take_staged).unwrap_or_default();
        Lane { record, outstanding, effects, staged, behind: VecDeque::new(), tried }
    }

    fn defer(&mut self, number: u64, lane: Lane) {
        let (topic, offset) = (lane.record.topic, lane.record.offset);
        self.has_deferred = true;
        if let Some(task) = self.task(lane.record.partition) {
            task.ledger.taken(topic, offset);
            task.held.defer(number, lane);
        }
    }

    /// Notes that a record is done, and calls the timers that its time makes due.
    fn done(&mut self, record: &RecordView<'_>) -> Result<(), ProcessorError> {
        self.status.processed(record);
        let Some(task) = self.task(record.partition) else { return Ok(()) };
        task.ledger.processed(record.topic, record.offset);
        task.seen = Some(record.timestamp);
        task.quiet = Quiet::Broken;
        let Some(timers) = &mut task.timers else { return Ok(()) };
        timers.pass(record.timestamp);
        if timers.has_event_due() { self.ring(record.partition).map(drop) } else { Ok(()) }
    }

    /// Does with a record that failed what its policy says.
    fn failed(
        &mut self,
        record: &RecordView<'_>,
        error: &StepError,
        attempt: Attempt,
        policy: Option<Policy>,
    ) -> Result<(), ProcessorError> {
        let rules = &self.plan.graph.rules;
        let policy = match error {
            _ if may_pass(error) => Policy::Retry(Retry::WHILE_IT_LASTS),
            StepError::Decode(_) => rules.decode(record.topic),
            StepError::Callback(_) => policy.unwrap_or(rules.callback(record.topic)),
        };
        match policy.after(attempt.tried) {
            Verdict::Again(wait) => {
                let due = self.world.elapsed() + wait;
                let Attempt { tried, was_overtaken } = attempt;
                let (record, reason) = (OwnedRecord::of(record), error.to_string());
                self.retry_later(Retrying { record, tried: tried + 1, due, reason, was_overtaken });
                Ok(())
            }
            Verdict::End(end) => {
                self.set_aside(record, error, end)?;
                self.done(record)
            }
        }
    }

    fn retry_later(&mut self, retrying: Retrying) {
        self.status.retried += 1;
        self.status.measures.failed("record", "retry");
        if self.status.first_of_batch() {
            let Retrying { record, reason, tried, .. } = &retrying;
            tracing::warn!(partition = %record.partition, offset = %record.offset, reason, tried, "a record waits to be tried again");
        }
        if let Some(task) = self.task(retrying.record.partition) {
            task.ledger.taken(retrying.record.topic, retrying.record.offset);
            task.held.retrying.push(retrying);
        }
    }

    /// Notes that all since the last commit is to be taken back. By the group's policy for emitted records that may end.
    ///
    /// # Errors
    /// When it was done often enough.
    pub(crate) fn set_back(&mut self, error: &PortError) -> Result<(), ProcessorError> {
        let times = self.setback.as_ref().map_or(0, |before| before.times) + 1;
        if let Policy::Retry(retry) = self.plan.graph.rules.produce_of_group()
            && !retry.goes_on(times - 1)
        {
            let said = format!("{error}; it was tried {times} times, which is as often as the policy allows");
            return Err(ProcessorError::Port(PortError::stop(said)));
        }
        let wait = FIRST_SETBACK.saturating_mul(1 << times.min(8)).min(SETBACK_MAX);
        self.setback = Some(Setback { times, due: self.world.elapsed() + wait, reason: error.to_string() });
        Ok(())
    }

    /// As [`Desk::set_back`], for records that the brokers refuse: these go by their own policies, each as often as it says.
    pub(crate) fn set_back_by_refusal(&mut self, wait: Duration, error: &PortError) {
        let (due, reason) = (self.world.elapsed() + wait, error.to_string());
        self.setback = Some(Setback { times: 1, due, reason });
    }

    /// Whether what was taken back is to wait yet.
    pub(crate) fn is_set_back(&self) -> bool {
        self.setback.as_ref().is_some_and(|setback| setback.due > self.world.elapsed())
    }

    /// Whether anything was done that is not committed.
    pub(crate) fn has_uncommitted(&self) -> bool {
        let mut tasks = self.tasks.iter().flatten();
        self.has_worked_apart
            || self.uncommitted_bytes() > 0
            || tasks.any(|task| task.ledger.uncommitted().next().is_some())
    }

    /// Writes that wait for the next commit, in bytes.
    pub(crate) fn uncommitted_bytes(&self) -> usize {
        let layers = self.tasks.iter().flatten().filter_map(|task| task.tables.first());
        layers.map(|table| table.layer.dirty_bytes()).sum()
    }

    /// How many records are deferred.
    pub(crate) fn deferred(&self) -> usize {
        self.tasks.iter().flatten().map(|task| task.held.lanes.len()).sum()
    }

    /// Whether records are done that come after one that is not, so that nothing can be committed whole.
    pub(crate) fn has_gaps(&self) -> bool {
        self.tasks.iter().flatten().any(|task| task.held.has_gaps())
    }

    /// Whether as many records wait as may.
    pub(crate) fn is_full(&mut self) -> bool {
        self.has_deferred = self.deferred() > 0;
        let settings = &self.plan.settings;
        let held = || self.tasks.iter().flatten().map(|task| &task.held).filter(|held| !held.is_empty());
        self.deferred() >= settings.deferred_max
            || held().map(crate::held::Held::bytes).sum::<usize>() >= settings.waiting_bytes_max
    }
}
