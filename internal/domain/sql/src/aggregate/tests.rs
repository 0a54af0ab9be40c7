use millstream_model::Decimal;
use proptest::prelude::*;

use super::*;
use crate::eval::Bound;

const INT: Type = Type::Int;

fn call(name: &str, types: &[Type], constants: &[Value]) -> Aggregate {
    let columns = types.iter().enumerate().map(|(place, ty)| (Bound::Column(place), ty.clone()));
    let constants = constants.iter().map(|value| {
        let ty = if matches!(value, Value::Boolean(_)) { Type::Boolean } else { Type::Int };
        (Bound::Literal(value.clone()), ty)
    });
    aggregate(name, columns.chain(constants).collect())
        .unwrap_or_else(|said| panic!("{name}: {said}"))
        .aggregate
}

fn over(aggregate: &Aggregate, rows: &[Vec<Value>]) -> Value {
    let state = rows.iter().fold(aggregate.begin(), |state, row| aggregate.add(state, row));
    let result = aggregate.result(&state);
    assert!(aggregate.result_type().holds(&result), "{result:?} is no {}", aggregate.result_type());
    result
}

fn ints(values: &[Option<i32>]) -> Vec<Vec<Value>> {
    values.iter().map(|value| vec![value.map_or(Value::Null, Value::Int)]).collect()
}

fn list(values: &[Option<i32>]) -> Value {
    Value::Array(values.iter().map(|value| value.map_or(Value::Null, Value::Int)).collect())
}

#[test]
fn each_gives_what_its_name_says() {
    let rows = ints(&[Some(4), None, Some(2), Some(4)]);
    for (name, constants, expected) in [
        ("COUNT", vec![], Value::Bigint(3)),
        ("SUM", vec![], Value::Int(10)),
        ("MIN", vec![], Value::Int(2)),
        ("MAX", vec![], Value::Int(4)),
        ("AVG", vec![], Value::Double(10.0 / 3.0)),
        ("STDDEV_SAMP", vec![], Value::Double(4.0 / 3.0)),
        ("STDDEV_SAMPLE", vec![], Value::Double((4.0_f64 / 3.0).sqrt())),
        ("COLLECT_LIST", vec![], list(&[Some(4), None, Some(2), Some(4)])),
        ("COLLECT_SET", vec![], list(&[Some(4), None, Some(2)])),
        ("COUNT_DISTINCT", vec![], Value::Bigint(2)),
        ("EARLIEST_BY_OFFSET", vec![], Value::Int(4)),
        ("EARLIEST_BY_OFFSET", vec![Value::Int(2)], list(&[Some(4), Some(2)])),
        ("EARLIEST_BY_OFFSET", vec![Value::Int(2), Value::Boolean(false)], list(&[Some(4), None])),
        ("LATEST_BY_OFFSET", vec![], Value::Int(4)),
        ("LATEST_BY_OFFSET", vec![Value::Int(2)], list(&[Some(2), Some(4)])),
        ("TOPK", vec![Value::Int(2)], list(&[Some(4), Some(4)])),
        ("TOPKDISTINCT", vec![Value::Int(2)], list(&[Some(4), Some(2)])),
        ("ATTR", vec![], Value::Null),
    ] {
        assert_eq!(over(&call(name, &[INT], &constants), &rows), expected, "{name}");
    }
    let nulls = ints(&[Some(1), None]);
    assert_eq!(over(&call("LATEST_BY_OFFSET", &[INT], &[Value::Boolean(false)]), &nulls), Value::Null);
    assert_eq!(over(&call("LATEST_BY_OFFSET", &[INT], &[]), &nulls), Value::Int(1));
    assert_eq!(over(&call("ATTR", &[INT], &[]), &ints(&[Some(7), Some(7)])), Value::Int(7));
    assert_eq!(over(&call("COUNT", &[], &[]), &[vec![], vec![]]), Value::Bigint(2));
}

#[test]
fn of_no_rows_there_is_what_the_function_begins_with() {
    for (name, expected) in [
        ("SUM", Value::Int(0)),
        ("AVG", Value::Double(0.0)),
        ("MIN", Value::Null),
        ("COUNT", Value::Bigint(0)),
        ("COLLECT_LIST", list(&[])),
        ("COUNT_DISTINCT", Value::Bigint(0)),
    ] {
        assert_eq!(over(&call(name, &[INT], &[]), &[]), expected, "{name}");
    }
}

#[test]
fn a_sum_that_does_not_fit_is_null_until_it_fits_again() {
    let sum = call("SUM", &[INT], &[]);
    let state = ints(&[Some(i32::MAX), Some(1)]).iter().fold(sum.begin(), |state, row| sum.add(state, row));
    assert_eq!(sum.result(&state), Value::Null);
    assert_eq!(sum.result(&sum.undo(state, &[Value::Int(1)])), Value::Int(i32::MAX));
    let decimal = Type::Decimal { precision: 3, scale: 1 };
    let sum = call("SUM", std::slice::from_ref(&decimal), &[]);
    let nine = vec![Value::Decimal(Decimal::new(999, 1))];
    assert_eq!(over(&sum, std::slice::from_ref(&nine)), Value::Decimal(Decimal::new(999, 1)));
    assert_eq!(over(&sum, &[nine.clone(), nine]), Value::Null);
}

#[test]
fn top_can_keep_further_columns() {
    let top = call("TOPK", &[INT, Type::String], &[Value::Int(2)]);
    let rows: Vec<_> = [(1, "a"), (3, "b"), (2, "c")]
        .iter()
        .map(|(n, text)| vec![Value::Int(*n), Value::text(text)])
        .collect();
    let entry = |n, text: &str| Value::Struct(vec![Value::Int(n), Value::text(text)]);
    assert_eq!(over(&top, &rows), Value::Array(vec![entry(3, "b"), entry(2, "c")]));
    assert_eq!(top.result_type().to_string(), "ARRAY<STRUCT<sort_col INT, col0 STRING>>");
}

