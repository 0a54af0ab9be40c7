use millstream_model::Offset;
use millstream_ports::{KeyRange, PortError, TableStore};

use crate::layer::overlay::{Found, Overlay, size};
use crate::layer::packed::Place;

/// Entries on their way into a store, batch by batch in key order.
///
/// A store that takes neighbours together touches each of its pages once, and one that takes a little at a time needs little
/// memory for it.
pub(crate) struct Writing {
    entries: Overlay,
    /// Those that are still to be written, the last key first.
    left: Vec<Place>,
    /// What the store's offset is until the last batch.
    before: Offset,
    next: Offset,
}

impl Writing {
    pub(crate) fn new(entries: Overlay, before: Option<Offset>, next: Offset) -> Self {
        let left = entries.places();
        Self { entries, left, before: before.unwrap_or(Offset::ZERO), next }
    }

    /// What it takes until all is written.
    pub(super) fn bytes(&self) -> usize {
        self.entries.bytes()
    }

    /// Where the changelog is once all is written.
    pub(super) fn next(&self) -> Offset {
        self.next
    }

    /// The value that is on its way for a key, or has just arrived; `None` for a key that is not.
    pub(super) fn get(&self, key: &[u8]) -> Option<Found<'_>> {
        self.entries.get(key)
    }

    /// What is on its way of a range, in order.
    pub(super) fn range(&self, range: &KeyRange) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let key = |place: &Place| self.entries.entry(*place).0;
        let from = self.left.partition_point(|place| !range.is_before_end(key(place)));
        let to = self.left.partition_point(|place| *key(place) >= *range.from());
        let within = self.left.get(from..to).unwrap_or_default();
        within.iter().rev().map(|place| self.entries.entry(*place))
    }

    /// Writes the next entries, and hands them over; answers whether there is more.
    ///
    /// # Errors
    /// When the store fails; nothing is handed over then.
    pub(crate) fn store_batch<S: TableStore>(
        &mut self,
        store: &S,
        bytes_max: usize,
        mut each: impl FnMut(&[u8], Option<&[u8]>),
    ) -> Result<bool, PortError> {
        let from = self.batch_start(bytes_max);
        let batch = self.left.get(from..).unwrap_or_default();
        let next = if from == 0 { self.next } else { self.before };
        store.apply(&mut batch.iter().rev().map(|place| self.entries.entry(*place)), next)?;
        for place in self.left.drain(from..).rev() {
            let (key, value) = self.entries.entry(place);
            each(key, value);
        }
        Ok(from > 0)
    }

    /// Where the batch of the last entries begins: at least one, and no more than fit.
    fn batch_start(&self, bytes_max: usize) -> usize {
        let mut bytes = 0;
        let fits = |place: &&Place| {
            let is_first = bytes == 0;
            let (key, value) = self.entries.entry(**place);
            bytes += size(key, value);
            is_first || bytes <= bytes_max
        };
        self.left.len() - self.left.iter().rev().take_while(fits).count()
    }
}
