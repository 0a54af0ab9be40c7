use millstream_model::Value;

use super::chain::Chain;
use super::{Emission, Emissions, SourceRecord, State, StepError, evaluated, row, value_bytes};
use crate::ast::SourceKind;
use crate::eval::Bound;

/// Prefixes of the state's keys: the right row, and the left rows, of one join key.
const RIGHT: u8 = b'r';
const LEFT: u8 = b'l';

/// What marks the side that a record between the steps came from.
const FROM_LEFT: i32 = 0;
const FROM_RIGHT: i32 = 1;

pub(super) struct Joined<'a> {
    pub(super) left_kind: SourceKind,
    pub(super) is_outer: bool,
    pub(super) filter: Option<&'a Bound>,
    pub(super) key: &'a [Bound],
    pub(super) value: &'a [Bound],
    pub(super) left_width: usize,
    pub(super) right_width: usize,
}

fn send(join_key: &Value, side: i32, record: &SourceRecord) -> Emissions {
    if join_key.is_null() {
        return Vec::new();
    }
    let is_there = Value::Boolean(record.value.is_some());
    let row = row(record, record.value.as_deref().unwrap_or_default());
    let message = Value::Struct(vec![
        Value::Int(side),
        is_there,
        Value::Struct(record.key.clone()),
        Value::Struct(row),
    ]);
    vec![Emission::Repartition { key: value_bytes(join_key), message }]
}

/// A left row goes to where the right row of its join key is. A table's tombstone has its key's columns alone, which is
/// all that the expression looks at; a stream's says nothing.
pub(super) fn on_left(on: &Bound, kind: SourceKind, record: &SourceRecord) -> Emissions {
    if kind == SourceKind::Stream && record.value.is_none() {
        return Vec::new();
    }
    let row = row(record, record.value.as_deref().unwrap_or_default());
    send(&on.eval(&row), FROM_LEFT, record)
}

pub(super) fn on_right(record: &SourceRecord) -> Emissions {
    send(record.key.first().unwrap_or(&Value::Null), FROM_RIGHT, record)
}

/// Keeps both sides' rows of one join key, and tells the joined rows that a change of either makes.
pub(super) fn on_key(
    joined: &Joined<'_>,
    join_key: &[u8],
    message: Value,
    state: &mut dyn State,
) -> Result<Emissions, StepError> {
    let Value::Struct(parts) = message else { return Err(StepError::Damaged("a join's record")) };
    let Ok([Value::Int(side), Value::Boolean(is_there), Value::Struct(id), Value::Struct(row)]) =
        <[Value; 4]>::try_from(parts)
    else {
        return Err(StepError::Damaged("a join's record"));
    };
    if side == FROM_RIGHT {
        right_changed(joined, join_key, is_there.then_some(row.as_slice()), state)
    } else if joined.left_kind == SourceKind::Stream {
        event_came(joined, join_key, &row, state)
    } else {
        left_changed(joined, join_key, &Left { id, row, is_there }, state)
    }
}

struct Left {
    id: Vec<Value>,
    row: Vec<Value>,
    is_there: bool,
}

fn right_changed(
    joined: &Joined<'_>,
    join_key: &[u8],
    row: Option<&[Value]>,
    state: &mut dyn State,
) -> Result<Emissions, StepError> {
    state.put(&right_place(join_key), row.map(|row| Value::Struct(row.to_vec())).as_ref())?;
    let mut out = Vec::new();
    for left in Chain::new(LEFT, join_key).contents(state)? {
        let Value::Struct(left) = left else { return Err(StepError::Damaged("a join's state")) };
        out.push(joined.tell(&left, joined.pair(&left, row)?));
    }
    Ok(out)
}

fn left_changed(
    joined: &Joined<'_>,
    join_key: &[u8],
    left: &Left,
    state: &mut dyn State,
) -> Result<Emissions, StepError> {
    let lefts = Chain::new(LEFT, join_key);
    let id = value_bytes(&Value::Struct(left.id.clone()));
    let was_there = if left.is_there {
        lefts.push(state, &id, Value::Struct(left.row.clone()))?
    } else {
        lefts.remove(state, &id)?
    };
    let right = right_row(join_key, state)?;
    let pair = if left.is_there { joined.pair(&left.row, right.as_deref())? } else { None };
    // A row that was never joined and is not now needs no telling.
    let is_told = was_there || pair.is_some();
    Ok(is_told.then(|| joined.tell(&left.row, pair)).into_iter().collect())
}

/// A stream's record meets the table as it is now, and is not kept.
fn event_came(
    joined: &Joined<'_>,
    join_key: &[u8],
    left: &[Value],
    state: &mut dyn State,
) -> Result<Emissions, StepError> {
    let right = right_row(join_key, state)?;
    let pair = joined.pair(left, right.as_deref())?;
    Ok(pair.map(|pair| joined.tell(left, Some(pair))).into_iter().collect())
}

fn right_place(join_key: &[u8]) -> Vec<u8> {
    [&[RIGHT], join_key].concat()
}

fn right_row(join_key: &[u8], state: &mut dyn State) -> Result<Option<Vec<Value>>, StepError> {
    match state.get(&right_place(join_key))? {
        None => Ok(None),
        Some(Value::Struct(row)) => Ok(Some(row)),
        Some(_) => Err(StepError::Damaged("a join's state")),
    }
}

impl Joined<'_> {
    /// The value of a joined row; none where nothing is on the right of an inner join, or where the pair does not pass.
    fn pair(&self, left: &[Value], right: Option<&[Value]>) -> Result<Option<Vec<Value>>, StepError> {
        if left.len() != self.left_width || right.is_some_and(|right| right.len() != self.right_width) {
            return Err(StepError::Damaged("a row of another version"));
        }
        if right.is_none() && !self.is_outer {
            return Ok(None);
        }
        let nulls = vec![Value::Null; self.right_width];
        let row = [left, right.unwrap_or(&nulls)].concat();
        let passes = self.filter.is_none_or(|filter| filter.holds(&row));
        Ok(passes.then(|| evaluated(self.value, &row)))
    }

    fn tell(&self, left: &[Value], value: Option<Vec<Value>>) -> Emission {
        Emission::Sink { key: evaluated(self.key, left), value }
    }
}
