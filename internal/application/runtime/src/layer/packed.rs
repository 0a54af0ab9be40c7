use std::mem;

/// A piece of memory holds the entries of many keys, in bytes. The first one is small, as many tables are.
const PIECE_BYTES_MIN: usize = 4 << 10;
const PIECE_BYTES_MAX: usize = 1 << 20;

/// Entries one behind the other in a few large pieces of memory: a table that is read from its changelog has a million of
/// them, and two allocations each would cost more than to read it.
#[derive(Default)]
pub(super) struct Packed {
    full: Vec<Vec<u8>>,
    open: Vec<u8>,
}

/// Where an entry lies, and what it has.
#[derive(Clone, Copy)]
pub(super) struct Place {
    piece: u32,
    start: u32,
    key: u32,
    /// [`DELETED`], or the value's length.
    value: u32,
}

/// In place of a length: the key has no value.
const DELETED: u32 = u32::MAX;

impl Packed {
    /// Adds an entry.
    pub(super) fn push(&mut self, key: &[u8], value: Option<&[u8]>) -> Place {
        self.make_room(key.len() + value.map_or(0, <[u8]>::len));
        let (piece, start) = (narrow(self.full.len()), narrow(self.open.len()));
        self.open.extend_from_slice(key);
        self.open.extend_from_slice(value.unwrap_or_default());
        Place {
            piece,
            start,
            key: narrow(key.len()),
            value: value.map_or(DELETED, |value| narrow(value.len())),
        }
    }

    /// Begins another piece where so many bytes do not fit.
    fn make_room(&mut self, bytes: usize) {
        let capacity = self.open.capacity();
        if capacity - self.open.len() >= bytes {
            return;
        }
        let wanted = (capacity * 2).clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX).max(bytes);
        let full = mem::replace(&mut self.open, Vec::with_capacity(wanted));
        if !full.is_empty() {
            self.full.push(full);
        }
    }

    pub(super) fn key(&self, place: Place) -> &[u8] {
        self.bytes(place.piece, place.start as usize, place.key as usize)
    }

    pub(super) fn value(&self, place: Place) -> Option<&[u8]> {
        let start = place.start as usize + place.key as usize;
        (place.value != DELETED).then(|| self.bytes(place.piece, start, place.value as usize))
    }

    fn bytes(&self, piece: u32, start: usize, length: usize) -> &[u8] {
        let piece = self.full.get(piece as usize).unwrap_or(&self.open);
        piece.get(start..start + length).unwrap_or_default()
    }

    /// Puts a value in the place of one that is no shorter; answers whether it could.
    pub(super) fn replace(&mut self, place: &mut Place, value: Option<&[u8]>) -> bool {
        let Some(value) = value else {
            place.value = DELETED;
            return true;
        };
        let (start, new) = (place.start as usize + place.key as usize, narrow(value.len()));
        if place.value == DELETED || new > place.value {
            return false;
        }
        let piece = self.full.get_mut(place.piece as usize).unwrap_or(&mut self.open);
        let Some(room) = piece.get_mut(start..start + value.len()) else { return false };
        room.copy_from_slice(value);
        place.value = new;
        true
    }
}

/// Nothing in a log is longer than half of what this can say.
fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(DELETED)
}
