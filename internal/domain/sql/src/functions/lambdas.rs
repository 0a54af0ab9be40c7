//! Functions that apply a lambda to the elements of an array or a map.

use millstream_model::Value;

use super::arguments::{array, at, map};
use super::{Body, Definition, Entry};
use crate::eval::{Failure, Lambda, Outcome};

const CATEGORY: &str = "LAMBDA";

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition {
        name: "TRANSFORM",
        category: CATEGORY,
        about: "What a lambda makes of each element of an array, or two of them of each key and value of a map.",
        entries: &[
            Entry::new("array ARRAY<T>, element T => R -> ARRAY<R>", Body::Lambdas(transform)),
            Entry::new(
                "map MAP<K, V>, key (K, V) => R, value (K, V) => S -> MAP<R, S>",
                Body::Lambdas(transform_map),
            ),
        ],
    },
    Definition {
        name: "FILTER",
        category: CATEGORY,
        about: "The elements of an array, or the entries of a map, for which a lambda is true.",
        entries: &[
            Entry::new("array ARRAY<T>, condition T => BOOLEAN -> ARRAY<T>", Body::Lambdas(filter)),
            Entry::new("map MAP<K, V>, condition (K, V) => BOOLEAN -> MAP<K, V>", Body::Lambdas(filter_map)),
        ],
    },
    Definition {
        name: "REDUCE",
        category: CATEGORY,
        about: "What a lambda makes of a first value and each element of an array or each entry of a map in turn.",
        entries: &[
            Entry::new("array ARRAY<T>, start S, step (S, T) => S -> S", Body::Lambdas(reduce)),
            Entry::new("map MAP<K, V>, start S, step (S, K, V) => S -> S", Body::Lambdas(reduce_map)),
        ],
    },
];

fn lambda<'l, 'f>(lambdas: &'l [Lambda<'f>], place: usize) -> Result<&'l Lambda<'f>, Failure> {
    lambdas.get(place).ok_or_else(|| Failure::new("a lambda is missing"))
}

fn transform(values: &[&Value], lambdas: &[Lambda<'_>]) -> Outcome {
    let (of, made) = (at(values, 0), lambda(lambdas, 0)?);
    if of.is_null() {
        return Ok(Value::Null);
    }
    array(of)?.iter().map(|value| made.apply([value])).collect::<Result<_, _>>().map(Value::Array)
}

fn transform_map(values: &[&Value], lambdas: &[Lambda<'_>]) -> Outcome {
    let (of, key, value) = (at(values, 0), lambda(lambdas, 0)?, lambda(lambdas, 1)?);
    if of.is_null() {
        return Ok(Value::Null);
    }
    let mut made = std::collections::BTreeMap::new();
    for (k, v) in map(of)? {
        if made.insert(key.apply([k, v])?, value.apply([k, v])?).is_some() {
            return Err(Failure::new("two entries came to have one key"));
        }
    }
    Ok(Value::Map(made))
}

/// Neither true nor false is a failure: it would not be known whether to keep it.
fn is_kept(truth: &Value) -> Result<bool, Failure> {
    match truth {
        Value::Boolean(truth) => Ok(*truth),
        _ => Err(Failure::new("the condition came to null")),
    }
}

fn filter(values: &[&Value], lambdas: &[Lambda<'_>]) -> Outcome {
    let (of, condition) = (at(values, 0), lambda(lambdas, 0)?);
    if of.is_null() {
        return Ok(Value::Null);
    }
    let mut kept = Vec::new();
    for value in array(of)? {
        if is_kept(&condition.apply([value])?)? {
            kept.push(value.clone());
        }
    }
    Ok(Value::Array(kept))
}

fn filter_map(values: &[&Value], lambdas: &[Lambda<'_>]) -> Outcome {
    let (of, condition) = (at(values, 0), lambda(lambdas, 0)?);
    if of.is_null() {
        return Ok(Value::Null);
    }
    let mut kept = std::collections::BTreeMap::new();
    for (key, value) in map(of)? {
        if is_kept(&condition.apply([key, value])?)? {
            kept.insert(key.clone(), value.clone());
        }
    }
    Ok(Value::Map(kept))
}

/// Without a first value there is none to go on from; of no array it is the result.
fn reduce(values: &[&Value], lambdas: &[Lambda<'_>]) -> Outcome {
    let (of, start, step) = (at(values, 0), at(values, 1), lambda(lambdas, 0)?);
    if start.is_null() || of.is_null() {
        return Ok(start.clone());
    }
    array(of)?.iter().try_fold(start.clone(), |state, value| step.apply([&state, value]))
}

fn reduce_map(values: &[&Value], lambdas: &[Lambda<'_>]) -> Outcome {
    let (of, start, step) = (at(values, 0), at(values, 1), lambda(lambdas, 0)?);
    if start.is_null() || of.is_null() {
        return Ok(start.clone());
    }
    map(of)?.iter().try_fold(start.clone(), |state, (key, value)| step.apply([&state, key, value]))
}
