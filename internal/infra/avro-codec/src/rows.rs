mod read;
mod write;

use std::sync::Arc;

use millstream_model::{Column, Value};
use millstream_ports::{CodecError, PortError, RowCodec, RowFormat, Side};
use serde::de::DeserializeSeed;
use serde_avro_fast::de::DeserializerState;
use serde_avro_fast::ser::SerializerConfig;

use crate::registry::{Registry, WriterSchema};
use crate::schema::{columns_of, schema_of};
use crate::{frame, key_subject, value_subject};

/// Rows in Avro, as the format AVRO of the rules.
///
/// Reading goes by the schema each record was written with, builds only the columns asked for, and finds them by name
/// whatever its capitals. A key of one column is written bare, as ksqlDB does; everything else is a record.
#[derive(Clone)]
pub struct AvroRows {
    registry: Registry,
}

impl AvroRows {
    /// The format, with its schemas in `registry`.
    pub fn new(registry: &Registry) -> Self {
        Self { registry: registry.clone() }
    }
}

fn subject(topic: &str, side: Side) -> String {
    match side {
        Side::Key => key_subject(topic),
        Side::Value => value_subject(topic),
    }
}

struct AvroCodec {
    registry: Registry,
    columns: Vec<Column>,
    /// A single value rather than a record.
    is_bare: bool,
    writer: Option<(u32, WriterSchema)>,
}

impl RowFormat for AvroRows {
    fn columns(&self, topic: &str, side: Side) -> Result<Vec<Column>, PortError> {
        let subject = subject(topic, side);
        let latest = self.registry.latest(&subject)?.ok_or_else(|| {
            PortError::stop(format!("no schema is registered under '{subject}'; declare the columns, or register one (for the shop's topics: make create-topics)"))
        })?;
        columns_of(&latest.schema).map_err(|reason| {
            PortError::stop(format!("the schema under '{subject}' can't be used")).because(reason)
        })
    }

    fn reader(&self, _topic: &str, side: Side, columns: &[Column]) -> Result<Arc<dyn RowCodec>, PortError> {
        let is_bare = side == Side::Key && columns.len() == 1;
        Ok(Arc::new(AvroCodec {
            registry: self.registry.clone(),
            columns: columns.to_vec(),
            is_bare,
            writer: None,
        }))
    }

    fn writer(&self, topic: &str, side: Side, columns: &[Column]) -> Result<Arc<dyn RowCodec>, PortError> {
        let is_bare = side == Side::Key && columns.len() == 1;
        let name = match side {
            Side::Key => format!("{topic}_key"),
            Side::Value => format!("{topic}_value"),
        };
        let mut schema = schema_of(&name, columns);
        if is_bare {
            // The field's type without its null.
            schema = schema.pointer("/fields/0/type/1").cloned().unwrap_or(schema);
        }
        let text = schema.to_string();
        let parsed = WriterSchema::parse(&text).map_err(PortError::stop)?;
        let id = self.registry.register(&subject(topic, side), &text)?;
        let writer = Some((id, parsed));
        Ok(Arc::new(AvroCodec {
            registry: self.registry.clone(),
            columns: columns.to_vec(),
            is_bare,
            writer,
        }))
    }
}

impl RowCodec for AvroCodec {
    fn decode(&self, bytes: &[u8]) -> Result<Vec<Value>, CodecError> {
        let (id, datum) = frame::open(bytes)?;
        let schema = self.registry.schema(id)?;
        let mut state = DeserializerState::from_slice(datum, &schema.decoder);
        let read = match self.columns.as_slice() {
            [only] if self.is_bare => {
                read::Typed(&only.ty).deserialize(state.deserializer()).map(|value| vec![value])
            }
            columns => read::Fields(columns).deserialize(state.deserializer()),
        };
        read.map_err(|error| CodecError::new(format!("not the Avro of schema {id}: {error}")))
    }

    fn encode(&self, row: &[Value], out: &mut Vec<u8>) -> Result<(), CodecError> {
        let (id, schema) =
            self.writer.as_ref().ok_or_else(|| CodecError::new("this Avro codec only reads"))?;
        frame::begin(*id, out);
        let mut config = SerializerConfig::new(&schema.decoder);
        let written = match row {
            [only] if self.is_bare => serde_avro_fast::to_datum(
                &write::Plain(only, self.columns.first().map(|column| &column.ty)),
                &mut *out,
                &mut config,
            )
            .map(drop),
            row => serde_avro_fast::to_datum(&write::Record(&self.columns, row), &mut *out, &mut config)
                .map(drop),
        };
        written.map_err(|error| CodecError::new(format!("does not fit schema {id}: {error}")))
    }
}

#[cfg(test)]
mod tests;