#[test]
fn correlations_are_pearsons() {
    let correlation = call("CORRELATION", &[INT, INT], &[]);
    let rows: Vec<_> =
        [(1, 2), (2, 4), (3, 6)].iter().map(|(x, y)| vec![Value::Int(*x), Value::Int(*y)]).collect();
    let Value::Double(found) = over(&correlation, &rows) else { panic!("no double") };
    assert!((found - 1.0).abs() < 1e-12, "{found}");
}

#[test]
fn many_different_values_are_counted_nearly() {
    let distinct = call("COUNT_DISTINCT", &[INT], &[]);
    let halves = [0..30_000, 20_000..50_000].map(|range: std::ops::Range<i32>| {
        range.fold(distinct.begin(), |state, value| distinct.add(state, &[Value::Int(value)]))
    });
    let [first, second] = halves;
    let Value::Bigint(count) = distinct.result(&distinct.merge(first, second)) else { panic!("no count") };
    assert!((count - 50_000).abs() < 1_500, "{count}");
}

#[test]
fn what_is_not_taken_is_refused() {
    for (name, arguments) in [
        ("SUM", vec![(Bound::Column(0), Type::String)]),
        ("MIN", vec![(Bound::Column(0), Type::Boolean)]),
        ("TOPK", vec![(Bound::Column(0), INT), (Bound::Column(1), INT)]),
        ("LATEST_BY_OFFSET", vec![(Bound::Column(0), INT), (Bound::Literal(Value::Int(0)), INT)]),
        ("HISTOGRAM", vec![(Bound::Column(0), INT)]),
        ("AVG", vec![]),
    ] {
        assert!(aggregate(name, arguments).is_err(), "{name}");
    }
}

fn near(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Double(one), Value::Double(other)) => {
            (one.is_nan() && other.is_nan()) || (one - other).abs() <= 1e-6 * (1.0 + one.abs())
        }
        _ => one == other,
    }
}

fn rows() -> impl Strategy<Value = Vec<Option<i32>>> {
    proptest::collection::vec(proptest::option::of(-20..20_i32), 0..12)
}

proptest! {
    /// Taking a row out gives what the others alone would give.
    #[test]
    fn undoing_equals_never_having_come(kept in rows(), gone in rows()) {
        for function in aggregate_functions() {
            let (types, constants): (Vec<Type>, Vec<Value>) = match function.name() {
                "CORRELATION" => (vec![INT, INT], vec![]),
                "HISTOGRAM" => (vec![Type::String], vec![]),
                "SUM_LIST" => (vec![Type::Array(Box::new(INT))], vec![]),
                "TOPK" | "TOPKDISTINCT" => (vec![INT], vec![Value::Int(3)]),
                _ => (vec![INT], vec![]),
            };
            let aggregate = call(function.name(), &types, &constants);
            if !aggregate.has_undo() {
                continue;
            }
            let row = |value: &Option<i32>| match (function.name(), value) {
                ("HISTOGRAM", Some(value)) => vec![Value::text(value.to_string())],
                ("SUM_LIST", Some(value)) => vec![list(&[Some(*value), None, Some(1)])],
                ("CORRELATION", Some(value)) => vec![Value::Int(*value), Value::Int(value * value)],
                ("CORRELATION", None) => vec![Value::Null, Value::Int(1)],
                (_, value) => vec![value.map_or(Value::Null, Value::Int)],
            };
            let added = kept.iter().chain(&gone).fold(aggregate.begin(), |state, value| aggregate.add(state, &row(value)));
            let undone = gone.iter().rev().fold(added, |state, value| aggregate.undo(state, &row(value)));
            let expected = kept.iter().fold(aggregate.begin(), |state, value| aggregate.add(state, &row(value)));
            prop_assert!(near(&aggregate.result(&undone), &aggregate.result(&expected)), "{}: {:?} {:?}", function.name(), undone, expected);
        }
    }

    /// Merging two states gives what all rows together give.
    #[test]
    fn merging_equals_one_after_the_other(first in rows(), second in rows()) {
        for name in ["COUNT", "SUM", "AVG", "MIN", "MAX", "COLLECT_LIST", "COLLECT_SET", "COUNT_DISTINCT", "EARLIEST_BY_OFFSET", "LATEST_BY_OFFSET", "STDDEV_SAMPLE", "ATTR"] {
            let aggregate = call(name, &[INT], &[]);
            let state = |rows: &[Option<i32>]| ints(rows).iter().fold(aggregate.begin(), |state, row| aggregate.add(state, row));
            let merged = aggregate.merge(state(&first), state(&second));
            let all = state(&[first.clone(), second.clone()].concat());
            prop_assert!(near(&aggregate.result(&merged), &aggregate.result(&all)), "{}", name);
        }
        for (name, constants) in [("TOPK", 3), ("TOPKDISTINCT", 3), ("LATEST_BY_OFFSET", 2), ("EARLIEST_BY_OFFSET", 2)] {
            let aggregate = call(name, &[INT], &[Value::Int(constants)]);
            let state = |rows: &[Option<i32>]| ints(rows).iter().fold(aggregate.begin(), |state, row| aggregate.add(state, row));
            let merged = aggregate.merge(state(&first), state(&second));
            prop_assert_eq!(aggregate.result(&merged), aggregate.result(&state(&[first.clone(), second.clone()].concat())), "{}", name);
        }
    }
}
