//! What a worker measures beside counting records: how long things take, how large and how old they are.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream_model::{Partition, RecordView, Timestamp};
use millstream_ports::World;

use crate::desk::Desk;
use crate::histogram::Histogram;
use crate::layer::TableLayer;
use crate::partition::PartitionTask;

/// What a processor measures, all workers together. Lists are by the index of an input or of a destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Bytes of the keys and values that were processed, by input.
    pub bytes_in: Vec<u64>,
    /// Bytes of the keys and values that were sent, by destination.
    pub bytes_out: Vec<u64>,
    /// How old records were, by the time they bear, when they and the others of their batch were processed, by input.
    pub ages: Vec<Histogram>,
    /// How long batches took from their first record until all that they emitted was handed to the log.
    pub batches: Histogram,
    /// How long commits took.
    pub commits: Histogram,
    /// Times the group gave out partitions.
    pub rebalances: u64,
    /// Transactions that were taken back.
    pub aborts: u64,
    /// Records that failed, by the stage that failed and what the policy did.
    pub errors: BTreeMap<(&'static str, &'static str), u64>,
    /// Reads of the group table that memory answered, and those that went to the store.
    pub cache: (u64, u64),
    /// Owned partitions, by number.
    pub partitions: BTreeMap<Partition, PartitionMeasures>,
    /// The times that the records of the batch at hand bear, with their inputs.
    times: Vec<(usize, Timestamp)>,
    /// When the batch at hand began.
    begun: Option<Duration>,
}

/// What is measured of one owned partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionMeasures {
    /// How far behind its inputs it is in time: the age of the last record processed while others wait, 0 when none does.
    pub behind: Option<Duration>,
    /// Bytes of entries that its tables' stores have yet to take.
    pub unstored_bytes: u64,
    /// Bytes of entries that are kept in memory to be read again.
    pub cache_bytes: u64,
}

impl Measures {
    pub(crate) fn new(inputs: usize, destinations: usize) -> Self {
        let ages = vec![Histogram::default(); inputs];
        // What has not happened yet is told as 0, so that its first time is seen as a rise.
        let kinds = ["decode", "callback"]
            .iter()
            .flat_map(|stage| ["fail", "skip", "dead_letter"].map(|policy| ((*stage, policy), 0)));
        let errors = kinds.chain([(("record", "retry"), 0)]).collect();
        let (bytes_in, bytes_out) = (vec![0; inputs], vec![0; destinations]);
        Self { bytes_in, bytes_out, ages, errors, ..Self::default() }
    }

    /// A batch begins, unless one has.
    pub(crate) fn begin(&mut self, now: impl FnOnce() -> Duration) {
        if self.begun.is_none() {
            self.begun = Some(now());
        }
    }

    pub(crate) fn processed(&mut self, record: &RecordView<'_>) {
        let size = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        if let Some(bytes) = self.bytes_in.get_mut(record.topic) {
            *bytes += size as u64;
        }
        self.times.push((record.topic, record.timestamp));
    }

    pub(crate) fn sent(&mut self, destination: usize, key: Option<&[u8]>, value: Option<&[u8]>) {
        if let Some(bytes) = self.bytes_out.get_mut(destination) {
            *bytes += (key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)) as u64;
        }
    }

    /// The batch at hand is processed, and what it emitted is on its way.
    pub(crate) fn end(&mut self, elapsed: Duration, now: Timestamp) {
        if let Some(begun) = self.begun.take() {
            self.batches.note(elapsed.saturating_sub(begun));
        }
        for (input, time) in self.times.drain(..) {
            if let Some(ages) = self.ages.get_mut(input) {
                ages.note_millis(now.0.saturating_sub(time.0));
            }
        }
    }

    pub(crate) fn failed(&mut self, stage: &'static str, policy: &'static str) {
        *self.errors.entry((stage, policy)).or_default() += 1;
    }

    /// A copy for others to see, with what is measured only then.
    pub(crate) fn published<W: World>(desk: &mut Desk<W>, lag: impl Fn(Partition) -> Option<u64>) -> Self {
        let now = desk.world.now();
        let mut cache = desk.status.measures.cache;
        let mut partitions = BTreeMap::new();
        for task in desk.owned() {
            let (hits, misses) = task.own_layer().map_or((0, 0), TableLayer::take_cache_reads);
            cache = (cache.0 + hits, cache.1 + misses);
            partitions.insert(task.partition, partition(task, lag(task.partition), now));
        }
        desk.status.measures.cache = cache;
        let measures = &desk.status.measures;
        Self { partitions, times: Vec::new(), begun: None, ..measures.clone() }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        add_each(&mut self.bytes_in, &other.bytes_in);
        add_each(&mut self.bytes_out, &other.bytes_out);
        if self.ages.len() < other.ages.len() {
            self.ages.resize_with(other.ages.len(), Histogram::default);
        }
        self.ages.iter_mut().zip(&other.ages).for_each(|(ages, more)| ages.add(more));
        self.batches.add(&other.batches);
        self.commits.add(&other.commits);
        self.rebalances += other.rebalances;
        self.aborts += other.aborts;
        self.cache = (self.cache.0 + other.cache.0, self.cache.1 + other.cache.1);
        for (kind, count) in &other.errors {
            *self.errors.entry(*kind).or_default() += count;
        }
        self.partitions.extend(&other.partitions);
    }
}

/// How far behind a partition is in time, by the lag it has and the time of the last record it processed.
pub(crate) fn behind(lag: Option<u64>, seen: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    if lag == Some(0) {
        return Some(Duration::ZERO);
    }
    let age = now.0.saturating_sub(seen?.0);
    Some(Duration::from_millis(u64::try_from(age).unwrap_or(0)))
}

fn partition<S: millstream_ports::TableStore>(
    task: &PartitionTask<S>,
    lag: Option<u64>,
    now: Timestamp,
) -> PartitionMeasures {
    let sum = |of: fn(&TableLayer<S>) -> usize| task.tables.iter().map(|table| of(&table.layer) as u64).sum();
    PartitionMeasures {
        behind: behind(lag, task.seen, now),
        unstored_bytes: sum(|layer| layer.waiting_bytes() + layer.unlogged_bytes()),
        cache_bytes: sum(TableLayer::cache_bytes),
    }
}

fn add_each(sums: &mut Vec<u64>, more: &[u64]) {
    if sums.len() < more.len() {
        sums.resize(more.len(), 0);
    }
    sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}
