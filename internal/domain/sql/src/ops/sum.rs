use millstream_model::{Headers, Value, ValueError, ValueReader, ValueWriter};

use super::event::{Event, Origin, headers_of, headers_value};
use super::{Done, StepError};
use crate::aggregate::Aggregate;

/// What most groups take, in bytes.
const SUM_BYTES: usize = 64;

const NO_ARGUMENTS: StepError = StepError::Damaged("an aggregate's arguments");

/// What a group has come to: the aggregates' states, the time of its latest row, and up to which record of each partition it
/// counts.
pub(super) struct Sum {
    pub(super) states: Vec<Value>,
    pub(super) time: i64,
    pub(super) seen: Vec<Origin>,
    /// Those of the latest record, where the group's row is told later.
    pub(super) headers: Headers,
}

impl Sum {
    pub(super) fn begin(calls: &[Aggregate]) -> Self {
        let states = calls.iter().map(Aggregate::begin).collect();
        Self { states, time: i64::MIN, seen: Vec::new(), headers: Headers::default() }
    }

    /// Its entry in the state: a struct of the time, the states, the places and, where there are any, the headers.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut writer = ValueWriter::with_capacity(SUM_BYTES);
        self.write(&mut writer);
        writer.into_bytes()
    }

    pub(super) fn write(&self, writer: &mut ValueWriter) {
        let has_headers = !self.headers.is_empty();
        writer.fields(if has_headers { 4 } else { 3 });
        writer.bigint(self.time);
        writer.row(&self.states);
        writer.elements(self.seen.len());
        for origin in &self.seen {
            origin.write(writer);
        }
        if has_headers {
            writer.value(&headers_value(self.headers.clone()));
        }
    }

    pub(super) fn of(bytes: &[u8]) -> Result<Self, StepError> {
        let whole = |mut reader: ValueReader<'_>| {
            let sum = Self::read(&mut reader)?;
            reader.end(sum)
        };
        ValueReader::new(bytes).and_then(whole).map_err(|_| StepError::Damaged("a group's state"))
    }

    pub(super) fn read(reader: &mut ValueReader<'_>) -> Result<Self, ValueError> {
        let damaged = || ValueError::Damaged("no group is so");
        let parts = reader.fields()?;
        let (time, states) = (reader.bigint()?, reader.row()?);
        let mut seen = Vec::new();
        for _ in 0..reader.elements()? {
            seen.push(Origin::read(reader)?);
        }
        let headers = match parts {
            3 => Headers::default(),
            4 => headers_of(reader.value()?).ok_or_else(damaged)?,
            _ => return Err(damaged()),
        };
        Ok(Self { states, time, seen, headers })
    }

    /// Counts an event in, unless it was counted before.
    pub(super) fn add(&mut self, calls: &[Aggregate], event: &Event) -> Result<bool, StepError> {
        if event.origin.is_some_and(|origin| !origin.advance(&mut self.seen)) {
            return Ok(false);
        }
        self.fold(calls, event.row.as_deref().unwrap_or_default())?;
        self.time = self.time.max(event.time);
        Ok(true)
    }

    pub(super) fn fold(&mut self, calls: &[Aggregate], arguments: &[Value]) -> Done {
        self.each(calls, arguments, |call, state, arguments| Ok(call.add(state, fields_of(arguments)?)))
    }

    /// As [`Sum::fold`], of arguments that nobody wants any more.
    pub(super) fn fold_owned(&mut self, calls: &[Aggregate], arguments: Vec<Value>) -> Done {
        self.each(calls, arguments, |call, state, arguments| match arguments {
            Value::Struct(arguments) => Ok(call.add_owned(state, arguments)),
            _ => Err(NO_ARGUMENTS),
        })
    }

    /// Takes a row out that was counted in.
    pub(super) fn unfold(&mut self, calls: &[Aggregate], arguments: &[Value]) -> Done {
        self.each(calls, arguments, |call, state, arguments| Ok(call.undo(state, fields_of(arguments)?)))
    }

    fn each<A, I: ExactSizeIterator<Item = A>>(
        &mut self,
        calls: &[Aggregate],
        arguments: impl IntoIterator<Item = A, IntoIter = I>,
        change: impl Fn(&Aggregate, Value, A) -> Result<Value, StepError>,
    ) -> Done {
        let arguments = arguments.into_iter();
        if self.states.len() != calls.len() || arguments.len() != calls.len() {
            return Err(StepError::Damaged("a group's state"));
        }
        for ((call, state), arguments) in calls.iter().zip(&mut self.states).zip(arguments) {
            *state = change(call, std::mem::replace(state, Value::Null), arguments)?;
        }
        Ok(())
    }
}

fn fields_of(arguments: &Value) -> Result<&[Value], StepError> {
    if let Value::Struct(arguments) = arguments { Ok(arguments) } else { Err(NO_ARGUMENTS) }
}
