//! Records as Confluent's Schema Registry writes them: JSON keys and values, byte for byte where compaction looks at them.

mod key;
mod stamp;
mod value;

use millstream_registry_rules::Record;

pub(crate) use stamp::{HEADER, stamp_from, stamp_text};

/// A record's bytes; no value is a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

impl Bytes {
    pub(crate) fn len(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Vec::len)
    }
}

/// Writes a record.
///
/// # Errors
/// When it can't be told in JSON, which no record can't.
pub(crate) fn encode(record: &Record) -> Result<Bytes, String> {
    let key = serde_json::to_vec(&key::told(&record.key())).map_err(|error| error.to_string())?;
    Ok(Bytes { key, value: value::told(record)? })
}

/// Reads a record; `None` is one that says nothing to this registry, such as those about contexts.
///
/// # Errors
/// When it is not of this format.
pub(crate) fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Record>, String> {
    match key::read(key)? {
        Some(key) => value::read(key, value),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests;
