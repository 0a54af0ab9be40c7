//! A compact binary form of values, for state and for topics that only the rules themselves read.
//!
//! One version byte, then each value as a tag and its payload. **Invariant:** equal values have equal bytes, and each value
//! says where it ends, so that the bytes of one row are never the beginning of another's.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::{Decimal, Row, Value};

/// The first byte; another one is another encoding.
const VERSION: u8 = 1;
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
    let mut reader = Reader::new(bytes)?;
    let value = reader.value(0)?;
    reader.end(value)
}

/// Reads one row.
///
/// # Errors
/// When `bytes` are not what [`encode_row`] writes, no more and no less.
pub fn decode_row(bytes: &[u8]) -> Result<Row, ValueError> {
    let mut reader = Reader::new(bytes)?;
    let row = reader.values(0)?;
    reader.end(row)
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0),
        Value::Boolean(flag) => out.push(if *flag { 2 } else { 1 }),
        Value::Int(number) => write_signed(3, (*number).into(), out),
        Value::Bigint(number) => write_signed(4, (*number).into(), out),
        Value::Double(number) => {
            out.push(5);
            out.extend_from_slice(&number.to_bits().to_be_bytes());
        }
        Value::Decimal(decimal) => {
            write_signed(6, decimal.unscaled(), out);
            out.push(decimal.scale());
        }
        Value::String(text) => write_bytes(7, text.as_bytes(), out),
        Value::Bytes(bytes) => write_bytes(8, bytes, out),
        Value::Timestamp(millis) => write_signed(9, (*millis).into(), out),
        Value::Date(days) => write_signed(10, (*days).into(), out),
        Value::Time(millis) => write_signed(11, (*millis).into(), out),
        Value::Array(values) => {
            out.push(12);
            write_all(values, out);
        }
        Value::Map(map) => {
            out.push(13);
            write_count(map.len(), out);
            for (key, value) in map {
                write(key, out);
                write(value, out);
            }
        }
        Value::Struct(values) => {
            out.push(14);
            write_all(values, out);
        }
    }
}

fn write_all(values: &[Value], out: &mut Vec<u8>) {
    write_count(values.len(), out);
    for value in values {
        write(value, out);
    }
}

