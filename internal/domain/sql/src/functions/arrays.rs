//! Functions over arrays. Elements are the same when they are equal in SQL, and nulls are the same.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use millstream_model::{Type, Value};

use super::arguments::{array, at, count, int, or_null, text};
use super::{Body, Definition, Entry};
use crate::eval::{Failure, Outcome, compare};

const CATEGORY: &str = "ARRAY";

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition {
        name: "ARRAY_LENGTH",
        category: CATEGORY,
        about: "How many elements an array has.",
        entries: &[Entry::new("array ARRAY<T> -> INT", Body::One(|a| count(array(a)?.len())))],
    },
    Definition {
        name: "ARRAY_CONTAINS",
        category: CATEGORY,
        about: "Whether a value is in an array.",
        entries: &[Entry::new(
            "array ARRAY<T>, value T -> BOOLEAN",
            Body::Lenient(|a| Ok(Value::Boolean(!at(a, 0).is_null() && array(at(a, 0))?.contains(at(a, 1))))),
        )],
    },
    Definition {
        name: "ARRAY_CONCAT",
        category: CATEGORY,
        about: "The elements of both arrays; one that is null has none.",
        entries: &[Entry::new("left ARRAY<T>, right ARRAY<T> -> ARRAY<T>", Body::Lenient(concat))],
    },
    Definition {
        name: "ARRAY_DISTINCT",
        category: CATEGORY,
        about: "Each different element once, in the order of their first coming.",
        entries: &[Entry::new(
            "array ARRAY<T> -> ARRAY<T>",
            Body::One(|a| Ok(distinct(array(a)?, |_| true))),
        )],
    },
    Definition {
        name: "ARRAY_EXCEPT",
        category: CATEGORY,
        about: "Each different element of one array that is not in the other.",
        entries: &[Entry::new(
            "left ARRAY<T>, right ARRAY<T> -> ARRAY<T>",
            Body::Two(|a, b| {
                let right: BTreeSet<_> = array(b)?.iter().collect();
                Ok(distinct(array(a)?, |value| !right.contains(value)))
            }),
        )],
    },
    Definition {
        name: "ARRAY_INTERSECT",
        category: CATEGORY,
        about: "Each different element of one array that is in the other too.",
        entries: &[Entry::new(
            "left ARRAY<T>, right ARRAY<T> -> ARRAY<T>",
            Body::Two(|a, b| {
                let right: BTreeSet<_> = array(b)?.iter().collect();
                Ok(distinct(array(a)?, |value| right.contains(value)))
            }),
        )],
    },
    Definition {
        name: "ARRAY_UNION",
        category: CATEGORY,
        about: "Each different element of both arrays.",
        entries: &[Entry::new(
            "left ARRAY<T>, right ARRAY<T> -> ARRAY<T>",
            Body::Two(|a, b| Ok(distinct(array(a)?.iter().chain(array(b)?), |_| true))),
        )],
    },
    Definition {
        name: "ARRAY_JOIN",
        category: CATEGORY,
        about: "The elements as texts, with a separator between them, which is a comma unless it is given.",
        entries: &[
            Entry::new("array ARRAY<T> -> STRING", Body::Lenient(join)),
            Entry::new("array ARRAY<T>, separator STRING -> STRING", Body::Lenient(join)),
        ],
    },
    Definition {
        name: "ARRAY_MAX",
        category: CATEGORY,
        about: "The greatest element, nulls left out.",
        entries: &[Entry::typed(
            "array ARRAY<T> -> T",
            ordered_element,
            Body::One(|a| extreme(a, Ordering::Greater)),
        )],
    },
    Definition {
        name: "ARRAY_MIN",
        category: CATEGORY,
        about: "The least element, nulls left out.",
        entries: &[Entry::typed(
            "array ARRAY<T> -> T",
            ordered_element,
            Body::One(|a| extreme(a, Ordering::Less)),
        )],
    },
    Definition {
        name: "ARRAY_REMOVE",
        category: CATEGORY,
        about: "The array without the elements that equal a value.",
        entries: &[Entry::new("array ARRAY<T>, value T -> ARRAY<T>", Body::Lenient(remove))],
    },
    Definition {
        name: "ARRAY_SORT",
        category: CATEGORY,
        about: "The elements in order, or with 'DESC' from the greatest to the least; nulls come last.",
        entries: &[
            Entry::typed("array ARRAY<T> -> ARRAY<T>", ordered_array, Body::Strict(sort)),
            Entry::typed("array ARRAY<T>, direction STRING -> ARRAY<T>", ordered_array, Body::Strict(sort)),
        ],
    },
    Definition {
        name: "SLICE",
        category: CATEGORY,
        about: "The elements from one place to another, both counted from 1 and both included.",
        entries: &[Entry::new("array ARRAY<T>, from INT, to INT -> ARRAY<T>", Body::Lenient(slice))],
    },
];

