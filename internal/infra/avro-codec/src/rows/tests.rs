use std::collections::BTreeMap;

use millstream_model::Type;
use rust_decimal::Decimal;

use super::*;

/// A codec whose one schema is known, so that no registry is asked.
fn codec(columns: &[Column]) -> AvroCodec {
    let registry = Registry::new("http://127.0.0.1:1").unwrap();
    let text = schema_of("row", columns).to_string();
    registry.know(5, &text);
    AvroCodec {
        source: Source::of(&registry),
        columns: columns.to_vec(),
        is_bare: false,
        writer: Some((5, WriterSchema::parse(&text).unwrap())),
    }
}

fn all_types() -> (Vec<Column>, Vec<Value>) {
    let product = Type::Struct(vec![
        Column::new("id", Type::String),
        Column::new("price", Type::Decimal { precision: 12, scale: 2 }),
    ]);
    let price = |cents| Value::Decimal(Decimal::new(cents, 2));
    let pairs = [
        ("B", Type::Boolean, Value::Boolean(true)),
        ("I", Type::Int, Value::Int(-7)),
        ("L", Type::Bigint, Value::Bigint(1 << 40)),
        ("D", Type::Double, Value::Double(1.5)),
        ("P", Type::Decimal { precision: 12, scale: 2 }, price(-129)),
        ("S", Type::String, Value::text("лампа")),
        ("Y", Type::Bytes, Value::Bytes([1, 2][..].into())),
        ("T", Type::Timestamp, Value::Timestamp(1_700_000_000_000)),
        (
            "M",
            Type::Map(Box::new(Type::Int)),
            Value::Map(BTreeMap::from([("a".into(), Value::Int(1)), ("b".into(), Value::Null)])),
        ),
        (
            "products",
            Type::Array(Box::new(product)),
            Value::Array(vec![
                Value::Struct(vec![Value::text("p1"), price(1250)]),
                Value::Struct(vec![Value::text("p2"), Value::Null]),
            ]),
        ),
    ];
    pairs.into_iter().map(|(name, ty, value)| (Column::new(name, ty), value)).unzip()
}

#[test]
fn every_type_comes_back_as_it_was() {
    let (columns, row) = all_types();
    let codec = codec(&columns);
    let mut bytes = Vec::new();
    codec.encode(&row, &mut bytes).unwrap();
    assert_eq!(codec.decode(&bytes), Ok(row));
}

#[test]
fn every_column_may_be_null() {
    let (columns, row) = all_types();
    let codec = codec(&columns);
    let mut bytes = Vec::new();
    let nulls = vec![Value::Null; row.len()];
    codec.encode(&nulls, &mut bytes).unwrap();
    assert_eq!(codec.decode(&bytes), Ok(nulls));
}

#[test]
fn only_the_columns_asked_for_are_built_whatever_their_capitals() {
    let (columns, row) = all_types();
    let writer = codec(&columns);
    let mut bytes = Vec::new();
    writer.encode(&row, &mut bytes).unwrap();
    let wanted = vec![
        Column::new("PRODUCTS", columns[9].ty.clone()),
        Column::new("I", Type::Int),
        Column::new("NONE", Type::Int),
    ];
    let reader = AvroCodec { columns: wanted, writer: None, ..codec(&columns) };
    assert_eq!(reader.decode(&bytes), Ok(vec![row[9].clone(), row[1].clone(), Value::Null]));
}

#[test]
fn a_record_cut_anywhere_is_refused_and_not_guessed() {
    let (columns, row) = all_types();
    let codec = codec(&columns);
    let mut bytes = Vec::new();
    codec.encode(&row, &mut bytes).unwrap();
    for cut in 0..bytes.len() {
        assert!(codec.decode(&bytes[..cut]).is_err(), "cut at {cut} of {}", bytes.len());
    }
}

#[test]
fn columns_are_found_in_the_schema_they_were_written_with() {
    let (columns, _) = all_types();
    let found = columns_of(&schema_of("row", &columns).to_string()).unwrap();
    let names: Vec<_> = found.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["B", "I", "L", "D", "P", "S", "Y", "T", "M", "PRODUCTS"]);
    assert_eq!(found[4].ty, Type::Decimal { precision: 12, scale: 2 });
    assert_eq!(found[9].ty.to_string(), "ARRAY<STRUCT<ID STRING, PRICE DECIMAL(12, 2)>>");
}
