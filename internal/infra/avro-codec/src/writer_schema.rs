use std::io::BufRead;

use millstream_ports::CodecError;
use serde::de::DeserializeSeed;
use serde_avro_fast::de::read::SliceRead;
use serde_avro_fast::de::{DeserializerConfig, DeserializerState};
use serde_avro_fast::ser::SerializerConfig;
use serde_json::Value as Json;

use crate::frame;

/// How many elements that take no bytes a list may have; all others are bounded by the bytes there are.
const EMPTY_ELEMENTS_MAX: usize = 1024;

/// A schema that records were written with, by its id.
pub struct WriterSchema {
    /// As it was registered, in JSON.
    pub text: String,
    decoder: serde_avro_fast::Schema,
    /// Whether its values are records, maybe null.
    pub(crate) is_record: bool,
}

impl WriterSchema {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let decoder = text.parse().map_err(|error| format!("not an Avro schema: {error}"))?;
        let is_record = serde_json::from_str(text).is_ok_and(|schema| is_record(&schema));
        Ok(Self { text: text.to_owned(), decoder, is_record })
    }

    /// Reads one datum, no more and no less.
    pub(crate) fn read<'de, T>(&self, id: u32, datum: &'de [u8], seed: T) -> Result<T::Value, CodecError>
    where
        T: DeserializeSeed<'de>,
    {
        let mut config = DeserializerConfig::new(&self.decoder);
        config.max_seq_size = datum.len().saturating_add(EMPTY_ELEMENTS_MAX);
        let mut state = DeserializerState::with_config(SliceRead::new(datum), config);
        let value = seed
            .deserialize(state.deserializer())
            .map_err(|error| CodecError::new(format!("not the Avro of schema {id}: {error}")))?;
        match state.into_reader().fill_buf() {
            Ok([]) => Ok(value),
            _ => Err(CodecError::new(format!("not the Avro of schema {id}: bytes are left after its end"))),
        }
    }

    /// Appends a framed datum.
    pub(crate) fn write<T>(&self, id: u32, value: &T, out: &mut Vec<u8>) -> Result<(), CodecError>
    where
        T: serde::Serialize + ?Sized,
    {
        frame::begin(id, out);
        serde_avro_fast::to_datum(value, out, &mut SerializerConfig::new(&self.decoder))
            .map(drop)
            .map_err(|error| CodecError::new(format!("does not fit schema {id}: {error}")))
    }
}

fn is_record(schema: &Json) -> bool {
    match schema {
        Json::String(name) => name == "record",
        Json::Array(variants) => variants.iter().any(is_record),
        Json::Object(schema) => schema.get("type").is_some_and(is_record),
        _ => false,
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
            assert_eq!(WriterSchema::parse(&schema).unwrap().is_record, is_record, "{schema}");
        }
    }
}
