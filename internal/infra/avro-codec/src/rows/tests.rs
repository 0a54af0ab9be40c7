use std::collections::BTreeMap;

use millstream_model::Decimal;
use millstream_model::Type;

use super::*;

/// A codec whose one schema is known, so that no registry is asked.
fn codec(columns: &[Column]) -> AvroCodec {
    let registry = Registry::new("http://127.0.0.1:1").unwrap();
    let text = schema_of(&Form::after("row"), columns).to_string();
    registry.know(5, &text);
    AvroCodec {
        source: Source::of(&registry),
        columns: columns.to_vec(),
        is_bare: false,
        writer: Some((5, WriterSchema::parse(&text).unwrap())),
        more: Vec::new(),
        used: Vec::new(),
        fields: FieldMaps::default(),
    }
}

#[test]
fn what_is_not_looked_at_is_not_read_and_names_are_looked_up_once() {
    let (columns, row) = all_types();
    let mut bytes = Vec::new();
    codec(&columns).encode(&row, &mut bytes).unwrap();
    for unused in 0..columns.len() {
        let used = (0..columns.len()).map(|place| place != unused).collect();
        let codec = AvroCodec { used, ..codec(&columns) };
        let mut expected = row.clone();
        expected[unused] = Value::Null;
        // By name, and then by place.
        assert!(codec.fields.get(5).is_none());
        assert_eq!(codec.decode(&bytes), Ok(expected.clone()));
        assert!(codec.fields.get(5).is_some());
        assert_eq!(codec.decode(&bytes), Ok(expected));
    }
}

#[test]
fn each_schema_has_an_order_of_its_own() {
    let columns = [Column::new("A", Type::Int), Column::new("B", Type::String)];
    let registry = Registry::new("http://127.0.0.1:1").unwrap();
    let reader = AvroCodec { source: Source::of(&registry), ..codec(&columns) };
    for id in 6..20_u32 {
        let more = Column::new(format!("M{id}"), Type::String);
        let order = if id % 2 == 0 {
            vec![columns[1].clone(), more, columns[0].clone()]
        } else {
            vec![columns[0].clone(), columns[1].clone(), more]
        };
        let text = schema_of(&Form::after("row"), &order).to_string();
        registry.know(id, &text);
        let writer = AvroCodec { writer: Some((id, WriterSchema::parse(&text).unwrap())), ..codec(&order) };
        let value =
            |column: &Column| if column.ty == Type::Int { Value::Int(7) } else { Value::text(&column.name) };
        let mut bytes = Vec::new();
        writer.encode(&order.iter().map(value).collect::<Vec<_>>(), &mut bytes).unwrap();
        for _ in 0..2 {
            assert_eq!(reader.decode(&bytes), Ok(vec![Value::Int(7), Value::text("B")]), "{id}");
        }
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
            Type::Map(Box::new(Type::String), Box::new(Type::Int)),
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
    let found = columns_of(&schema_of(&Form::after("row"), &columns).to_string(), true).unwrap().columns;
    let names: Vec<_> = found.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["B", "I", "L", "D", "P", "S", "Y", "T", "M", "PRODUCTS"]);
    assert_eq!(found[4].ty, Type::Decimal { precision: 12, scale: 2 });
    assert_eq!(found[9].ty.to_string(), "ARRAY<STRUCT<ID STRING, PRICE DECIMAL(12, 2)>>");
}

#[test]
fn decimals_are_never_rounded() {
    let ty = |precision, scale| Type::Decimal { precision, scale };
    let number = |text: &str| Value::Decimal(text.parse().unwrap());
    let written = |written_as: Type, value: &Value| {
        let columns = [Column::new("P", written_as)];
        let mut bytes = Vec::new();
        codec(&columns).encode(std::slice::from_ref(value), &mut bytes).map(|()| (codec(&columns), bytes))
    };
    let (writer, bytes) = written(ty(9, 3), &number("12.500")).unwrap();
    for (read_as, expected) in [
        (ty(9, 3), Some("12.500")),
        (ty(4, 1), Some("12.5")),
        (ty(12, 5), Some("12.50000")),
        (ty(9, 0), None),
        (ty(2, 1), None),
    ] {
        let columns = vec![Column::new("P", read_as)];
        let reader = AvroCodec {
            source: writer.source.clone(),
            columns,
            is_bare: false,
            writer: None,
            more: Vec::new(),
            used: Vec::new(),
            fields: FieldMaps::default(),
        };
        assert_eq!(reader.decode(&bytes).ok(), expected.map(|text| vec![number(text)]), "{expected:?}");
    }
    assert!(written(ty(4, 2), &number("99.99")).is_ok());
    assert!(written(ty(4, 2), &number("100.00")).is_err(), "more digits than the column has");
    assert!(written(ty(4, 2), &number("1.001")).is_err(), "finer than the column");
}

