use millstream_model::{Headers, Value, ValueError, ValueReader, ValueWriter};

use super::{SourceRecord, StepError, move_to};
use crate::eval::Bound;
use crate::plan::{QueryPlan, Wire};

/// From when to when a window is, in milliseconds since 1970; its end is the first moment behind it, save a session's, which
/// is that of its last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bounds {
    /// Its first moment.
    pub start: i64,
    /// Its end.
    pub end: i64,
}

/// Which record a row came from, and which of the rows that came from it it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) side: i32,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) place: i32,
}

/// The row of a table that another one takes the place of.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Before {
    /// Nobody kept it.
    Unknown,
    /// There was none.
    Nothing,
    Row(Vec<Value>),
}

impl Before {
    /// One that was kept, if there was one.
    pub(super) fn of(row: Option<Vec<Value>>) -> Self {
        row.map_or(Self::Nothing, Self::Row)
    }

    pub(super) fn row_mut(&mut self) -> Option<&mut Vec<Value>> {
        match self {
            Self::Row(row) => Some(row),
            _ => None,
        }
    }
}

/// A row on its way through the steps.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Event {
    pub(super) key: Vec<Value>,
    /// Nothing where a table's row is gone, or an event has no value.
    pub(super) row: Option<Vec<Value>>,
    pub(super) time: i64,
    pub(super) window: Option<Bounds>,
    pub(super) headers: Headers,
    /// The row before this one.
    pub(super) before: Before,
    /// Where the row came from, as long as it came from one record alone.
    pub(super) origin: Option<Origin>,
    /// What the row is grouped by, while that is at hand: where it is sent on, the key that it is sent under says it.
    pub(super) group: Option<Vec<Value>>,
}

/// The encoding of a struct of `fields`.
pub(super) fn struct_bytes(fields: &[Value]) -> Vec<u8> {
    let mut writer = ValueWriter::with_capacity(ROW_BYTES);
    writer.row(fields);
    writer.into_bytes()
}

/// What most keys and rows take, in bytes.
pub(super) const ROW_BYTES: usize = 64;

/// A moment in milliseconds; a time before 1970 is none.
pub(super) fn moment(of: &Bound, row: &[Value]) -> Result<i64, StepError> {
    match of.eval(row) {
        Value::Bigint(time) | Value::Timestamp(time) if time >= 0 => Ok(time),
        other => Err(StepError::Value(format!("{other:?} is no time"))),
    }
}

impl Event {
    /// Makes its row anew, and the one before it too.
    pub(super) fn select(&mut self, values: &[Bound]) {
        let Self { key, row, before, window, time, .. } = self;
        for row in row.as_mut().into_iter().chain(before.row_mut()) {
            let mut made = Vec::with_capacity(key.len() + values.len() + 3);
            made.extend_from_slice(key);
            move_to(&mut made, values, std::mem::take(row), |_| {});
            made.push(Value::Bigint(*time));
            for Bounds { start, end } in window.iter() {
                made.extend([Value::Bigint(*start), Value::Bigint(*end)]);
            }
            *row = made;
        }
    }

    /// Where its key belongs; a key in a window belongs apart from the same in another.
    pub(super) fn place(&self, by_end: bool) -> Vec<u8> {
        let Some(bounds) = self.window else { return struct_bytes(&self.key) };
        let mut writer = ValueWriter::with_capacity(ROW_BYTES);
        writer.fields(self.key.len() + if by_end { 2 } else { 1 });
        for part in &self.key {
            writer.value(part);
        }
        writer.bigint(bounds.start);
        if by_end {
            writer.bigint(bounds.end);
        }
        writer.into_bytes()
    }

    /// The message that takes it to a step.
    pub(super) fn sent(self, wire: Wire) -> Value {
        let number = |number: usize| Value::Int(i32::try_from(number).unwrap_or(i32::MAX));
        let bounds =
            |bounds: Bounds| Value::Struct(vec![Value::Bigint(bounds.start), Value::Bigint(bounds.end)]);
        Value::Struct(vec![
            number(wire.number),
            number(wire.side),
            Value::Struct(self.key),
            self.row.map_or(Value::Null, Value::Struct),
            Value::Bigint(self.time),
            self.window.map_or(Value::Null, bounds),
            headers_value(self.headers),
            self.origin.map_or(Value::Null, Origin::value),
        ])
    }

