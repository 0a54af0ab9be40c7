//! The log of one partition.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_cluster::{Appended, Millis, Producers};

use super::batch::{self, Head};
use super::records;
use super::segment::{Segment, Stretch};
use crate::topic_settings::TopicSettings;

mod compacting;
mod recovery;
mod retention;
#[cfg(test)]
mod tests;

/// Segments of batches, and what is known of their producers.
///
/// **Invariant:** offsets rise from batch to batch and from segment to segment; `next` is above all of them.
#[derive(Debug)]
pub(crate) struct Log {
    pub(super) dir: PathBuf,
    pub(super) segments: Vec<Segment>,
    pub(super) active: Segment,
    /// When the active segment's first batch came, or the first after a start.
    active_since: Option<Millis>,
    start: i64,
    next: i64,
    pub(super) producers: Producers,
    settings: Arc<TopicSettings>,
    /// Whether each batch must be on the disk before it is acknowledged.
    flush: bool,
    /// What is below this was compacted.
    pub(super) compacted_to: i64,
}

/// A time, and the offset of a record of that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) timestamp: i64,
    pub(crate) offset: i64,
}

impl Log {
    /// The first offset that may be read.
    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    /// The offset that the next record gets.
    pub(crate) fn next(&self) -> i64 {
        self.next
    }

    /// Where readers of committed records stop: before the oldest open transaction.
    pub(crate) fn stable(&self) -> i64 {
        self.producers.first_open().unwrap_or(self.next).max(self.start)
    }

    pub(crate) fn producers(&self) -> &Producers {
        &self.producers
    }

    pub(crate) fn settings(&self) -> &TopicSettings {
        &self.settings
    }

    pub(crate) fn set_settings(&mut self, settings: Arc<TopicSettings>) {
        self.settings = settings;
    }

    /// Bytes of all segments.
    pub(crate) fn size(&self) -> u64 {
        self.all().map(|segment| segment.size).sum()
    }

    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = &Segment> {
        self.segments.iter().chain([&self.active])
    }

    /// Appends a batch, giving it its offset; answers that.
    pub(crate) fn append(&mut self, head: &Head, batch: &mut [u8], now: Millis) -> io::Result<i64> {
        if self.is_full_for(head) {
            self.roll()?;
        }
        let base_offset = self.next;
        batch::set_offset(batch, base_offset);
        let head = Head { base_offset, ..*head };
        self.active.append(&head, batch)?;
        if self.flush {
            self.active.flush()?;
        }
        self.next = head.last_offset() + 1;
        self.active_since.get_or_insert(now);
        self.note_producer(&head, batch, now);
        Ok(base_offset)
    }

    /// By its size, or by the time between its first record and this one: the clock's own would roll for each record of long
    /// ago.
    fn is_full_for(&self, head: &Head) -> bool {
        let Some(first) = self.active.first_timestamp else { return false };
        let age = head.max_timestamp.saturating_sub(first);
        self.active.size + head.size as u64 > self.settings.segment_bytes || age > self.settings.segment_ms
    }

    pub(super) fn note_producer(&mut self, head: &Head, batch: &[u8], at: Millis) {
        if head.producer < 0 {
            return;
        }
        if head.is_control() {
            let commits = batch::marker_commits(batch);
            self.producers.end(head.producer, head.epoch, commits, head.base_offset, at);
            return;
        }
        self.producers.append(&Appended {
            producer: head.producer,
            epoch: head.epoch,
            first_sequence: head.sequence,
            last_sequence: Producers::last_sequence(head.sequence, head.last_delta),
            base_offset: head.base_offset,
            last_offset: head.last_offset(),
            transactional: head.is_transactional(),
            at,
        });
    }

    /// Begins a new segment.
    pub(in crate::storage) fn roll(&mut self) -> io::Result<()> {
        let fresh = Segment::create(&self.dir, self.next)?;
        if self.flush {
            self.active.flush()?;
            flush_names(&self.dir)?;
        }
        self.save_producers()?;
        self.active.save_index()?;
        self.segments.push(std::mem::replace(&mut self.active, fresh));
        self.active_since = None;
        Ok(())
    }

