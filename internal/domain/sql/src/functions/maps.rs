//! Functions over maps. What comes out in an order is in the order of the keys.

use millstream_model::Value;

use super::arguments::{array, at, map};
use super::{Body, Definition, Entry};
use crate::eval::Outcome;

const CATEGORY: &str = "MAP";

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition {
        name: "AS_MAP",
        category: CATEGORY,
        about: "A map of the keys of one array and the values of another.",
        entries: &[Entry::new("keys ARRAY<STRING>, values ARRAY<T> -> MAP<STRING, T>", Body::Two(as_map))],
    },
    Definition {
        name: "MAP_KEYS",
        category: CATEGORY,
        about: "The keys of a map.",
        entries: &[Entry::new(
            "map MAP<K, V> -> ARRAY<K>",
            Body::One(|a| Ok(Value::Array(map(a)?.keys().cloned().collect()))),
        )],
    },
    Definition {
        name: "MAP_VALUES",
        category: CATEGORY,
        about: "The values of a map.",
        entries: &[Entry::new(
            "map MAP<K, V> -> ARRAY<V>",
            Body::One(|a| Ok(Value::Array(map(a)?.values().cloned().collect()))),
        )],
    },
    Definition {
        name: "MAP_UNION",
        category: CATEGORY,
        about: "The entries of both maps; of two with one key the second map's counts, and a map that is null has none.",
        entries: &[Entry::new("map MAP<K, V>, more MAP<K, V> -> MAP<K, V>", Body::Lenient(union))],
    },
    Definition {
        name: "ENTRIES",
        category: "ARRAY",
        about: "The entries of a map as structs of K and V, sorted by key where that is asked for.",
        entries: &[
            Entry::new(
                "map MAP<STRING, INT>, sorted BOOLEAN -> ARRAY<STRUCT<K STRING, V INT>>",
                Body::Two(entries),
            ),
            Entry::new(
                "map MAP<STRING, BIGINT>, sorted BOOLEAN -> ARRAY<STRUCT<K STRING, V BIGINT>>",
                Body::Two(entries),
            ),
            Entry::new(
                "map MAP<STRING, DOUBLE>, sorted BOOLEAN -> ARRAY<STRUCT<K STRING, V DOUBLE>>",
                Body::Two(entries),
            ),
            Entry::new(
                "map MAP<STRING, BOOLEAN>, sorted BOOLEAN -> ARRAY<STRUCT<K STRING, V BOOLEAN>>",
                Body::Two(entries),
            ),
            Entry::new(
                "map MAP<STRING, STRING>, sorted BOOLEAN -> ARRAY<STRUCT<K STRING, V STRING>>",
                Body::Two(entries),
            ),
        ],
    },
];

/// A key without a value has null; a null is no key.
fn as_map(keys: &Value, values: &Value) -> Outcome {
    let rest = array(values)?.iter().cloned().chain(std::iter::repeat(Value::Null));
    let entries = array(keys)?.iter().cloned().zip(rest).filter(|(key, _)| !key.is_null());
    Ok(Value::Map(entries.collect()))
}

fn union(values: &[&Value]) -> Outcome {
    let (first, second) = (at(values, 0), at(values, 1));
    if first.is_null() && second.is_null() {
        return Ok(Value::Null);
    }
    let mut all = if first.is_null() { std::collections::BTreeMap::new() } else { map(first)?.clone() };
    if !second.is_null() {
        all.extend(map(second)?.clone());
    }
    Ok(Value::Map(all))
}

/// They are sorted in any case.
fn entries(of: &Value, _sorted: &Value) -> Outcome {
    let entry = |(key, value): (&Value, &Value)| Value::Struct(vec![key.clone(), value.clone()]);
    Ok(Value::Array(map(of)?.iter().map(entry).collect()))
}
