use std::sync::Arc;

use millstream_model::{FormatOptions, Headers, Value};
use millstream_ports::{Codec, CodecError, PortError, RowCodec, RowSpec, Side};
use millstream_runtime::{Context, Output};
use millstream_sql::{Bounds, KeyWindow, Source, SourceRecord};

use crate::formats::Formats;

/// The codecs of a source's keys and values.
pub(crate) struct Halves {
    key: Arc<dyn RowCodec>,
    value: Arc<dyn RowCodec>,
    key_width: usize,
    is_bare_value: bool,
    window: Option<KeyWindow>,
}

/// A record's row, as it was read.
pub(crate) struct Read {
    pub(crate) key: Vec<Value>,
    pub(crate) value: Option<Vec<Value>>,
    pub(crate) window: Option<Bounds>,
}

impl Read {
    /// The row of the record that a callback has at hand, with the rest of it.
    pub(crate) fn at(self, context: &Context<'_>) -> SourceRecord {
        SourceRecord {
            key: self.key,
            value: self.value,
            timestamp: context.timestamp().0,
            partition: context.partition().as_i32(),
            offset: context.offset().0,
            headers: Headers::copy_of(context.headers()),
            window: self.window,
        }
    }
}

type Bytes = Option<Vec<u8>>;

/// What codecs are for.
enum Deed<'u> {
    Write,
    /// Reading, of all columns of a value or of those that are used.
    Read(Option<&'u [bool]>),
}

impl Halves {
    pub(crate) fn reading(source: &Source, formats: &Formats) -> Result<Self, PortError> {
        Self::of(source, formats, &Deed::Read(None))
    }

    /// As [`Halves::reading`], where only some of the value's columns are looked at.
    pub(crate) fn reading_of(source: &Source, formats: &Formats, used: &[bool]) -> Result<Self, PortError> {
        Self::of(source, formats, &Deed::Read(Some(used)))
    }

    pub(crate) fn writing(source: &Source, formats: &Formats) -> Result<Self, PortError> {
        Self::of(source, formats, &Deed::Write)
    }

    fn of(source: &Source, formats: &Formats, deed: &Deed<'_>) -> Result<Self, PortError> {
        let half = |name: &str, side, columns: &[_], options: &FormatOptions| {
            // Without columns there is nothing to read or write, nor to register.
            let name = if columns.is_empty() { "NONE" } else { name };
            let format = formats.get(name)?;
            let spec = RowSpec { topic: &source.topic, side, columns, options };
            match (deed, side) {
                (Deed::Write, _) => format.writer(spec),
                (Deed::Read(Some(used)), Side::Value) => format.reader_of(spec, used),
                (Deed::Read(_), _) => format.reader(spec),
            }
        };
        let key = half(&source.key_format, Side::Key, &source.key, &source.key_options)?;
        let value = half(&source.value_format, Side::Value, &source.value, &source.value_options)?;
        let is_bare = source.value_options.is_bare || source.value_format == "KAFKA";
        let is_bare_value = is_bare && source.value.len() == 1;
        Ok(Self { key, value, key_width: source.key.len(), is_bare_value, window: source.window })
    }

