use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::mem;

pub use decimal::{Decimal, DecimalError};
pub use encoding::{
    ValueError, ValueReader, ValueWriter, decode_row, decode_value, encode_row, encode_value, row_bytes,
};

mod decimal;
mod encoding;

/// One SQL value.
///
/// Equality, order and hash are total, so that any value can be a key: doubles compare by their bits' order, nulls come
/// first and equal each other, and decimals of the same number but another scale differ. What `=` answers in SQL is the
/// expression evaluator's business.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing known.
    Null,
    /// True or false.
    Boolean(bool),
    /// 32 bits.
    Int(i32),
    /// 64 bits.
    Bigint(i64),
    /// Binary floating point.
    Double(f64),
    /// An exact number; it keeps its scale.
    Decimal(Decimal),
    /// Text.
    String(Box<str>),
    /// Bytes.
    Bytes(Box<[u8]>),
    /// Milliseconds since 1970 in UTC.
    Timestamp(i64),
    /// Days since 1970.
    Date(i32),
    /// Milliseconds since midnight.
    Time(i32),
    /// Elements in order.
    Array(Vec<Value>),
    /// Values by key, in the keys' order.
    Map(BTreeMap<Value, Value>),
    /// The fields' values; their names are the type's.
    Struct(Vec<Value>),
}

/// What most values take encoded, in bytes.
const ENCODED_BYTES: usize = 64;

impl Value {
    /// A text.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::String(text.as_ref().into())
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Its compact encoding: equal values have equal bytes, and no value's bytes begin another's.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ENCODED_BYTES);
        self.encode(&mut out);
        out
    }

    /// Appends its encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        encode_value(self, out);
    }

    /// Reads what [`Value::encode`] wrote.
    ///
    /// # Errors
    /// When `bytes` are not that, no more and no less.
    pub fn decode(bytes: &[u8]) -> Result<Self, ValueError> {
        decode_value(bytes)
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Boolean(_) => 1,
            Self::Int(_) => 2,
            Self::Bigint(_) => 3,
            Self::Double(_) => 4,
            Self::Decimal(_) => 5,
            Self::String(_) => 6,
            Self::Bytes(_) => 7,
            Self::Timestamp(_) => 8,
            Self::Date(_) => 9,
            Self::Time(_) => 10,
            Self::Array(_) => 11,
            Self::Map(_) => 12,
            Self::Struct(_) => 13,
        }
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Boolean(a), Self::Boolean(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b))
            | (Self::Date(a), Self::Date(b))
            | (Self::Time(a), Self::Time(b)) => a.cmp(b),
            (Self::Bigint(a), Self::Bigint(b)) | (Self::Timestamp(a), Self::Timestamp(b)) => a.cmp(b),
            (Self::Double(a), Self::Double(b)) => a.total_cmp(b),
            (Self::Decimal(a), Self::Decimal(b)) => a.cmp(b),
            (Self::String(a), Self::String(b)) => a.cmp(b),
            (Self::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            (Self::Array(a), Self::Array(b)) | (Self::Struct(a), Self::Struct(b)) => a.cmp(b),
            (Self::Map(a), Self::Map(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        mem::discriminant(self).hash(state);
        match self {
            Self::Null => {}
            Self::Boolean(value) => value.hash(state),
            Self::Int(value) | Self::Date(value) | Self::Time(value) => value.hash(state),
            Self::Bigint(value) | Self::Timestamp(value) => value.hash(state),
            Self::Double(value) => value.to_bits().hash(state),
            Self::Decimal(value) => value.hash(state),
            Self::String(value) => value.hash(state),
            Self::Bytes(value) => value.hash(state),
            Self::Array(values) | Self::Struct(values) => values.hash(state),
            Self::Map(map) => map.hash(state),
        }
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_total_and_agrees_with_equality() {
        let values = [
            Value::Null,
            Value::Boolean(false),
            Value::Int(-1),
            Value::Int(1),
            Value::Bigint(0),
            Value::Double(f64::NEG_INFINITY),
            Value::Double(-0.0),
            Value::Double(0.0),
            Value::Double(f64::NAN),
            Value::Decimal(Decimal::new(12, 1)),
            Value::Decimal(Decimal::new(120, 2)),
            Value::Decimal(Decimal::new(13, 1)),
            Value::text("a"),
            Value::text("b"),
            Value::Array(vec![Value::Int(1)]),
            Value::Array(vec![Value::Int(1), Value::Null]),
            Value::Struct(vec![]),
        ];
        for (i, a) in values.iter().enumerate() {
            for (j, b) in values.iter().enumerate() {
                assert_eq!(a.cmp(b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn a_value_takes_four_words() {
        assert!(size_of::<Value>() <= 32, "{}", size_of::<Value>());
    }
}
