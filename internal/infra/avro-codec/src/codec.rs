use std::marker::PhantomData;
use std::sync::Arc;

use millstream_ports::{Codec, CodecError, Owned, PortError, Shape};
use serde::{Deserialize, Serialize};

use crate::frame;
use crate::learnt::Learnt;
use crate::registry::Registry;
use crate::writer_schema::WriterSchema;

/// Avro in the Confluent frame, read into values of a shape that may borrow its texts from the bytes.
///
/// Records are read by the schema that they were written with, whatever its version: fields go by name, unknown ones are
/// passed over, and one that the writer lacked takes the struct's `#[serde(default)]`. The defaults of the reader's own
/// schema are not looked at, and a field that has neither is an error. No generic value is built.
///
/// Reading takes no lock and allocates only what the value owns. Writing allocates nothing besides `out` as long as the
/// struct's fields stand in the schema's order; others are set aside until their turn. A value must be read to its end: what
/// is left behind is taken for damage.
pub struct AvroBorrowed<S> {
    source: Source,
    writer: Option<Writer>,
    shape: PhantomData<fn() -> S>,
}

/// Avro in the Confluent frame, read into values that own what they hold.
pub type Avro<T> = AvroBorrowed<Owned<T>>;

/// Where writers' schemas come from.
#[derive(Clone)]
pub(crate) struct Source {
    registry: Option<Registry>,
    known: Arc<Learnt<Arc<WriterSchema>>>,
}

#[derive(Clone)]
struct Writer {
    id: u32,
    schema: Arc<WriterSchema>,
}

impl<S> Clone for AvroBorrowed<S> {
    fn clone(&self) -> Self {
        Self { source: self.source.clone(), writer: self.writer.clone(), shape: PhantomData }
    }
}

impl<S: Shape> AvroBorrowed<S> {
    /// Reads what others write. Encoding is refused.
    pub fn reader(registry: &Registry) -> Self {
        Self { source: Source::of(registry), writer: None, shape: PhantomData }
    }

    /// Reads, and writes with `schema`, which is registered under `subject`.
    ///
    /// # Errors
    /// When the schema can't be read, or the registry refuses it or can't be reached.
    pub fn writer(registry: &Registry, subject: &str, schema: &str) -> Result<Self, PortError> {
        let parsed = parse(schema)?;
        let id = registry.register(subject, schema)?;
        Ok(Self { writer: Some(Writer { id, schema: parsed }), ..Self::reader(registry) })
    }

    /// Reads and writes with one schema under a fixed id, with no registry.
    ///
    /// # Errors
    /// When the schema can't be read.
    pub fn fixed(id: u32, schema: &str) -> Result<Self, PortError> {
        let schema = parse(schema)?;
        let source = Source { registry: None, known: Arc::default() };
        source.known.get(id, || Ok::<_, PortError>(schema.clone()))?;
        Ok(Self { source, writer: Some(Writer { id, schema }), shape: PhantomData })
    }
}

fn parse(schema: &str) -> Result<Arc<WriterSchema>, PortError> {
    WriterSchema::parse(schema).map(Arc::new).map_err(PortError::stop)
}

impl Source {
    pub(crate) fn of(registry: &Registry) -> Self {
        Self { registry: Some(registry.clone()), known: Arc::default() }
    }

    pub(crate) fn schema(&self, id: u32) -> Result<&WriterSchema, CodecError> {
        let ask = || match &self.registry {
            Some(registry) => registry.schema(id),
            None => Err(CodecError::new(format!("no schema with id {id} is known"))),
        };
        self.known.get(id, ask).map(|schema| &**schema)
    }
}

impl<S: Shape> Codec for AvroBorrowed<S>
where
    for<'a> S::Of<'a>: Deserialize<'a> + Serialize,
{
    type Value<'a> = S::Of<'a>;

    fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Self::Value<'a>, CodecError> {
        let (id, datum) = frame::open(bytes)?;
        self.source.schema(id)?.read(id, datum, PhantomData)
    }

    fn encode(&self, value: &Self::Value<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let writer = self.writer.as_ref().ok_or_else(|| CodecError::new("this Avro codec only reads"))?;
        writer.schema.write(writer.id, value, out)
    }
}
