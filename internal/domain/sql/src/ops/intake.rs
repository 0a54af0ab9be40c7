use millstream_model::Value;

use super::event::{Before, Bounds, Event, Origin, header_value, moment};
use super::{Done, Emission, Emissions, Run, SourceRecord, State, StepError, passes};
use crate::ast::SourceKind;
use crate::plan::{Act, Entry, Rule, Wire};

/// A record as the rules that read its source see it: its row, with headers and pseudo columns, and its time.
///
/// It is made once for all rules over one [`crate::Source`], whose conditions look at it where it lies.
#[derive(Clone, Debug, PartialEq)]
pub struct Intake {
    record: SourceRecord,
    row: Option<Vec<Value>>,
    time: i64,
}

/// A rule's leave for a record to come in: the step at which it does, behind the conditions that it has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission(Option<Wire>);

impl Intake {
    /// A record's row; none where its time can't be told, which leaves the record out.
    pub fn of(entry: &Entry, mut record: SourceRecord) -> Option<Self> {
        let mut row = record.value.take().map(|mut value| {
            let headers = entry.source.headers.iter();
            let headers = headers.map(|header| header_value(header.header.as_deref(), &record));
            let bounds = record.window.filter(|_| entry.source.window.is_some());
            let bounds = bounds.map(|Bounds { start, end }| [Value::Bigint(start), Value::Bigint(end)]);
            let mut row = Vec::with_capacity(record.key.len() + value.len() + headers.len() + 5);
            row.extend_from_slice(&record.key);
            row.append(&mut value);
            row.extend(headers);
            row.push(Value::Bigint(record.timestamp));
            row.push(Value::Int(record.partition));
            row.push(Value::Bigint(record.offset));
            row.extend(bounds.into_iter().flatten());
            row
        });
        let mut time = record.timestamp;
        if let (Some(of), Some(row)) = (&entry.time, &mut row) {
            time = moment(of, row).ok()?;
            let place = entry.source.key.len() + entry.source.value.len() + entry.source.headers.len();
            if let Some(slot) = row.get_mut(place) {
                *slot = Value::Bigint(time);
            }
        }
        Some(Self { record, row, time })
    }

    pub(super) fn row(&self) -> Option<&[Value]> {
        self.row.as_deref()
    }

    fn event(self, side: usize) -> Result<Event, StepError> {
        let Self { record, row, time } = self;
        let side = i32::try_from(side).map_err(|_| StepError::Damaged("a source's place"))?;
        // Several columns that are all null are no key at all.
        let is_no_key = record.key.len() > 1 && record.key.iter().all(Value::is_null);
        Ok(Event {
            key: if is_no_key { Vec::new() } else { record.key },
            row,
            before: Before::Unknown,
            time,
            window: record.window,
            headers: record.headers,
            origin: Some(Origin { side, partition: record.partition, offset: record.offset, place: 0 }),
            group: None,
        })
    }
}

impl Rule {
    /// Takes a record of source number `side` in.
    ///
    /// # Errors
    /// When the state fails or is damaged, or a value can't be worked out.
    pub fn on_source(
        &self,
        side: usize,
        record: &SourceRecord,
        state: &mut dyn State,
    ) -> Result<Emissions, StepError> {
        let Some(entry) = self.query.entries.get(side) else {
            return Err(StepError::Damaged("a source that the rule does not read"));
        };
        let Some(intake) = Intake::of(entry, record.clone()) else { return Ok(Vec::new()) };
        let mut told = Vec::new();
        match self.admits(side, &intake, &mut told) {
            Some(admission) => self.on_intake(side, intake, admission, state),
            None => Ok(told),
        }
    }

    /// Whether a record of source number `side` meets the conditions that stand first, looked at where it lies. What could
    /// not be worked out is told.
    pub fn admits(&self, side: usize, intake: &Intake, told: &mut Vec<Emission>) -> Option<Admission> {
        let entry = self.query.entries.get(side)?;
        // A table's row is known by its key; without one there is nothing to replace.
        if entry.source.kind == SourceKind::Table && intake.record.key.iter().all(Value::is_null) {
            return None;
        }
        let mut wire = Some(entry.wire);
        while let Some(step) = wire.and_then(|wire| self.query.steps.get(wire.step)) {
            let Act::Filter { condition, kind: SourceKind::Stream } = &step.act else { break };
            if !intake.row.as_ref().is_some_and(|row| passes(condition, row, told)) {
                return None;
            }
            wire = step.next;
        }
        Some(Admission(wire))
    }

    /// Takes in a record of source number `side` that was admitted.
    ///
    /// # Errors
    /// As [`Rule::on_source`].
    pub fn on_intake(
        &self,
        side: usize,
        intake: Intake,
        admission: Admission,
        state: &mut dyn State,
    ) -> Result<Emissions, StepError> {
        let mut run = Run { rule: self, state, out: Vec::new() };
        let event = intake.event(side)?;
        let done: Done = run.push(admission.0, event);
        done.map(|()| run.out)
    }
}
