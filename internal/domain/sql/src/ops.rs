//! What a rule does with each record: pure steps over a state, so that they can be run on any framework and tested on none.

mod agenda;
mod aggregate;
mod chain;
mod entry;
mod event;
mod foreign;
mod idle;
mod intake;
mod meet;
mod recount;
mod screen;
mod session;
mod sum;
mod table_join;
mod uses;
mod windows;

use millstream_model::{Headers, Value, decode_value};
use thiserror::Error;

use crate::ast::SourceKind;
use crate::eval::{Bound, Failure};
use crate::plan::{Act, OnNull, Rule, Wire};
use crate::tables::TableCall;
pub use event::Bounds;
use event::{Before, Event, Origin};
pub use intake::{Admission, Intake};
pub use screen::Screen;

/// A record of a source, decoded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceRecord {
    /// Its key columns.
    pub key: Vec<Value>,
    /// Its value columns; `None` is a tombstone.
    pub value: Option<Vec<Value>>,
    /// Its time, in milliseconds since 1970.
    pub timestamp: i64,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its headers.
    pub headers: Headers,
    /// The window that its key belongs to.
    pub window: Option<Bounds>,
}

/// What a step wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Emission {
    /// To be worked on where `key` belongs.
    Repartition {
        /// Which state it belongs to.
        key: Vec<u8>,
        /// What to do there.
        message: Value,
    },
    /// A row of the sink.
    Sink(SinkRow),
    /// A value that could not be worked out, and is null in its place; a filter lets such a row not pass.
    Failed(Failure),
}

/// A row of the sink.
#[derive(Clone, Debug, PartialEq)]
pub struct SinkRow {
    /// Its key columns.
    pub key: Vec<Value>,
    /// Its value columns; `None` deletes.
    pub value: Option<Vec<Value>>,
    /// Its time, in milliseconds since 1970.
    pub timestamp: i64,
    /// The window that its key belongs to.
    pub window: Option<Bounds>,
    /// Headers of the record that it came from.
    pub headers: Headers,
}

