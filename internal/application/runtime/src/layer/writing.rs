use millstream_model::Offset;
use millstream_ports::{KeyRange, PortError, TableStore};

use crate::layer::{Entries, Value, size};

type Entry = (Box<[u8]>, Value);

/// Entries on their way into a store, batch by batch in key order.
///
/// A store that takes neighbours together touches each of its pages once, and one that takes a little at a time needs little
/// memory for it.
pub(crate) struct Writing {
    /// What is still to be written, the last key first.
    entries: Vec<Entry>,
    pub(super) bytes: usize,
    /// What the store's offset is until the last batch.
    before: Offset,
    next: Offset,
}

impl Writing {
    pub(crate) fn new(entries: Entries, bytes: usize, before: Option<Offset>, next: Offset) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
        Self { entries, bytes, before: before.unwrap_or(Offset::ZERO), next }
    }

    /// Where the changelog is once all is written.
    pub(super) fn next(&self) -> Offset {
        self.next
    }

    /// The value that is on its way for a key; `None` for a key that is not.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Value> {
        let place = self.entries.binary_search_by(|(other, _)| key.cmp(other)).ok()?;
        self.entries.get(place).map(|(_, value)| value)
    }

    /// What is on its way of a range, in order.
    pub(super) fn range(&self, range: &KeyRange) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let from = self.entries.partition_point(|(key, _)| !range.is_before_end(key));
        let to = self.entries.partition_point(|(key, _)| **key >= *range.from());
        let within = self.entries.get(from..to).unwrap_or_default();
        within.iter().rev().map(|(key, value)| (&**key, value.as_deref()))
    }

    /// Writes the next entries, and hands them over; answers whether there is more.
    ///
    /// # Errors
    /// When the store fails; nothing is handed over then.
    pub(crate) fn store_batch<S: TableStore>(
        &mut self,
        store: &S,
        bytes_max: usize,
        mut each: impl FnMut(Box<[u8]>, Value),
    ) -> Result<bool, PortError> {
        let from = self.batch_start(bytes_max);
        let batch = self.entries.get(from..).unwrap_or_default();
        let next = if from == 0 { self.next } else { self.before };
        store.apply(&mut batch.iter().rev().map(|(key, value)| (&**key, value.as_deref())), next)?;
        for (key, value) in self.entries.drain(from..).rev() {
            self.bytes = self.bytes.saturating_sub(size(&key, value.as_deref()));
            each(key, value);
        }
        Ok(from > 0)
    }

    /// Where the batch of the last entries begins: at least one, and no more than fit.
    fn batch_start(&self, bytes_max: usize) -> usize {
        let mut bytes = 0;
        let fits = |(key, value): &&Entry| {
            let is_first = bytes == 0;
            bytes += size(key, value.as_deref());
            is_first || bytes <= bytes_max
        };
        self.entries.len() - self.entries.iter().rev().take_while(fits).count()
    }
}
