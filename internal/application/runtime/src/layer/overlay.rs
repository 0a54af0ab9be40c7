use std::collections::BTreeSet;
use std::ops::Bound;

use foldhash::fast::RandomState;
use millstream_ports::KeyRange;

use crate::layer::{Entries, Value, size};

/// Entries in memory, on top of what a store has. They are put in order only where somebody asks for ranges: most tables are
/// read by key alone, and a hash map is all they pay for.
#[derive(Default)]
pub(super) struct Overlay {
    entries: Entries,
    order: Option<BTreeSet<Box<[u8]>>>,
    bytes: usize,
}

impl Overlay {
    /// Empty, and as ready for ranges as this one.
    pub(super) fn successor(&self) -> Self {
        // It will hold about as much: a map that grows moves all that it has.
        let entries = Entries::with_capacity_and_hasher(self.entries.len(), RandomState::default());
        Self { entries, order: self.order.as_ref().map(|_| BTreeSet::new()), bytes: 0 }
    }

    /// What its entries take, the newest write of each key counted.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Value> {
        self.entries.get(key)
    }

    /// Takes in a write; answers how many bytes were added and how many replaced.
    pub(super) fn insert(&mut self, key: Box<[u8]>, value: Value) -> (usize, usize) {
        let (added, key_bytes) = (size(&key, value.as_deref()), size(&key, None));
        if let Some(order) = self.order.as_mut().filter(|order| !order.contains(&key)) {
            order.insert(key.clone());
        }
        let before = self.entries.insert(key, value);
        let replaced = before.map_or(0, |before| key_bytes + before.map_or(0, |value| value.len()));
        self.bytes = (self.bytes + added).saturating_sub(replaced);
        (added, replaced)
    }

    /// As [`Overlay::insert`], with the memory of the write before where it fits.
    pub(super) fn copy_in(&mut self, key: &[u8], value: Option<&[u8]>) -> (usize, usize) {
        let Some(before) = self.entries.get_mut(key) else {
            return self.insert(key.into(), value.map(Into::into));
        };
        let (added, replaced) = (size(key, value), size(key, before.as_deref()));
        match (before, value) {
            (Some(before), Some(value)) if before.len() == value.len() => before.copy_from_slice(value),
            (before, value) => *before = value.map(Into::into),
        }
        self.bytes = (self.bytes + added).saturating_sub(replaced);
        (added, replaced)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.entries.iter().map(|(key, value)| (&**key, value.as_deref()))
    }

    /// Gives up all entries.
    pub(super) fn take(&mut self) -> Entries {
        let successor = self.successor();
        std::mem::replace(self, successor).entries
    }

    pub(super) fn into_entries(self) -> Entries {
        self.entries
    }

    /// Gets ready for ranges.
    pub(super) fn put_in_order(&mut self) {
        if self.order.is_none() {
            self.order = Some(self.entries.keys().cloned().collect());
        }
    }

    /// The entries of a range in order. Without [`Overlay::put_in_order`] there are none.
    pub(super) fn range(&self, range: &KeyRange) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let keys = self.order.iter().filter(|_| !range.is_empty());
        keys.flat_map(|keys| keys.range::<[u8], _>(bounds(range)))
            .filter_map(|key| Some((&**key, self.entries.get(key)?.as_deref())))
    }
}

/// A range as the ordered collections take it.
pub(super) fn bounds(range: &KeyRange) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (Bound::Included(range.from()), range.to().map_or(Bound::Unbounded, Bound::Excluded))
}
