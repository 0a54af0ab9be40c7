//! Values of single columns in the text that PostgreSQL reads.

use std::fmt::{Display, Write as _};

use millstream_model::{Type, Value};
use millstream_ports::CodecError;

use crate::{iso, json};

/// Texts of columns, one behind the other in one piece of memory. A column may have none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Texts {
    all: String,
    spans: Vec<Option<(usize, usize)>>,
}

impl Texts {
    /// As a place for so many columns.
    pub(crate) fn with_capacity(columns: usize) -> Self {
        Self { all: String::with_capacity(columns * 16), spans: Vec::with_capacity(columns) }
    }

    /// Adds the next column's value; a null has no text.
    ///
    /// # Errors
    /// When PostgreSQL can't hold it.
    pub(crate) fn push(&mut self, ty: &Type, value: &Value) -> Result<(), CodecError> {
        let from = self.all.len();
        let is_there = append(ty, value, &mut self.all)?;
        self.spans.push(is_there.then_some((from, self.all.len())));
        Ok(())
    }

    /// A column's text.
    pub(crate) fn get(&self, place: usize) -> Option<&str> {
        let (from, to) = (*self.spans.get(place)?)?;
        self.all.get(from..to)
    }

    /// Whether each column has a text.
    pub(crate) fn are_all(&self) -> bool {
        self.spans.iter().all(Option::is_some)
    }
}

/// Appends a column's value as text, and says whether there is one: a null has none.
///
/// # Errors
/// When PostgreSQL can't hold it.
pub(crate) fn append(ty: &Type, value: &Value, out: &mut String) -> Result<bool, CodecError> {
    match value {
        Value::Null => return Ok(false),
        Value::Boolean(is) => out.push_str(if *is { "true" } else { "false" }),
        Value::Int(number) => show(number, out),
        Value::Bigint(number) => show(number, out),
        Value::Double(number) if number.is_finite() => show(number, out),
        Value::Double(number) => out.push_str(not_finite(*number)),
        Value::Decimal(number) => show(number, out),
        Value::String(text) => out.push_str(check(text)?),
        Value::Bytes(bytes) => hex(bytes, out),
        Value::Timestamp(millis) => show(&moment(*millis)?, out),
        Value::Date(days) => out.push_str(&iso::date(*days)),
        Value::Time(millis) => out.push_str(&iso::time(*millis)),
        Value::Array(_) | Value::Map(_) | Value::Struct(_) => json::append(ty, value, out)?,
    }
    Ok(true)
}

/// Appends what has a text.
pub(crate) fn show(what: &impl Display, out: &mut String) {
    // A string takes all that is written to it.
    let _ = write!(out, "{what}");
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
fn hex(bytes: &[u8], out: &mut String) {
    out.push_str("\\x");
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}
