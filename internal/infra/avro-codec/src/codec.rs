use std::marker::PhantomData;
use std::sync::{Arc, PoisonError, RwLock};

use millstream_ports::{Codec, CodecError, Owned, PortError, Shape};
use serde::{Deserialize, Serialize};
use serde_avro_fast::ser::SerializerConfig;

use crate::frame;
use crate::registry::{Registry, WriterSchema};

/// Avro in the Confluent frame, read into values of a shape that may borrow its texts from the bytes.
///
/// Records are read by the schema that they were written with, whatever its version: fields go by name, unknown ones are
/// passed over, and one that the writer lacked takes the struct's `#[serde(default)]`. No generic value is built.
pub struct AvroBorrowed<S> {
    source: Source,
    writer: Option<Writer>,
    shape: PhantomData<fn() -> S>,
}

/// Avro in the Confluent frame, read into values that own what they hold.
pub type Avro<T> = AvroBorrowed<Owned<T>>;

type Known = Vec<(u32, Arc<WriterSchema>)>;

/// Where writers' schemas come from.
#[derive(Clone)]
struct Source {
    registry: Option<Registry>,
    /// The ids met so far. There are few, so a list is searched faster than a map.
    known: Arc<RwLock<Known>>,
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
        let source = Source { registry: Some(registry.clone()), known: Arc::default() };
        Self { source, writer: None, shape: PhantomData }
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
        let source = Source { registry: None, known: Arc::new(RwLock::new(vec![(id, schema.clone())])) };
        Ok(Self { source, writer: Some(Writer { id, schema }), shape: PhantomData })
    }
}

fn parse(schema: &str) -> Result<Arc<WriterSchema>, PortError> {
    WriterSchema::parse(schema).map(Arc::new).map_err(PortError::stop)
}

impl Source {
    fn schema(&self, id: u32) -> Result<Arc<WriterSchema>, CodecError> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, schema)) = known.iter().find(|(known, _)| *known == id) {
            return Ok(schema.clone());
        }
        drop(known);
        let registry = self
            .registry
            .as_ref()
            .ok_or_else(|| CodecError::new(format!("no schema with id {id} is known")))?;
        let schema = registry.schema(id)?;
        self.known.write().unwrap_or_else(PoisonError::into_inner).push((id, schema.clone()));
        Ok(schema)
    }
}

impl<S: Shape> Codec for AvroBorrowed<S>
where
    for<'a> S::Of<'a>: Deserialize<'a> + Serialize,
{
    type Value<'a> = S::Of<'a>;

    fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Self::Value<'a>, CodecError> {
        let (id, datum) = frame::open(bytes)?;
        let schema = self.source.schema(id)?;
        serde_avro_fast::from_datum_slice(datum, &schema.decoder)
            .map_err(|error| CodecError::new(format!("not the Avro of schema {id}: {error}")))
    }

    fn encode(&self, value: &Self::Value<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let writer = self.writer.as_ref().ok_or_else(|| CodecError::new("this Avro codec only reads"))?;
        frame::begin(writer.id, out);
        let mut config = SerializerConfig::new(&writer.schema.decoder);
        serde_avro_fast::to_datum(value, &mut *out, &mut config)
            .map(drop)
            .map_err(|error| CodecError::new(format!("does not fit schema {}: {error}", writer.id)))
    }
}
