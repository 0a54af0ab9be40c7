use std::sync::Arc;

use millstream_model::{FormatOptions, Value};
use millstream_ports::{CodecError, PortError, RowCodec, RowSpec, Side};
use millstream_sql::Source;

use crate::formats::Formats;

/// The codecs of a source's keys and values.
pub(crate) struct Halves {
    key: Arc<dyn RowCodec>,
    value: Arc<dyn RowCodec>,
    key_width: usize,
    is_bare_value: bool,
}

/// A record's row, as it was read.
pub(crate) struct Read {
    pub(crate) key: Vec<Value>,
    pub(crate) value: Option<Vec<Value>>,
}

/// The window that a key's row belongs to, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WindowBytes {
    pub(crate) start: i64,
    /// A session's own end.
    pub(crate) end: Option<i64>,
}

type Bytes = Option<Vec<u8>>;

impl Halves {
    pub(crate) fn reading(source: &Source, formats: &Formats) -> Result<Self, PortError> {
        Self::of(source, formats, false)
    }

    pub(crate) fn writing(source: &Source, formats: &Formats) -> Result<Self, PortError> {
        Self::of(source, formats, true)
    }

    fn of(source: &Source, formats: &Formats, writes: bool) -> Result<Self, PortError> {
        let half = |name: &str, side, columns: &[_], options: &FormatOptions| {
            let format = formats.get(name)?;
            let spec = RowSpec { topic: &source.topic, side, columns, options };
            if writes { format.writer(spec) } else { format.reader(spec) }
        };
        let key = half(&source.key_format, Side::Key, &source.key, &source.key_options)?;
        let value = half(&source.value_format, Side::Value, &source.value, &source.value_options)?;
        let is_bare_value = source.value_options.is_bare && source.value.len() == 1;
        Ok(Self { key, value, key_width: source.key.len(), is_bare_value })
    }

    pub(crate) fn read(&self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Read, CodecError> {
        let absent = vec![Value::Null; self.key_width];
        Ok(Read {
            key: key.map_or(Ok(absent), |key| self.key.decode(key)).map_err(|error| half("key", &error))?,
            value: value
                .map(|value| self.value.decode(value))
                .transpose()
                .map_err(|error| half("value", &error))?,
        })
    }

    pub(crate) fn write(
        &self,
        key: &[Value],
        value: Option<&[Value]>,
        window: Option<WindowBytes>,
    ) -> Result<(Bytes, Bytes), CodecError> {
        let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
        let has_key = key.iter().any(|value| !value.is_null());
        if has_key {
            self.key.encode(key, &mut key_bytes)?;
        }
        if let Some(WindowBytes { start, end }) = window {
            end.into_iter().for_each(|end| key_bytes.extend_from_slice(&end.to_be_bytes()));
            key_bytes.extend_from_slice(&start.to_be_bytes());
        }
        // A single value by itself that is null is no value at all.
        let value = value.filter(|value| !(self.is_bare_value && value.iter().all(Value::is_null)));
        if let Some(value) = value {
            self.value.encode(value, &mut value_bytes)?;
        }
        Ok((has_key.then_some(key_bytes), value.map(|_| value_bytes)))
    }
}

fn half(half: &str, error: &CodecError) -> CodecError {
    CodecError::new(format!("its {half}: {error}"))
}
