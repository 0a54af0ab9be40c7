use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use millstream_model::{Headers, Partition, RecordView};
use millstream_ports::{PortError, World};

use crate::context::Context;
use crate::dead_letter;
use crate::effects::{Draft, Effects};
use crate::graph::StepError;
use crate::partition::{PartitionTask, Phase, Plan, Quiet};
use crate::policy::Policy;
use crate::processor::ProcessorError;
use crate::stalled::{self, Stalled};
use crate::status::WorkerStatus;

/// Where records are worked on: everything a worker owns but its log, so that the log can lend records to it.
pub(crate) struct Desk<W: World> {
    pub(crate) world: W,
    pub(crate) plan: Arc<Plan>,
    /// By partition number.
    pub(crate) tasks: Vec<Option<PartitionTask<W::Store>>>,
    pub(crate) effects: Effects,
    pub(crate) status: WorkerStatus,
    pub(crate) failure: Option<ProcessorError>,
    /// What must be processed before anything else is.
    pub(crate) stalled: Option<Stalled>,
}

impl<W: World> Desk<W> {
    pub(crate) fn new(world: W, plan: Arc<Plan>) -> Self {
        let status = WorkerStatus::new(plan.graph.spec.inputs.len(), plan.widths.len());
        Self {
            world,
            plan,
            tasks: Vec::new(),
            effects: Effects::default(),
            status,
            failure: None,
            stalled: None,
        }
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

    /// Processes one record; breaks off when the processor must stop.
    pub(crate) fn process(&mut self, record: &RecordView<'_>) -> ControlFlow<()> {
        match self.attempt(record) {
            Ok(()) if self.stalled.is_none() => ControlFlow::Continue(()),
            Ok(()) => ControlFlow::Break(()),
            Err(error) => {
                self.failure.get_or_insert(error);
                ControlFlow::Break(())
            }
        }
    }

    /// Processes the stalled record when it is time to try again; answers whether there is none any more.
    pub(crate) fn retry_stalled(&mut self) -> Result<bool, ProcessorError> {
        let now = self.world.elapsed();
        let Some(before) = self.stalled.take_if(|stalled| stalled.is_due(now)) else {
            return Ok(self.stalled.is_none());
        };
        self.attempt(&before.view())?;
        if let Some(Stalled { reason, .. }) = self.stalled.take() {
            self.stalled = Some(before.again(reason, now));
            return Ok(false);
        }
        tracing::info!(partition = %before.partition, "what a record waited for answers again");
        Ok(true)
    }

    fn attempt(&mut self, record: &RecordView<'_>) -> Result<(), ProcessorError> {
        if self.failure.is_some() {
            // A log may hand over what it had in hand; none of it counts after a failure.
            return Ok(());
        }
        let mark = self.effects.mark();
        let task = self.tasks.get_mut(record.partition.index()).and_then(Option::as_mut);
        let Some(task) = task.filter(|task| task.phase == Phase::Running) else {
            let said = format!("a record of partition {} came before its table was ready", record.partition);
            return Err(ProcessorError::Port(PortError::stop(said)));
        };
        if task.ledger.knows(record.topic, record.offset) {
            return Ok(());
        }
        let outcome = call(&self.plan, task, &mut self.effects, record)?;
        match outcome {
            Ok(()) => {
                if let Some(layer) = task.own_layer() {
                    layer.accept_staged();
                }
            }
            Err(error) => {
                if let Some(layer) = task.own_layer() {
                    layer.reject_staged();
                }
                self.effects.rollback(mark);
                if let Some(reason) = stalled::may_pass(&error) {
                    if self.status.first_of_batch() {
                        tracing::warn!(partition = %record.partition, offset = %record.offset, reason, "a record waits");
                    }
                    self.stalled = Some(Stalled::new(record, reason, self.world.elapsed()));
                    return Ok(());
                }
                set_aside(&self.plan, &mut self.effects, &mut self.status, record, error)?;
            }
        }
        task.quiet = Quiet::Broken;
        task.ledger.processed(record.topic, record.offset);
        self.status.processed(record);
        Ok(())
    }
}

/// Runs the input's callback. The outer error stops the processor; the inner one is the record's own.
fn call<S: millstream_ports::TableStore>(
    plan: &Plan,
    task: &mut PartitionTask<S>,
    effects: &mut Effects,
    record: &RecordView<'_>,
) -> Result<Result<(), StepError>, ProcessorError> {
    let graph = &*plan.graph;
    let (Some(step), Some(topic)) = (graph.steps.get(record.topic), graph.spec.inputs.get(record.topic))
    else {
        return Err(ProcessorError::Port(PortError::stop("a record came from a topic that is no input")));
    };
    let (table, joins) = task.access(graph.names.has_table);
    let names = &graph.names;
    let mut context = Context {
        record,
        topic,
        names,
        effects,
        table,
        joins,
        lookups: &plan.lookups,
        widths: &plan.widths,
        broken: None,
    };
    // A panic is the record's failure: what it had staged and emitted is undone with the rest.
    let outcome = catch_unwind(AssertUnwindSafe(|| step(&mut context, record)))
        .unwrap_or_else(|panic| Err(StepError::Callback(panic_message(panic.as_ref()).into())));
    context.broken.take().map_or(Ok(outcome), |broken| Err(ProcessorError::Port(broken)))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the callback panicked: {}", text.unwrap_or("with no message"))
}

fn set_aside(
    plan: &Plan,
    effects: &mut Effects,
    status: &mut WorkerStatus,
    record: &RecordView<'_>,
    error: StepError,
) -> Result<(), ProcessorError> {
    let policies = &plan.graph.policies;
    let (stage, policy, reason) = match error {
        StepError::Decode(error) => ("decode", policies.decode, error.to_string()),
        StepError::Callback(error) => ("callback", policies.callback, error.to_string()),
    };
    let topic = plan.graph.spec.inputs.get(record.topic).map_or_else(String::new, ToString::to_string);
    let place = dead_letter::Place { group: &plan.graph.spec.group, topic: &topic, stage, reason: &reason };
    match policy {
        Policy::Fail => return Err(place.failure(record)),
        Policy::Skip => status.skipped += 1,
        Policy::DeadLetter => {
            status.dead_letters += 1;
            let headers = place.headers(record);
            send_dead_letter(plan, effects, record, &headers);
        }
    }
    if status.first_of_batch() {
        tracing::warn!(topic, partition = %record.partition, offset = %record.offset, stage, policy = ?policy, reason, "record set aside");
    }
    Ok(())
}

fn send_dead_letter(plan: &Plan, effects: &mut Effects, record: &RecordView<'_>, headers: &Headers) {
    let destination = plan.graph.names.destinations.len().saturating_sub(1);
    let draft =
        Draft { destination, partition: None, headers: Some(headers), timestamp: Some(record.timestamp) };
    let copy = |bytes: Option<&[u8]>, out: &mut Vec<u8>| {
        out.extend_from_slice(bytes.unwrap_or_default());
        Ok::<_, std::convert::Infallible>(bytes.is_some())
    };
    let Ok(()) = effects.add(&draft, |out| copy(record.key, out), |out| copy(record.value, out));
}
