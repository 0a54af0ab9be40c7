use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use millstream_model::{Column, FormatOptions, Partition, Value};
use millstream_ports::{Groups, RowCodec, RowSpec, Side, Start, Tail, Topics, World};
use millstream_sql::{Bounds, KeyWindow, Printed, Source, text_of};

use super::copy::width;
use super::push::{Flow, Row};
use super::{Fault, Server};
use crate::deploy::named;
use crate::formats::Formats;
use crate::halves::unwrapped;

/// What the records of formats with registered schemas begin with.
const MAGIC: u8 = 0;

/// How long such a beginning is.
const HEADER_BYTES: usize = 5;

/// A topic's records, in words.
struct Print<T> {
    tail: T,
    reader: Reader,
    interval: u64,
    seen: u64,
    left: Option<u64>,
}

impl<W: World + Topics + Groups> Server<W> {
    /// `PRINT topic`.
    pub(crate) fn print(&self, asked: &Printed) -> Result<Box<dyn Flow>, Fault> {
        let world = &self.inner.world;
        let topic = named(&asked.topic)?;
        let partitions = width(world, &topic).map_err(|error| Fault::statement(error.to_string()))?;
        let mut tail = world.tail("print", std::slice::from_ref(&topic))?;
        let start = if asked.from_beginning { Start::Earliest } else { Start::Latest };
        for partition in (0..partitions).map(Partition::new) {
            tail.add(0, partition, start)?;
        }
        let of_topic = |source: &&Source| source.topic == asked.topic;
        let window = self.inner.book().catalog.sources().filter(of_topic).find_map(|source| source.window);
        let (topic, formats) = (asked.topic.clone(), self.inner.formats.clone());
        let reader = Reader { topic, window, formats, made: BTreeMap::new() };
        Ok(Box::new(Print { tail, reader, interval: asked.interval, seen: 0, left: asked.limit }))
    }
}

impl<T: Tail> Flow for Print<T> {
    fn next(&mut self, wait: Duration) -> Result<Option<Vec<Row>>, Fault> {
        if self.left == Some(0) {
            return Ok(None);
        }
        let mut rows = Vec::new();
        let Self { tail, reader, interval, seen, left } = self;
        tail.poll(wait, 1000, |view| {
            let is_told = *seen % *interval == 0 && *left != Some(0);
            *seen += 1;
            if is_told {
                let key = reader.told_key(view.key);
                let value = reader.told(Side::Value, view.value);
                let (time, partition) = (moment(view.timestamp.0), view.partition);
                let line = format!("rowtime: {time}, key: {key}, value: {value}, partition: {partition}");
                rows.push(Row { values: vec![Value::from(line)], is_gone: false });
                if let Some(left) = left {
                    *left -= 1;
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(Some(rows))
    }
}

fn moment(millis: i64) -> String {
    millstream_sql::moment_text(millis)
}

/// The columns of a registered schema, and what reads them.
type Made = (Vec<Column>, Arc<dyn RowCodec>);

/// Tells bytes in words: as a registered schema has them, as text, as a number, or byte by byte.
struct Reader {
    topic: String,
    /// What stands behind each key, as a source over the topic says.
    window: Option<KeyWindow>,
    formats: Formats,
    made: BTreeMap<(bool, &'static str), Option<Made>>,
}

impl Reader {
    /// A key, and the window that it belongs to: `[key@start/end]`.
    fn told_key(&mut self, bytes: Option<&[u8]>) -> String {
        let windowed = self.window.zip(bytes).and_then(|(window, bytes)| unwrapped(bytes, window).ok());
        let Some((key, Bounds { start, end })) = windowed else { return self.told(Side::Key, bytes) };
        format!("[{}@{start}/{end}]", self.told(Side::Key, Some(key)))
    }

    fn told(&mut self, side: Side, bytes: Option<&[u8]>) -> String {
        let Some(bytes) = bytes else { return "<null>".to_owned() };
        if bytes.first() == Some(&MAGIC) && bytes.len() >= HEADER_BYTES {
            for format in ["AVRO", "JSON_SR"] {
                if let Some(told) = self.by_schema(side, format, bytes) {
                    return told;
                }
            }
        }
        if let Ok(text) = std::str::from_utf8(bytes)
            && !text.chars().any(|c| c.is_control() && !c.is_whitespace())
        {
            return text.to_owned();
        }
        if let Ok(number) = <[u8; 4]>::try_from(bytes) {
            return i32::from_be_bytes(number).to_string();
        }
        if let Ok(number) = <[u8; 8]>::try_from(bytes) {
            return i64::from_be_bytes(number).to_string();
        }
        bytes.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
    }

    fn by_schema(&mut self, side: Side, format: &'static str, bytes: &[u8]) -> Option<String> {
        let is_key = side == Side::Key;
        let (topic, formats) = (self.topic.clone(), self.formats.clone());
        let made = self.made.entry((is_key, format)).or_insert_with(|| {
            let format = formats.get(format).ok()?;
            let found = format.columns(&topic, side, None).ok()?;
            let options = FormatOptions { is_bare: found.is_bare, ..FormatOptions::default() };
            let spec = RowSpec { topic: &topic, side, columns: &found.columns, options: &options };
            let codec = format.reader(spec).ok()?;
            Some((found.columns, codec))
        });
        let (columns, codec) = made.as_ref()?;
        let row = codec.decode(bytes).ok()?;
        let told =
            |(column, value): (&Column, &Value)| format!("{}: {}", column.name, text_of(value, &column.ty));
        Some(format!("{{{}}}", columns.iter().zip(&row).map(told).collect::<Vec<_>>().join(", ")))
    }
}
