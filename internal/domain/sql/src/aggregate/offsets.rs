//! The first and the last values. A value that is kept stands in a struct, so that a null that is kept differs from none.

use millstream_model::Value;

use super::elements;

fn passes(value: &Value, ignores_nulls: bool) -> bool {
    !(ignores_nulls && value.is_null())
}

pub(super) fn earliest(state: Value, value: &Value, ignores_nulls: bool) -> Value {
    if state.is_null() && passes(value, ignores_nulls) { Value::Struct(vec![value.clone()]) } else { state }
}

pub(super) fn latest(state: Value, value: &Value, ignores_nulls: bool) -> Value {
    if passes(value, ignores_nulls) { Value::Struct(vec![value.clone()]) } else { state }
}

pub(super) fn earliest_of(state: Value, value: &Value, ignores_nulls: bool, count: usize) -> Value {
    let mut all = elements(state);
    if passes(value, ignores_nulls) && all.len() < count {
        all.push(value.clone());
    }
    Value::Array(all)
}

pub(super) fn latest_of(state: Value, value: &Value, ignores_nulls: bool, count: usize) -> Value {
    let mut all = elements(state);
    if passes(value, ignores_nulls) {
        all.push(value.clone());
        all.drain(..all.len().saturating_sub(count));
    }
    Value::Array(all)
}

/// The first state that keeps something.
pub(super) fn keep(first: Value, second: Value) -> Value {
    if first.is_null() { second } else { first }
}

pub(super) fn first_of(first: Value, second: Value, count: usize) -> Value {
    let mut all = elements(first);
    all.extend(elements(second));
    all.truncate(count);
    Value::Array(all)
}

pub(super) fn last_of(first: Value, second: Value, count: usize) -> Value {
    let mut all = elements(first);
    all.extend(elements(second));
    all.drain(..all.len().saturating_sub(count));
    Value::Array(all)
}

pub(super) fn kept(state: &Value) -> Value {
    match state {
        Value::Struct(parts) => parts.first().cloned().unwrap_or(Value::Null),
        _ => Value::Null,
    }
}
