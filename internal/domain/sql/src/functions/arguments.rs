//! Arguments as what the signature says that they are.

use millstream_model::{Decimal, Value};

use crate::eval::{Failure, Outcome};

type Read<T> = Result<T, Failure>;

pub(super) fn text(value: &Value) -> Read<&str> {
    value.as_text().ok_or_else(|| Failure::unexpected(value))
}

pub(super) fn bytes(value: &Value) -> Read<&[u8]> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        other => Err(Failure::unexpected(other)),
    }
}

pub(super) fn int(value: &Value) -> Read<i32> {
    match value {
        Value::Int(value) => Ok(*value),
        other => Err(Failure::unexpected(other)),
    }
}

/// An INT or a BIGINT.
pub(super) fn long(value: &Value) -> Read<i64> {
    match value {
        Value::Int(value) => Ok(i64::from(*value)),
        Value::Bigint(value) => Ok(*value),
        other => Err(Failure::unexpected(other)),
    }
}

/// A number of a type that becomes a double.
#[expect(clippy::cast_precision_loss, reason = "whole numbers become the nearest double")]
pub(super) fn double(value: &Value) -> Read<f64> {
    match value {
        Value::Double(value) => Ok(*value),
        Value::Int(value) => Ok(f64::from(*value)),
        Value::Bigint(value) => Ok(*value as f64),
        Value::Decimal(value) => Ok(value.to_f64()),
        other => Err(Failure::unexpected(other)),
    }
}

pub(super) fn decimal(value: &Value) -> Read<Decimal> {
    match value {
        Value::Decimal(value) => Ok(*value),
        other => Err(Failure::unexpected(other)),
    }
}

pub(super) fn array(value: &Value) -> Read<&[Value]> {
    match value {
        Value::Array(values) => Ok(values),
        other => Err(Failure::unexpected(other)),
    }
}

pub(super) fn map(value: &Value) -> Read<&std::collections::BTreeMap<Value, Value>> {
    match value {
        Value::Map(map) => Ok(map),
        other => Err(Failure::unexpected(other)),
    }
}

/// The argument at a place; null where there is none.
pub(super) fn at<'v>(values: &[&'v Value], place: usize) -> &'v Value {
    values.get(place).copied().unwrap_or(&Value::Null)
}

pub(super) fn count(count: usize) -> Outcome {
    i32::try_from(count).map(Value::Int).map_err(|_| Failure::overflow("INT"))
}

/// The result of something that may have none.
pub(super) fn or_null(value: Option<Value>) -> Value {
    value.unwrap_or(Value::Null)
}

pub(super) fn texts(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Value {
    Value::Array(texts.into_iter().map(Value::text).collect())
}
