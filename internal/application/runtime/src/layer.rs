use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use foldhash::fast::RandomState;
use millstream_model::Offset;
use millstream_ports::{PortError, TableStore};

type Staged = (Box<[u8]>, Option<Box<[u8]>>);
type Entries = HashMap<Box<[u8]>, Option<Box<[u8]>>, RandomState>;

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
/// changelog entry acknowledged, and *stored* with many others some time later: what is only logged comes back from the
/// changelog. **Invariant:** the store never holds what the changelog does not.
pub(crate) struct TableLayer<S> {
    store: S,
    staged: Vec<Staged>,
    dirty: Entries,
    dirty_bytes: usize,
    logged: Entries,
    logged_bytes: usize,
    /// The changelog offset that the logged entries bring the store to, and since when there are any.
    logged_to: Option<(Offset, Duration)>,
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
            self.logged_bytes += size(&key, value.as_deref());
            self.logged.insert(key, value);
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

    /// Writes the logged entries to the store, in key order and in one batch with their changelog offset.
    pub(crate) fn store_logged(&mut self) -> Result<(), PortError> {
        let Some((next, _)) = self.logged_to else { return Ok(()) };
        let mut entries: Vec<_> = self.logged.iter().map(|(key, value)| (&**key, value.as_deref())).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        self.store.apply(&mut entries.into_iter(), next)?;
        for (key, value) in self.logged.drain() {
            self.cache.insert(key, value);
        }
        (self.logged_bytes, self.logged_to) = (0, None);
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
        (self.logged_bytes, self.logged_to) = (0, None);
    }

    /// Brings the store forward by records of its changelog.
    pub(crate) fn replay(&mut self, batch: &Replay, next: Offset) -> Result<(), PortError> {
        self.store.apply(&mut batch.iter(), next)?;
        for key in batch.entries.keys() {
            self.cache.remove(key);
        }
        Ok(())
    }
}

impl<S: TableStore> TableAccess for TableLayer<S> {
    fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, PortError> {
        if let Some(place) = self.staged.iter().rposition(|(staged, _)| **staged == *key) {
            return Ok(self.staged.get(place).and_then(|(_, value)| value.as_deref()));
        }
        if let Some(value) = self.dirty.get(key).or_else(|| self.logged.get(key)) {
            return Ok(value.as_deref());
        }
        if !self.cache.touch(key) {
            self.scratch.clear();
            let found = self.store.get(key, &mut self.scratch)?;
            self.cache.insert(key.into(), found.then(|| self.scratch.as_slice().into()));
        }
        Ok(self.cache.young.get(key).and_then(|value| value.as_deref()))
    }

    fn put(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.staged.push((key.into(), value.map(Into::into)));
    }
}

/// Changelog records on their way into a store, the newest of each key.
#[derive(Default)]
pub(crate) struct Replay {
    entries: Entries,
}

impl Replay {
    pub(crate) fn add(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.entries.insert(key.into(), value.map(Into::into));
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.entries.iter().map(|(key, value)| (&**key, value.as_deref()))
    }
}

/// Clean entries in two generations: what is used moves to the young one, and when that is full the old one goes.
/// It forgets much like a least-recently-used list, at the cost of one hash map look-up.
struct Cache {
    young: Entries,
    old: Entries,
    young_bytes: usize,
    half_bytes: usize,
}

impl Cache {
    fn new(bytes: usize) -> Self {
        Self { young: Entries::default(), old: Entries::default(), young_bytes: 0, half_bytes: bytes / 2 }
    }

    /// Whether `key` is cached; it is then in the young generation.
    fn touch(&mut self, key: &[u8]) -> bool {
        if self.young.contains_key(key) {
            return true;
        }
        match self.old.remove_entry(key) {
            Some((key, value)) => {
                self.insert(key, value);
                true
            }
            None => false,
        }
    }

    fn insert(&mut self, key: Box<[u8]>, value: Option<Box<[u8]>>) {
        if self.young_bytes > self.half_bytes {
            self.old = mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += size(&key, value.as_deref());
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    fn remove(&mut self, key: &[u8]) {
        self.young.remove(key);
        self.old.remove(key);
    }
}

fn size(key: &[u8], value: Option<&[u8]>) -> usize {
    key.len() + value.map_or(0, <[u8]>::len) + ENTRY_OVERHEAD
}

#[cfg(test)]
mod tests;
