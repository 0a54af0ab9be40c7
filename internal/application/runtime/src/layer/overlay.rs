use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::mem;
use std::ops::Bound;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use millstream_ports::KeyRange;

use crate::layer::packed::{Packed, Place};

pub(super) type Entry<'a> = (&'a [u8], Option<&'a [u8]>);

/// What a key was found to have: what it was set to, or that it was deleted.
#[derive(Clone, Copy)]
pub(super) struct Found<'a>(pub(super) Option<&'a [u8]>);

/// What an entry costs beside its bytes: its place in the table of places, which is two thirds full on average, in bytes.
const PLACE_BYTES: usize = mem::size_of::<Slot>() * 3 / 2;

/// Bytes of entries that were replaced, at which it is worth the work to pack the rest anew.
const WASTE_BYTES_MIN: usize = 64 << 10;

/// Entries in memory, on top of what a store has. They are put in order only where somebody asks for ranges: most tables are
/// read by key alone, and a hash map is all they pay for.
#[derive(Default)]
pub(crate) struct Overlay {
    slots: HashTable<Slot>,
    packed: Packed,
    hasher: RandomState,
    order: Option<BTreeSet<Box<[u8]>>>,
    /// What the newest writes take.
    live: usize,
    /// What writes before them still take.
    waste: usize,
}

#[derive(Clone, Copy)]
struct Slot {
    hash: u64,
    place: Place,
}

impl Overlay {
    /// Empty, and as ready for ranges as this one. It finds keys by the same hash.
    pub(super) fn successor(&self) -> Self {
        Self {
            // It will hold about as much: a table that grows moves all that it has.
            slots: HashTable::with_capacity(self.slots.len()),
            packed: Packed::default(),
            hasher: self.hasher.clone(),
            order: self.order.as_ref().map(|_| BTreeSet::new()),
            live: 0,
            waste: 0,
        }
    }

    /// What its entries take.
    pub(super) fn bytes(&self) -> usize {
        self.live + self.waste
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// By what [`Overlay::find`] finds a key, here and in successors.
    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Found<'_>> {
        self.find(self.hash(key), key)
    }

    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<Found<'_>> {
        let slot = self.slots.find(hash, |slot| slot.hash == hash && self.packed.key(slot.place) == key)?;
        Some(Found(self.packed.value(slot.place)))
    }

    /// Takes in a write.
    pub(crate) fn insert(&mut self, key: &[u8], value: Option<&[u8]>) {
        let hash = self.hash(key);
        let packed = &mut self.packed;
        let found = self.slots.find_mut(hash, |slot| slot.hash == hash && packed.key(slot.place) == key);
        self.live += size(key, value);
        let Some(slot) = found else {
            let place = packed.push(key, value);
            self.slots.insert_unique(hash, Slot { hash, place }, |slot| slot.hash);
            if let Some(order) = &mut self.order {
                order.insert(key.into());
            }
            return;
        };
        let before = size(key, packed.value(slot.place));
        self.live -= before;
        if packed.replace(&mut slot.place, value) {
            self.waste += before - size(key, value);
        } else {
            slot.place = packed.push(key, value);
            self.waste += before - PLACE_BYTES;
        }
        if self.waste > self.live.max(WASTE_BYTES_MIN) {
            self.pack_anew();
        }
    }

    fn pack_anew(&mut self) {
        let before = mem::take(&mut self.packed);
        for slot in &mut self.slots {
            slot.place = self.packed.push(before.key(slot.place), before.value(slot.place));
        }
        self.waste = 0;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.slots.iter().map(|slot| self.entry(slot.place))
    }

    /// The entry of a place that [`Overlay::places`] named.
    pub(super) fn entry(&self, place: Place) -> Entry<'_> {
        (self.packed.key(place), self.packed.value(place))
    }

    /// Where its entries are, the last key first. They hold as long as nothing is inserted.
    pub(super) fn places(&self) -> Vec<Place> {
        let mut places: Vec<_> = self.slots.iter().map(|slot| (self.head(slot.place), slot.place)).collect();
        places.sort_unstable_by(|(head, place), (other_head, other)| {
            // Most keys differ in their first bytes, which are at hand.
            other_head.cmp(head).then_with(|| self.packed.key(*other).cmp(self.packed.key(*place)))
        });
        places.into_iter().map(|(_, place)| place).collect()
    }

    /// The first bytes of a key as a number that sorts like them.
    fn head(&self, place: Place) -> u64 {
        let mut head = [0; 8];
        head.iter_mut().zip(self.packed.key(place)).for_each(|(to, from)| *to = *from);
        u64::from_be_bytes(head)
    }

    /// Gives up all entries.
    pub(super) fn take(&mut self) -> Self {
        let successor = self.successor();
        mem::replace(self, successor)
    }

    /// Gets ready for ranges.
    pub(super) fn put_in_order(&mut self) {
        if self.order.is_none() {
            self.order = Some(self.iter().map(|(key, _)| key.into()).collect());
        }
    }

    /// The entries of a range in order. Without [`Overlay::put_in_order`] there are none.
    pub(super) fn range(&self, range: &KeyRange) -> impl Iterator<Item = Entry<'_>> {
        let keys = self.order.iter().filter(|_| !range.is_empty());
        keys.flat_map(|keys| keys.range::<[u8], _>(bounds(range)))
            .filter_map(|key| Some((&**key, self.get(key)?.0)))
    }
}

/// What an entry takes here.
pub(super) fn size(key: &[u8], value: Option<&[u8]>) -> usize {
    key.len() + value.map_or(0, <[u8]>::len) + PLACE_BYTES
}

/// A range as the ordered collections take it.
pub(super) fn bounds(range: &KeyRange) -> (Bound<&[u8]>, Bound<&[u8]>) {
    (Bound::Included(range.from()), range.to().map_or(Bound::Unbounded, Bound::Excluded))
}
