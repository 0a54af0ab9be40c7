//! How a log is found again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_cluster::{Aborted, Millis, Producers, Remembered};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{Log, flush_names, write_hint};
use crate::alarm::Clock;
use crate::storage::batch::Head;
use crate::storage::segment::Segment;
use crate::topic_settings::TopicSettings;

/// What is known of producers at an offset, in a file of its own.
#[derive(Debug, Deserialize, Serialize)]
struct ProducersFile {
    producers: Vec<ProducerLine>,
    aborted: Vec<(i64, i64, i64)>,
    compacted_to: i64,
}

#[derive(Debug, Deserialize, Serialize)]
struct ProducerLine {
    id: i64,
    epoch: i16,
    batches: Vec<(i32, i32, i64)>,
    open: Option<i64>,
    at: Millis,
}

pub(super) fn producers_path(dir: &Path, offset: i64) -> PathBuf {
    dir.join(format!("{offset:020}.producers"))
}

pub(super) fn save_producers(dir: &Path, at: i64, known: &Producers, compacted_to: i64) -> io::Result<()> {
    let line = |each: Remembered| {
        let Remembered { producer: id, epoch, batches, open, at } = each;
        ProducerLine { id, epoch, batches, open, at }
    };
    let aborted = known.aborted().iter().map(|each| (each.producer, each.first_offset, each.last_offset));
    let producers = known.remember().into_iter().map(line).collect();
    let file = ProducersFile { producers, aborted: aborted.collect(), compacted_to };
    write_hint(&producers_path(dir, at), &serde_json::to_vec(&file)?)
}

/// The newest that is not beyond the log's end.
fn load_producers(dir: &Path, end: i64) -> io::Result<Option<(i64, Producers, i64)>> {
    for offset in offsets_of(dir, "producers")?.into_iter().rev().filter(|offset| *offset <= end) {
        let bytes = fs::read(producers_path(dir, offset))?;
        let Ok(file) = serde_json::from_slice::<ProducersFile>(&bytes) else { continue };
        let recall = |line: ProducerLine| {
            let ProducerLine { id: producer, epoch, batches, open, at } = line;
            Remembered { producer, epoch, batches, open, at }
        };
        let aborted = file.aborted.into_iter();
        let aborted = aborted.map(|(producer, first_offset, last_offset)| Aborted {
            producer,
            first_offset,
            last_offset,
        });
        let producers =
            Producers::recall(file.producers.into_iter().map(recall).collect(), aborted.collect());
        return Ok(Some((offset, producers, file.compacted_to)));
    }
    Ok(None)
}

/// The offsets that name files with an ending, the smallest first.
pub(super) fn offsets_of(dir: &Path, ending: &str) -> io::Result<Vec<i64>> {
    let mut offsets = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|found| found == ending) {
            offsets.extend(path.file_stem().and_then(|stem| stem.to_str()?.parse::<i64>().ok()));
        }
    }
    offsets.sort_unstable();
    Ok(offsets)
}

fn start_path(dir: &Path) -> PathBuf {
    dir.join("start")
}

impl Log {
    /// Opens a partition's log, or begins it.
    ///
    /// Each segment's batches are proven from where its index file ends, and what fails the proof is cut.
    pub(crate) fn open(dir: &Path, settings: Arc<TopicSettings>, flush: bool) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        crate::storage::compaction::clear(dir);
        let mut segments = Vec::new();
        for base in offsets_of(dir, "log")? {
            let (segment, cut) = Segment::open(dir, base)?;
            if cut > 0 {
                warn!(segment = %dir.display(), base, bytes = cut, "cut what was written in part");
            }
            segments.push(segment);
        }
        let active = segments.pop().map_or_else(|| Segment::create(dir, 0), Ok)?;
        if flush {
            flush_names(dir)?;
        }
        let next = active.end()?;
        let first = segments.first().map_or(active.base, |segment| segment.base);
        let saved = fs::read_to_string(start_path(dir)).ok().and_then(|text| text.trim().parse().ok());
        let start = saved.unwrap_or(first).max(first).min(next);
        let loaded = load_producers(dir, next)?;
        let (known_to, producers, compacted_to) = loaded.unwrap_or((first, Producers::default(), first));
        let dir = dir.to_path_buf();
        let mut log = Self {
            dir,
            segments,
            active,
            active_since: None,
            start,
            next,
            producers,
            settings,
            flush,
            compacted_to,
        };
        log.learn_producers(known_to)?;
        log.producers.forget_aborted_before(log.start);
        Ok(log)
    }

    /// Learns of producers what happened since they were saved. When that was is not known: they count as active just now.
    fn learn_producers(&mut self, known_to: i64) -> io::Result<()> {
        let mut seen = Vec::new();
        for segment in self.from(known_to) {
            let Some((_, mut position)) = segment.find(known_to)? else { continue };
            let mut place = position;
            segment.walk(position, |head| {
                place = position;
                position += head.size as u64;
                if head.producer >= 0 {
                    seen.push((segment.base, *head, place));
                }
                false
            })?;
        }
        for (base, head, place) in seen {
            self.learn_producer(base, &head, place)?;
        }
        Ok(())
    }

    fn learn_producer(&mut self, base: i64, head: &Head, place: u64) -> io::Result<()> {
        let batch = match self.all().find(|segment| segment.base == base) {
            Some(segment) if head.is_control() => segment.batch(place, head.size)?,
            _ => Vec::new(),
        };
        self.note_producer(head, &batch, Clock::new().now());
        Ok(())
    }

    pub(super) fn save_start(&self) -> io::Result<()> {
        write_hint(&start_path(&self.dir), self.start.to_string().as_bytes())
    }
}
