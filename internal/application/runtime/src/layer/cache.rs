use std::mem;

use crate::layer::{Entries, size};

/// Clean entries in two generations: what is used moves to the young one, and when that is full the old one goes.
/// It forgets much like a least-recently-used list, at the cost of one hash map look-up.
pub(super) struct Cache {
    young: Entries,
    old: Entries,
    young_bytes: usize,
    half_bytes: usize,
}

impl Cache {
    pub(super) fn new(bytes: usize) -> Self {
        Self { young: Entries::default(), old: Entries::default(), young_bytes: 0, half_bytes: bytes / 2 }
    }

    /// Whether `key` is cached; it is then in the young generation.
    pub(super) fn touch(&mut self, key: &[u8]) -> bool {
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

    pub(super) fn insert(&mut self, key: Box<[u8]>, value: Option<Box<[u8]>>) {
        if self.young_bytes > self.half_bytes {
            self.old = mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += size(&key, value.as_deref());
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    /// How much it may keep.
    pub(super) fn bytes(&self) -> usize {
        self.half_bytes * 2
    }

    /// The value of a key that was touched or inserted last.
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.young.get(key).and_then(|value| value.as_deref())
    }
}
