//! Functions that choose one of their arguments.

use millstream_model::Value;

use super::arguments::{at, or_null};
use super::{Body, Definition, Entry};

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition {
        name: "COALESCE",
        category: "CONDITIONAL",
        about: "The first argument that is not null.",
        entries: &[Entry::new("first T, others T... -> T", Body::Lenient(|a| Ok(first_known(a))))],
    },
    Definition {
        name: "IFNULL",
        category: "CONDITIONAL",
        about: "The first argument, or the second where it is null.",
        entries: &[Entry::new("value T, otherwise T -> T", Body::Lenient(|a| Ok(first_known(a))))],
    },
    Definition {
        name: "NULLIF",
        category: "CONDITIONAL",
        about: "The first argument, or null where it equals the second.",
        entries: &[Entry::new(
            "value T, other T -> T",
            Body::Lenient(|a| Ok(if at(a, 0) == at(a, 1) { Value::Null } else { at(a, 0).clone() })),
        )],
    },
    Definition {
        name: "AS_VALUE",
        category: "OTHER",
        about: "A key column's value, as a column of the value.",
        entries: &[Entry::new("column T -> T", Body::One(|a| Ok(a.clone())))],
    },
];

fn first_known(values: &[&Value]) -> Value {
    or_null(values.iter().find(|value| !value.is_null()).map(|value| (*value).clone()))
}
