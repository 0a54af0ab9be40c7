use millstream_model::Partition;
use millstream_ports::World;

use super::{Attempt, Desk};
use crate::deferral::Completed;
use crate::held::{Lane, Retrying};
use crate::processor::ProcessorError;

/// Records that waited and are processed in one go, before the log is looked after again.
const RECORDS_MAX: usize = 2_000;

impl<W: World> Desk<W> {
    /// Goes on with what was deferred and is completed, what failed and is due, and what waited for either. Answers whether
    /// there was any. While a commit waits for what is deferred, nothing is begun that may be deferred too.
    pub(crate) fn go_on(&mut self, is_settling: bool) -> Result<bool, ProcessorError> {
        let mut went_on = false;
        while let Ok(completed) = self.completed.try_recv() {
            went_on |= self.complete(completed)?;
        }
        for place in 0..self.tasks.len() {
            let partition = Partition::new(u32::try_from(place).unwrap_or(u32::MAX));
            if self.running(partition).is_some_and(|task| !task.held.is_empty()) {
                went_on |= self.retry_due(partition, is_settling)?;
                went_on |= !is_settling && self.work_off(partition)?;
            }
        }
        Ok(went_on)
    }

    fn complete(&mut self, completed: Completed) -> Result<bool, ProcessorError> {
        let Completed { number, partition, resume } = completed;
        // A partition that is gone or was taken back has nothing under that number: the record is processed again.
        let lane = self.running(partition).and_then(|task| task.held.take_lane(number));
        let Some(lane) = lane else { return Ok(false) };
        let Lane { record, mut outstanding, effects, staged, behind, tried } = lane;
        let mark = self.effects.mark();
        self.effects.append(effects);
        if let Some(layer) = self.task(partition).and_then(|task| task.own_layer()) {
            layer.restage(staged);
        }
        let ((outcome, aside), more) = self.call_resume(&record.view(), number, resume)?;
        outstanding = outstanding + more - 1;
        match outcome {
            Ok(()) if outstanding > 0 => {
                self.count(&aside);
                let lane = self.lane(record, mark, outstanding, tried);
                self.defer(number, Lane { behind, ..lane });
                return Ok(true);
            }
            Ok(()) => {
                self.count(&aside);
                self.accept(partition);
                self.done(&record.view())?;
            }
            Err(error) => {
                self.reject(partition, mark);
                let attempt = Attempt { tried, was_overtaken: true };
                self.failed(&record.view(), &error, attempt, aside.policy)?;
            }
        }
        if let Some(task) = self.task(partition) {
            task.held.put_first(behind);
        }
        Ok(true)
    }

    fn retry_due(&mut self, partition: Partition, is_settling: bool) -> Result<bool, ProcessorError> {
        let now = self.world.elapsed();
        let due =
            self.running(partition).map(|task| task.held.take_due(now, is_settling)).unwrap_or_default();
        let any = !due.is_empty();
        for Retrying { record, tried, was_overtaken, .. } in due {
            self.run(&record.view(), Attempt { tried, was_overtaken })?;
        }
        Ok(any)
    }

    /// Processes what waited and need not any more.
    fn work_off(&mut self, partition: Partition) -> Result<bool, ProcessorError> {
        let is_exact = self.is_exact();
        for count in 0..RECORDS_MAX {
            if self.deferred() >= self.plan.settings.deferred_max {
                return Ok(count > 0);
            }
            let next = self.running(partition).and_then(|task| task.held.next(is_exact));
            let Some(record) = next else { return Ok(count > 0) };
            self.run(&record.view(), Attempt::FIRST)?;
        }
        Ok(true)
    }
}
