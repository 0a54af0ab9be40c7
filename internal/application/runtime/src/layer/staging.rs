use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::layer::{Staged, Value};

/// So many writes are looked through; more are found by their keys' hashes.
const SCANNED_MAX: usize = 8;

/// Writes of the record at hand, the newest of each key. A record makes a few, or very many where it ends many windows.
#[derive(Default)]
pub(crate) struct Staging {
    all: Vec<Staged>,
    /// Places of all of them; empty as long as they are few.
    places: HashTable<usize>,
    hasher: RandomState,
}

impl Staging {
    /// Notes a write, in place of the one of the same key.
    pub(super) fn put(&mut self, key: Box<[u8]>, value: Value) {
        if let Some(slot) = self.place(&key).and_then(|place| self.all.get_mut(place)) {
            slot.1 = value;
            return;
        }
        self.all.push((key, value));
        if self.all.len() > SCANNED_MAX {
            // The first time it is all of them.
            (self.places.len()..self.all.len()).for_each(|place| self.index(place));
        }
    }

    fn index(&mut self, place: usize) {
        let Self { all, places, hasher } = self;
        let hash = |place: &usize| all.get(*place).map_or(0, |(key, _)| hasher.hash_one(&**key));
        places.insert_unique(hash(&place), place, hash);
    }

    fn place(&self, key: &[u8]) -> Option<usize> {
        let is_it = |place: &usize| self.all.get(*place).is_some_and(|(known, _)| **known == *key);
        if self.places.is_empty() {
            return (0..self.all.len()).rev().find(is_it);
        }
        self.places.find(self.hasher.hash_one(key), is_it).copied()
    }

    /// What was written to a key; `None` where nothing was.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Value> {
        self.all.get(self.place(key)?).map(|(_, value)| value)
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[Staged] {
        &self.all
    }

    /// Takes them out one by one.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Staged> {
        self.places.clear();
        self.all.drain(..)
    }

    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.all.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_map_would_hold(
            writes in proptest::collection::vec((0_u8..30, proptest::option::of(any::<u8>())), 0..80), cleared_at in 0_usize..80,
        ) {
            let (mut staging, mut naive) = (Staging::default(), BTreeMap::new());
            for (at, (key, value)) in writes.into_iter().enumerate() {
                if at == cleared_at {
                    staging.clear();
                    naive.clear();
                }
                staging.put([key].into(), value.map(|value| [value].into()));
                naive.insert(key, value);
                for key in 0..30 {
                    let found = staging.get(&[key]).map(|value| value.as_deref().map(|value| value[0]));
                    prop_assert_eq!(found, naive.get(&key).copied());
                }
            }
            prop_assert_eq!(staging.all().len(), naive.len());
            let drained = staging.drain().map(|(key, value)| (key[0], value.map(|value| value[0])));
            prop_assert_eq!(drained.collect::<BTreeMap<_, _>>(), naive);
            prop_assert!(staging.get(&[0]).is_none() && staging.all().is_empty());
        }
    }
}
