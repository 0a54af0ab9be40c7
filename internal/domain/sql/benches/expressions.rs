//! What a filter and a projection cost a row.
//!
//! Run with `cargo bench -p millstream-sql --bench expressions`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use millstream_model::{Decimal, Type, Value};
use millstream_sql::{Bound, Scope, expression};

fn scope() -> Scope {
    Scope::of(&[
        ("ID", Type::Bigint),
        ("NAME", Type::String),
        ("AMOUNT", Type::Double),
        ("QUANTITY", Type::Int),
        ("PRICE", Type::Decimal { precision: 12, scale: 2 }),
        ("TAGS", Type::Array(Box::new(Type::String))),
    ])
}

fn rows() -> Vec<Vec<Value>> {
    let row = |id: i32| {
        vec![
            Value::Bigint(id.into()),
            Value::text(format!("lamp of oak, number {id}")),
            Value::Double(f64::from(id % 2000)),
            Value::Int(id % 10),
            Value::Decimal(Decimal::new(i128::from(id) * 7, 2)),
            Value::Array(vec![Value::text("a"), Value::text("b")]),
        ]
    };
    (0..1000).map(row).collect()
}

fn bound(text: &str) -> Bound {
    expression(&scope(), text).unwrap().0
}

const FILTERS: &[(&str, &str)] = &[
    ("one number", "AMOUNT > 1000"),
    ("three numbers", "ID > 10 AND QUANTITY < 5 AND AMOUNT >= 500"),
    ("arithmetic", "ID * 2 + QUANTITY > 700"),
    ("text", "NAME = 'lamp of oak, number 7'"),
    ("like", "NAME LIKE '%oak%7'"),
    ("decimal", "PRICE * QUANTITY > 100.50"),
    ("function", "LEN(UCASE(NAME)) > 20"),
];

const PROJECTIONS: &[(&str, &str)] = &[
    ("column", "ID"),
    ("text column", "NAME"),
    ("sum", "ID + QUANTITY"),
    ("product of doubles", "AMOUNT * 1.2E0"),
    ("decimal product", "PRICE * QUANTITY"),
    ("case", "CASE WHEN QUANTITY > 5 THEN 'many' ELSE 'few' END"),
    ("concat", "CONCAT(NAME, '!')"),
    ("lambda", "TRANSFORM(TAGS, t => UCASE(t))"),
];

fn filters(criterion: &mut Criterion) {
    let rows = rows();
    let mut group = criterion.benchmark_group("filter");
    group.throughput(Throughput::Elements(rows.len() as u64));
    for (name, text) in FILTERS {
        let filter = bound(text);
        group.bench_function(*name, |bencher| {
            bencher.iter(|| rows.iter().filter(|row| filter.holds(black_box(row))).count());
        });
    }
    group.finish();
}

fn projections(criterion: &mut Criterion) {
    let rows = rows();
    let mut group = criterion.benchmark_group("project");
    group.throughput(Throughput::Elements(rows.len() as u64));
    for (name, text) in PROJECTIONS {
        let item = bound(text);
        group.bench_function(*name, |bencher| {
            bencher.iter(|| rows.iter().for_each(|row| drop(black_box(item.eval(black_box(row))))));
        });
    }
    group.finish();
}

criterion_group!(benches, filters, projections);
criterion_main!(benches);
