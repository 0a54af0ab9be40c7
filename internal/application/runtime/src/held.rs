use std::collections::{BTreeMap, HashMap, VecDeque};
use std::error::Error;
use std::time::Duration;

use foldhash::fast::RandomState;
use millstream_model::{Headers, Offset, Partition, RecordView, Timestamp};
use millstream_ports::CodecError;

use crate::effects::Effects;
use crate::graph::StepError;
use crate::layer::Staging;

/// What a record that waits costs beside its bytes, in bytes.
const RECORD_OVERHEAD: usize = 200;

/// A record that outlives the log's buffer.
pub(crate) struct OwnedRecord {
    pub(crate) topic: usize,
    pub(crate) partition: Partition,
    pub(crate) offset: Offset,
    timestamp: Timestamp,
    pub(crate) key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Headers,
}

impl OwnedRecord {
    pub(crate) fn of(record: &RecordView<'_>) -> Self {
        Self {
            topic: record.topic,
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: Headers::copy_of(record.headers),
        }
    }

    pub(crate) fn view(&self) -> RecordView<'_> {
        RecordView {
            topic: self.topic,
            partition: self.partition,
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &self.headers,
        }
    }

    fn bytes(&self) -> usize {
        let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        RECORD_OVERHEAD + len(&self.key) + len(&self.value)
    }
}

/// A record that failed and is tried again.
pub(crate) struct Retrying {
    pub(crate) record: OwnedRecord,
    /// How often it was retried.
    pub(crate) tried: u32,
    pub(crate) due: Duration,
    /// Why it failed last.
    pub(crate) reason: String,
    /// Whether records after it in its partition are done.
    pub(crate) was_overtaken: bool,
}

/// A record whose callback has returned and whose completion is awaited, with what it wants to have done so far.
pub(crate) struct Lane {
    pub(crate) record: OwnedRecord,
    /// Completions still to come.
    pub(crate) outstanding: usize,
    pub(crate) effects: Effects,
    pub(crate) staged: Staging,
    /// Records of the same key that came since.
    pub(crate) behind: VecDeque<OwnedRecord>,
    pub(crate) tried: u32,
}

/// Records of one partition that are not done, and those that wait for them.
///
/// **Invariant:** no record is processed before one of the same key and partition that came earlier, nor any while one of
/// the partition is retried.
#[derive(Default)]
pub(crate) struct Held {
    /// While there is any, all of the partition waits in the queue.
    pub(crate) retrying: Vec<Retrying>,
    pub(crate) queue: VecDeque<OwnedRecord>,
    /// By the number of their deferral.
    pub(crate) lanes: BTreeMap<u64, Lane>,
    by_key: HashMap<Vec<u8>, u64, RandomState>,
}

/// Where a record that comes has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Now,
    /// Behind the deferred record of its key.
    BehindKey(u64),
    /// Behind all that waits in its partition.
    BehindAll,
}

impl Held {
    /// When it is the turn of a record with this key, that no record of the queue precedes.
    fn of_key(&self, key: Option<&[u8]>) -> Turn {
        if !self.retrying.is_empty() {
            return Turn::BehindAll;
        }
        match key.filter(|_| !self.lanes.is_empty()).and_then(|key| self.by_key.get(key)) {
            Some(number) => Turn::BehindKey(*number),
            None => Turn::Now,
        }
    }

    /// When it is the turn of a record that comes from the log.
    pub(crate) fn turn(&self, key: Option<&[u8]>) -> Turn {
        if self.queue.is_empty() { self.of_key(key) } else { Turn::BehindAll }
    }

    /// Whether the key has a deferred record.
    pub(crate) fn has_key(&self, key: &[u8]) -> bool {
        self.by_key.contains_key(key)
    }

    /// Lets a record wait. Where nothing may overtake, one that waits for its key holds up all behind it.
    pub(crate) fn wait(&mut self, record: OwnedRecord, turn: Turn, nothing_overtakes: bool) {
        match turn {
            Turn::BehindKey(number) if !nothing_overtakes => {
                if let Some(lane) = self.lanes.get_mut(&number) {
                    lane.behind.push_back(record);
                }
            }
            _ => self.queue.push_back(record),
        }
    }

    /// The next record of the queue whose turn it is.
    pub(crate) fn next(&mut self, nothing_overtakes: bool) -> Option<OwnedRecord> {
        loop {
            let record = self.queue.pop_front()?;
            match self.of_key(record.key.as_deref()) {
                Turn::Now => return Some(record),
                Turn::BehindKey(number) if !nothing_overtakes => {
                    self.wait(record, Turn::BehindKey(number), false);
                }
                _ => {
                    self.queue.push_front(record);
                    return None;
                }
            }
        }
    }

    pub(crate) fn defer(&mut self, number: u64, lane: Lane) {
        if let Some(key) = &lane.record.key {
            self.by_key.insert(key.clone(), number);
        }
        self.lanes.insert(number, lane);
    }

    /// Takes a deferred record out. Its key is free then.
    pub(crate) fn take_lane(&mut self, number: u64) -> Option<Lane> {
        let lane = self.lanes.remove(&number)?;
        if let Some(key) = &lane.record.key {
            self.by_key.remove(key);
        }
        Some(lane)
    }

    /// Puts records that waited for a key before all that waits for the partition.
    pub(crate) fn put_first(&mut self, records: VecDeque<OwnedRecord>) {
        for record in records.into_iter().rev() {
            self.queue.push_front(record);
        }
    }

    /// The retried records that are due; of those that were overtaken alone, if so told.
    pub(crate) fn take_due(&mut self, now: Duration, overtaken_alone: bool) -> Vec<Retrying> {
        let is_due = |one: &Retrying| one.due <= now && (one.was_overtaken || !overtaken_alone);
        let (due, later) = std::mem::take(&mut self.retrying).into_iter().partition(is_due);
        self.retrying = later;
        due
    }

    /// Whether records are done that come after one that is not.
    pub(crate) fn has_gaps(&self) -> bool {
        !self.lanes.is_empty() || self.retrying.iter().any(|one| one.was_overtaken)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.retrying.is_empty() && self.queue.is_empty() && self.lanes.is_empty()
    }

    fn records(&self) -> impl Iterator<Item = &OwnedRecord> {
        let lanes = self.lanes.values().flat_map(|lane| std::iter::once(&lane.record).chain(&lane.behind));
        self.retrying.iter().map(|one| &one.record).chain(&self.queue).chain(lanes)
    }

    pub(crate) fn count(&self) -> usize {
        let behind: usize = self.lanes.values().map(|lane| 1 + lane.behind.len()).sum();
        self.retrying.len() + self.queue.len() + behind
    }

    /// What all of it costs in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.records().map(OwnedRecord::bytes).sum()
    }
}

/// Why a step may succeed later with the same record: a codec said so, in a callback or before it.
pub(crate) fn may_pass(error: &StepError) -> bool {
    match error {
        StepError::Decode(error) => error.may_pass(),
        StepError::Callback(error) => {
            let mut cause: Option<&(dyn Error + 'static)> = Some(error.as_ref());
            while let Some(error) = cause {
                if error.downcast_ref::<CodecError>().is_some_and(CodecError::may_pass) {
                    return true;
                }
                cause = error.source();
            }
            false
        }
    }
}
