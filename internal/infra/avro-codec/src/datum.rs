//! Avro's binary encoding between bytes and serde values, by a schema that was compiled once.
//!
//! Source: Apache Avro 1.12 specification, sections "Binary Encoding" and "Logical Types". Nothing generic is built between:
//! reading hands texts and bytes over as they lie in the datum, and writing appends to the caller's buffer.

mod decimal;
mod input;
mod layout;
mod read;
mod write;

pub(crate) use layout::Layout;
pub(crate) use read::read;
pub(crate) use write::write;

use std::fmt;

/// What is wrong with a datum, or with a value that was to become one.
///
/// It is one pointer wide, so that results stay in registers on the hot path.
#[derive(Debug)]
pub(crate) struct DatumError(Box<Reason>);

#[derive(Debug)]
struct Reason(String);

impl DatumError {
    #[cold]
    fn new(reason: impl Into<String>) -> Self {
        Self(Box::new(Reason(reason.into())))
    }
}

impl fmt::Display for DatumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.0)
    }
}

impl std::error::Error for DatumError {}

impl serde::de::Error for DatumError {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::new(reason.to_string())
    }
}

impl serde::ser::Error for DatumError {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::new(reason.to_string())
    }
}

#[cfg(test)]
mod tests;
