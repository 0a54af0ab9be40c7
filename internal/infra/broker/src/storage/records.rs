//! The records inside a batch, walked over without being decoded (Kafka's documentation, "Record").

use std::io;

use super::batch::{HEAD, Head};
use super::compression;

/// One record inside a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) offset_delta: i32,
    pub(crate) timestamp_delta: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) is_tombstone: bool,
    /// All of its bytes, its length before it.
    pub(crate) bytes: &'a [u8],
}

/// The records of a batch, opened.
pub(crate) fn open(head: &Head, batch: &[u8]) -> io::Result<Vec<u8>> {
    compression::open(head.codec(), batch.get(HEAD..head.size).unwrap_or_default())
}

/// Walks over opened records.
pub(crate) fn each(records: &[u8]) -> impl Iterator<Item = Option<Record<'_>>> {
    let mut rest = records;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let record = next(&mut rest);
        if record.is_none() {
            rest = &[];
        }
        Some(record)
    })
}

/// The next record; `None` where the bytes are no record.
fn next<'a>(rest: &mut &'a [u8]) -> Option<Record<'a>> {
    let whole = *rest;
    let length = usize::try_from(varint(rest)?).ok()?;
    let mut body = rest.get(..length)?;
    *rest = rest.get(length..)?;
    let bytes = whole.get(..whole.len() - rest.len())?;
    body = body.get(1..)?;
    let timestamp_delta = varint(&mut body)?;
    let offset_delta = i32::try_from(varint(&mut body)?).ok()?;
    let key = field(&mut body)?;
    let value = field(&mut body)?;
    Some(Record { offset_delta, timestamp_delta, key, is_tombstone: value.is_none(), bytes })
}

/// A length and as many bytes; -1 is nothing at all.
#[expect(
    clippy::option_option,
    reason = "the outer says whether the bytes make sense, the inner is the field"
)]
fn field<'a>(body: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = varint(body)?;
    if length < 0 {
        return Some(None);
    }
    let length = usize::try_from(length).ok()?;
    let bytes = body.get(..length)?;
    *body = body.get(length..)?;
    Some(Some(bytes))
}

/// A number in zigzag, seven bits a byte.
fn varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn put(bytes: &mut Vec<u8>, number: i64) {
        let mut value = ((number << 1) ^ (number >> 63)).cast_unsigned();
        while value >= 0x80 {
            bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        bytes.push(u8::try_from(value).unwrap());
    }

    fn put_field(bytes: &mut Vec<u8>, field: Option<&[u8]>) {
        put(bytes, field.map_or(-1, |field| i64::try_from(field.len()).unwrap()));
        bytes.extend(field.unwrap_or_default());
    }

    /// A record as clients encode it.
    pub(crate) fn encode(delta: i32, key: Option<&[u8]>, value: Option<&[u8]>) -> Vec<u8> {
        let (mut body, mut record) = (vec![0], Vec::new());
        put(&mut body, i64::from(delta) * 10);
        put(&mut body, i64::from(delta));
        put_field(&mut body, key);
        put_field(&mut body, value);
        put(&mut body, 0);
        put(&mut record, i64::try_from(body.len()).unwrap());
        record.extend(body);
        record
    }

    type Pair = (Option<Vec<u8>>, Option<Vec<u8>>);

    proptest! {
        #[test]
        fn records_are_walked_over(all in proptest::collection::vec((any::<Option<Vec<u8>>>(), any::<Option<Vec<u8>>>()), 0..20)) {
            let encode = |(delta, (key, value)): (i32, &Pair)| {
                encode(delta, key.as_deref(), value.as_deref())
            };
            let bytes: Vec<_> = (0..).zip(&all).flat_map(encode).collect();
            let read: Vec<_> = each(&bytes).map(Option::unwrap).collect();
            prop_assert_eq!(read.len(), all.len());
            for (record, (delta, (key, value))) in read.iter().zip((0..).zip(&all)) {
                prop_assert_eq!((record.offset_delta, record.timestamp_delta), (delta, i64::from(delta) * 10));
                prop_assert_eq!((record.key, record.is_tombstone), (key.as_deref(), value.is_none()));
            }
            prop_assert_eq!(read.iter().flat_map(|record| record.bytes).copied().collect::<Vec<_>>(), bytes);
        }

        #[test]
        fn any_bytes_end_in_a_refusal_or_an_end(bytes: Vec<u8>) {
            let count = each(&bytes).count();
            prop_assert!(count <= bytes.len());
        }
    }
}