    /// Where the batches are from the one that holds `offset` to those at `limit`, as many as make `max` bytes, but one at
    /// least if it is the `first` of an answer; `None` where there are none.
    pub(crate) fn part(
        &self,
        offset: i64,
        limit: i64,
        max: usize,
        first: bool,
    ) -> io::Result<Option<Stretch>> {
        if offset >= limit {
            return Ok(None);
        }
        let limit = Some(limit).filter(|limit| *limit < self.next);
        for segment in self.from(offset) {
            if let Some((head, position)) = segment.find(offset)? {
                let beyond = limit.is_some_and(|limit| head.base_offset >= limit);
                if beyond {
                    return Ok(None);
                }
                let stretch = segment.stretch(&head, position, limit, max as u64, first)?;
                return Ok(Some(stretch).filter(|stretch| !stretch.is_empty()));
            }
        }
        Ok(None)
    }

    /// The segments from the one that may hold an offset.
    fn from(&self, offset: i64) -> impl Iterator<Item = &Segment> {
        let after = self.segments.partition_point(|segment| segment.base <= offset);
        let at = if self.active.base <= offset { self.segments.len() } else { after.saturating_sub(1) };
        self.all().skip(at)
    }

    /// The first record of a time or later, among those that may be read.
    pub(crate) fn find_time(&self, timestamp: i64, limit: i64) -> io::Result<Option<Moment>> {
        for segment in self.from(self.start) {
            let Some((mut head, mut position)) = segment.find_time(timestamp)? else { continue };
            // A batch may hold the time only in records that were deleted from the front.
            loop {
                let fits = |moment: &Moment| moment.timestamp >= timestamp && moment.offset >= self.start;
                let found = moments(segment, &head, position)?.into_iter().find(fits);
                if let Some(moment) = found {
                    return Ok(Some(moment).filter(|moment| moment.offset < limit));
                }
                let next =
                    segment.walk(position + head.size as u64, |head| head.max_timestamp >= timestamp)?;
                let Some(next) = next else { break };
                (head, position) = next;
            }
        }
        Ok(None)
    }

    /// The record with the greatest time.
    pub(crate) fn find_latest_time(&self) -> io::Result<Option<Moment>> {
        let segments = self.from(self.start).filter(|segment| segment.size > 0);
        let Some(segment) = segments.max_by_key(|segment| (segment.max_timestamp, -segment.base)) else {
            return Ok(None);
        };
        let Some((head, position)) = segment.find_time(segment.max_timestamp)? else { return Ok(None) };
        let moments = moments(segment, &head, position)?;
        Ok(moments.into_iter().rev().max_by_key(|moment| moment.timestamp))
    }

    /// Writes what spares the next start from reading everything.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.save_producers()?;
        self.active.save_index()
    }

    /// Removes files of producers that stand for an older state than the newest two.
    fn drop_old_producer_files(&self) -> io::Result<()> {
        let mut offsets = recovery::offsets_of(&self.dir, "producers")?;
        offsets.truncate(offsets.len().saturating_sub(2));
        for offset in offsets {
            fs::remove_file(recovery::producers_path(&self.dir, offset))?;
        }
        Ok(())
    }

    fn save_producers(&self) -> io::Result<()> {
        recovery::save_producers(&self.dir, self.next, &self.producers, self.compacted_to)?;
        self.drop_old_producer_files()
    }
}

/// The times of a batch's records.
fn moments(segment: &Segment, head: &Head, position: u64) -> io::Result<Vec<Moment>> {
    if head.has_append_time() {
        return Ok(vec![Moment { timestamp: head.max_timestamp, offset: head.base_offset }]);
    }
    let opened = records::open(head, &segment.batch(position, head.size)?)?;
    let moment = |record: records::Record<'_>| Moment {
        timestamp: head.base_timestamp + record.timestamp_delta,
        offset: head.base_offset + i64::from(record.offset_delta),
    };
    Ok(records::each(&opened).flatten().map(moment).collect())
}

/// Writes a file whole or not at all, also when the power goes.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("part");
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), flush_names)
}

/// Waits until the names in a folder are on the disk.
pub(crate) fn flush_names(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Writes a file whole or not at all; when the power goes, what is found may be neither, and can be done without.
pub(crate) fn write_hint(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("part");
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path)
}
