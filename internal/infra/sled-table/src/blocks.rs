//! The blocks of a table in its database.
//!
//! A block is found by its *fence*, the least key that it may hold: it holds those from there up to the next block's fence.
//! Entries come and go, and the fence stays where it is, so that a change of a block writes it and nothing else.

use std::iter::Peekable;
use std::ops::Bound;

use sled::{Batch, Db, IVec, Iter};

use crate::block::{Block, Change, Packer};
use crate::fault::Fault;

/// Blocks' keys in the database begin with this byte, so that no key of a user meets one of ours.
const BLOCK: u8 = b'e';

/// Larger ones hold one entry only.
const LARGE_BYTES: usize = 16 << 10;

/// A block's key in the database, and what is in it.
type Fenced = (IVec, IVec);

fn place(key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key.len() + 1);
    bytes.push(BLOCK);
    bytes.extend_from_slice(key);
    bytes
}

/// The block that has `key` if any has.
pub(crate) fn of(database: &Db, key: &[u8]) -> Result<Option<Fenced>, Fault> {
    Ok(database.range([BLOCK].as_slice()..=place(key).as_slice()).next_back().transpose()?)
}

/// The blocks from the one on that has `key` if any has.
pub(crate) fn from(database: &Db, key: &[u8]) -> Result<Iter, Fault> {
    let first = of(database, key)?.map_or_else(|| place(key).into(), |(fence, _)| fence);
    Ok(database.range(first.as_ref()..[BLOCK + 1].as_slice()))
}

/// How many entries there are.
pub(crate) fn count(database: &Db) -> Result<u64, Fault> {
    let mut count = 0;
    for block in from(database, b"")? {
        for entry in Block::new(&block?.1) {
            entry?;
            count += 1;
        }
    }
    Ok(count)
}

/// Adds to a batch what changes blocks by `changes`, which are in the order of their keys, each key once. Answers about how many
/// bytes sled will write for it.
pub(crate) fn change<'c>(
    database: &Db,
    changes: impl Iterator<Item = Change<'c>>,
    batch: &mut Batch,
) -> Result<usize, Fault> {
    let (changes, packer) = (changes.peekable(), Packer::default());
    let mut changing = Changing { database, changes, packer, batch, bytes: 0 };
    while let Some((first, _)) = changing.changes.peek().copied() {
        changing.next_block(first)?;
    }
    Ok(changing.bytes)
}

struct Changing<'a, 'c, I: Iterator<Item = Change<'c>>> {
    database: &'a Db,
    changes: Peekable<I>,
    packer: Packer,
    batch: &'a mut Batch,
    bytes: usize,
}

impl<'c, I: Iterator<Item = Change<'c>>> Changing<'_, 'c, I> {
    /// Writes the block that has `first` anew, with all the changes that are its.
    fn next_block(&mut self, first: &[u8]) -> Result<(), Fault> {
        let found = of(self.database, first)?;
        let is_new = found.is_none();
        let (fence, block) = found.unwrap_or_else(|| (IVec::from(&[BLOCK]), IVec::default()));
        self.packer.clear();
        self.packer.merge(Block::new(&block), &mut self.changes)?;
        let end = IVec::from(&[BLOCK + 1]);
        let mut behind = self.database.range((Bound::Excluded(fence.clone()), Bound::Excluded(end)));
        let mut next = self.take_up_to_next(&mut behind)?;
        while let Some((other, block)) = next.take_if(|(_, block)| self.packer.goes_with(block.len())) {
            self.packer.merge(Block::new(&block), &mut self.changes)?;
            next = self.take_up_to_next(&mut behind)?;
            self.batch.remove(other);
        }
        self.write(fence, is_new);
        Ok(())
    }

    /// Takes the changes before the next block, and tells which that is.
    fn take_up_to_next(&mut self, behind: &mut Iter) -> Result<Option<Fenced>, Fault> {
        let next = behind.next().transpose()?;
        let end = next.as_ref().and_then(|(fence, _)| fence.get(1..));
        self.packer.push_while(&mut self.changes, |key| end.is_none_or(|end| key < end));
        Ok(next)
    }

    fn write(&mut self, fence: IVec, is_new: bool) {
        let blocks = self.packer.blocks();
        if blocks.is_empty() && !is_new {
            self.batch.remove(fence.clone());
        }
        // The first of them stays at the fence.
        let mut fence = Some(fence);
        for (first, block) in blocks {
            self.bytes += cost(block);
            self.batch.insert(fence.take().unwrap_or_else(|| place(first).into()), block);
        }
    }
}

/// A large block's neighbours are large too, and sled writes a whole page of them anew every few changes.
fn cost(block: &[u8]) -> usize {
    let times = if block.len() > LARGE_BYTES { 8 } else { 1 };
    block.len() * times
}
