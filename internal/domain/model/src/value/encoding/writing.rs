use super::{ARRAY, BIGINT, INT, STRING, STRUCT, VERSION};
use crate::Value;

/// Writes a value of a known shape part by part: what [`crate::encode_value`] writes of the same value as a tree.
///
/// **Invariant:** as many parts follow as [`ValueWriter::fields`] and [`ValueWriter::elements`] were told; the caller's duty.
pub struct ValueWriter {
    out: Vec<u8>,
}

impl ValueWriter {
    /// Begins a value, in room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut out = Vec::with_capacity(bytes);
        out.push(VERSION);
        Self { out }
    }

    /// Begins a struct of so many fields.
    pub fn fields(&mut self, count: usize) {
        self.out.push(STRUCT);
        write_count(count, &mut self.out);
    }

    /// Begins an array of so many elements.
    pub fn elements(&mut self, count: usize) {
        self.out.push(ARRAY);
        write_count(count, &mut self.out);
    }

    /// Writes a 64-bit integer.
    pub fn bigint(&mut self, number: i64) {
        write_signed(BIGINT, number, &mut self.out);
    }

    /// Writes a 32-bit integer.
    pub fn int(&mut self, number: i32) {
        write_signed(INT, number.into(), &mut self.out);
    }

    /// Writes a struct of these fields.
    pub fn row(&mut self, fields: &[Value]) {
        self.out.push(STRUCT);
        write_all(fields, &mut self.out);
    }

    /// Writes a value.
    pub fn value(&mut self, value: &Value) {
        write(value, &mut self.out);
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }
}

pub(super) fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0),
        Value::Boolean(flag) => out.push(if *flag { 2 } else { 1 }),
        Value::Int(number) => write_signed(INT, (*number).into(), out),
        Value::Bigint(number) => write_signed(BIGINT, *number, out),
        Value::Double(number) => {
            out.push(5);
            out.extend_from_slice(&number.to_bits().to_be_bytes());
        }
        Value::Decimal(decimal) => {
            out.push(6);
            write_unsigned(zigzag(decimal.unscaled()), out);
            out.push(decimal.scale());
        }
        Value::String(text) => write_bytes(STRING, text.as_bytes(), out),
        Value::Bytes(bytes) => write_bytes(8, bytes, out),
        Value::Timestamp(millis) => write_signed(9, *millis, out),
        Value::Date(days) => write_signed(10, (*days).into(), out),
        Value::Time(millis) => write_signed(11, (*millis).into(), out),
        Value::Array(values) => {
            out.push(ARRAY);
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
            out.push(STRUCT);
            write_all(values, out);
        }
    }
}

pub(super) fn write_all(values: &[Value], out: &mut Vec<u8>) {
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
    write_word(count as u64, out);
}

/// Small numbers of either sign in few bytes.
fn write_signed(tag: u8, number: i64, out: &mut Vec<u8>) {
    out.push(tag);
    write_word(((number << 1) ^ (number >> 63)).cast_unsigned(), out);
}

fn zigzag(number: i128) -> u128 {
    ((number << 1) ^ (number >> 127)).cast_unsigned()
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
