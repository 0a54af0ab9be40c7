use millstream_model::Value;

use super::{Emission, Emissions, SourceRecord, State, StepError, evaluated, row, value_bytes};
use crate::eval::Bound;

/// Prefixes of the state's keys: the right row, and the left rows, of one join key.
const RIGHT: u8 = b'r';
const LEFT: u8 = b'l';

/// What marks the side that a record between the steps came from.
const FROM_LEFT: i32 = 0;
const FROM_RIGHT: i32 = 1;

pub(super) struct Joined<'a> {
    pub(super) filter: Option<&'a Bound>,
    pub(super) value: &'a [Bound],
    pub(super) left_width: usize,
    pub(super) right_width: usize,
}

fn send(join_key: Value, side: i32, record: &SourceRecord) -> Emissions {
    if join_key.is_null() {
        return Vec::new();
    }
    let whole = record.value.as_ref().map_or(Value::Null, |value| Value::Struct(row(record, value)));
    let message = Value::Struct(vec![Value::Int(side), Value::Struct(record.key.clone()), whole]);
    vec![Emission::Repartition { key: value_bytes(&join_key), message }]
}

/// A left row goes to where the right row of its join key is. The key's columns are all that a tombstone has, and all
/// that the expression looks at.
pub(super) fn on_left(on: &Bound, record: &SourceRecord) -> Emissions {
    let row = row(record, record.value.as_deref().unwrap_or_default());
    send(on.eval(&row), FROM_LEFT, record)
}

pub(super) fn on_right(record: &SourceRecord) -> Emissions {
    send(record.key.first().cloned().unwrap_or(Value::Null), FROM_RIGHT, record)
}

/// Keeps both sides' rows of one join key, and tells the joined rows that a change of either makes.
pub(super) fn on_key(
    joined: &Joined<'_>,
    key: &[u8],
    message: Value,
    state: &mut dyn State,
) -> Result<Emissions, StepError> {
    let Value::Struct(parts) = message else { return Err(StepError::Damaged("a join's record")) };
    let Ok([Value::Int(side), Value::Struct(id), row]) = <[Value; 3]>::try_from(parts) else {
        return Err(StepError::Damaged("a join's record"));
    };
    let (left_place, right_place) = ([&[LEFT][..], key].concat(), [&[RIGHT][..], key].concat());
    let lefts = match state.get(&left_place)? {
        None => Vec::new(),
        Some(Value::Array(lefts)) => lefts,
        Some(_) => return Err(StepError::Damaged("a join's state")),
    };
    if side == FROM_RIGHT {
        state.put(&right_place, Some(&row).filter(|row| !row.is_null()))?;
        return lefts.into_iter().map(|left| pair(joined, left, &row)).collect();
    }
    let right = state.get(&right_place)?.unwrap_or(Value::Null);
    let id = Value::Struct(id);
    let is_this = |left: &Value| matches!(left, Value::Struct(parts) if parts.first() == Some(&id));
    let known = lefts.iter().any(is_this);
    let mut kept: Vec<Value> = lefts.into_iter().filter(|left| !is_this(left)).collect();
    let this = Value::Struct(vec![id, row.clone()]);
    if !row.is_null() {
        kept.push(this.clone());
    }
    state.put(
        &left_place,
        Some(&Value::Array(kept)).filter(|kept| !matches!(kept, Value::Array(kept) if kept.is_empty())),
    )?;
    // A row that was never joined and is not now needs no telling.
    let is_told = known || !(row.is_null() || right.is_null());
    if is_told { Ok(vec![pair(joined, this, &right)?]) } else { Ok(Vec::new()) }
}

/// The joined row of a left row, as it is kept, and a right one; gone where either is, or where the pair does not pass.
fn pair(joined: &Joined<'_>, left: Value, right: &Value) -> Result<Emission, StepError> {
    let Value::Struct(parts) = left else { return Err(StepError::Damaged("a join's state")) };
    let Ok([Value::Struct(key), left]) = <[Value; 2]>::try_from(parts) else {
        return Err(StepError::Damaged("a join's state"));
    };
    let value = match (left, right) {
        (Value::Struct(left), Value::Struct(right)) => {
            if left.len() != joined.left_width || right.len() != joined.right_width {
                return Err(StepError::Damaged("a row of another version"));
            }
            let row = [left, right.clone()].concat();
            joined.filter.is_none_or(|filter| filter.holds(&row)).then(|| evaluated(joined.value, &row))
        }
        _ => None,
    };
    Ok(Emission::Sink { key, value })
}
