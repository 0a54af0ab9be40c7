//! Old records removed in the background: by time and size, and of compacted topics those whose key has a newer one.
//!
//! Compaction walks over the closed segments up to the oldest open transaction. A first pass learns the newest offset of each
//! key; a second writes each segment anew with what is kept, and takes the old one's place. Readers see one or the other.
//! Offsets never change.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use millstream_cluster::{Aborted, Millis};
use tracing::debug;

use super::batch::{self, Head};
use super::compression;
use super::records::{self, Record};
use super::segment::{Segment, Stretch};
use crate::topics::Partition;

#[cfg(test)]
mod tests;

/// Bytes of keys that one pass holds; what is beyond waits for the next.
const KEYS_MAX: usize = 64 << 20;

/// Bytes that are read at once.
const CHUNK: usize = 4 << 20;

/// Removes what is too old, too much, or superseded.
pub(crate) fn tidy(partition: &Partition, now: Millis) -> io::Result<()> {
    let plan = {
        let mut log = partition.log();
        log.retain(now)?;
        log.roll_if_old(now)?;
        log.plan_compaction(now)
    };
    let Some(plan) = plan else { return Ok(()) };
    let newest = plan.learn()?;
    for old in &plan.segments {
        let fresh = plan.rewrite(old, &newest)?;
        partition.log().replace(old, fresh)?;
    }
    partition.log().end_compaction(newest.known_to)?;
    debug!(bytes = plan.bytes, keys = newest.offsets.len(), "compacted a partition");
    Ok(())
}

/// A closed segment as it was when a compaction began.
#[derive(Debug)]
pub(super) struct Old {
    pub(super) base: i64,
    pub(super) stretch: Stretch,
    pub(super) size: u64,
    /// Whether what superseded a record here is so old that tombstones may go.
    pub(super) forgets_tombstones: bool,
}

/// What a compaction is to do.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) dir: std::path::PathBuf,
    pub(super) segments: Vec<Old>,
    /// Transactions that were taken back: their records go.
    pub(super) aborted: Vec<Aborted>,
    /// The first offset that is not compacted.
    pub(super) end: i64,
    pub(super) bytes: u64,
}

/// The newest offset of each key, up to an offset.
#[derive(Debug)]
struct Newest {
    offsets: HashMap<Vec<u8>, i64>,
    known_to: i64,
}

impl Plan {
    fn is_aborted(&self, head: &Head) -> bool {
        let holds = |aborted: &Aborted| {
            aborted.producer == head.producer
                && (aborted.first_offset..aborted.last_offset).contains(&head.base_offset)
        };
        head.is_transactional() && !head.is_control() && self.aborted.iter().any(holds)
    }

    fn learn(&self) -> io::Result<Newest> {
        let mut newest = Newest { offsets: HashMap::new(), known_to: self.end };
        let mut bytes = 0;
        for old in &self.segments {
            each_batch(&old.stretch, |head, batch| {
                if head.is_control() || self.is_aborted(head) || head.base_offset >= newest.known_to {
                    return Ok(());
                }
                if bytes > KEYS_MAX {
                    newest.known_to = head.base_offset;
                    return Ok(());
                }
                for record in records::each(&records::open(head, batch)?) {
                    let record = record.ok_or_else(nonsense)?;
                    let key = record.key.unwrap_or_default();
                    let offset = head.base_offset + i64::from(record.offset_delta);
                    if newest.offsets.insert(key.to_vec(), offset).is_none() {
                        bytes += key.len() + 64;
                    }
                }
                Ok(())
            })?;
        }
        Ok(newest)
    }

    /// Writes a segment anew beside the old one, with what is kept; `None` where all is.
    fn rewrite(&self, old: &Old, newest: &Newest) -> io::Result<Option<Segment>> {
        let dir = self.dir.join("compacting");
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir)?;
        let mut fresh = Segment::create(&dir, old.base)?;
        each_batch(&old.stretch, |head, batch| {
            if let Some((head, batch)) = self.kept(old, newest, head, batch)? {
                fresh.append(&head, &batch)?;
            }
            Ok(())
        })?;
        if fresh.size == old.size {
            fresh.remove()?;
            return Ok(None);
        }
        fresh.flush()?;
        Ok(Some(fresh))
    }

    /// What is kept of a batch.
    fn kept(
        &self,
        old: &Old,
        newest: &Newest,
        head: &Head,
        batch: &[u8],
    ) -> io::Result<Option<(Head, Vec<u8>)>> {
        if head.base_offset >= newest.known_to {
            return Ok(Some((*head, batch.to_vec())));
        }
        // A marker goes with the records it decided about: all of them are before it, and compacted with it.
        if head.is_control() || self.is_aborted(head) {
            return Ok(None);
        }
        let opened = records::open(head, batch)?;
        let (mut kept, mut count, mut all) = (Vec::new(), 0, true);
        for record in records::each(&opened) {
            let record = record.ok_or_else(nonsense)?;
            if is_kept(old, newest, head, &record) {
                kept.extend_from_slice(record.bytes);
                count += 1;
            } else {
                all = false;
            }
        }
        if all {
            return Ok(Some((*head, batch.to_vec())));
        }
        if count == 0 {
            return Ok(None);
        }
        let closed = compression::close(head.codec(), &kept)?;
        let written = batch::write(&Head { count, ..*head }, &closed);
        let head = Head::read(&written).map_err(io::Error::other)?;
        Ok(Some((head, written)))
    }
}

fn is_kept(old: &Old, newest: &Newest, head: &Head, record: &Record<'_>) -> bool {
    if record.is_tombstone && old.forgets_tombstones {
        return false;
    }
    let offset = head.base_offset + i64::from(record.offset_delta);
    // A record without a key can only be of before the topic was compacted; Kafka drops it too.
    record.key.is_some_and(|key| newest.offsets.get(key).is_none_or(|newest| *newest <= offset))
}

fn nonsense() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a batch holds something that is no record")
}

/// Walks over the batches of a segment.
fn each_batch(stretch: &Stretch, mut each: impl FnMut(&Head, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut rest = stretch.clone();
    while !rest.is_empty() {
        let bytes = rest.read(CHUNK, true)?;
        let mut from = 0;
        while let Some(batch) = bytes.get(from..).filter(|batch| !batch.is_empty()) {
            let head = Head::read(batch).map_err(io::Error::other)?;
            each(&head, batch.get(..head.size).ok_or_else(nonsense)?)?;
            from += head.size;
        }
        if from == 0 {
            return Err(nonsense());
        }
        rest = rest.after(from as u64);
    }
    Ok(())
}

/// Removes what a compaction that did not end left behind.
pub(super) fn clear(dir: &Path) {
    let _ = fs::remove_dir_all(dir.join("compacting"));
}
