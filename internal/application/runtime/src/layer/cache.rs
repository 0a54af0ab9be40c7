use std::mem;

use crate::layer::overlay::{Found, Overlay};

/// Clean entries in two generations: what is used is copied to the young one, and when that is full the old one goes.
/// It forgets much like a least-recently-used list, at the cost of one hash map look-up.
///
/// How much it may keep is said each time, because tables share their memory.
#[derive(Default)]
pub(super) struct Cache {
    young: Overlay,
    /// Finds keys by the same hash as the young one, or is empty.
    old: Overlay,
    hits: u64,
    misses: u64,
}

impl Cache {
    /// Whether `key` is cached; it is then in the young generation.
    pub(super) fn touch(&mut self, key: &[u8]) -> bool {
        let hash = self.young.hash(key);
        if self.young.find(hash, key).is_none() {
            let Some(Found(value)) = self.old.find(hash, key) else {
                self.misses += 1;
                return false;
            };
            // Its older copy goes with its generation.
            self.young.insert(key, value);
        }
        self.hits += 1;
        true
    }

    /// Caches an entry, in place of any older one of its key.
    pub(super) fn insert(&mut self, key: &[u8], value: Option<&[u8]>, bytes_max: usize) {
        self.trim(bytes_max);
        self.young.insert(key, value);
    }

    /// Forgets what is more than `bytes_max`, the longest unused half first.
    pub(super) fn trim(&mut self, bytes_max: usize) {
        if self.young.bytes() > bytes_max / 2 {
            self.old = self.young.take();
        }
        if self.bytes() > bytes_max {
            self.old = Overlay::default();
        }
    }

    /// How often a key was there and how often not, since this was asked last.
    pub(super) fn take_reads(&mut self) -> (u64, u64) {
        (mem::take(&mut self.hits), mem::take(&mut self.misses))
    }

    /// How much it keeps.
    pub(super) fn bytes(&self) -> usize {
        self.young.bytes() + self.old.bytes()
    }

    /// The value of a key that was touched or inserted last.
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.young.get(key).and_then(|Found(value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRIES: u32 = 1_000;

    fn filled(bytes_max: usize) -> Cache {
        let mut cache = Cache::default();
        for number in 0..ENTRIES {
            cache.insert(&number.to_be_bytes(), Some(&[7; 100]), bytes_max);
        }
        cache
    }

    #[test]
    fn what_is_used_outlasts_what_is_not() {
        let mut cache = Cache::default();
        for number in 0..ENTRIES {
            assert!(number == 0 || cache.touch(b"used"), "{number}");
            cache.insert(b"used", Some(b"value"), 20_000);
            cache.insert(&number.to_be_bytes(), Some(&[7; 100]), 20_000);
            assert!(cache.bytes() <= 20_000 + 300, "{}", cache.bytes());
        }
        assert!(!cache.touch(&0_u32.to_be_bytes()) && cache.touch(&(ENTRIES - 1).to_be_bytes()));
    }

    #[test]
    fn the_newest_value_of_a_key_counts_whichever_generation_has_an_older_one() {
        let mut cache = Cache::default();
        cache.insert(b"k", Some(b"old"), 0);
        cache.insert(b"other", None, 0);
        assert!(!cache.touch(b"k"), "nothing outlasts a cache of no bytes");
        let mut cache = filled(usize::MAX);
        let first = 0_u32.to_be_bytes();
        // The generations change places.
        cache.trim(cache.bytes());
        assert!(cache.touch(&first) && cache.get(&first) == Some(&[7; 100]));
        cache.insert(&first, None, usize::MAX);
        assert!(cache.touch(&first) && cache.get(&first).is_none(), "it is known to be deleted");
        assert_eq!(cache.take_reads(), (2, 0));
    }
}