fn element(types: &[Type]) -> Option<&Type> {
    match types.first()? {
        Type::Array(element) => Some(element),
        _ => None,
    }
}

/// Arrays, maps and structs have no order.
fn ordered_element(types: &[Type]) -> Option<Type> {
    element(types).filter(|ty| !matches!(ty, Type::Array(_) | Type::Map(..) | Type::Struct(_))).cloned()
}

fn ordered_array(types: &[Type]) -> Option<Type> {
    ordered_element(types).map(|ty| Type::Array(Box::new(ty)))
}

fn concat(values: &[&Value]) -> Outcome {
    let (left, right) = (at(values, 0), at(values, 1));
    if left.is_null() && right.is_null() {
        return Ok(Value::Null);
    }
    let elements =
        |value: &Value| if value.is_null() { Ok(Vec::new()) } else { array(value).map(<[Value]>::to_vec) };
    let mut all = elements(left)?;
    all.extend(elements(right)?);
    Ok(Value::Array(all))
}

fn distinct<'v>(values: impl IntoIterator<Item = &'v Value>, is_kept: impl Fn(&Value) -> bool) -> Value {
    let mut seen = BTreeSet::new();
    let kept = values.into_iter().filter(|value| is_kept(value) && seen.insert(*value));
    Value::Array(kept.cloned().collect())
}

/// A null separator is an empty one.
fn join(values: &[&Value]) -> Outcome {
    if at(values, 0).is_null() {
        return Ok(Value::Null);
    }
    let separator = values.get(1).map_or(",", |separator| separator.as_text().unwrap_or_default());
    let texts = array(at(values, 0))?.iter().map(|value| match value {
        Value::Array(_) | Value::Map(_) | Value::Struct(_) | Value::Bytes(_) => {
            Err(Failure::new("arrays, maps, structs and bytes can't be joined as texts"))
        }
        value => Ok(crate::eval::text_of(value, &Type::String)),
    });
    Ok(Value::text(texts.collect::<Result<Vec<_>, _>>()?.join(separator)))
}

fn extreme(value: &Value, side: Ordering) -> Outcome {
    let known = array(value)?.iter().filter(|value| !value.is_null());
    let best = known.reduce(|best, value| if compare(value, best) == Some(side) { value } else { best });
    Ok(or_null(best.cloned()))
}

fn remove(values: &[&Value]) -> Outcome {
    if at(values, 0).is_null() {
        return Ok(Value::Null);
    }
    let kept = array(at(values, 0))?.iter().filter(|value| *value != at(values, 1));
    Ok(Value::Array(kept.cloned().collect()))
}

/// Another direction than those that are known gives null.
fn sort(values: &[&Value]) -> Outcome {
    let direction = values.get(1).map_or(Ok("ASC"), |direction| text(direction))?.to_uppercase();
    let is_descending = match direction.as_str() {
        "ASC" | "ASCENDING" => false,
        "DESC" | "DESCENDING" => true,
        _ => return Ok(Value::Null),
    };
    let mut sorted = array(at(values, 0))?.to_vec();
    sorted.sort_by(|left, right| {
        let nulls = left.is_null().cmp(&right.is_null());
        let order = if is_descending { right.cmp(left) } else { left.cmp(right) };
        nulls.then(order)
    });
    Ok(Value::Array(sorted))
}

/// Places outside of the array give null.
fn slice(values: &[&Value]) -> Outcome {
    if at(values, 0).is_null() {
        return Ok(Value::Null);
    }
    let elements = array(at(values, 0))?;
    let place = |value: &Value, otherwise: usize| {
        if value.is_null() {
            Ok(Some(otherwise))
        } else {
            int(value).map(|place| usize::try_from(place).ok())
        }
    };
    let (from, to) = (place(at(values, 1), 1)?, place(at(values, 2), elements.len())?);
    let part = from.and_then(|from| elements.get(from.checked_sub(1)?..to?));
    Ok(or_null(part.map(|part| Value::Array(part.to_vec()))))
}
