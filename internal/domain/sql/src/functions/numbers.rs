//! Functions over numbers that keep or forget their type.

use millstream_model::{Decimal, Type, Value};

use super::arguments::{double, long};
use super::{Body, Definition, Entry};
use crate::eval::{Failure, Outcome};

const CATEGORY: &str = "MATHEMATICAL";

pub(super) fn same(types: &[Type]) -> Option<Type> {
    types.first().cloned()
}

const fn each(body: fn(&Value) -> Outcome) -> [Entry; 4] {
    [
        Entry::new("value INT -> INT", Body::One(body)),
        Entry::new("value BIGINT -> BIGINT", Body::One(body)),
        Entry::new("value DOUBLE -> DOUBLE", Body::One(body)),
        Entry::typed("value DECIMAL -> DECIMAL", same, Body::One(body)),
    ]
}

const fn sign(body: fn(&Value) -> Outcome) -> [Entry; 3] {
    [
        Entry::new("value INT -> INT", Body::One(body)),
        Entry::new("value BIGINT -> INT", Body::One(body)),
        Entry::new("value DOUBLE -> INT", Body::One(body)),
    ]
}

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition {
        name: "ABS",
        category: CATEGORY,
        about: "The number without its sign.",
        entries: &each(abs),
    },
    Definition {
        name: "CEIL",
        category: CATEGORY,
        about: "The least whole number that is not below the number.",
        entries: &each(|a| stepped(a, f64::ceil, Decimal::ceil)),
    },
    Definition {
        name: "FLOOR",
        category: CATEGORY,
        about: "The greatest whole number that is not above the number.",
        entries: &each(|a| stepped(a, f64::floor, Decimal::floor)),
    },
    Definition {
        name: "SIGN",
        category: CATEGORY,
        about: "-1, 0 or 1, as the number is below, at or above zero.",
        entries: &sign(|a| match a {
            Value::Double(value) => Ok(Value::Int(i32::from(*value > 0.0) - i32::from(*value < 0.0))),
            whole => long(whole).map(|whole| Value::Int(i32::from(whole > 0) - i32::from(whole < 0))),
        }),
    },
    Definition {
        name: "GENERATE_SERIES",
        category: "ARRAY",
        about: "The whole numbers from one to another, in steps of 1 or as is said.",
        entries: &[
            Entry::new("from INT, to INT -> ARRAY<INT>", Body::Strict(|a| series(a, as_int))),
            Entry::new("from INT, to INT, step INT -> ARRAY<INT>", Body::Strict(|a| series(a, as_int))),
            Entry::new("from BIGINT, to BIGINT -> ARRAY<BIGINT>", Body::Strict(|a| series(a, as_long))),
            Entry::new(
                "from BIGINT, to BIGINT, step INT -> ARRAY<BIGINT>",
                Body::Strict(|a| series(a, as_long)),
            ),
        ],
    },
];

fn abs(value: &Value) -> Outcome {
    let positive = match value {
        Value::Int(value) => value.checked_abs().map(Value::Int),
        Value::Bigint(value) => value.checked_abs().map(Value::Bigint),
        Value::Decimal(value) => value.checked_abs().map(Value::Decimal),
        other => return double(other).map(|value| Value::Double(value.abs())),
    };
    positive.ok_or_else(|| Failure::overflow("its type"))
}

/// Whole numbers stay what they are; decimals keep their scale.
fn stepped(value: &Value, floating: fn(f64) -> f64, exact: fn(Decimal) -> Option<Decimal>) -> Outcome {
    match value {
        Value::Double(value) => Ok(Value::Double(floating(*value))),
        Value::Decimal(value) => exact(*value)
            .and_then(|stepped| stepped.rescale(value.scale()))
            .map(Value::Decimal)
            .ok_or_else(|| Failure::overflow("DECIMAL")),
        whole => Ok(whole.clone()),
    }
}

fn as_int(value: i64) -> Value {
    i32::try_from(value).map_or(Value::Null, Value::Int)
}

fn as_long(value: i64) -> Value {
    Value::Bigint(value)
}

/// The most numbers in a series: what a record says must not fill the memory.
const SERIES_MAX: i128 = 1 << 20;

fn series(values: &[&Value], made: fn(i64) -> Value) -> Outcome {
    let mut numbers = values.iter().map(|value| long(value).map(i128::from));
    let mut next = || numbers.next().unwrap_or(Ok(0));
    let (from, to) = (next()?, next()?);
    let step = if values.len() > 2 {
        next()?
    } else if to > from {
        1
    } else {
        -1
    };
    if step == 0 || (to - from).signum() * step.signum() < 0 {
        return Err(Failure::new("the step does not lead from the first number to the last"));
    }
    let last = (to - from) / step;
    if last >= SERIES_MAX {
        return Err(Failure::new(format!("a series has at most {SERIES_MAX} numbers")));
    }
    let number =
        |place| i64::try_from(from + place * step).map(made).map_err(|_| Failure::overflow("BIGINT"));
    (0..=last).map(number).collect::<Result<_, _>>().map(Value::Array)
}
