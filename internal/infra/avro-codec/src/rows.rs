mod read;
mod write;

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use millstream_model::{Column, Decimal, Type, Value};
use millstream_ports::{Action, CodecError, FoundColumns, PortError, RowCodec, RowFormat, RowSpec, Side};

use crate::codec::Source;
use crate::registry::Registry;
use crate::schema::{Form, columns_of, defaults, schema_of};
use crate::writer_schema::WriterSchema;
use crate::{frame, key_subject, value_subject};

/// Rows in Avro, as the format AVRO of the rules.
///
/// Reading goes by the schema each record was written with, builds only the columns asked for, and finds them by name
/// whatever its capitals. A key of one column is written bare, as ksqlDB does; everything else is a record. Keys that others
/// wrote as a record of one field are read too. A TIMESTAMP is read from milliseconds only in name: a declared TIMESTAMP over
/// a field of microseconds reads its number as milliseconds.
///
/// Numbers are never rounded: a decimal that does not fit its column's precision and scale is an error, in both directions.
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

impl AvroRows {
    /// Registers the schema that rows are written with. Where others have written the topic before, such as ksqlDB, their
    /// records have another name: then it goes on from theirs.
    fn registered(&self, spec: RowSpec<'_>) -> Result<(u32, String), PortError> {
        let subject = subject(spec.topic, spec.side);
        let name = match (&spec.options.schema_name, spec.side) {
            (Some(name), _) => Form::named(name),
            (None, Side::Key) => Form::after(&format!("{}_key", spec.topic)),
            (None, Side::Value) => Form::after(&format!("{}_value", spec.topic)),
        };
        let text = writer_schema(spec, &name);
        let refused = match self.registry.register(&subject, &text) {
            Ok(id) => return Ok((id, text)),
            Err(refused) => refused,
        };
        if spec.options.schema_name.is_some() || refused.action() == Action::Retry {
            return Err(refused);
        }
        let Some(form) = self.registry.latest(&subject)?.and_then(|latest| Form::of(&latest.schema)) else {
            return Err(refused);
        };
        let text = writer_schema(spec, &form);
        self.registry.register(&subject, &text).map(|id| (id, text)).map_err(|_| refused)
    }
}

/// `number` with the scale of a decimal type, or `None` where the type has not the digits for it.
fn fitted(number: Decimal, ty: &Type) -> Option<Decimal> {
    let Type::Decimal { precision, scale } = ty else { return None };
    number.fit(*precision, *scale).filter(|fitted| fitted.compare(number).is_eq())
}

fn subject(topic: &str, side: Side) -> String {
    match side {
        Side::Key => key_subject(topic),
        Side::Value => value_subject(topic),
    }
}

struct AvroCodec {
    source: Source,
    columns: Vec<Column>,
    /// A single value rather than a record.
    is_bare: bool,
    writer: Option<(u32, WriterSchema)>,
    /// What a given schema has besides the columns, with its defaults.
    more: Vec<(Column, Value)>,
    /// Which columns are looked at; all where nothing is said.
    used: Vec<bool>,
    fields: FieldMaps,
}

impl RowFormat for AvroRows {
    fn columns(&self, topic: &str, side: Side, schema_id: Option<u32>) -> Result<FoundColumns, PortError> {
        let subject = subject(topic, side);
        let schema = match schema_id {
            Some(id) => self.registry.text(id).map_err(|error| PortError::stop(error.to_string()))?,
            None => self.registry.latest(&subject)?.map(|latest| latest.schema).ok_or_else(|| {
                PortError::stop(format!("no schema is registered under '{subject}'; declare the columns, or register one (for the shop's topics: make create-topics)"))
            })?,
        };
        columns_of(&schema, schema_id.is_none()).map_err(|reason| {
            PortError::stop(format!("the schema under '{subject}' can't be used")).because(reason)
        })
    }

    fn reader(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        self.reader_of(spec, &[])
    }

    fn reader_of(&self, spec: RowSpec<'_>, used: &[bool]) -> Result<Arc<dyn RowCodec>, PortError> {
        Ok(Arc::new(AvroCodec {
            used: used.to_vec(),
            fields: FieldMaps::default(),
            source: Source::of(&self.registry),
            columns: spec.columns.to_vec(),
            is_bare: spec.is_bare(),
            writer: None,
            more: Vec::new(),
        }))
    }

