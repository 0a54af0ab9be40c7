//! TOPK and TOPKDISTINCT: the greatest values, from the greatest on.

use std::cmp::Ordering;

use millstream_model::Value;

use super::elements;
use crate::eval::compare;

/// What an entry is ordered by: itself, or the first field of a struct.
fn rank(entry: &Value) -> &Value {
    match entry {
        Value::Struct(fields) => fields.first().unwrap_or(entry),
        entry => entry,
    }
}

fn is_above(one: &Value, other: &Value) -> bool {
    compare(rank(one), rank(other)) == Some(Ordering::Greater)
}

/// Of two that are equal the one that came first stays first.
fn insert(all: &mut Vec<Value>, entry: Value, count: usize) {
    let place = all.iter().position(|known| is_above(&entry, known)).unwrap_or(all.len());
    if place < count {
        all.insert(place, entry);
        all.truncate(count);
    }
}

pub(super) fn add(state: Value, arguments: &[Value], count: usize) -> Value {
    let mut all = elements(state);
    match arguments {
        [] | [Value::Null, ..] => {}
        [only] => insert(&mut all, only.clone(), count),
        several => insert(&mut all, Value::Struct(several.to_vec()), count),
    }
    Value::Array(all)
}

pub(super) fn add_distinct(state: Value, value: &Value, count: usize) -> Value {
    let mut all = elements(state);
    let is_known = all.iter().any(|known| compare(known, value) == Some(Ordering::Equal));
    if !value.is_null() && !is_known {
        insert(&mut all, value.clone(), count);
    }
    Value::Array(all)
}

pub(super) fn merge(first: Value, second: Value, count: usize) -> Value {
    let mut all = elements(first);
    for entry in elements(second) {
        insert(&mut all, entry, count);
    }
    Value::Array(all)
}
