use std::time::Duration;

use millstream_model::{Offset, Timestamp};
use millstream_ports::{KeyRange, PortError, TableStore};

use crate::layer::age::Age;
use crate::layer::cache::Cache;
use crate::layer::cut::Cut;
pub(crate) use crate::layer::overlay::Overlay;
pub(crate) use crate::layer::staging::Staging;
use crate::layer::waiting::Waiting;
pub(crate) use crate::layer::writing::Writing;
use crate::memory::Share;

mod age;
mod cache;
mod cut;
mod merge;
mod overlay;
mod packed;
mod paging;
mod reading;
mod staging;
mod waiting;
mod writing;

/// What a key has; `None` says that it is deleted.
pub(crate) type Value = Option<Box<[u8]>>;
pub(crate) type Staged = (Box<[u8]>, Value);

/// What a write that waits for its commit is taken to cost beside its bytes, in bytes.
const ENTRY_OVERHEAD: usize = 96;

/// One partition of a table, as a callback sees it.
pub(crate) trait TableAccess {
    /// The value of `key`, with the record's own writes on top.
    fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, PortError>;
    /// Notes a write of the record at hand; `None` deletes.
    fn put(&mut self, key: &[u8], value: Option<&[u8]>);
    /// As [`TableAccess::put`], as if by a record of time `at`.
    fn put_as_of(&mut self, key: &[u8], value: &[u8], at: Timestamp);
    /// Calls `each` with the entries of a range in key order until it answers `false`, the record's own writes included.
    fn range(
        &mut self,
        range: &KeyRange,
        each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), PortError>;
    /// The highest time of a record of the partition so far.
    fn time(&self) -> Timestamp;
}

/// The in-memory layer in front of a table's store: reads are cached, writes wait for the commit.
///
/// A write is first *staged* by the record at hand, then *dirty* once the record succeeded, *leaving* when a commit begins
/// that sends it to the changelog, *waiting* when its entry there is acknowledged or when it was read from there, and *stored*
/// with many others some time later, batch by batch in key order: what is only waiting comes back from the changelog.
///
/// **Invariant:** the store never holds what the changelog does not, and its offset never says more than it holds. Between
/// two batches of many it may hold more: reading the changelog from its offset on makes that whole.
pub(crate) struct TableLayer<S> {
    store: S,
    share: Share,
    age: Age,
    staged: Staging,
    dirty: Overlay,
    /// Repeated writes of a key counted each: this is what a commit has to send at most.
    dirty_bytes: usize,
    /// What the commit under way sends. It finds keys by the same hash as the dirty ones.
    leaving: Overlay,
    waiting: Waiting,
    writing: Option<Writing>,
    cache: Cache,
    scratch: Vec<u8>,
    cuts: Vec<Cut>,
    cuts_made: u64,
    /// How far the look for values whose time is over has come, and when it last began.
    sweep: (Option<Vec<u8>>, Timestamp),
}

impl<S: TableStore> TableLayer<S> {
    /// A layer with a share of the memory, of a table whose values last for `ttl`.
    pub(crate) fn new(store: S, share: Share, ttl: Option<Duration>) -> Self {
        let dirty = Overlay::default();
        Self {
            store,
            share,
            age: Age::new(ttl),
            staged: Staging::default(),
            leaving: dirty.successor(),
            dirty,
            dirty_bytes: 0,
            waiting: Waiting::default(),
            writing: None,
            cache: Cache::default(),
            scratch: Vec::new(),
            cuts: Vec::new(),
            cuts_made: 0,
            sweep: (None, Timestamp(i64::MIN)),
        }
    }

    pub(crate) fn store(&self) -> &S {
        &self.store
    }

    /// A record of this time is at hand.
    pub(crate) fn begin_record(&mut self, time: Timestamp) {
        self.age.begin(time);
    }

    /// A timer or a visit is at hand, as of this time. It does not make time pass.
    pub(crate) fn begin_apart(&mut self, time: Timestamp) {
        self.age.begin_apart(time);
    }

    /// The record succeeded: its writes count.
    pub(crate) fn accept_staged(&mut self) {
        let mut staged = std::mem::take(&mut self.staged);
        for (key, value) in staged.drain() {
            self.write(&key, value.as_deref());
        }
        self.staged = staged;
    }

    fn write(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.keep_for_cuts(key);
        self.dirty_bytes += size(key, value);
        self.dirty.insert(key, value);
    }

    /// Writes of the record at hand.
    pub(crate) fn staged(&self) -> &[Staged] {
        self.staged.all()
    }

    /// Takes the writes of the record at hand out, until it goes on.
    pub(crate) fn take_staged(&mut self) -> Staging {
        std::mem::take(&mut self.staged)
    }

    /// The record goes on, with its writes so far.
    pub(crate) fn restage(&mut self, staged: Staging) {
        self.staged = staged;
    }

    /// The record failed: its writes never were.
    pub(crate) fn reject_staged(&mut self) {
        self.staged.clear();
    }

    /// Bytes of writes that wait for the next commit, repeated writes of a key counted each.
    pub(crate) fn dirty_bytes(&self) -> usize {
        self.dirty_bytes
    }

