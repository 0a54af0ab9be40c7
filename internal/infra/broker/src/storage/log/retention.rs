//! What is removed from a log's front.

use std::io;

use millstream_cluster::Millis;

use super::Log;

/// Producers that wrote nothing for a day are forgotten.
const PRODUCER_IDLE_MS: Millis = 86_400_000;

impl Log {
    /// Makes `offset` the first that may be read; answers what is first now.
    pub(crate) fn delete_before(&mut self, offset: i64) -> io::Result<i64> {
        if offset > self.start {
            self.start = offset.min(self.next);
            self.save_start()?;
            self.remove_what_is_below_the_start()?;
        }
        Ok(self.start)
    }

    fn remove_what_is_below_the_start(&mut self) -> io::Result<()> {
        let next_bases = self.segments.iter().skip(1).map(|segment| segment.base).chain([self.active.base]);
        let ends = self.segments.iter().zip(next_bases);
        let count = ends.take_while(|(_, end)| *end <= self.start).count();
        for segment in self.segments.drain(..count) {
            segment.remove()?;
        }
        self.producers.forget_aborted_before(self.start);
        Ok(())
    }

    /// Removes segments that are too old or too much, where the topic says so.
    pub(crate) fn retain(&mut self, now: Millis) -> io::Result<()> {
        self.producers.forget_idle_since(now.saturating_sub(PRODUCER_IDLE_MS));
        if !self.settings.deletes {
            return Ok(());
        }
        let retention_ms = self.settings.retention_ms;
        let oldest = i64::try_from(now).unwrap_or(i64::MAX).saturating_sub(retention_ms);
        let is_old = |timestamp: i64| retention_ms >= 0 && timestamp < oldest;
        let stable = self.stable();
        if self.active.size > 0 && is_old(self.active.max_timestamp) && stable == self.next {
            self.roll()?;
        }
        let mut keep = self.size();
        let limit = u64::try_from(self.settings.retention_bytes).unwrap_or(u64::MAX);
        let mut start = self.start;
        let ends = self.segments.iter().skip(1).map(|segment| segment.base).chain([self.active.base]);
        for (segment, end) in self.segments.iter().zip(ends) {
            let is_much = keep - segment.size >= limit;
            if end > stable || !(is_much || is_old(segment.max_timestamp)) {
                break;
            }
            keep -= segment.size;
            start = start.max(end);
        }
        self.delete_before(start)?;
        Ok(())
    }

    /// Begins a new segment where the present one has been open for longer than the topic says, so that it can be compacted.
    pub(crate) fn roll_if_old(&mut self, now: Millis) -> io::Result<()> {
        let Some(since) = self.active_since else { return Ok(()) };
        let age = i64::try_from(now.saturating_sub(since)).unwrap_or(i64::MAX);
        if self.settings.compacts && age > self.settings.segment_ms { self.roll() } else { Ok(()) }
    }
}
