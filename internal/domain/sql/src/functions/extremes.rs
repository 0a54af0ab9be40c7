//! GREATEST and LEAST, which leave nulls out.

use std::cmp::Ordering;

use millstream_model::{Decimal, Type, Value};

use super::arguments::or_null;
use super::{Body, Definition, Entry};
use crate::bind::widened;
use crate::eval::{Outcome, compare};

const fn entries(body: fn(&[&Value]) -> Outcome) -> [Entry; 9] {
    [
        Entry::new("value INT, others INT... -> INT", Body::Lenient(body)),
        Entry::new("value BIGINT, others BIGINT... -> BIGINT", Body::Lenient(body)),
        Entry::new("value DOUBLE, others DOUBLE... -> DOUBLE", Body::Lenient(body)),
        Entry::typed("value DECIMAL, others DECIMAL... -> DECIMAL", widest, Body::Lenient(body)),
        Entry::new("value STRING, others STRING... -> STRING", Body::Lenient(body)),
        Entry::new("value BYTES, others BYTES... -> BYTES", Body::Lenient(body)),
        Entry::new("value DATE, others DATE... -> DATE", Body::Lenient(body)),
        Entry::new("value TIME, others TIME... -> TIME", Body::Lenient(body)),
        Entry::new("value TIMESTAMP, others TIMESTAMP... -> TIMESTAMP", Body::Lenient(body)),
    ]
}

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition {
        name: "GREATEST",
        category: "CONDITIONAL",
        about: "The greatest of the arguments, nulls left out.",
        entries: &entries(|a| Ok(extreme(a, Ordering::Greater))),
    },
    Definition {
        name: "LEAST",
        category: "CONDITIONAL",
        about: "The least of the arguments, nulls left out.",
        entries: &entries(|a| Ok(extreme(a, Ordering::Less))),
    },
];

fn widest(types: &[Type]) -> Option<Type> {
    // A bare NULL is of any type.
    let mut types = types.iter().filter(|ty| ty.is_number()).cloned();
    let first = types.next()?;
    types.try_fold(first, |widest, ty| widened(&widest, &ty))
}

/// Decimals come out with the scale of the widest.
fn extreme(values: &[&Value], side: Ordering) -> Value {
    let known = values.iter().filter(|value| !value.is_null());
    let best = known.reduce(|best, value| if compare(value, best) == Some(side) { value } else { best });
    match best {
        Some(Value::Decimal(best)) => {
            let scales = values.iter().filter_map(|value| match value {
                Value::Decimal(value) => Some(value.scale()),
                _ => None,
            });
            let scale = scales.max().unwrap_or_else(|| best.scale());
            or_null(best.rescale(scale).map(|best: Decimal| Value::Decimal(best)))
        }
        best => or_null(best.map(|best| (*best).clone())),
    }
}
