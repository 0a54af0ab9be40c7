//! Functions that put many rows together.

use std::cmp::Ordering;

use millstream_model::{Type, Value};

use crate::ast::BinaryOp;
use crate::eval::{arithmetic, compare, double};

/// An aggregate function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// How many rows, or how many values that are not null.
    Count,
    /// The sum.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The mean, a DOUBLE.
    Avg,
    /// All values, in order.
    CollectList,
    /// All different values, in the order of their first coming.
    CollectSet,
    /// The last value that is not null.
    Latest,
    /// The first value that is not null.
    Earliest,
}

const NAMES: &[(&str, Aggregate)] = &[
    ("COUNT", Aggregate::Count),
    ("SUM", Aggregate::Sum),
    ("MIN", Aggregate::Min),
    ("MAX", Aggregate::Max),
    ("AVG", Aggregate::Avg),
    ("COLLECT_LIST", Aggregate::CollectList),
    ("COLLECT_SET", Aggregate::CollectSet),
    ("LATEST_BY_OFFSET", Aggregate::Latest),
    ("EARLIEST_BY_OFFSET", Aggregate::Earliest),
];

pub(crate) fn is_aggregate(name: &str) -> bool {
    aggregate(name).is_some()
}

/// The aggregate of a name in capitals.
pub(crate) fn aggregate(name: &str) -> Option<Aggregate> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, aggregate)| *aggregate)
}

impl Aggregate {
    /// The type of the result for an argument of this type, or `None` where it does not take it.
    pub(crate) fn type_of(self, argument: Option<&Type>) -> Option<Type> {
        match (self, argument) {
            (Self::Count, _) => Some(Type::Bigint),
            (Self::Sum | Self::Min | Self::Max, Some(ty)) if ty.is_number() => Some(ty.clone()),
            (Self::Avg, Some(ty)) if ty.is_number() => Some(Type::Double),
            (Self::CollectList | Self::CollectSet, Some(ty)) => Some(Type::Array(Box::new(ty.clone()))),
            (Self::Min | Self::Max, Some(ty @ (Type::String | Type::Timestamp)))
            | (Self::Latest | Self::Earliest, Some(ty)) => Some(ty.clone()),
            _ => None,
        }
    }

    /// The state before the first row. States are values, so that they can be kept in a table.
    pub(crate) fn begin(self) -> Value {
        match self {
            Self::Count => Value::Bigint(0),
            Self::CollectList | Self::CollectSet => Value::Array(Vec::new()),
            Self::Avg => Value::Struct(vec![Value::Double(0.0), Value::Bigint(0)]),
            Self::Sum | Self::Min | Self::Max | Self::Latest | Self::Earliest => Value::Null,
        }
    }

    /// The state after one more row; `argument` is `None` for `COUNT(*)`.
    pub(crate) fn add(self, state: Value, argument: Option<&Value>) -> Value {
        let Some(value) = argument else { return arithmetic(&state, BinaryOp::Add, &Value::Bigint(1)) };
        if value.is_null() && !matches!(self, Self::CollectList) {
            return state;
        }
        match (self, state) {
            (Self::Count, state) => arithmetic(&state, BinaryOp::Add, &Value::Bigint(1)),
            (Self::Sum | Self::Earliest, Value::Null) | (Self::Latest, _) => value.clone(),
            // Overflowed: a false stands for "not known any more", and stays.
            (Self::Sum, Value::Boolean(_)) => Value::Boolean(false),
            (Self::Sum, state) => match arithmetic(&state, BinaryOp::Add, value) {
                Value::Null => Value::Boolean(false),
                sum => sum,
            },
            (Self::Min, state) => {
                if state.is_null() || compare(value, &state) == Some(Ordering::Less) {
                    value.clone()
                } else {
                    state
                }
            }
            (Self::Max, state) => {
                if state.is_null() || compare(value, &state) == Some(Ordering::Greater) {
                    value.clone()
                } else {
                    state
                }
            }
            (Self::CollectList, Value::Array(mut all)) => {
                all.push(value.clone());
                Value::Array(all)
            }
            (Self::CollectSet, Value::Array(mut all)) => {
                if !all.contains(value) {
                    all.push(value.clone());
                }
                Value::Array(all)
            }
            (Self::Avg, Value::Struct(parts)) => match parts.as_slice() {
                [sum, count] => Value::Struct(vec![
                    arithmetic(sum, BinaryOp::Add, value),
                    arithmetic(count, BinaryOp::Add, &Value::Bigint(1)),
                ]),
                _ => Value::Struct(parts),
            },
            (_, state) => state,
        }
    }

    /// The state of both states' rows, those of `one` first.
    pub(crate) fn merge(self, one: Value, two: Value) -> Value {
        match (self, one, two) {
            (Self::Count, one, two) => arithmetic(&one, BinaryOp::Add, &two),
            (Self::CollectList | Self::CollectSet, one, Value::Array(two)) => {
                two.iter().fold(one, |state, value| self.add(state, Some(value)))
            }
            (Self::Avg, Value::Struct(one), Value::Struct(two)) => {
                let sums = one.iter().zip(&two).map(|(one, two)| arithmetic(one, BinaryOp::Add, two));
                Value::Struct(sums.collect())
            }
            (_, one, two) => self.add(one, Some(&two)),
        }
    }

    /// What the state says.
    pub(crate) fn result(self, state: &Value) -> Value {
        match (self, state) {
            (Self::Avg, Value::Struct(parts)) => match parts.as_slice() {
                [sum, count] if double(count) != Some(0.0) => arithmetic(sum, BinaryOp::Divide, count),
                _ => Value::Null,
            },
            (Self::Sum, Value::Boolean(_)) => Value::Null,
            _ => state.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(aggregate: Aggregate, values: &[Value]) -> Value {
        let state = values.iter().fold(aggregate.begin(), |state, value| aggregate.add(state, Some(value)));
        aggregate.result(&state)
    }

    #[test]
    fn nulls_are_passed_over_but_listed() {
        let values = [Value::Int(4), Value::Null, Value::Int(2), Value::Int(4)];
        for (aggregate, expected) in [
            (Aggregate::Count, Value::Bigint(3)),
            (Aggregate::Sum, Value::Int(10)),
            (Aggregate::Min, Value::Int(2)),
            (Aggregate::Max, Value::Int(4)),
            (Aggregate::Avg, Value::Double(10.0 / 3.0)),
            (Aggregate::CollectList, Value::Array(values.to_vec())),
            (Aggregate::CollectSet, Value::Array(vec![Value::Int(4), Value::Int(2)])),
            (Aggregate::Latest, Value::Int(4)),
            (Aggregate::Earliest, Value::Int(4)),
        ] {
            assert_eq!(over(aggregate, &values), expected, "{aggregate:?}");
        }
    }

    #[test]
    fn of_no_rows_there_is_nothing() {
        assert_eq!(over(Aggregate::Sum, &[]), Value::Null);
        assert_eq!(over(Aggregate::Avg, &[]), Value::Null);
    }

    #[test]
    fn a_sum_that_overflowed_stays_unknown() {
        let values = [Value::Int(i32::MAX), Value::Int(1), Value::Int(7)];
        assert_eq!(over(Aggregate::Sum, &values), Value::Null);
        assert_eq!(over(Aggregate::Count, &[]), Value::Bigint(0));
    }
}