    /// A commit begins: what is dirty leaves with it.
    pub(crate) fn begin_leaving(&mut self) {
        self.dirty_bytes = 0;
        let dirty = self.dirty.take();
        if self.leaving.is_empty() {
            self.leaving = dirty;
        } else {
            // An earlier commit was put off.
            dirty.iter().for_each(|(key, value)| self.leaving.insert(key, value));
        }
    }

    /// Bytes that the changelog lacks.
    pub(crate) fn unlogged_bytes(&self) -> usize {
        self.leaving.bytes() + self.dirty_bytes
    }

    /// Whether there is anything that leaves.
    pub(crate) fn is_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// Writes that leave, the newest of each key, and their time where that counts.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>, Option<Timestamp>)> {
        self.leaving.iter().map(|(key, value)| match value.map(|value| self.age.read(value)) {
            Some((time, value)) => (key, Some(value), time),
            None => (key, None, None),
        })
    }

    /// The changelog has the entries that leave as of `now`, and the offset behind them is `next`.
    pub(crate) fn logged(&mut self, next: Offset, now: Duration) {
        for (key, value) in self.leaving.take().iter() {
            self.waiting.insert(key, value);
        }
        self.waiting.reach(next, now);
        self.account();
    }

    /// Whether entries have waited for the store long enough, or are many enough.
    pub(crate) fn is_store_due(&self, now: Duration, interval: Duration, bytes_max: usize) -> bool {
        self.waiting.is_due(now, interval, bytes_max)
    }

    /// Takes in a record of the changelog, newer than all before.
    pub(crate) fn replay(&mut self, key: &[u8], value: Option<&[u8]>, time: Timestamp) {
        let Some(value) = value.filter(|_| self.age.is_kept()) else {
            return self.waiting.insert(key, value);
        };
        self.age.begin(time);
        self.scratch.clear();
        self.age.stamp(time, value, &mut self.scratch);
        self.waiting.insert(key, Some(&self.scratch));
    }

    /// All before `next` has been taken in. What has come to `segment_bytes` is a segment.
    pub(crate) fn replayed(&mut self, next: Offset, now: Duration, segment_bytes: usize) {
        self.waiting.reach(next, now);
        self.waiting.seal_from(segment_bytes);
        self.account();
    }

    /// How far the changelog is in the layer or its store; `None` for a new table.
    pub(crate) fn covered(&self) -> Result<Option<Offset>, PortError> {
        let writing = || self.writing.as_ref().map(Writing::next);
        match self.waiting.reached().or_else(writing) {
            Some(next) => Ok(Some(next)),
            None => self.store.changelog_offset(),
        }
    }

    /// Makes the table new.
    pub(crate) fn clear(&mut self) -> Result<(), PortError> {
        self.discard();
        self.cache = Cache::default();
        self.store.clear()
    }

    /// Bytes that the changelog has and the store lacks, the newest write of each key.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting.bytes() + self.writing.as_ref().map_or(0, Writing::bytes)
    }

    /// Tells the budget what waits, and keeps the cache within what that leaves.
    pub(crate) fn account(&mut self) {
        self.share.set_waiting(self.waiting_bytes() + self.unlogged_bytes());
        self.cache.trim(self.share.cache_bytes());
    }

    /// Gives the store the next batch of what it is being brought forward by; answers whether there was any.
    pub(crate) fn store_some(&mut self, batch_bytes: usize) -> Result<bool, PortError> {
        let Some(writing) = &mut self.writing else { return Ok(false) };
        // What was written is cached: what was cached before it may be older.
        let (cache, cache_bytes) = (&mut self.cache, self.share.cache_bytes());
        let more = writing.store_batch(&self.store, batch_bytes, |key, value| {
            cache.insert(key, value, cache_bytes);
        })?;
        if !more {
            self.writing = None;
        }
        self.account();
        Ok(true)
    }

    /// Begins to bring the store forward by the oldest segment, unless it is under way to an earlier point.
    pub(crate) fn begin_writing(&mut self) -> Result<(), PortError> {
        if self.writing.is_some() {
            return Ok(());
        }
        // Asked before the segment is in nobody else's hands.
        let before = self.store.changelog_offset()?;
        if let Some(segment) = self.waiting.take_oldest() {
            self.writing = Some(Writing::new(segment.entries, before, segment.next));
        }
        Ok(())
    }

    /// Gives the store all that waits.
    pub(crate) fn store_all(&mut self, batch_bytes: usize) -> Result<(), PortError> {
        loop {
            while self.store_some(batch_bytes)? {}
            self.begin_writing()?;
            if self.writing.is_none() {
                return Ok(());
            }
        }
    }

    /// Forgets writes that the changelog has not.
    pub(crate) fn roll_back(&mut self) {
        self.staged.clear();
        self.dirty.take();
        self.leaving.take();
        self.dirty_bytes = 0;
        self.cuts.clear();
    }

    /// Forgets writes that are not in the store; what the changelog has of them is replayed from there.
    pub(crate) fn discard(&mut self) {
        self.roll_back();
        (self.waiting, self.writing) = (Waiting::default(), None);
        self.account();
    }
}

fn size(key: &[u8], value: Option<&[u8]>) -> usize {
    key.len() + value.map_or(0, <[u8]>::len) + ENTRY_OVERHEAD
}

#[cfg(test)]
mod tests;