    /// What a message says, and for which step of `query`.
    pub(super) fn received(message: Value, query: &QueryPlan) -> Result<(Wire, Self), StepError> {
        let damaged = || StepError::Damaged("a record between steps");
        let Value::Struct(parts) = message else { return Err(damaged()) };
        let parts = <[Value; 8]>::try_from(parts).map_err(|_| damaged())?;
        let [
            Value::Int(step),
            Value::Int(side),
            Value::Struct(key),
            row,
            Value::Bigint(time),
            window,
            headers,
            origin,
        ] = parts
        else {
            return Err(damaged());
        };
        let place = |number: i32| usize::try_from(number).map_err(|_| damaged());
        let row = match row {
            Value::Struct(row) => Some(row),
            _ => None,
        };
        let (window, headers) = (bounds_of(&window), headers_of(headers).ok_or_else(damaged)?);
        let origin = Origin::of(&origin);
        Ok((
            query.keeper(place(step)?, place(side)?).ok_or_else(damaged)?,
            Self { key, row, before: Before::Unknown, time, window, headers, origin, group: None },
        ))
    }
}

/// The bounds that a value stands for.
fn bounds_of(value: &Value) -> Option<Bounds> {
    match value {
        Value::Struct(bounds) => match bounds.as_slice() {
            [Value::Bigint(start), Value::Bigint(end)] => Some(Bounds { start: *start, end: *end }),
            _ => None,
        },
        _ => None,
    }
}

/// Headers as a value that [`headers_of`] reads.
pub(super) fn headers_value(headers: Headers) -> Value {
    let header = |(name, value): (String, Option<Vec<u8>>)| {
        let value = value.map_or(Value::Null, |value| Value::Bytes(value.into()));
        Value::Struct(vec![Value::text(name), value])
    };
    Value::Array(headers.0.into_iter().map(header).collect())
}

pub(super) fn headers_of(value: Value) -> Option<Headers> {
    let Value::Array(entries) = value else { return None };
    let header = |entry: Value| {
        let Value::Struct(parts) = entry else { return None };
        match <[Value; 2]>::try_from(parts).ok()? {
            [Value::String(name), Value::Bytes(value)] => Some((name.into(), Some(value.into()))),
            [Value::String(name), _] => Some((name.into(), None)),
            _ => None,
        }
    };
    entries.into_iter().map(header).collect::<Option<Vec<_>>>().map(Headers)
}

/// A header's last value, or all headers as structs of their name and value.
pub(super) fn header_value(name: Option<&str>, record: &SourceRecord) -> Value {
    let bytes = |bytes: &[u8]| Value::Bytes(bytes.into());
    if let Some(name) = name {
        return record.headers.last(name).map_or(Value::Null, bytes);
    }
    let each = record.headers.0.iter().map(|(name, value)| {
        Value::Struct(vec![Value::text(name), value.as_deref().map_or(Value::Null, bytes)])
    });
    Value::Array(each.collect())
}

impl Origin {
    fn value(self) -> Value {
        Value::Struct(vec![
            Value::Int(self.side),
            Value::Int(self.partition),
            Value::Bigint(self.offset),
            Value::Int(self.place),
        ])
    }

    pub(super) fn of(value: &Value) -> Option<Self> {
        let Value::Struct(parts) = value else { return None };
        match parts.as_slice() {
            [Value::Int(side), Value::Int(partition), Value::Bigint(offset), Value::Int(place)] => {
                Some(Self { side: *side, partition: *partition, offset: *offset, place: *place })
            }
            _ => None,
        }
    }

    pub(super) fn write(self, writer: &mut ValueWriter) {
        writer.fields(4);
        writer.int(self.side);
        writer.int(self.partition);
        writer.bigint(self.offset);
        writer.int(self.place);
    }

    pub(super) fn read(reader: &mut ValueReader<'_>) -> Result<Self, ValueError> {
        if reader.fields()? != 4 {
            return Err(ValueError::Damaged("no place of a record is so"));
        }
        let (side, partition) = (reader.int()?, reader.int()?);
        Ok(Self { side, partition, offset: reader.bigint()?, place: reader.int()? })
    }

    /// Whether it is ahead of all seen of its partition; it is then noted.
    pub(super) fn advance(self, seen: &mut Vec<Self>) -> bool {
        let is_of_it = |known: &&mut Self| (known.side, known.partition) == (self.side, self.partition);
        let Some(known) = seen.iter_mut().find(is_of_it) else {
            seen.push(self);
            return true;
        };
        let is_ahead = (self.offset, self.place) > (known.offset, known.place);
        if is_ahead {
            *known = self;
        }
        is_ahead
    }
}
