use std::mem;

use crate::layer::{Entries, Value, size};

/// Clean entries in two generations: what is used moves to the young one, and when that is full the old one goes.
/// It forgets much like a least-recently-used list, at the cost of one hash map look-up.
///
/// How much it may keep is said each time, because tables share their memory.
#[derive(Default)]
pub(super) struct Cache {
    young: Entries,
    old: Entries,
    young_bytes: usize,
    old_bytes: usize,
    hits: u64,
    misses: u64,
}

impl Cache {
    /// Whether `key` is cached; it is then in the young generation.
    pub(super) fn touch(&mut self, key: &[u8], bytes_max: usize) -> bool {
        if self.young.contains_key(key) {
            self.hits += 1;
            return true;
        }
        let Some((key, value)) = self.old.remove_entry(key) else {
            self.misses += 1;
            return false;
        };
        self.hits += 1;
        self.old_bytes = self.old_bytes.saturating_sub(size(&key, value.as_deref()));
        self.insert(key, value, bytes_max);
        true
    }

    /// Caches an entry, in place of any older one of its key.
    pub(super) fn insert(&mut self, key: Box<[u8]>, value: Value, bytes_max: usize) {
        self.trim(bytes_max);
        if let Some(before) = self.old.remove(&key) {
            self.old_bytes = self.old_bytes.saturating_sub(size(&key, before.as_deref()));
        }
        let (added, key_bytes) = (size(&key, value.as_deref()), size(&key, None));
        let before = self.young.insert(key, value);
        let replaced = before.map_or(0, |before| key_bytes + before.map_or(0, |value| value.len()));
        self.young_bytes = (self.young_bytes + added).saturating_sub(replaced);
    }

    /// Forgets what is more than `bytes_max`, the longest unused half first.
    pub(super) fn trim(&mut self, bytes_max: usize) {
        if self.young_bytes > bytes_max / 2 {
            self.old = mem::take(&mut self.young);
            self.old_bytes = mem::take(&mut self.young_bytes);
        }
        if self.bytes() > bytes_max {
            (self.old, self.old_bytes) = (Entries::default(), 0);
        }
    }

    /// How often a key was there and how often not, since this was asked last.
    pub(super) fn take_reads(&mut self) -> (u64, u64) {
        (mem::take(&mut self.hits), mem::take(&mut self.misses))
    }

    /// How much it keeps.
    pub(super) fn bytes(&self) -> usize {
        self.young_bytes + self.old_bytes
    }

    /// The value of a key that was touched or inserted last.
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.young.get(key).and_then(|value| value.as_deref())
    }
}