#[test]
fn keys_are_read_whether_they_are_bare_or_a_record_of_one_field() {
    let columns = vec![Column::new("ID", Type::String)];
    let registry = Registry::new("http://127.0.0.1:1").unwrap();
    registry.know(1, r#""string""#);
    registry.know(2, r#"["null", "string"]"#);
    registry.know(3, r#"{"type": "record", "name": "K", "fields": [{"name": "id", "type": "string"}]}"#);
    for is_bare in [true, false] {
        let reader = AvroCodec {
            source: Source::of(&registry),
            columns: columns.clone(),
            is_bare,
            writer: None,
            more: Vec::new(),
            used: Vec::new(),
            fields: FieldMaps::default(),
        };
        for (id, datum) in [(1, &b"\x04ab"[..]), (2, b"\x02\x04ab"), (3, b"\x04ab")] {
            let mut bytes = Vec::new();
            frame::begin(id, &mut bytes);
            bytes.extend_from_slice(datum);
            assert_eq!(reader.decode(&bytes), Ok(vec![Value::text("ab")]), "schema {id}");
        }
    }
    let unused = AvroCodec {
        source: Source::of(&registry),
        columns: Vec::new(),
        is_bare: false,
        writer: None,
        more: Vec::new(),
        used: Vec::new(),
        fields: FieldMaps::default(),
    };
    assert_eq!(unused.decode(b"any key"), Ok(Vec::new()));
}

/// The entries of a map as Kafka Connect and ksqlDB write them.
const ENTRIES: &str = r#"{"type": "array", "items": {"type": "record", "name": "KsqlDataSourceSchema_M",
    "connect.internal.type": "MapEntry", "fields": [{"name": "key", "type": ["null", "string"]},
    {"name": "value", "type": ["null", "long"]}]}}"#;

#[test]
fn a_map_is_read_and_written_as_a_list_of_entries_where_the_schema_has_that() {
    let text = format!(
        r#"{{"type": "record", "name": "R", "fields": [{{"name": "M", "type": ["null", {ENTRIES}]}}]}}"#
    );
    let columns = [Column::new("M", Type::Map(Box::new(Type::String), Box::new(Type::Bigint)))];
    assert_eq!(columns_of(&text, true).unwrap().columns, columns);
    let registry = Registry::new("http://127.0.0.1:1").unwrap();
    registry.know(6, &text);
    let writer = Some((6, WriterSchema::parse(&text).unwrap()));
    let codec = AvroCodec { source: Source::of(&registry), writer, ..codec(&columns) };
    let map = [(Value::text("a"), Value::Bigint(1)), (Value::Null, Value::Null)];
    for row in [vec![Value::Map(map.into())], vec![Value::Map(BTreeMap::new())], vec![Value::Null]] {
        let mut bytes = Vec::new();
        codec.encode(&row, &mut bytes).unwrap();
        assert_eq!(codec.decode(&bytes), Ok(row));
    }
}

#[test]
fn a_map_with_other_keys_than_texts_is_a_list_of_entries() {
    let columns = [Column::new("M", Type::Map(Box::new(Type::Int), Box::new(Type::String)))];
    let codec = codec(&columns);
    let row = vec![Value::Map([(Value::Int(3), Value::text("c")), (Value::Int(1), Value::Null)].into())];
    let mut bytes = Vec::new();
    codec.encode(&row, &mut bytes).unwrap();
    assert_eq!(codec.decode(&bytes), Ok(row));
    assert_eq!(
        columns_of(&schema_of(&Form::after("row"), &columns).to_string(), true).unwrap().columns,
        columns
    );
}