/// Why a step could not be taken.
#[derive(Debug, Error)]
pub enum StepError {
    /// The state could not be read or written.
    #[error("the rule's state: {0}")]
    State(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A record between the steps, or an entry of the state, is not what a step writes.
    #[error("the rule's own records are damaged, or of another version: {0}")]
    Damaged(&'static str),
    /// A value can't be worked out, and going on without it would be wrong.
    #[error("{0}")]
    Value(String),
}

/// The state of the partition at hand. What is kept is encoded values; see [`Value::decode`].
pub trait State {
    /// The value of `key`.
    ///
    /// # Errors
    /// When the state can't be read.
    fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, StepError>;

    /// Sets or, with `None`, deletes the value of `key`.
    ///
    /// # Errors
    /// When the state can't be written.
    fn put(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StepError>;

    /// Whether what belongs to `key` is kept in this state, so that a row need not be sent there. The answer is the same
    /// for every row of one source's partition that has this key.
    fn is_home(&self, _key: &[u8]) -> bool {
        false
    }

    /// Has [`Rule::on_later`] called with `place`, once, when all is done that came together with the record at hand: before
    /// that is committed, or after a restart. Where it answers `false` nothing is put off.
    ///
    /// # Errors
    /// When that can't be noted.
    fn tell_later(&mut self, _place: &[u8]) -> Result<bool, StepError> {
        Ok(false)
    }
}

type Emissions = Vec<Emission>;
type Done = Result<(), StepError>;

impl Rule {
    /// Takes in a record that an earlier step sent to where `key` belongs.
    ///
    /// # Errors
    /// When the state fails or is damaged, or a value can't be worked out.
    pub fn on_repartitioned(
        &self,
        key: &[u8],
        message: Value,
        state: &mut dyn State,
    ) -> Result<Emissions, StepError> {
        let (wire, event) = Event::received(message, &self.query)?;
        let mut run = Run { rule: self, state, out: Vec::new() };
        run.arrive(wire, key, event)?;
        Ok(run.out)
    }
}

/// One record's way through the steps.
struct Run<'a> {
    rule: &'a Rule,
    state: &'a mut dyn State,
    out: Emissions,
}

impl<'a> Run<'a> {
    fn act(&self, wire: Wire) -> Result<&'a Act, StepError> {
        let step = self.rule.query.steps.get(wire.step);
        step.map(|step| &step.act).ok_or(StepError::Damaged("a step that the rule does not have"))
    }

    fn behind(&self, wire: Wire) -> Option<Wire> {
        self.rule.query.steps.get(wire.step).and_then(|step| step.next)
    }

    /// Whether any step behind looks at the row that was there before.
    fn wants_before(&self, wire: Wire) -> bool {
        let mut next = self.behind(wire);
        while let Some(wire) = next {
            next = match self.act(wire) {
                Ok(Act::Extend { .. } | Act::Select { .. }) => self.behind(wire),
                Ok(Act::Sink { .. }) => return false,
                _ => return true,
            };
        }
        false
    }

    /// Hands a row to a step, where its source's or the step's before it stands, and on through those that need nothing else.
    fn push(&mut self, mut wire: Option<Wire>, mut event: Event) -> Done {
        while let Some(at) = wire {
            let next = self.behind(at);
            match self.act(at)? {
                Act::Filter { condition, kind } => {
                    if !self.filter(condition, *kind, &mut event) {
                        return Ok(());
                    }
                }
                Act::Extend { values } => {
                    for row in event.row.as_mut().into_iter().chain(event.before.row_mut()) {
                        let more = evaluated(values, row, &mut self.out);
                        row.extend(more);
                    }
                }
                Act::Select { values } => event.select(values),
                Act::Rekey { key } => {
                    // An event without a value still has its key, which stands before the rest in its row.
                    event.key = match &event.row {
                        Some(row) => evaluated(key, row, &mut self.out),
                        None => key.iter().map(|of| of_key(of, &event.key)).collect(),
                    };
                }
                Act::Explode { lists } => return self.explode(lists, &event, next),
                Act::Exchange { key, on_null, by_end } => {
                    return self.exchange(key.as_deref(), *on_null, *by_end, event, next);
                }
                Act::Subscribe { .. } => return self.subscribe(at, event),
                Act::Group { .. } => return self.group(at, event),
                Act::Sink { value, time, kind } => {
                    self.sink(value, time.as_ref(), *kind, event);
                    return Ok(());
                }
                _ => return Err(StepError::Damaged("a row that did not go to where its key belongs")),
            }
            wire = next;
        }
        Ok(())
    }

    /// Whether a row goes on: also where it does not pass, if the one before it did, which is gone by that.
    fn filter(&mut self, condition: &Bound, kind: SourceKind, event: &mut Event) -> bool {
        if matches!(&event.before, Before::Row(row) if !passes(condition, row, &mut self.out)) {
            event.before = Before::Nothing;
        }
        if event.row.as_ref().is_some_and(|row| passes(condition, row, &mut self.out)) {
            return true;
        }
        event.row = None;
        // What was not there before is not gone now.
        kind == SourceKind::Table && event.before != Before::Nothing
    }

    /// Hands a row to a step that keeps something, where the row's key belongs.
    fn arrive(&mut self, wire: Wire, key: &[u8], event: Event) -> Done {
        match self.act(wire)? {
            Act::Lookup { .. } => self.lookup(wire, key, event),
            Act::Merge { .. } => self.merge(wire, key, &event),
            Act::Meet { .. } => self.meet(wire, key, event),
            Act::Refer { .. } => self.refer(wire, key, event),
            Act::Aggregate { .. } => self.aggregate(wire, key, event),
            _ => Err(StepError::Damaged("a row that went where nothing is kept")),
        }
    }

    /// Sends a row to the step behind, at where its key belongs.
    fn exchange(
        &mut self,
        key: Option<&[Bound]>,
        on_null: OnNull,
        by_end: bool,
        mut event: Event,
        next: Option<Wire>,
    ) -> Done {
        let Some(next) = next else { return Ok(()) };
        if let Some(key) = key {
            let Some(row) = event.row.as_deref() else { return Ok(()) };
            event.key = evaluated(key, row, &mut self.out);
        }
        if on_null == OnNull::Drop && event.key.iter().all(Value::is_null) {
            return Ok(());
        }
        let key = event.place(by_end);
        self.send(next, key, event)
    }

    /// Hands a row to a step at where `key` belongs: here, or by a record.
    fn send(&mut self, wire: Wire, key: Vec<u8>, event: Event) -> Done {
        if self.state.is_home(&key) {
            return self.arrive(wire, &key, event);
        }
        self.out.push(Emission::Repartition { key, message: event.sent(wire) });
        Ok(())
    }

    /// As many rows as the longest list has elements; shorter lists end in nulls.
    fn explode(&mut self, lists: &[TableCall], event: &Event, next: Option<Wire>) -> Done {
        let Some(row) = &event.row else { return Ok(()) };
        // What can't be made rows of makes none.
        let lists: Vec<Vec<Value>> = lists
            .iter()
            .map(|list| list.rows(row).unwrap_or_else(|failure| failed(failure, Vec::new(), &mut self.out)))
            .collect();
        let count = lists.iter().map(Vec::len).max().unwrap_or(0);
        for place in 0..count {
            let mut row = row.clone();
            row.extend(lists.iter().map(|list| list.get(place).cloned().unwrap_or(Value::Null)));
            let origin =
                event.origin.map(|origin| Origin { place: i32::try_from(place).unwrap_or(0), ..origin });
            self.push(next, Event { row: Some(row), origin, ..event.clone() })?;
        }
        Ok(())
    }

    fn sink(&mut self, value: &[Bound], time: Option<&Bound>, kind: SourceKind, event: Event) {
        if kind == SourceKind::Table && event.key.iter().all(Value::is_null) {
            return;
        }
        let out = &mut self.out;
        let value = event.row.map(|row| {
            let mut made = Vec::with_capacity(value.len());
            move_to(&mut made, value, row, |failure| out.push(Emission::Failed(failure)));
            made
        });
        let mut timestamp = event.time;
        if let (Some(time), Some(value)) = (time, &value) {
            let row = [value.as_slice(), &event.key].concat();
            // A row whose time can't be told is left out.
            let Ok(told) = event::moment(time, &row) else { return };
            timestamp = told;
        }
        let Event { key, window, headers, .. } = event;
        self.out.push(Emission::Sink(SinkRow { key, value, timestamp, window, headers }));
    }

    /// The key of the state of a step, of one kind, for what belongs to `key`.
    fn place(wire: Wire, kind: u8, key: &[u8]) -> Vec<u8> {
        let step = u16::try_from(wire.number).unwrap_or(u16::MAX).to_be_bytes();
        [&[kind], &step[..], key].concat()
    }

    /// The latest time that a step has seen, brought up to this one; times are those of the partition at hand.
    fn stream_time(&mut self, wire: Wire, time: i64) -> Result<i64, StepError> {
        let place = Self::place(wire, b't', &[]);
        let before = entry::number(self.state, &place)?.unwrap_or(i64::MIN);
        if time > before {
            entry::put_number(self.state, &place, time)?;
        }
        Ok(before.max(time))
    }

    /// The entries of a list in the state; none where there is no list.
    fn list(&mut self, place: &[u8]) -> Result<Vec<Value>, StepError> {
        match entry::get(self.state, place)? {
            None => Ok(Vec::new()),
            Some(Value::Array(entries)) => Ok(entries),
            Some(_) => Err(StepError::Damaged("a list in the state")),
        }
    }

    fn put_list(&mut self, place: &[u8], entries: Vec<Value>) -> Done {
        let value = if entries.is_empty() { None } else { Some(Value::Array(entries)) };
        entry::put(self.state, place, value.as_ref())
    }
}

/// What can be told from a key alone; null where more is looked at.
fn of_key(of: &Bound, key: &[Value]) -> Value {
    let is_inside = of.columns().into_iter().all(|column| column < key.len());
    if is_inside { of.eval(key) } else { Value::Null }
}

/// The values that a place's key stands for.
fn key_values(key: &[u8]) -> Result<Vec<Value>, StepError> {
    match decode_value(key) {
        Ok(Value::Struct(values)) => Ok(values),
        _ => Err(StepError::Damaged("a key")),
    }
}

/// The values of expressions in a row: null, and told, where one fails. Columns and constants, as most are, are copied to where
/// they are to be and nowhere else.
fn evaluated(of: &[Bound], row: &[Value], out: &mut Emissions) -> Vec<Value> {
    let mut values = Vec::with_capacity(of.len());
    for bound in of {
        match bound {
            Bound::Column(column) => match row.get(*column) {
                Some(value) => values.push(value.clone()),
                None => values.push(Value::Null),
            },
            Bound::Literal(value) => values.push(value.clone()),
            other => match other.try_eval(row) {
                Ok(value) => values.push(value),
                Err(failure) => values.push(failed(failure, Value::Null, out)),
            },
        }
    }
    values
}

/// Appends what [`evaluated`] gives, of a row that nobody wants any more: a column is not copied where it is wanted once.
/// Failures are told.
fn move_to(values: &mut Vec<Value>, of: &[Bound], mut row: Vec<Value>, mut told: impl FnMut(Failure)) {
    let from = values.len();
    for bound in of {
        match bound {
            // Moved below, once nothing looks at it any more.
            Bound::Column(_) => values.push(Value::Null),
            Bound::Literal(value) => values.push(value.clone()),
            other => match other.try_eval(&row) {
                Ok(value) => values.push(value),
                Err(failure) => {
                    told(failure);
                    values.push(Value::Null);
                }
            },
        }
    }
    let mut rest = of;
    for value in values.iter_mut().skip(from) {
        let Some((bound, behind)) = rest.split_first() else { break };
        rest = behind;
        let Bound::Column(column) = bound else { continue };
        let Some(slot) = row.get_mut(*column) else { continue };
        let is_wanted_again =
            behind.iter().any(|later| matches!(later, Bound::Column(other) if other == column));
        if is_wanted_again { value.clone_from(slot) } else { std::mem::swap(value, slot) }
    }
}

/// Whether a row passes a condition: it does not, and it is told, where that fails.
fn passes(condition: &Bound, row: &[Value], out: &mut Emissions) -> bool {
    condition.try_holds(row).unwrap_or_else(|failure| failed(failure, false, out))
}

fn failed<T>(failure: Failure, instead: T, out: &mut Emissions) -> T {
    out.push(Emission::Failed(failure));
    instead
}

#[cfg(test)]
mod tests;
