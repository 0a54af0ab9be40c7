//! A compact binary form of values, for state and for topics that only the rules themselves read.
//!
//! One version byte, then each value as a tag and its payload. **Invariant:** equal values have equal bytes, and each value
//! says where it ends, so that the bytes of one row are never the beginning of another's.

use thiserror::Error;

use crate::{Row, Value};
use writing::{write, write_all};

pub use reading::ValueReader;
pub use writing::ValueWriter;

mod reading;
mod writing;

/// The first byte; another one is another encoding.
const VERSION: u8 = 1;
/// The tags that a reader of a known shape looks for.
const INT: u8 = 3;
const BIGINT: u8 = 4;
const STRING: u8 = 7;
const ARRAY: u8 = 12;
const STRUCT: u8 = 14;

/// Arrays within arrays beyond this are damage, not data, in levels.
const DEPTH_MAX: u8 = 100;

/// Room for so many values is made at once.
const ROOM_MAX: usize = 64;

/// Bytes that are not an encoded value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ValueError {
    /// Another version of the encoding, or something else altogether.
    #[error(
        "encoded values begin with byte {VERSION}, not {0:?}; another version of the program may have written them"
    )]
    Version(Option<u8>),
    /// They end in the middle.
    #[error("the encoded value ends too early")]
    Short,
    /// They go on after the end.
    #[error("{0} bytes follow the encoded value")]
    Long(usize),
    /// They say something that no value says.
    #[error("the encoded value is damaged: {0}")]
    Damaged(&'static str),
}

/// Appends the encoding of `value`.
pub fn encode_value(value: &Value, out: &mut Vec<u8>) {
    out.push(VERSION);
    write(value, out);
}

/// Appends the encoding of `row`.
pub fn encode_row(row: &[Value], out: &mut Vec<u8>) {
    out.push(VERSION);
    write_all(row, out);
}

/// The encoding of `row`.
pub fn row_bytes(row: &[Value]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + 12 * row.len());
    encode_row(row, &mut out);
    out
}

/// Reads one value.
///
/// # Errors
/// When `bytes` are not what [`encode_value`] writes, no more and no less.
pub fn decode_value(bytes: &[u8]) -> Result<Value, ValueError> {
    let mut reader = ValueReader::new(bytes)?;
    let value = reader.single(0)?;
    reader.end(value)
}

/// Reads one row.
///
/// # Errors
/// When `bytes` are not what [`encode_row`] writes, no more and no less.
pub fn decode_row(bytes: &[u8]) -> Result<Row, ValueError> {
    let mut reader = ValueReader::new(bytes)?;
    let row = reader.values(0)?;
    reader.end(row)
}

#[cfg(test)]
mod tests;
