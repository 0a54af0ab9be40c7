//! What a rule does with each record: pure steps over a state, so that they can be run on any framework and tested on none.

mod aggregate;
mod chain;
mod join;

use millstream_model::{Value, encode_value};
use thiserror::Error;

use crate::ast::SourceKind;
use crate::eval::Bound;
use crate::plan::{QueryPlan, Rule};

/// A record of a source, decoded.
#[derive(Clone, Debug, PartialEq)]
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
    /// A row of the sink; `None` deletes.
    Sink {
        /// Its key columns.
        key: Vec<Value>,
        /// Its value columns.
        value: Option<Vec<Value>>,
    },
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
}

/// The state of the partition at hand.
pub trait State {
    /// The value of `key`.
    ///
    /// # Errors
    /// When the state can't be read.
    fn get(&mut self, key: &[u8]) -> Result<Option<Value>, StepError>;

    /// Sets or, with `None`, deletes the value of `key`.
    ///
    /// # Errors
    /// When the state can't be written.
    fn put(&mut self, key: &[u8], value: Option<&Value>) -> Result<(), StepError>;
}

type Emissions = Vec<Emission>;

impl Rule {
    /// Takes a record of source number `side` in.
    ///
    /// # Errors
    /// When the state fails or is damaged.
    pub fn on_source(
        &self,
        side: usize,
        record: &SourceRecord,
        state: &mut dyn State,
    ) -> Result<Emissions, StepError> {
        // A table's row is known by its key; without one there is nothing to replace.
        let kind = self.query.sources().get(side).map(|source| source.kind);
        if kind == Some(SourceKind::Table) && record.key.iter().any(Value::is_null) {
            return Ok(Vec::new());
        }
        match &self.query {
            QueryPlan::Project { from, filter, key, value } => {
                Ok(project(record, from.kind, filter.as_ref(), key, value))
            }
            QueryPlan::Aggregate { from, filter, group, calls, .. } => aggregate::on_source(
                &aggregate::Side { kind: from.kind, filter: filter.as_ref(), group, calls },
                record,
                state,
            ),
            QueryPlan::Join { on, left, .. } if side == 0 => Ok(join::on_left(on, left.kind, record)),
            QueryPlan::Join { .. } => Ok(join::on_right(record)),
        }
    }

    /// Takes in a record that an earlier step sent to where `key` belongs.
    ///
    /// # Errors
    /// As [`Rule::on_source`].
    pub fn on_repartitioned(
        &self,
        key: &[u8],
        message: Value,
        state: &mut dyn State,
    ) -> Result<Emissions, StepError> {
        match &self.query {
            QueryPlan::Project { .. } => Err(StepError::Damaged("a projection sends nothing to itself")),
            QueryPlan::Aggregate { from, calls, having, value, .. } => {
                let grouped = aggregate::Grouped { kind: from.kind, calls, having: having.as_ref(), value };
                aggregate::on_group(&grouped, key, message, state)
            }
            QueryPlan::Join { is_outer, filter, key: sink_key, value, left, right, .. } => {
                let joined = join::Joined {
                    left_kind: left.kind,
                    is_outer: *is_outer,
                    key: sink_key,
                    filter: filter.as_ref(),
                    value,
                    left_width: left.width(),
                    right_width: right.width(),
                };
                join::on_key(&joined, key, message, state)
            }
        }
    }
}

/// A record's row: key, value and pseudo columns.
fn row(record: &SourceRecord, value: &[Value]) -> Vec<Value> {
    let pseudo =
        [Value::Bigint(record.timestamp), Value::Int(record.partition), Value::Bigint(record.offset)];
    record.key.iter().chain(value).cloned().chain(pseudo).collect()
}

fn value_bytes(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_value(value, &mut bytes);
    bytes
}

fn evaluated(of: &[Bound], row: &[Value]) -> Vec<Value> {
    of.iter().map(|bound| bound.eval(row)).collect()
}

fn project(
    record: &SourceRecord,
    kind: SourceKind,
    filter: Option<&Bound>,
    key: &[Bound],
    value: &[Bound],
) -> Emissions {
    let row = row(record, record.value.as_deref().unwrap_or_default());
    let passes = record.value.is_some() && filter.is_none_or(|filter| filter.holds(&row));
    // In a table, a row that no longer passes is gone from the result.
    match (passes, kind) {
        (true, _) => vec![Emission::Sink { key: evaluated(key, &row), value: Some(evaluated(value, &row)) }],
        (false, SourceKind::Table) => vec![Emission::Sink { key: evaluated(key, &row), value: None }],
        (false, SourceKind::Stream) => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
