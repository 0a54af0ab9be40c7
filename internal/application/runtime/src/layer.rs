use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use foldhash::fast::RandomState;
use millstream_model::Offset;
use millstream_ports::{PortError, TableStore};

use crate::layer::cache::Cache;
pub(crate) use crate::layer::writing::Writing;

mod cache;
mod paging;
mod writing;

type Staged = (Box<[u8]>, Option<Box<[u8]>>);
pub(crate) type Entries = HashMap<Box<[u8]>, Option<Box<[u8]>>, RandomState>;

/// What an entry costs beside its bytes: two fat pointers and its place in a hash map, in bytes.
const ENTRY_OVERHEAD: usize = 64;

/// One partition of a table, as a callback sees it.
pub(crate) trait TableAccess {
    /// The value of `key`, with the record's own writes on top.
    fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, PortError>;
    /// Notes a write of the record at hand; `None` deletes.
    fn put(&mut self, key: &[u8], value: Option<&[u8]>);
}

/// The in-memory layer in front of a table's store: reads are cached, writes wait for the commit.
///
/// A write is first *staged* by the record at hand, then *dirty* once the record succeeded, *logged* when a commit has its
/// changelog entry acknowledged or when it was read from there, and *stored* with many others some time later, batch by
/// batch in key order: what is only logged comes back from the changelog.
///
/// **Invariant:** the store never holds what the changelog does not, and its offset never says more than it holds. Between
/// two batches of many it may hold more: reading the changelog from its offset on makes that whole.
pub(crate) struct TableLayer<S> {
    store: S,
    staged: Vec<Staged>,
    dirty: Entries,
    dirty_bytes: usize,
    logged: Entries,
    logged_bytes: usize,
    /// The changelog offset that the logged entries bring the store to, and since when there are any.
    logged_to: Option<(Offset, Duration)>,
    writing: Option<Writing>,
    cache: Cache,
    scratch: Vec<u8>,
}

impl<S: TableStore> TableLayer<S> {
    /// A layer that keeps up to `cache_bytes` of clean entries in memory.
    pub(crate) fn new(store: S, cache_bytes: usize) -> Self {
        Self {
            store,
            staged: Vec::new(),
            dirty: Entries::default(),
            dirty_bytes: 0,
            logged: Entries::default(),
            logged_bytes: 0,
            logged_to: None,
            writing: None,
            cache: Cache::new(cache_bytes),
            scratch: Vec::new(),
        }
    }

    pub(crate) fn store(&self) -> &S {
        &self.store
    }

    /// The record succeeded: its writes count.
    pub(crate) fn accept_staged(&mut self) {
        for (key, value) in self.staged.drain(..) {
            self.dirty_bytes += size(&key, value.as_deref());
            self.dirty.insert(key, value);
        }
    }

    /// The record failed: its writes never were.
    pub(crate) fn reject_staged(&mut self) {
        self.staged.clear();
    }

    /// Bytes of writes that wait for the commit, repeated writes of a key counted each.
    pub(crate) fn dirty_bytes(&self) -> usize {
        self.dirty_bytes
    }

    /// Writes that wait for the commit, the newest of each key.
    pub(crate) fn dirty(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.dirty.iter().map(|(key, value)| (&**key, value.as_deref()))
    }

    /// The changelog has the dirty entries as of `now`, and the offset behind them is `next`.
    pub(crate) fn logged(&mut self, next: Offset, now: Duration) {
        for (key, value) in self.dirty.drain() {
            let (key_bytes, added) = (size(&key, None), size(&key, value.as_deref()));
            let before = self.logged.insert(key, value);
            let replaced = before.map_or(0, |before| key_bytes + before.map_or(0, |value| value.len()));
            self.logged_bytes = (self.logged_bytes + added).saturating_sub(replaced);
        }
        self.dirty_bytes = 0;
        let since = self.logged_to.map_or(now, |(_, since)| since);
        self.logged_to = Some((next, since));
    }

    /// Whether logged entries have waited for the store long enough, or are many enough.
    pub(crate) fn is_store_due(&self, now: Duration, interval: Duration, bytes_max: usize) -> bool {
        self.logged_to
            .is_some_and(|(_, since)| now.saturating_sub(since) >= interval || self.logged_bytes >= bytes_max)
    }

