//! Functions that choose among values, and those that look into arrays and maps.

use std::cmp::Ordering;

use millstream_model::{Type, Value};

use super::{Function, MANY};
use crate::eval::compare;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("COALESCE", (1, MANY), first, first_known).unifying(),
    Function::new("IFNULL", (2, 2), first, first_known).unifying(),
    Function::new("NULLIF", (2, 2), first, |a| {
        let (value, other) = (a.first()?, a.get(1)?);
        (compare(value, other) != Some(Ordering::Equal)).then(|| value.clone())
    })
    .unifying(),
    Function::new("GREATEST", (1, MANY), ordered, |a| extreme(a, Ordering::Greater)).unifying(),
    Function::new("LEAST", (1, MANY), ordered, |a| extreme(a, Ordering::Less)).unifying(),
    // A key column's value, as a column of the value.
    Function::new("AS_VALUE", (1, 1), first, |a| a.first().cloned()),
    Function::new(
        "ARRAY_LENGTH",
        (1, 1),
        |a| matches!(a, [Type::Array(_)]).then_some(Type::Int),
        |a| match a {
            [Value::Array(elements)] => i32::try_from(elements.len()).ok().map(Value::Int),
            _ => None,
        },
    ),
    Function::new("ARRAY_CONTAINS", (2, 2), element_type, |a| match a {
        [Value::Array(elements), value] => Some(Value::Boolean(elements.contains(value))),
        _ => None,
    }),
    Function::new(
        "MAP_KEYS",
        (1, 1),
        |a| match a {
            [Type::Map(key, _)] => Some(Type::Array(key.clone())),
            _ => None,
        },
        |a| match a {
            [Value::Map(map)] => Some(Value::Array(map.keys().cloned().collect())),
            _ => None,
        },
    ),
];

fn first(arguments: &[Type]) -> Option<Type> {
    arguments.first().cloned()
}

fn ordered(arguments: &[Type]) -> Option<Type> {
    arguments.first().filter(|ty| ty.is_number() || matches!(ty, Type::String | Type::Timestamp)).cloned()
}

fn element_type(arguments: &[Type]) -> Option<Type> {
    match arguments {
        [Type::Array(element), of] if **element == *of => Some(Type::Boolean),
        _ => None,
    }
}

fn first_known(arguments: &[Value]) -> Option<Value> {
    arguments.iter().find(|value| !value.is_null()).cloned()
}

/// Nulls are left out.
fn extreme(arguments: &[Value], side: Ordering) -> Option<Value> {
    let known = arguments.iter().filter(|value| !value.is_null());
    known.reduce(|best, value| if compare(value, best) == Some(side) { value } else { best }).cloned()
}
