use millstream_model::{NoHeaders, Offset, Partition, RecordView, Timestamp};
use millstream_ports::World;

use super::Desk;
use crate::partition::PartitionTask;
use crate::policy::Verdict;
use crate::processor::ProcessorError;
use crate::timers::{Alarm, Timers, When, entry_key};

/// Timers called in one go, before the log is looked after again.
const TIMERS_MAX: usize = 1_000;

/// What is of no input.
pub(super) const NO_INPUT: usize = usize::MAX;

impl<W: World> Desk<W> {
    /// Reads the timers of partitions that came or were taken back, and calls those that are due. Answers whether there was
    /// any.
    pub(crate) fn ring_all(&mut self) -> Result<bool, ProcessorError> {
        if self.plan.graph.timers.is_empty() {
            return Ok(false);
        }
        let plan = self.plan.clone();
        let mut rang = false;
        for place in 0..self.tasks.len() {
            let partition = Partition::new(u32::try_from(place).unwrap_or(u32::MAX));
            let Some(task) = self.running(partition) else { continue };
            if let (None, Some(layer)) = (&task.timers, task.tables.first_mut().map(|table| &mut table.layer))
            {
                task.timers = Some(Timers::load(&plan.graph.names.timers, layer)?);
            }
            rang |= self.ring(partition)?;
        }
        Ok(rang)
    }

    /// Calls the timers of a partition that are due.
    pub(super) fn ring(&mut self, partition: Partition) -> Result<bool, ProcessorError> {
        let (now, elapsed) = (self.world.now(), self.world.elapsed());
        for count in 0..TIMERS_MAX {
            let next = self.running(partition).and_then(|task| {
                let PartitionTask { timers, held, .. } = task;
                timers.as_ref()?.next_due(now, elapsed, |key| held.has_key(key))
            });
            let Some((when, alarm)) = next else { return Ok(count > 0) };
            self.call_timer(partition, when, alarm)?;
        }
        Ok(true)
    }

    fn call_timer(&mut self, partition: Partition, when: When, alarm: Alarm) -> Result<(), ProcessorError> {
        let plan = self.plan.clone();
        let (timer, key) = (alarm.0, alarm.1.clone());
        let name = plan.graph.names.timers.get(timer).map_or("", String::as_str);
        let Some(step) = plan.graph.timers.get(timer) else { return Ok(()) };
        let record = apart(partition, &key, when.time());
        self.unset(partition, name, &key);
        let mark = self.effects.mark();
        let (outcome, aside) = self.call_apart(&record, |context| step(context, &record))?;
        if let Err(error) = outcome {
            self.reject(partition, mark);
            let tried = self.timers(partition).map_or(0, |timers| timers.tried(&alarm));
            let policy = aside.policy.unwrap_or(plan.graph.rules.callback(NO_INPUT));
            match policy.after(tried) {
                Verdict::Again(wait) => {
                    self.status.retried += 1;
                    let until = self.world.elapsed() + wait;
                    if let Some(timers) = self.timers(partition) {
                        timers.postpone(alarm, tried + 1, until);
                    }
                    return Ok(());
                }
                Verdict::End(end) => self.end_at("timer", &record, &error.to_string(), end)?,
            }
            self.unset(partition, name, &key);
        } else {
            self.count(&aside);
        }
        self.accept(partition);
        Ok(())
    }

    /// A timer that calls is set no more, unless its callback sets it again.
    fn unset(&mut self, partition: Partition, name: &str, key: &[u8]) {
        if let Some(layer) = self.task(partition).and_then(PartitionTask::own_layer) {
            crate::layer::TableAccess::put(layer, &entry_key(name, key), None);
        }
    }

    fn timers(&mut self, partition: Partition) -> Option<&mut Timers> {
        self.task(partition)?.timers.as_mut()
    }
}

/// A record that stands for a key alone.
pub(super) fn apart(partition: Partition, key: &[u8], timestamp: Timestamp) -> RecordView<'_> {
    let (offset, value) = (Offset::ZERO, None);
    RecordView { topic: NO_INPUT, partition, offset, timestamp, key: Some(key), value, headers: &NoHeaders }
}