fn write_bytes(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    write_count(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn write_count(count: usize, out: &mut Vec<u8>) {
    write_unsigned(count as u128, out);
}

/// Small numbers of either sign in few bytes.
fn write_signed(tag: u8, number: i128, out: &mut Vec<u8>) {
    out.push(tag);
    write_unsigned(((number << 1) ^ (number >> 127)).cast_unsigned(), out);
}

fn write_unsigned(number: u128, out: &mut Vec<u8>) {
    match u64::try_from(number) {
        Ok(number) => write_word(number, out),
        Err(_) => write_wide(number, out),
    }
}

/// As [`write_wide`], in the machine's own words.
fn write_word(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}

fn write_wide(mut number: u128, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(low_bits(number) | 0x80);
        number >>= 7;
    }
    out.push(low_bits(number));
}

fn low_bits(number: u128) -> u8 {
    u8::try_from(number & 0x7f).unwrap_or_default()
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, ValueError> {
        match bytes.split_first() {
            Some((&VERSION, rest)) => Ok(Self { rest }),
            other => Err(ValueError::Version(other.map(|(first, _)| *first))),
        }
    }

    fn end<T>(self, read: T) -> Result<T, ValueError> {
        if self.rest.is_empty() { Ok(read) } else { Err(ValueError::Long(self.rest.len())) }
    }

    fn byte(&mut self) -> Result<u8, ValueError> {
        let (first, rest) = self.rest.split_first().ok_or(ValueError::Short)?;
        self.rest = rest;
        Ok(*first)
    }

    fn unsigned(&mut self) -> Result<u128, ValueError> {
        let mut number = 0_u64;
        // As many bytes as fit a word; the last of them is not nothing, unless it is the only one.
        let rest = self.rest;
        for (place, byte) in rest.iter().take(9).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                self.rest = rest.get(place + 1..).unwrap_or_default();
                return if *byte == 0 && place > 0 { Err(WIDE) } else { Ok(number.into()) };
            }
        }
        self.wide()
    }

    fn wide(&mut self) -> Result<u128, ValueError> {
        let mut number = 0_u128;
        for shift in (0..u128::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            number |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits).ok_or(WIDE)?;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 { Err(WIDE) } else { Ok(number) };
            }
        }
        Err(WIDE)
    }

    fn signed(&mut self) -> Result<i128, ValueError> {
        let number = self.unsigned()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn narrow<T: TryFrom<i128>>(&mut self) -> Result<T, ValueError> {
        T::try_from(self.signed()?).map_err(|_| WIDE)
    }

    /// A length; every element takes a byte or more, so it is bounded by what is left.
    fn count(&mut self) -> Result<usize, ValueError> {
        let count = usize::try_from(self.unsigned()?).map_err(|_| WIDE)?;
        if count > self.rest.len() { Err(ValueError::Short) } else { Ok(count) }
    }

    fn bytes(&mut self) -> Result<&'a [u8], ValueError> {
        let count = self.count()?;
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or(ValueError::Short)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn values(&mut self, depth: u8) -> Result<Vec<Value>, ValueError> {
        let count = self.count()?;
        // What bytes that are damaged promise is not believed before it is there.
        let mut values = Vec::with_capacity(count.min(ROOM_MAX));
        for _ in 0..count {
            values.push(self.value(depth)?);
        }
        Ok(values)
    }

    fn value(&mut self, depth: u8) -> Result<Value, ValueError> {
        if depth > DEPTH_MAX {
            return Err(ValueError::Damaged("it is nested too deeply"));
        }
        Ok(match self.byte()? {
            0 => Value::Null,
            1 => Value::Boolean(false),
            2 => Value::Boolean(true),
            3 => Value::Int(self.narrow()?),
            4 => Value::Bigint(self.narrow()?),
            5 => Value::Double(self.double()?),
            6 => Value::Decimal(self.decimal()?),
            7 => Value::String(self.text()?.into()),
            8 => Value::Bytes(self.bytes()?.into()),
            9 => Value::Timestamp(self.narrow()?),
            10 => Value::Date(self.narrow()?),
            11 => Value::Time(self.narrow()?),
            12 => Value::Array(self.values(depth + 1)?),
            13 => Value::Map(self.map(depth + 1)?),
            14 => Value::Struct(self.values(depth + 1)?),
            _ => return Err(ValueError::Damaged("no value has such a tag")),
        })
    }

    fn double(&mut self) -> Result<f64, ValueError> {
        let (bits, rest) = self.rest.split_first_chunk::<8>().ok_or(ValueError::Short)?;
        self.rest = rest;
        Ok(f64::from_bits(u64::from_be_bytes(*bits)))
    }

    fn decimal(&mut self) -> Result<Decimal, ValueError> {
        let (unscaled, scale) = (self.signed()?, self.byte()?);
        let decimal = Decimal::new(unscaled, scale);
        if decimal.scale() == scale {
            Ok(decimal)
        } else {
            Err(ValueError::Damaged("no decimal has such a scale"))
        }
    }

    fn text(&mut self) -> Result<&'a str, ValueError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| ValueError::Damaged("a text is not UTF-8"))
    }

    fn map(&mut self, depth: u8) -> Result<BTreeMap<Value, Value>, ValueError> {
        let count = self.count()?;
        let mut map = BTreeMap::new();
        for _ in 0..count {
            let key = self.value(depth)?;
            if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return Err(ValueError::Damaged("a map's keys are out of order"));
            }
            let value = self.value(depth)?;
            map.insert(key, value);
        }
        Ok(map)
    }
}

const WIDE: ValueError = ValueError::Damaged("a number is wider than its type");

#[cfg(test)]
mod tests;