    /// Takes in a record of the changelog, newer than all before.
    pub(crate) fn replay(&mut self, key: &[u8], value: Option<&[u8]>) {
        let Some(before) = self.logged.get_mut(key) else {
            self.logged_bytes += size(key, value);
            self.logged.insert(key.into(), value.map(Into::into));
            return;
        };
        self.logged_bytes =
            (self.logged_bytes + size(key, value)).saturating_sub(size(key, before.as_deref()));
        match (before, value) {
            (Some(before), Some(value)) if before.len() == value.len() => before.copy_from_slice(value),
            (before, value) => *before = value.map(Into::into),
        }
    }

    /// All before `next` has been taken in.
    pub(crate) fn replayed(&mut self, next: Offset, now: Duration) {
        let since = self.logged_to.map_or(now, |(_, since)| since);
        self.logged_to = Some((next, since));
    }

    /// How far the changelog is in the layer or its store; `None` for a new table.
    pub(crate) fn covered(&self) -> Result<Option<Offset>, PortError> {
        let logged = self.logged_to.map(|(next, _)| next);
        match logged.or_else(|| self.writing.as_ref().map(Writing::next)) {
            Some(next) => Ok(Some(next)),
            None => self.store.changelog_offset(),
        }
    }

    /// Makes the table new.
    pub(crate) fn clear(&mut self) -> Result<(), PortError> {
        self.discard();
        self.cache = Cache::new(self.cache.bytes());
        self.store.clear()
    }

    /// Bytes that the changelog has and the store lacks, the newest write of each key.
    pub(crate) fn logged_bytes(&self) -> usize {
        self.logged_bytes + self.writing.as_ref().map_or(0, |writing| writing.bytes)
    }

    /// Gives the store the next batch of what it is being brought forward by; answers whether there was any.
    pub(crate) fn store_some(&mut self, batch_bytes: usize) -> Result<bool, PortError> {
        let Some(writing) = &mut self.writing else { return Ok(false) };
        // What was written is cached: what was cached before it may be older.
        let cache = &mut self.cache;
        if !writing.store_batch(&self.store, batch_bytes, |key, value| cache.insert(key, value))? {
            self.writing = None;
        }
        Ok(true)
    }

    /// Begins to bring the store to where the logged entries are, unless it is under way to an earlier point.
    pub(crate) fn begin_writing(&mut self) -> Result<(), PortError> {
        if self.writing.is_some() {
            return Ok(());
        }
        let Some((next, _)) = self.logged_to else { return Ok(()) };
        let before = self.store.changelog_offset()?;
        self.logged_to = None;
        let bytes = mem::take(&mut self.logged_bytes);
        self.writing = Some(Writing::new(mem::take(&mut self.logged), bytes, before, next));
        Ok(())
    }

    /// Gives the store all of the logged entries.
    pub(crate) fn store_logged(&mut self, batch_bytes: usize) -> Result<(), PortError> {
        // First what is under way, then what has come since.
        for _ in 0..2 {
            while self.store_some(batch_bytes)? {}
            self.begin_writing()?;
        }
        while self.store_some(batch_bytes)? {}
        Ok(())
    }

    /// Forgets writes that the changelog has not.
    pub(crate) fn roll_back(&mut self) {
        self.staged.clear();
        self.dirty.clear();
        self.dirty_bytes = 0;
    }

    /// Forgets writes that are not in the store; what the changelog has of them is replayed from there.
    pub(crate) fn discard(&mut self) {
        self.roll_back();
        self.logged.clear();
        (self.logged_bytes, self.logged_to, self.writing) = (0, None, None);
    }
}

impl<S: TableStore> TableAccess for TableLayer<S> {
    fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, PortError> {
        if let Some(place) = self.staged.iter().rposition(|(staged, _)| **staged == *key) {
            return Ok(self.staged.get(place).and_then(|(_, value)| value.as_deref()));
        }
        let writing = || self.writing.as_ref().and_then(|writing| writing.get(key));
        if let Some(value) = self.dirty.get(key).or_else(|| self.logged.get(key)).or_else(writing) {
            return Ok(value.as_deref());
        }
        if !self.cache.touch(key) {
            self.scratch.clear();
            let found = self.store.get(key, &mut self.scratch)?;
            self.cache.insert(key.into(), found.then(|| self.scratch.as_slice().into()));
        }
        Ok(self.cache.get(key))
    }

    fn put(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.staged.push((key.into(), value.map(Into::into)));
    }
}

fn size(key: &[u8], value: Option<&[u8]>) -> usize {
    key.len() + value.map_or(0, <[u8]>::len) + ENTRY_OVERHEAD
}

#[cfg(test)]
mod tests;
