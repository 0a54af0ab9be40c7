mod layout;
mod number;
mod read;
mod schema;
mod write;

use std::sync::Arc;

use millstream_model::{Column, Value};
use millstream_ports::{CodecError, FoundColumns, PortError, RowCodec, RowFormat, RowSpec, SchemaBook, Side};

use crate::document::Lexer;
use layout::Fields;

/// The first byte of a record that names its schema.
const MAGIC: u8 = 0;

/// Rows as JSON objects, as the formats JSON and, with a registry, `JSON_SR` of the rules.
///
/// Fields are found by name, whatever its capitals, where none of exactly that name is there; those that are missing are null,
/// and others are passed over. Numbers are exact: a DECIMAL is written with all its digits and read without a float between.
/// A DATE is days, a TIME and a TIMESTAMP milliseconds, BYTES base64. A text column over anything else than a text holds
/// its JSON.
#[derive(Clone, Default)]
pub struct JsonRows {
    book: Option<Arc<dyn SchemaBook>>,
}

impl JsonRows {
    /// Plain JSON: nothing but the document.
    pub fn new() -> Self {
        Self::default()
    }

    /// JSON behind the id of its JSON Schema, in the frame that Confluent's serializers write.
    pub fn with_schemas(book: Arc<dyn SchemaBook>) -> Self {
        Self { book: Some(book) }
    }
}

struct JsonCodec {
    fields: Fields,
    is_bare: bool,
    is_framed: bool,
    id: Option<u32>,
}

fn subject(topic: &str, side: Side) -> String {
    match side {
        Side::Key => format!("{topic}-key"),
        Side::Value => format!("{topic}-value"),
    }
}

impl RowFormat for JsonRows {
    fn columns(&self, topic: &str, side: Side, schema_id: Option<u32>) -> Result<FoundColumns, PortError> {
        let Some(book) = &self.book else {
            let said = "the columns must be declared: the format JSON has no schemas";
            return Err(PortError::stop(format!("topic '{topic}': {said}")));
        };
        let subject = subject(topic, side);
        let text = match schema_id {
            Some(id) => book.text(id)?,
            None => book.latest(&subject)?.map(|(_, text)| text).ok_or_else(|| {
                PortError::stop(format!("no schema is registered under '{subject}'; declare the columns"))
            })?,
        };
        schema::columns_of(&text, schema_id.is_none()).map_err(|reason| {
            PortError::stop(format!("the schema under '{subject}' can't be used")).because(reason)
        })
    }

    fn reader(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        Ok(Arc::new(self.codec(spec, Fields::of(spec.columns), None)))
    }

    fn reader_of(&self, spec: RowSpec<'_>, used: &[bool]) -> Result<Arc<dyn RowCodec>, PortError> {
        Ok(Arc::new(self.codec(spec, Fields::used(spec.columns, used), None)))
    }

    fn writer(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        let id = match (&self.book, spec.options.schema_id) {
            (None, _) => None,
            (Some(book), Some(id)) => {
                // What the given schema has besides is written as null.
                let found = schema::columns_of(&book.text(id)?, false).map_err(PortError::stop)?;
                let is_more = |column: &Column| spec.columns.iter().all(|known| known.name != column.name);
                let more = found.columns.into_iter().filter(|column| !spec.is_bare() && is_more(column));
                let columns: Vec<_> = spec.columns.iter().cloned().chain(more).collect();
                return Ok(Arc::new(self.codec(spec, Fields::of(&columns), Some(id))));
            }
            (Some(book), None) => {
                let text = schema::schema_of(spec.columns, spec.is_bare()).to_string();
                Some(book.register_json(&subject(spec.topic, spec.side), &text)?)
            }
        };
        Ok(Arc::new(self.codec(spec, Fields::of(spec.columns), id)))
    }

    fn forget(&self, topic: &str, side: Side) -> Result<(), PortError> {
        self.book.as_ref().map_or(Ok(()), |book| book.forget(&subject(topic, side)))
    }
}

impl JsonRows {
    fn codec(&self, spec: RowSpec<'_>, fields: Fields, id: Option<u32>) -> JsonCodec {
        JsonCodec { fields, is_bare: spec.is_bare(), is_framed: self.book.is_some(), id }
    }
}

impl RowCodec for JsonCodec {
    fn decode(&self, bytes: &[u8]) -> Result<Vec<Value>, CodecError> {
        let bytes = match (self.is_framed, bytes) {
            (true, [MAGIC, _, _, _, _, rest @ ..]) => rest,
            (true, _) => return Err(CodecError::new("no schema's id stands before the JSON")),
            (false, bytes) => bytes,
        };
        if self.fields.len() == 0 {
            return Ok(Vec::new());
        }
        self.row(bytes).map_err(CodecError::new)
    }

    fn encode(&self, row: &[Value], out: &mut Vec<u8>) -> Result<(), CodecError> {
        if let Some(id) = self.id {
            out.push(MAGIC);
            out.extend_from_slice(&id.to_be_bytes());
        }
        match (self.fields.only(), row) {
            (Some(only), [value]) if self.is_bare => write::value(value, &only.layout, out),
            (_, row) => write::fields(row, &self.fields, out),
        }
        .map_err(CodecError::new)
    }
}

impl JsonCodec {
    fn row(&self, bytes: &[u8]) -> Result<Vec<Value>, String> {
        let mut lexer = Lexer::new(bytes)?;
        let row = match self.fields.only() {
            Some(only) if self.is_bare => read::value(&mut lexer, &only.layout, 0).map(|value| vec![value]),
            _ => read::fields(&mut lexer, &self.fields, 0),
        };
        lexer.end(row.map_err(read::Fault::said)?)
    }
}

#[cfg(test)]
mod tests;
