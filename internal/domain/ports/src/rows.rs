mod base64;
mod delimited;
mod kafka;
mod none;
mod number;

use std::sync::Arc;

use millstream_model::{Column, FormatOptions, Value};

pub use base64::{base64_bytes, base64_text};
pub use delimited::DelimitedRows;
pub use kafka::KafkaRows;
pub use none::NoRows;
pub use number::double_text;

use crate::{CodecError, PortError};

/// Which half of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Its key.
    Key,
    /// Its value.
    Value,
}

/// Turns one half of a topic's records into a row's columns and back.
///
/// An adapter MUST give the columns in the order it was made with, null where the bytes hold none of that name, MUST refuse
/// bytes that are not of its format, and MUST NOT panic.
pub trait RowCodec: Send + Sync {
    /// Reads the columns.
    ///
    /// # Errors
    /// When the bytes are not of this format, or a value does not fit its column.
    fn decode(&self, bytes: &[u8]) -> Result<Vec<Value>, CodecError>;

    /// Appends the bytes of the columns' values to `out`.
    ///
    /// # Errors
    /// When a value does not fit the format or its schema.
    fn encode(&self, row: &[Value], out: &mut Vec<u8>) -> Result<(), CodecError>;
}

/// Which columns of which topic a codec is made for, and how they are laid out.
#[derive(Clone, Copy, Debug)]
pub struct RowSpec<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The half of its records.
    pub side: Side,
    /// The columns, in the order of the row.
    pub columns: &'a [Column],
    /// Their layout.
    pub options: &'a FormatOptions,
}

impl RowSpec<'_> {
    /// Whether there is one column, and it stands by itself.
    pub fn is_bare(&self) -> bool {
        self.options.is_bare && self.columns.len() == 1
    }
}

/// What a registry knows of one half of a topic's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundColumns {
    /// The columns; one without a name where the schema is no record.
    pub columns: Vec<Column>,
    /// Whether the schema is no record.
    pub is_bare: bool,
}

/// A format that rows are kept in, such as AVRO.
pub trait RowFormat: Send + Sync {
    /// Whether rows can be read and written in it at all.
    ///
    /// # Errors
    /// What it lacks, as where its schemas would be in a registry and none is named.
    fn is_at_hand(&self) -> Result<(), PortError> {
        Ok(())
    }

    /// The columns of a topic's records as their newest schema has them, or that of `schema_id`, as they are spelt there.
    ///
    /// # Errors
    /// When the format keeps no schemas, none is registered, or it can't be read.
    fn columns(&self, topic: &str, side: Side, schema_id: Option<u32>) -> Result<FoundColumns, PortError>;

    /// A codec that reads these columns of a topic's records, and may pass over all others.
    ///
    /// # Errors
    /// When the format can't hold a column's type.
    fn reader(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError>;

    /// As [`RowFormat::reader`], for rows of which only the columns marked in `used` are looked at: others may be null. A
    /// format that finds columns by name should not read them at all.
    ///
    /// # Errors
    /// As [`RowFormat::reader`].
    fn reader_of(&self, spec: RowSpec<'_>, _used: &[bool]) -> Result<Arc<dyn RowCodec>, PortError> {
        self.reader(spec)
    }

    /// A codec that writes these columns to a topic; a format with schemas registers theirs.
    ///
    /// # Errors
    /// When the format can't hold a column's type, or the registry refuses the schema.
    fn writer(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError>;

    /// Takes back what the format has registered for a topic that is deleted, so that one of that name can hold other columns.
    /// Where nothing is registered, nothing is done.
    ///
    /// # Errors
    /// When the registry refuses or can't be reached.
    fn forget(&self, _topic: &str, _side: Side) -> Result<(), PortError> {
        Ok(())
    }
}

/// Schemas under subjects and ids, as a schema registry keeps them, for the formats whose schemas are texts.
///
/// An adapter MUST give one id to one text, and MUST NOT change what an id stands for.
pub trait SchemaBook: Send + Sync {
    /// The text that `id` stands for.
    ///
    /// # Errors
    /// When it is not known, or the book can't be reached.
    fn text(&self, id: u32) -> Result<String, PortError>;

    /// The newest text of a subject and its id.
    ///
    /// # Errors
    /// When the book can't be reached.
    fn latest(&self, subject: &str) -> Result<Option<(u32, String)>, PortError>;

    /// Registers a JSON Schema under a subject, and gives its id.
    ///
    /// # Errors
    /// When the book refuses it or can't be reached.
    fn register_json(&self, subject: &str, text: &str) -> Result<u32, PortError>;

    /// Takes back a subject; what ids stand for stays. One that is not there is no error.
    ///
    /// # Errors
    /// When the book refuses it or can't be reached.
    fn forget(&self, subject: &str) -> Result<(), PortError>;
}
