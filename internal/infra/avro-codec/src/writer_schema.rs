use std::marker::PhantomData;

use millstream_ports::CodecError;
use serde::de::DeserializeSeed;
use serde::{Deserialize, Serialize};

use crate::datum::{self, Layout};
use crate::frame;

/// A schema that records were written with, by its id.
pub struct WriterSchema {
    /// As it was registered, in JSON.
    pub text: String,
    layout: Layout,
}

impl WriterSchema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// A sentence, when the text is no Avro schema, or refers to one that it does not hold.
    pub fn parse(text: &str) -> Result<Self, String> {
        let layout = Layout::parse(text).map_err(|error| format!("not an Avro schema: {error}"))?;
        Ok(Self { text: text.to_owned(), layout })
    }

    /// Whether its values are records, maybe null.
    pub(crate) fn is_record(&self) -> bool {
        self.layout.is_record()
    }

    /// Whether its values are records of the same fields, maybe null.
    pub(crate) fn is_one_record(&self) -> bool {
        self.layout.is_one_record()
    }

    /// The columns of its records, names in capitals; of another schema, one column without a name.
    ///
    /// # Errors
    /// When a field's type is none that rows have.
    pub fn columns(&self) -> Result<Vec<millstream_model::Column>, CodecError> {
        crate::schema::columns_of(&self.text, true).map(|found| found.columns).map_err(CodecError::new)
    }

    /// Reads one datum without a frame, such as a file holds.
    ///
    /// # Errors
    /// When the bytes are not of this schema, or the value refuses what they hold.
    pub fn from_datum<'de, T: Deserialize<'de>>(&self, datum: &'de [u8]) -> Result<T, CodecError> {
        datum::read(&self.layout, datum, PhantomData).map_err(|error| CodecError::new(error.to_string()))
    }

    /// One datum without a frame.
    ///
    /// # Errors
    /// When the value does not fit the schema.
    pub fn to_datum<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>, CodecError> {
        let mut out = Vec::new();
        datum::write(&self.layout, value, &mut out).map_err(|error| CodecError::new(error.to_string()))?;
        Ok(out)
    }

    /// Reads one datum, no more and no less.
    pub(crate) fn read<'de, T>(&self, id: u32, datum: &'de [u8], seed: T) -> Result<T::Value, CodecError>
    where
        T: DeserializeSeed<'de>,
    {
        datum::read(&self.layout, datum, seed)
            .map_err(|error| CodecError::new(format!("not the Avro of schema {id}: {error}")))
    }

    /// Appends a framed datum.
    pub(crate) fn write<T>(&self, id: u32, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError>
    where
        T: Serialize + ?Sized,
    {
        frame::begin(id, out);
        datum::write(&self.layout, value, out)
            .map_err(|error| CodecError::new(format!("does not fit schema {id}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_told_from_a_bare_value() {
        let record = r#"{"type": "record", "name": "R", "fields": []}"#;
        for (schema, is_record) in [
            (record.to_owned(), true),
            (format!(r#"["null", {record}]"#), true),
            (r#""string""#.to_owned(), false),
            (r#"["null", "string"]"#.to_owned(), false),
            (format!(r#"{{"type": "array", "items": {record}}}"#), false),
        ] {
            assert_eq!(WriterSchema::parse(&schema).unwrap().is_record(), is_record, "{schema}");
        }
    }
}
