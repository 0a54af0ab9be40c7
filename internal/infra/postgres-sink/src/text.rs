//! Values of single columns in the text that PostgreSQL reads.

use std::fmt::Write as _;

use millstream_model::{Type, Value};
use millstream_ports::CodecError;

use crate::{iso, json};

/// A column's value as text, or `None` for a null.
///
/// # Errors
/// When PostgreSQL can't hold it.
pub(crate) fn of(ty: &Type, value: &Value) -> Result<Option<String>, CodecError> {
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Boolean(is) => is.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Bigint(number) => number.to_string(),
        Value::Double(number) if number.is_finite() => number.to_string(),
        Value::Double(number) => not_finite(*number).to_owned(),
        Value::Decimal(number) => number.to_string(),
        Value::String(text) => check(text)?.to_owned(),
        Value::Bytes(bytes) => hex(bytes),
        Value::Timestamp(millis) => moment(*millis)?.to_string(),
        Value::Date(days) => iso::date(*days),
        Value::Time(millis) => iso::time(*millis),
        Value::Array(_) | Value::Map(_) | Value::Struct(_) => {
            let mut out = String::new();
            json::append(ty, value, &mut out)?;
            out
        }
    }))
}

pub(crate) fn check(text: &str) -> Result<&str, CodecError> {
    if text.contains('\0') {
        return Err(CodecError::new("a text holds the character U+0000, which PostgreSQL does not store"));
    }
    Ok(text)
}

/// A moment that has a place in a column.
pub(crate) fn moment(millis: i64) -> Result<i64, CodecError> {
    if iso::has_four_digits(millis) {
        return Ok(millis);
    }
    Err(CodecError::new(format!("{millis} milliseconds since 1970 is not in the years 1 to 9999")))
}

pub(crate) fn not_finite(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// The hex form of `bytea`.
fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 + bytes.len() * 2);
    out.push_str("\\x");
    for byte in bytes {
        // A string takes all that is written to it.
        let _ = write!(out, "{byte:02x}");
    }
    out
}