    pub(crate) fn read(&self, key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Read, CodecError> {
        let (key, window) = match (key, self.window) {
            (Some(key), Some(window)) => {
                let (key, bounds) = unwrapped(key, window)?;
                (Some(key), Some(bounds))
            }
            (key, _) => (key, None),
        };
        let key = key.filter(|_| self.key_width > 0);
        Ok(Read {
            key: match key {
                Some(key) => self.key.decode(key).map_err(|error| error.at("its key"))?,
                None => vec![Value::Null; self.key_width],
            },
            value: value
                .map(|value| self.value.decode(value))
                .transpose()
                .map_err(|error| error.at("its value"))?,
            window,
        })
    }

    pub(crate) fn write(
        &self,
        key: &[Value],
        value: Option<&[Value]>,
        window: Option<Bounds>,
    ) -> Result<(Bytes, Bytes), CodecError> {
        let (mut key_bytes, mut value_bytes) = (Vec::new(), Vec::new());
        let has_key = self.write_key(key, window, &mut key_bytes)?;
        let has_value = self.write_value(value, &mut value_bytes)?;
        Ok((has_key.then_some(key_bytes), has_value.then_some(value_bytes)))
    }

    /// Appends a key's bytes, and answers whether there is a key.
    fn write_key(
        &self,
        key: &[Value],
        window: Option<Bounds>,
        out: &mut Vec<u8>,
    ) -> Result<bool, CodecError> {
        if is_no_key(key) {
            return Ok(false);
        }
        self.key.encode(key, out).map_err(|error| error.at("its key"))?;
        if let (Some(kind), Some(bounds)) = (self.window, window) {
            if kind.size_ms().is_none() {
                out.extend_from_slice(&bounds.end.to_be_bytes());
            }
            out.extend_from_slice(&bounds.start.to_be_bytes());
        }
        Ok(true)
    }

    /// Appends a value's bytes, and answers whether there is a value.
    fn write_value(&self, value: Option<&[Value]>, out: &mut Vec<u8>) -> Result<bool, CodecError> {
        let Some(value) = value.filter(|value| !self.is_no_value(value)) else { return Ok(false) };
        self.value.encode(value, out).map_err(|error| error.at("its value"))?;
        Ok(true)
    }

    /// A single value by itself that is null is no value at all.
    fn is_no_value(&self, value: &[Value]) -> bool {
        self.is_bare_value && value.iter().all(Value::is_null)
    }

    /// The output of rows to their topic, which are written straight into what is sent.
    pub(crate) fn output(self: &Arc<Self>, topic: &str) -> RowEdge {
        Output::new(topic, KeyHalf(self.clone()), ValueHalf(self.clone()))
    }
}

/// A single null is no key; several are a key of nulls.
fn is_no_key(key: &[Value]) -> bool {
    key.len() < 2 && key.iter().all(Value::is_null)
}

/// An output of rows.
pub(crate) type RowEdge = Output<KeyHalf, ValueHalf>;

/// How keys of rows are written.
#[derive(Clone)]
pub(crate) struct KeyHalf(Arc<Halves>);

/// How values of rows are written.
#[derive(Clone)]
pub(crate) struct ValueHalf(Arc<Halves>);

fn only_written() -> CodecError {
    CodecError::new("rows of a sink are written, and not read")
}

impl Codec for KeyHalf {
    type Value<'a> = (&'a [Value], Option<Bounds>);

    fn decode<'a>(&self, _: &'a [u8]) -> Result<Self::Value<'a>, CodecError> {
        Err(only_written())
    }

    fn encode(&self, (key, window): &Self::Value<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.0.write_key(key, *window, out).map(drop)
    }

    fn is_absent(&self, (key, _): &Self::Value<'_>) -> bool {
        is_no_key(key)
    }
}

impl Codec for ValueHalf {
    type Value<'a> = Option<&'a [Value]>;

    fn decode<'a>(&self, _: &'a [u8]) -> Result<Self::Value<'a>, CodecError> {
        Err(only_written())
    }

    fn encode(&self, value: &Self::Value<'_>, out: &mut Vec<u8>) -> Result<(), CodecError> {
        self.0.write_value(*value, out).map(drop)
    }

    fn is_absent(&self, value: &Self::Value<'_>) -> bool {
        value.is_none_or(|value| self.0.is_no_value(value))
    }
}

/// Takes the window off a key, as Kafka Streams' windowed serializers put it behind: a start, and before it a session's end.
pub(crate) fn unwrapped(key: &[u8], window: KeyWindow) -> Result<(&[u8], Bounds), CodecError> {
    let cut = || CodecError::new("its key: no window stands behind it");
    let (rest, start) = key.split_last_chunk::<8>().ok_or_else(cut)?;
    let start = i64::from_be_bytes(*start);
    if let Some(size_ms) = window.size_ms() {
        return Ok((rest, Bounds { start, end: start.saturating_add(size_ms) }));
    }
    let (rest, end) = rest.split_last_chunk::<8>().ok_or_else(cut)?;
    Ok((rest, Bounds { start, end: i64::from_be_bytes(*end) }))
}
