use std::sync::{Arc, Mutex, PoisonError};

use millstream_avro_codec::{AvroRows, Registry, frame};
use millstream_model::{Column, FormatOptions, TopicName, Type, Value};
use millstream_ports::{CodecError, RowCodec, RowFormat, RowSpec, Side, WholeRow, WholeRows};

/// Reads halves of records that are Avro, each by the schema that it was written with.
pub(crate) struct AvroWhole {
    registry: Registry,
    topic: TopicName,
    side: Side,
    learnt: Mutex<Vec<Learnt>>,
}

#[derive(Clone)]
struct Learnt {
    id: u32,
    columns: Arc<[Column]>,
    codec: Arc<dyn RowCodec>,
}

impl AvroWhole {
    pub(crate) fn new(registry: &Registry, topic: &TopicName, side: Side) -> Self {
        Self { registry: registry.clone(), topic: topic.clone(), side, learnt: Mutex::default() }
    }

    fn learnt(&self, id: u32) -> Result<Learnt, CodecError> {
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = learnt.iter().find(|known| known.id == id) {
            return Ok(known.clone());
        }
        let columns: Arc<[Column]> = self.registry.schema(id)?.columns()?.into();
        let options = FormatOptions { is_bare: self.side == Side::Key, ..FormatOptions::default() };
        let spec =
            RowSpec { topic: self.topic.as_str(), side: self.side, columns: &columns, options: &options };
        let codec =
            AvroRows::new(&self.registry).reader(spec).map_err(|error| CodecError::new(error.to_string()))?;
        let new = Learnt { id, columns, codec };
        learnt.push(new.clone());
        Ok(new)
    }
}

impl WholeRows for AvroWhole {
    fn read(&self, bytes: &[u8]) -> Result<WholeRow, CodecError> {
        let (id, _) = frame::open(bytes)?;
        let Learnt { columns, codec, .. } = self.learnt(id)?;
        Ok(WholeRow { values: codec.decode(bytes)?, columns })
    }
}

/// Reads keys that are Avro, or plain text: Avro begins with a zero byte, and no text that a table holds does.
pub(crate) struct Keys {
    avro: AvroWhole,
    text: Arc<[Column]>,
}

impl Keys {
    pub(crate) fn new(registry: &Registry, topic: &TopicName) -> Self {
        Self {
            avro: AvroWhole::new(registry, topic, Side::Key),
            text: [Column::new("", Type::String)].into(),
        }
    }
}

impl WholeRows for Keys {
    fn read(&self, bytes: &[u8]) -> Result<WholeRow, CodecError> {
        if bytes.first() == Some(&0) {
            return self.avro.read(bytes);
        }
        let text =
            std::str::from_utf8(bytes).map_err(|_| CodecError::new("it is neither Avro nor UTF-8 text"))?;
        Ok(WholeRow { columns: self.text.clone(), values: vec![Value::text(text)] })
    }
}
