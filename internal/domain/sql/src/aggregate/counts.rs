//! Counts of rows and of values.

use std::collections::BTreeMap;

use millstream_model::Value;

use super::elements;

/// The most different values that a histogram counts.
const DIFFERENT_MAX: usize = 1000;

/// A row counts unless its argument is null; without an argument every row does.
pub(super) fn count(state: Value, arguments: &[Value], by: i64) -> Value {
    if arguments.first().is_some_and(Value::is_null) {
        return state;
    }
    sum(&state, &Value::Bigint(by))
}

pub(super) fn sum(first: &Value, second: &Value) -> Value {
    let number = |value: &Value| if let Value::Bigint(number) = value { *number } else { 0 };
    Value::Bigint(number(first).saturating_add(number(second)))
}

fn counted(state: Value) -> BTreeMap<Value, Value> {
    match state {
        Value::Map(map) => map,
        _ => BTreeMap::new(),
    }
}

fn add_to(map: &mut BTreeMap<Value, Value>, value: &Value, by: &Value) {
    if let Some(known) = map.get_mut(value) {
        *known = sum(known, by);
    } else if map.len() < DIFFERENT_MAX {
        map.insert(value.clone(), by.clone());
    }
}

pub(super) fn histogram(state: Value, value: &Value) -> Value {
    let mut map = counted(state);
    if !value.is_null() {
        add_to(&mut map, value, &Value::Bigint(1));
    }
    Value::Map(map)
}

/// A value that does not come any more is left out.
pub(super) fn undo_histogram(state: Value, value: &Value) -> Value {
    let mut map = counted(state);
    match map.get_mut(value) {
        Some(Value::Bigint(count)) if *count > 1 => *count -= 1,
        _ => drop(map.remove(value)),
    }
    Value::Map(map)
}

pub(super) fn merge_histograms(first: Value, second: Value) -> Value {
    let mut map = counted(first);
    for (value, by) in counted(second) {
        add_to(&mut map, &value, &by);
    }
    Value::Map(map)
}

/// ATTR keeps each value and how often it came, as pairs.
pub(super) fn attribute(state: Value, value: &Value, by: i64) -> Value {
    let mut pairs = elements(state);
    let known = pairs.iter_mut().find_map(|pair| match pair {
        Value::Struct(parts) => match parts.as_mut_slice() {
            [known, count] if known == value => Some(count),
            _ => None,
        },
        _ => None,
    });
    match known {
        Some(count) => *count = sum(count, &Value::Bigint(by)),
        None if by > 0 => pairs.push(Value::Struct(vec![value.clone(), Value::Bigint(by)])),
        None => {}
    }
    pairs.retain(|pair| counts_of(pair) > 0);
    Value::Array(pairs)
}

fn counts_of(pair: &Value) -> i64 {
    match pair {
        Value::Struct(parts) => match parts.as_slice() {
            [_, Value::Bigint(count)] => *count,
            _ => 0,
        },
        _ => 0,
    }
}

pub(super) fn merge_attributes(first: Value, second: Value) -> Value {
    elements(second).iter().fold(first, |state, pair| match pair {
        Value::Struct(parts) => {
            parts.first().map_or(Value::Null, |value| attribute(state, value, counts_of(pair)))
        }
        _ => state,
    })
}

/// The value, where there is only one.
pub(super) fn only(state: &Value) -> Value {
    match state {
        Value::Array(pairs) => match pairs.as_slice() {
            [Value::Struct(parts)] => parts.first().cloned().unwrap_or(Value::Null),
            _ => Value::Null,
        },
        _ => Value::Null,
    }
}
