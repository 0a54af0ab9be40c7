//! `COLLECT_LIST` and `COLLECT_SET`; nulls are values too.

use millstream_model::Value;

use super::elements;

pub(super) fn list(state: Value, value: Value, limit: usize) -> Value {
    let mut all = elements(state);
    if all.len() < limit {
        all.push(value);
    }
    Value::Array(all)
}

pub(super) fn set(state: Value, value: &Value, limit: usize) -> Value {
    let mut all = elements(state);
    if all.len() < limit && !all.contains(value) {
        all.push(value.clone());
    }
    Value::Array(all)
}

/// Takes the last of the values that equal this one out.
pub(super) fn undo(state: Value, value: &Value) -> Value {
    let mut all = elements(state);
    if let Some(place) = all.iter().rposition(|known| known == value) {
        all.remove(place);
    }
    Value::Array(all)
}

pub(super) fn merge(
    first: Value,
    second: Value,
    limit: usize,
    add: fn(Value, &Value, usize) -> Value,
) -> Value {
    elements(second).iter().fold(first, |state, value| add(state, value, limit))
}
