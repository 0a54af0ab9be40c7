use millstream_model::{NoHeaders, Offset, Partition, RecordView};
use millstream_ports::World;

use super::Desk;
use crate::graph::StepError;
use crate::partition::{Phase, Quiet};
use crate::processor::ProcessorError;

impl<W: World> Desk<W> {
    /// Tells the partitions that nothing has come for that they are idle; answers whether there were any. One whose records
    /// wait is not idle.
    pub(crate) fn tell_idle(&mut self) -> Result<bool, ProcessorError> {
        let Some(after) = self.plan.graph.idle.as_ref().map(|idle| idle.after) else { return Ok(false) };
        let now = self.world.elapsed();
        let mut due = Vec::new();
        for task in self.owned().filter(|task| task.phase == Phase::Running) {
            match task.quiet {
                _ if !task.held.is_empty() => task.quiet = Quiet::Broken,
                Quiet::Broken => task.quiet = Quiet::Since(now),
                Quiet::Since(since) if now.saturating_sub(since) >= after => due.push(task.partition),
                Quiet::Since(_) => {}
            }
        }
        due.iter().try_for_each(|partition| self.tell_one(*partition))?;
        Ok(!due.is_empty())
    }

    /// Calls the callback for one partition. What it sets and emits takes effect as a record's would, or, where it fails, not
    /// at all; it is then called again after as long.
    fn tell_one(&mut self, partition: Partition) -> Result<(), ProcessorError> {
        let plan = self.plan.clone();
        let Some(idle) = &plan.graph.idle else { return Ok(()) };
        let (timestamp, mark) = (self.world.now(), self.effects.mark());
        let (offset, key, value, headers) = (Offset::ZERO, None, None, &NoHeaders);
        let record = RecordView { topic: 0, partition, offset, timestamp, key, value, headers };
        let step = |context: &mut crate::Context<'_>| (idle.step)(context).map_err(StepError::Callback);
        let (outcome, aside) = self.call_apart(&record, step)?;
        match outcome {
            Ok(()) => {
                self.count(&aside);
                self.accept(partition);
            }
            Err(error) => {
                self.reject(partition, mark);
                tracing::warn!(%partition, %error, "the callback of idle partitions failed");
            }
        }
        let now = self.world.elapsed();
        if let Some(task) = self.task(partition) {
            task.quiet = Quiet::Since(now);
        }
        Ok(())
    }
}
