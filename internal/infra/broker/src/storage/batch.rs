//! The head of a record batch, format 2 (Kafka's documentation, "Record Batch").

use thiserror::Error;

/// Bytes of a batch before its records.
pub(crate) const HEAD: usize = 61;

/// Where the part begins that the checksum covers.
const CHECKED_FROM: usize = 21;

/// Bytes that the length field does not count.
const PREFIX: usize = 12;

const COMPRESSION: i16 = 0b111;
const APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// Why bytes are not a batch.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum BatchError {
    /// They end before the batch does.
    #[error("the batch is cut short")]
    Short,
    /// It is of another format.
    #[error("the batch has format {0}, and only 2 is known")]
    Magic(i8),
    /// The checksum is not that of the bytes.
    #[error("the batch's checksum is wrong")]
    Checksum,
    /// The head contradicts itself.
    #[error("the batch's head makes no sense")]
    Nonsense,
}

/// What a batch's head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) base_offset: i64,
    /// Bytes of the whole batch.
    pub(crate) size: usize,
    pub(crate) checksum: u32,
    pub(crate) attributes: i16,
    pub(crate) last_delta: i32,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer: i64,
    pub(crate) epoch: i16,
    pub(crate) sequence: i32,
    pub(crate) count: i32,
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], BatchError> {
    let part = bytes.get(at..at + N).ok_or(BatchError::Short)?;
    part.try_into().map_err(|_| BatchError::Short)
}

impl Head {
    /// Reads a head; the records may be missing.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, BatchError> {
        let magic = i8::from_be_bytes(take(bytes, 16)?);
        if magic != 2 {
            return Err(BatchError::Magic(magic));
        }
        let length = i32::from_be_bytes(take(bytes, 8)?);
        let size = usize::try_from(length).map_err(|_| BatchError::Nonsense)? + PREFIX;
        let head = Self {
            base_offset: i64::from_be_bytes(take(bytes, 0)?),
            size,
            checksum: u32::from_be_bytes(take(bytes, 17)?),
            attributes: i16::from_be_bytes(take(bytes, 21)?),
            last_delta: i32::from_be_bytes(take(bytes, 23)?),
            base_timestamp: i64::from_be_bytes(take(bytes, 27)?),
            max_timestamp: i64::from_be_bytes(take(bytes, 35)?),
            producer: i64::from_be_bytes(take(bytes, 43)?),
            epoch: i16::from_be_bytes(take(bytes, 51)?),
            sequence: i32::from_be_bytes(take(bytes, 53)?),
            count: i32::from_be_bytes(take(bytes, 57)?),
        };
        let sensible = size >= HEAD && head.last_delta >= 0 && head.count >= 0;
        if sensible { Ok(head) } else { Err(BatchError::Nonsense) }
    }

    /// Reads the head of a batch that is there as a whole, and proves its checksum.
    pub(crate) fn read_proven(bytes: &[u8]) -> Result<Self, BatchError> {
        let head = Self::read(bytes)?;
        let checked = bytes.get(CHECKED_FROM..head.size).ok_or(BatchError::Short)?;
        if crc32c::crc32c(checked) == head.checksum { Ok(head) } else { Err(BatchError::Checksum) }
    }

    pub(crate) fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_delta))
    }

    pub(crate) fn codec(&self) -> i16 {
        self.attributes & COMPRESSION
    }

    /// The same with another compression.
    pub(crate) fn with_codec(self, codec: i16) -> Self {
        Self { attributes: (self.attributes & !COMPRESSION) | (codec & COMPRESSION), ..self }
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub(crate) fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    pub(crate) fn has_append_time(&self) -> bool {
        self.attributes & APPEND_TIME != 0
    }
}