    fn writer(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        let (id, text) = match spec.options.schema_id {
            Some(id) => (id, self.registry.text(id).map_err(|error| PortError::stop(error.to_string()))?),
            None => self.registered(spec)?,
        };
        let is_given = spec.options.schema_id.is_some() && !spec.is_bare();
        let more =
            if is_given { defaults(&text, spec.columns).map_err(PortError::stop)? } else { Vec::new() };
        let parsed = WriterSchema::parse(&text).map_err(PortError::stop)?;
        Ok(Arc::new(AvroCodec {
            source: Source::of(&self.registry),
            columns: spec.columns.to_vec(),
            is_bare: spec.is_bare(),
            writer: Some((id, parsed)),
            more,
            used: Vec::new(),
            fields: FieldMaps::default(),
        }))
    }

    fn forget(&self, topic: &str, side: Side) -> Result<(), PortError> {
        self.registry.forget(&subject(topic, side))
    }
}

/// The schema that a topic's rows are written with.
fn writer_schema(spec: RowSpec<'_>, form: &Form) -> String {
    let schema = schema_of(form, spec.columns);
    if !spec.is_bare() {
        return schema.to_string();
    }
    // The field's type; a key's is without its null.
    let place = if spec.side == Side::Key { "/fields/0/type/1" } else { "/fields/0/type" };
    schema.pointer(place).unwrap_or(&schema).to_string()
}

impl RowCodec for AvroCodec {
    fn decode(&self, bytes: &[u8]) -> Result<Vec<Value>, CodecError> {
        if self.columns.is_empty() {
            return Ok(Vec::new());
        }
        let (id, datum) = frame::open(bytes)?;
        let schema = self.source.schema(id)?;
        match self.columns.as_slice() {
            [only] if self.is_bare(schema, &only.ty) => {
                schema.read(id, datum, read::Typed(&only.ty)).map(|value| vec![value])
            }
            columns => match self.fields.get(id) {
                Some(fields) => schema.read(id, datum, read::Mapped { columns, fields }),
                None => self.learn(id, schema, datum),
            },
        }
    }

    fn encode(&self, row: &[Value], out: &mut Vec<u8>) -> Result<(), CodecError> {
        let (id, schema) =
            self.writer.as_ref().ok_or_else(|| CodecError::new("this Avro codec only reads"))?;
        match row {
            [only] if self.is_bare => {
                schema.write(*id, &write::Plain(only, self.columns.first().map(|column| &column.ty)), out)
            }
            row if self.more.is_empty() => schema.write(*id, &write::Record(&self.columns, row), out),
            row => {
                let (columns, values): (Vec<_>, Vec<_>) = self.more.iter().cloned().unzip();
                let (columns, values) =
                    ([self.columns.as_slice(), &columns].concat(), [row, &values].concat());
                schema.write(*id, &write::Record(&columns, &values), out)
            }
        }
    }
}

/// Where the fields of the first few schemas that were met go. They do not change, so that nothing locks.
#[derive(Default)]
struct FieldMaps([OnceLock<(u32, FieldMap)>; 8]);

/// By field in the order of the schema: the column that it is, where that is looked at.
type FieldMap = Box<[Option<usize>]>;

impl FieldMaps {
    fn get(&self, id: u32) -> Option<&[Option<usize>]> {
        let mut known = self.0.iter().map_while(OnceLock::get);
        known.find(|(known, _)| *known == id).map(|(_, map)| &**map)
    }

    fn add(&self, id: u32, map: &FieldMap) {
        // Where another thread was first, or all places are taken, names are looked up again.
        let _ = self.0.iter().any(|place| place.set((id, map.clone())).is_ok());
    }
}

impl AvroCodec {
    /// Reads a record of a schema whose fields are not known yet, by their names.
    fn learn(&self, id: u32, schema: &WriterSchema, datum: &[u8]) -> Result<Vec<Value>, CodecError> {
        let found = RefCell::new(Vec::new());
        let learning = read::Learning { columns: &self.columns, used: &self.used, found: &found };
        let row = schema.read(id, datum, learning)?;
        if schema.is_one_record() && !found.borrow().is_empty() {
            self.fields.add(id, &found.into_inner().into_boxed_slice());
        }
        Ok(row)
    }

    /// Whether a datum is the column itself and not a record with a field of its name: so a single key is written here, but
    /// others may write either, and the schema tells.
    fn is_bare(&self, schema: &WriterSchema, ty: &Type) -> bool {
        !schema.is_record() || (self.is_bare && matches!(ty, Type::Struct(_)))
    }
}

#[cfg(test)]
mod tests;
