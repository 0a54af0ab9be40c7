use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use millstream_model::{Headers, Partition, RecordView};
use millstream_ports::{PortError, TableStore, World};

use super::Desk;
use crate::context::{Aside, Context};
use crate::deferral::{Deferral, Resume};
use crate::effects::Effects;
use crate::graph::StepError;
use crate::middleware::within;
use crate::partition::{PartitionTask, Plan};
use crate::processor::ProcessorError;

/// What a callback answered, and what befell on the way.
pub(super) type Called = (Result<(), StepError>, Aside);

impl<W: World> Desk<W> {
    /// Calls the step of a record's input.
    pub(super) fn call_step(&mut self, record: &RecordView<'_>) -> Result<Called, ProcessorError> {
        let Self { world, plan, tasks, effects, deferral, .. } = self;
        let (Some(step), Some(task)) = (plan.graph.steps.get(record.topic), task(tasks, record.partition))
        else {
            return Err(ProcessorError::Port(PortError::stop(
                "a record came from a topic or a partition that is no input",
            )));
        };
        if let Some(layer) = task.own_layer() {
            layer.begin_record(record.timestamp);
        }
        guarded(world, plan, task, effects, Some(deferral), record, |context| step(context, record))
    }

    /// Calls what a completion wants done.
    pub(super) fn call_resume(
        &mut self,
        record: &RecordView<'_>,
        number: u64,
        resume: Resume,
    ) -> Result<(Called, usize), ProcessorError> {
        let mut deferral = self.deferral.under(number);
        std::mem::swap(&mut self.deferral, &mut deferral);
        let called =
            self.call(record, |context| within(context.layers, context, resume).map_err(StepError::Callback));
        std::mem::swap(&mut self.deferral, &mut deferral);
        Ok((called?, deferral.take_count()))
    }

    fn call(
        &mut self,
        record: &RecordView<'_>,
        step: impl FnOnce(&mut Context<'_>) -> Result<(), StepError>,
    ) -> Result<Called, ProcessorError> {
        let Self { world, plan, tasks, effects, deferral, .. } = self;
        let Some(task) = task(tasks, record.partition) else { return Err(absent(record.partition)) };
        if let Some(layer) = task.own_layer() {
            layer.begin_record(record.timestamp);
        }
        guarded(world, plan, task, effects, Some(deferral), record, step)
    }

    /// Calls what is of no record: a timer or a visitor.
    pub(super) fn call_apart(
        &mut self,
        record: &RecordView<'_>,
        step: impl FnOnce(&mut Context<'_>) -> Result<(), StepError>,
    ) -> Result<Called, ProcessorError> {
        self.has_worked_apart = true;
        let Self { world, plan, tasks, effects, .. } = self;
        let Some(task) = task(tasks, record.partition) else { return Err(absent(record.partition)) };
        if let Some(layer) = task.own_layer() {
            layer.begin_apart(record.timestamp);
        }
        guarded(world, plan, task, effects, None, record, step)
    }
}

fn task<S>(tasks: &mut [Option<PartitionTask<S>>], partition: Partition) -> Option<&mut PartitionTask<S>> {
    tasks.get_mut(partition.index()).and_then(Option::as_mut)
}

fn absent(partition: Partition) -> ProcessorError {
    ProcessorError::Port(PortError::stop(format!("partition {partition} is not owned")))
}

fn guarded<W: World, S: TableStore>(
    world: &W,
    plan: &Plan,
    task: &mut PartitionTask<S>,
    effects: &mut Effects,
    deferral: Option<&mut Deferral>,
    record: &RecordView<'_>,
    step: impl FnOnce(&mut Context<'_>) -> Result<(), StepError>,
) -> Result<Called, ProcessorError> {
    let graph = &plan.graph;
    let names = &graph.names;
    // Timers and visitors are of no input.
    let Some(topic) = graph.spec.inputs.get(record.topic).or(names.table.as_ref()) else {
        return Err(ProcessorError::Port(PortError::stop("a record came from a topic that is no input")));
    };
    let event_time = task.timers.as_ref().and_then(|timers| timers.event_time);
    let (table, joins) = task.access(names.has_table);
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
        rules: &graph.rules,
        layers: &plan.layers,
        deferral,
        clock: &|| world.now(),
        event_time,
        carried: Headers::default(),
        trace: None,
        aside: Aside::default(),
    };
    // A panic is the record's failure: what it had staged and emitted is undone with the rest.
    let outcome = catch_unwind(AssertUnwindSafe(|| step(&mut context)))
        .unwrap_or_else(|panic| Err(StepError::Callback(panic_message(panic.as_ref()).into())));
    let aside = std::mem::take(&mut context.aside);
    match context.broken.take() {
        Some(broken) => Err(ProcessorError::Port(broken)),
        None => Ok((outcome, aside)),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("the callback panicked: {}", text.unwrap_or("with no message"))
}