fn put(batch: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = batch.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// Gives a batch its place in the log. The checksum does not cover it.
pub(crate) fn set_offset(batch: &mut [u8], offset: i64) {
    put(batch, 0, &offset.to_be_bytes());
    put(batch, PREFIX, &0_i32.to_be_bytes());
}

/// Makes the time of appending the time of all records.
pub(crate) fn set_append_time(batch: &mut [u8], attributes: i16, timestamp: i64) {
    put(batch, CHECKED_FROM, &(attributes | APPEND_TIME).to_be_bytes());
    put(batch, 35, &timestamp.to_be_bytes());
    set_checksum(batch);
}

fn set_checksum(batch: &mut [u8]) {
    let checksum = crc32c::crc32c(batch.get(CHECKED_FROM..).unwrap_or_default());
    put(batch, 17, &checksum.to_be_bytes());
}

/// Writes a whole batch of records that are encoded, and compressed as `head.attributes` says.
pub(crate) fn write(head: &Head, records: &[u8]) -> Vec<u8> {
    let mut batch = Vec::with_capacity(HEAD + records.len());
    let length = i32::try_from(HEAD - PREFIX + records.len()).unwrap_or(i32::MAX);
    batch.extend(head.base_offset.to_be_bytes());
    batch.extend(length.to_be_bytes());
    batch.extend(0_i32.to_be_bytes());
    batch.push(2);
    batch.extend(0_u32.to_be_bytes());
    batch.extend(head.attributes.to_be_bytes());
    batch.extend(head.last_delta.to_be_bytes());
    batch.extend(head.base_timestamp.to_be_bytes());
    batch.extend(head.max_timestamp.to_be_bytes());
    batch.extend(head.producer.to_be_bytes());
    batch.extend(head.epoch.to_be_bytes());
    batch.extend(head.sequence.to_be_bytes());
    batch.extend(head.count.to_be_bytes());
    batch.extend(records);
    set_checksum(&mut batch);
    batch
}

/// The marker that ends a transaction: a control batch of one record (KIP-98, "Control Messages").
pub(crate) fn marker(producer: i64, epoch: i16, commit: bool, timestamp: i64) -> Vec<u8> {
    let kind = u8::from(commit);
    // Length 16 as a varint, attributes, deltas, key of 4 (version 0 and kind), value of 6 (version 0, epoch 0), no headers.
    let record = [32, 0, 0, 0, 8, 0, 0, 0, kind, 12, 0, 0, 0, 0, 0, 0, 0];
    let head = Head {
        base_offset: 0,
        size: HEAD + record.len(),
        checksum: 0,
        attributes: TRANSACTIONAL | CONTROL,
        last_delta: 0,
        base_timestamp: timestamp,
        max_timestamp: timestamp,
        producer,
        epoch,
        sequence: -1,
        count: 1,
    };
    write(&head, &record)
}

/// Whether a marker's record commits. Its key is at a fixed place.
pub(crate) fn marker_commits(batch: &[u8]) -> bool {
    batch.get(HEAD + 8).is_some_and(|kind| *kind == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_read_as_it_was_written_and_damage_is_seen() {
        let mut batch = marker(7, 3, true, 1_000);
        set_offset(&mut batch, 42);
        let head = Head::read_proven(&batch).unwrap();
        assert_eq!((head.base_offset, head.last_offset(), head.size), (42, 42, batch.len()));
        assert_eq!((head.producer, head.epoch, head.max_timestamp), (7, 3, 1_000));
        assert!(head.is_control() && head.is_transactional() && marker_commits(&batch));
        assert!(!marker_commits(&marker(7, 3, false, 1_000)));
        for at in CHECKED_FROM..batch.len() {
            let mut damaged = batch.clone();
            damaged[at] ^= 1;
            assert!(Head::read_proven(&damaged).is_err(), "byte {at}");
        }
        for length in 0..batch.len() {
            assert!(Head::read_proven(&batch[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn the_time_of_appending_is_under_the_checksum() {
        let mut batch = marker(7, 3, true, 1_000);
        let attributes = Head::read(&batch).unwrap().attributes;
        set_append_time(&mut batch, attributes, 2_000);
        let head = Head::read_proven(&batch).unwrap();
        assert_eq!((head.max_timestamp, head.base_timestamp), (2_000, 1_000));
        assert!(head.has_append_time());
    }
}
