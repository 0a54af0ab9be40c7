use std::panic::{AssertUnwindSafe, catch_unwind};

use millstream_model::{NoHeaders, Offset, Partition, RecordView};
use millstream_ports::{PortError, World};

use crate::context::Context;
use crate::desk::Desk;
use crate::partition::{Phase, Quiet};
use crate::processor::ProcessorError;

/// Tells the partitions that nothing has come for that they are idle; answers whether there were any.
pub(crate) fn tell<W: World>(desk: &mut Desk<W>) -> Result<bool, ProcessorError> {
    let Some(after) = desk.plan.graph.idle.as_ref().map(|idle| idle.after) else { return Ok(false) };
    if desk.stalled.is_some() {
        return Ok(false);
    }
    let now = desk.world.elapsed();
    let mut due = Vec::new();
    for task in desk.owned().filter(|task| task.phase == Phase::Running) {
        match task.quiet {
            Quiet::Broken => task.quiet = Quiet::Since(now),
            Quiet::Since(since) if now.saturating_sub(since) >= after => due.push(task.partition),
            Quiet::Since(_) => {}
        }
    }
    due.iter().try_for_each(|partition| tell_one(desk, *partition))?;
    Ok(!due.is_empty())
}

/// Calls the callback for one partition. What it sets and emits takes effect as a record's would, or, where it fails, not at
/// all; it is then called again after as long.
fn tell_one<W: World>(desk: &mut Desk<W>, partition: Partition) -> Result<(), ProcessorError> {
    let plan = desk.plan.clone();
    let (timestamp, now, mark) = (desk.world.now(), desk.world.elapsed(), desk.effects.mark());
    let (Some(idle), Some(topic)) = (&plan.graph.idle, plan.graph.spec.inputs.first()) else { return Ok(()) };
    let Some(task) = desk.tasks.get_mut(partition.index()).and_then(Option::as_mut) else { return Ok(()) };
    let record = RecordView {
        topic: 0,
        partition,
        offset: Offset::ZERO,
        timestamp,
        key: None,
        value: None,
        headers: &NoHeaders,
    };
    let names = &plan.graph.names;
    let (table, joins) = task.access(names.has_table);
    let mut context = Context {
        record: &record,
        topic,
        names,
        effects: &mut desk.effects,
        table,
        joins,
        lookups: &plan.lookups,
        widths: &plan.widths,
        broken: None,
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| (idle.step)(&mut context)));
    let broken: Option<PortError> = context.broken.take();
    if let Some(broken) = broken {
        return Err(ProcessorError::Port(broken));
    }
    let outcome = outcome.unwrap_or_else(|_| Err("the callback panicked".into()));
    task.quiet = Quiet::Since(now);
    if let Some(layer) = task.own_layer() {
        if outcome.is_ok() { layer.accept_staged() } else { layer.reject_staged() }
    }
    if let Err(error) = outcome {
        desk.effects.rollback(mark);
        tracing::warn!(%partition, %error, "the callback of idle partitions failed");
    }
    Ok(())
}
