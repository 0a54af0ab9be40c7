//! The decoder and the encoder on a record of fourteen fields, beside the other library's ways to do the same.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark stops where it fails")]

use std::hint::black_box;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use criterion::{Criterion, criterion_group, criterion_main};
use millstream_avro_codec::{Avro, AvroBorrowed};
use millstream_ports::{Codec, Shape};
use serde::{Deserialize, Serialize};

#[path = "../tests/it/product.rs"]
mod product;

use product::{Borrowed, Product, SCHEMA, lamp};

/// What a filter by name needs.
#[derive(Serialize, Deserialize)]
struct Name<'a> {
    name: &'a str,
}

struct NameShape;

impl Shape for NameShape {
    type Of<'a> = Name<'a>;
}

fn decode(criterion: &mut Criterion) {
    let owned = Avro::<Product<String>>::fixed(1, SCHEMA).unwrap();
    let mut bytes = Vec::new();
    owned.encode(&lamp(), &mut bytes).unwrap();
    let datum = bytes.get(5..).unwrap();
    let schema = Schema::parse_str(SCHEMA).unwrap();
    let apache = GenericDatumReader::builder(&schema).build().unwrap();
    let borrowed = AvroBorrowed::<Borrowed>::fixed(1, SCHEMA).unwrap();
    let name = AvroBorrowed::<NameShape>::fixed(1, SCHEMA).unwrap();

    let mut group = criterion.benchmark_group("decode");
    group.bench_function("apache-avro, generic value", |bencher| {
        bencher.iter(|| apache.read_value(&mut black_box(datum)).unwrap());
    });
    group.bench_function("apache-avro, generic value, then serde", |bencher| {
        bencher.iter(|| {
            let value = apache.read_value(&mut black_box(datum)).unwrap();
            apache_avro::from_value::<Product<String>>(&value).unwrap()
        });
    });
    group.bench_function("apache-avro, serde at once", |bencher| {
        bencher.iter(|| apache.read_deser::<Product<String>>(&mut black_box(datum)).unwrap());
    });
    group.bench_function("ours, owned", |bencher| {
        bencher.iter(|| owned.decode(black_box(&bytes)).unwrap());
    });
    group.bench_function("ours, borrowed", |bencher| {
        bencher.iter(|| borrowed.decode(black_box(&bytes)).unwrap().name.len());
    });
    group.bench_function("ours, one field", |bencher| {
        bencher.iter(|| name.decode(black_box(&bytes)).unwrap().name.len());
    });
}

fn encode(criterion: &mut Criterion) {
    let lamp = lamp();
    let schema = Schema::parse_str(SCHEMA).unwrap();
    let apache = GenericDatumWriter::builder(&schema).build().unwrap();
    let mut out = Vec::new();

    let mut group = criterion.benchmark_group("encode");
    group.bench_function("apache-avro, serde, then generic value", |bencher| {
        bencher.iter(|| {
            out.clear();
            let value = apache_avro::to_value(black_box(&lamp)).unwrap().resolve(&schema).unwrap();
            apache.write_value(&mut out, value).unwrap()
        });
    });
    group.bench_function("apache-avro, serde at once", |bencher| {
        bencher.iter(|| {
            out.clear();
            apache.write_ser(&mut out, black_box(&lamp)).unwrap()
        });
    });
    let (borrowed, lent) = (AvroBorrowed::<Borrowed>::fixed(1, SCHEMA).unwrap(), lamp.borrowed());
    group.bench_function("ours", |bencher| {
        bencher.iter(|| {
            out.clear();
            borrowed.encode(black_box(&lent), &mut out).unwrap();
        });
    });
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
