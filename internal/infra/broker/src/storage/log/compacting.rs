//! What compaction needs of a log, and does to it.

use std::io;

use millstream_cluster::Millis;

use super::Log;
use crate::storage::compaction::{Old, Plan};
use crate::storage::segment::Segment;

impl Log {
    /// What is worth compacting: the closed segments before the oldest open transaction, when enough of them is new.
    pub(in crate::storage) fn plan_compaction(&self, now: Millis) -> Option<Plan> {
        if !self.settings.compacts {
            return None;
        }
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let stable = self.stable();
        let ends = self.segments.iter().skip(1).map(|segment| segment.base).chain([self.active.base]);
        let is_due = |segment: &Segment| now - segment.max_timestamp >= self.settings.min_compaction_lag_ms;
        let closed =
            self.segments.iter().zip(ends).take_while(|(segment, end)| *end <= stable && is_due(segment));
        let closed: Vec<_> = closed.collect();
        let end = closed.last().map(|(_, end)| *end)?;
        let bytes: u64 = closed.iter().map(|(segment, _)| segment.size).sum();
        let dirty = closed.iter().filter(|(_, end)| *end > self.compacted_to);
        let dirty: u64 = dirty.map(|(segment, _)| segment.size).sum();
        #[expect(clippy::cast_precision_loss, reason = "a ratio needs no precision")]
        let ratio = dirty as f64 / bytes.max(1) as f64;
        if dirty == 0 || ratio < self.settings.min_cleanable_dirty_ratio {
            return None;
        }
        // Readers have as long to see a tombstone as has passed since the last compaction passed over it.
        let forget_before = now.saturating_sub(self.settings.delete_retention_ms);
        let old = |(segment, end): &(&Segment, i64)| Old {
            base: segment.base,
            stretch: segment.whole(),
            size: segment.size,
            forgets_tombstones: *end <= self.compacted_to && segment.max_timestamp < forget_before,
        };
        let segments = closed.iter().map(old).collect();
        let aborted = self.producers.aborted().to_vec();
        Some(Plan { dir: self.dir.clone(), segments, aborted, end, bytes })
    }

    /// Puts a segment in the place of the one it was made of, unless that has been removed meanwhile.
    pub(in crate::storage) fn replace(&mut self, old: &Old, fresh: Option<Segment>) -> io::Result<()> {
        let Some(mut fresh) = fresh else { return Ok(()) };
        let place =
            self.segments.iter_mut().find(|segment| segment.base == old.base && segment.size == old.size);
        let Some(place) = place else { return fresh.remove() };
        fresh.take_place(Segment::path_of(&self.dir, old.base))?;
        *place = fresh;
        Ok(())
    }

    /// Notes that all before `to` was compacted. Segments that became empty go, but for the first, whose name is where the log begins.
    pub(in crate::storage) fn end_compaction(&mut self, to: i64) -> io::Result<()> {
        crate::storage::compaction::clear(&self.dir);
        self.compacted_to = self.compacted_to.max(to);
        // What was taken back is gone together with its markers.
        self.producers.forget_aborted_before(to);
        let first = self.segments.first().map(|segment| segment.base);
        let (gone, kept) =
            self.segments.drain(..).partition(|segment| segment.size == 0 && Some(segment.base) != first);
        self.segments = kept;
        let gone: Vec<Segment> = gone;
        for segment in gone {
            segment.remove()?;
        }
        self.save_producers()
    }
}
