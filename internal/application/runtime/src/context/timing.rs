use millstream_model::Timestamp;
use millstream_ports::Codec;

use super::{Context, ContextError};
use crate::timers::{Timer, When, entry_key, entry_value};

impl Context<'_> {
    /// The time of day.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The latest time of a record of this partition that was processed, the one at hand left out; `None` before the first,
    /// and in a group without timers.
    pub fn event_time(&self) -> Option<Timestamp> {
        self.event_time
    }

    /// Sets the timer of the record's key, or moves it. A time that has passed is as good as now.
    ///
    /// # Errors
    /// When the group has no such timer.
    pub fn schedule<K: Codec>(&mut self, timer: &Timer<K>, when: When) -> Result<(), ContextError> {
        let key = self.record.key.unwrap_or_default();
        self.schedule_at(timer, key, when)
    }

    /// Sets or moves the timer of another key of this partition.
    ///
    /// # Errors
    /// As [`Context::schedule`].
    pub fn schedule_at<K: Codec>(
        &mut self,
        timer: &Timer<K>,
        key: &[u8],
        when: When,
    ) -> Result<(), ContextError> {
        let entry = self.timer_entry(timer, key)?;
        self.put(&entry, Some(&entry_value(when)))
    }

    /// Takes the timer of the record's key back. One that is not set is no error.
    ///
    /// # Errors
    /// As [`Context::schedule`].
    pub fn cancel<K: Codec>(&mut self, timer: &Timer<K>) -> Result<(), ContextError> {
        let key = self.record.key.unwrap_or_default();
        self.cancel_at(timer, key)
    }

    /// Takes the timer of another key of this partition back.
    ///
    /// # Errors
    /// As [`Context::schedule`].
    pub fn cancel_at<K: Codec>(&mut self, timer: &Timer<K>, key: &[u8]) -> Result<(), ContextError> {
        let entry = self.timer_entry(timer, key)?;
        self.put(&entry, None)
    }

    fn timer_entry<K: Codec>(&self, timer: &Timer<K>, key: &[u8]) -> Result<Vec<u8>, ContextError> {
        if !self.names.timers.contains(&timer.name) {
            return Err(self.names.undeclared("timer", &timer.name));
        }
        Ok(entry_key(&timer.name, key))
    }
}
