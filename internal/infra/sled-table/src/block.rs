//! Entries packed into blocks, in the order of their keys.

use std::iter::Peekable;
use std::ops::Range;

use crate::fault::Fault;

/// What a block is not to be longer than, in bytes, unless a single entry is. A block costs the database about as much as
/// an entry by itself would, however much is in it; and a change of one entry writes its whole block.
pub(crate) const BYTES_MAX: usize = 2 << 10;

/// A block with less than this takes in the one behind it, when that has room for both.
const BYTES_FEW: usize = BYTES_MAX / 4;

/// What is left free in blocks that are cut from more than fits, so that the next entry does not cut them again.
const BYTES_CUT: usize = BYTES_MAX / 4 * 3;

pub(crate) type Entry<'a> = (&'a [u8], &'a [u8]);
/// A key and its new value; `None` deletes.
pub(crate) type Change<'a> = (&'a [u8], Option<&'a [u8]>);

/// Reads a block: an entry is two lengths, the key and the value. What can't be read as entries in order is a fault.
pub(crate) struct Block<'a> {
    rest: &'a [u8],
    before: Option<&'a [u8]>,
}

impl<'a> Block<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, before: None }
    }

    /// The value of a key.
    pub(crate) fn get(self, key: &[u8]) -> Result<Option<&'a [u8]>, Fault> {
        for entry in self {
            let (found, value) = entry?;
            if found >= key {
                return Ok((found == key).then_some(value));
            }
        }
        Ok(None)
    }

    fn take(&mut self) -> Option<Entry<'a>> {
        let (key, value) = (self.take_length()?, self.take_length()?);
        let key = self.rest.split_off(..key)?;
        let is_next = self.before.replace(key).is_none_or(|before| before < key);
        Some((key, self.rest.split_off(..value).filter(|_| is_next)?))
    }

    fn take_length(&mut self) -> Option<usize> {
        let mut length = 0;
        for shift in (0..u32::BITS).step_by(7) {
            let byte = *self.rest.split_off_first()?;
            length |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return usize::try_from(length).ok();
            }
        }
        None
    }
}

impl<'a> Iterator for Block<'a> {
    type Item = Result<Entry<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let entry = self.take();
        if entry.is_none() {
            self.rest = &[];
        }
        Some(entry.ok_or(Fault::Malformed))
    }
}

/// Packs entries that come in order.
#[derive(Default)]
pub(crate) struct Packer {
    bytes: Vec<u8>,
    entries: Vec<Packed>,
}

/// Where an entry begins, and where its key is.
struct Packed {
    start: usize,
    key: Range<usize>,
}

impl Packer {
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        self.push_length(key.len());
        self.push_length(value.len());
        let key_start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.entries.push(Packed { start, key: key_start..self.bytes.len() });
        self.bytes.extend_from_slice(value);
    }

    /// Seven bits a byte, the lowest first; the last byte's highest bit is not set.
    fn push_length(&mut self, mut length: usize) {
        while length >= 0x80 {
            let [low, ..] = length.to_le_bytes();
            self.bytes.push(low | 0x80);
            length >>= 7;
        }
        let [low, ..] = length.to_le_bytes();
        self.bytes.push(low);
    }

    /// Packs a block with the changes on top that come before its end; those that come behind its last entry are left.
    pub(crate) fn merge<'c>(
        &mut self,
        block: Block<'_>,
        changes: &mut Peekable<impl Iterator<Item = Change<'c>>>,
    ) -> Result<(), Fault> {
        for entry in block {
            let (key, value) = entry?;
            self.push_while(changes, |new| new < key);
            match changes.next_if(|(new, _)| *new == key) {
                Some((_, Some(value))) => self.push(key, value),
                Some((_, None)) => (),
                None => self.push(key, value),
            }
        }
        Ok(())
    }

    /// Packs the changes whose keys are as wanted, up to the first that is not.
    pub(crate) fn push_while<'c>(
        &mut self,
        changes: &mut Peekable<impl Iterator<Item = Change<'c>>>,
        is_wanted: impl Fn(&[u8]) -> bool,
    ) {
        while let Some((key, value)) = changes.next_if(|(key, _)| is_wanted(key)) {
            if let Some(value) = value {
                self.push(key, value);
            }
        }
    }

    /// Whether so few bytes would better go together with a block of `other` bytes.
    pub(crate) fn goes_with(&self, other: usize) -> bool {
        self.bytes.len() < BYTES_FEW && self.bytes.len() + other <= BYTES_CUT
    }

    /// The blocks that all is divided into, each with its first key.
    pub(crate) fn blocks(&self) -> Vec<Entry<'_>> {
        let length = self.bytes.len();
        let share = length / if length > BYTES_MAX { length.div_ceil(BYTES_CUT) } else { 1 };
        let ends = self.entries.iter().skip(1).map(|entry| entry.start).chain([length]);
        let (mut blocks, mut first) = (Vec::new(), None::<&Packed>);
        for (entry, end) in self.entries.iter().zip(ends) {
            let start = first.map_or(entry.start, |first| first.start);
            // What one block has beyond its share the next has less, so that the last is no small rest.
            let due = ((start + share / 2) / share.max(1) + 1) * share;
            if entry.start >= due || (entry.start > start && end - start > BYTES_MAX) {
                blocks.extend(first.map(|first| self.block(first, entry.start)));
                first = None;
            }
            first = first.or(Some(entry));
        }
        blocks.extend(first.map(|first| self.block(first, length)));
        blocks
    }

    fn block(&self, first: &Packed, end: usize) -> Entry<'_> {
        let bytes = |range: Range<usize>| self.bytes.get(range).unwrap_or_default();
        (bytes(first.key.clone()), bytes(first.start..end))
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests;
