use millstream_model::{Decimal, FormatOptions, Type};

use super::*;

fn columns(of: &[(&str, Type)]) -> Vec<Column> {
    of.iter().map(|(name, ty)| Column::new(*name, ty.clone())).collect()
}

fn codec(columns: &[Column], options: &FormatOptions) -> Arc<dyn RowCodec> {
    JsonRows::new().writer(RowSpec { topic: "t", side: Side::Value, columns, options }).unwrap()
}

#[test]
fn rows_are_written_as_they_are_read() {
    let inner = Type::Struct(columns(&[("F", Type::Bytes)]));
    let columns = columns(&[
        ("I", Type::Int),
        ("D", Type::Decimal { precision: 6, scale: 2 }),
        ("A", Type::Array(Box::new(Type::Double))),
        ("S", inner),
        ("N", Type::String),
    ]);
    let row = vec![
        Value::Int(4),
        Value::Decimal(Decimal::new(1250, 2)),
        Value::Array(vec![Value::Double(1e7), Value::Null]),
        Value::Struct(vec![Value::Bytes([1].into())]),
        Value::Null,
    ];
    let text = r#"{"I":4,"D":12.50,"A":[1.0E7,null],"S":{"F":"AQ=="},"N":null}"#;
    let (codec, mut out) = (codec(&columns, &FormatOptions::default()), Vec::new());
    codec.encode(&row, &mut out).unwrap();
    assert_eq!(std::str::from_utf8(&out), Ok(text));
    assert_eq!(codec.decode(text.as_bytes()), Ok(row));
}

#[test]
fn names_fit_whatever_their_capitals_and_exact_ones_first() {
    let codec = codec(&columns(&[("AB", Type::Int), ("ab", Type::String)]), &FormatOptions::default());
    let row = codec.decode(br#"{"aB": 1, "ab": [1, {"x": 2.50}], "more": 3}"#);
    assert_eq!(row, Ok(vec![Value::Int(1), Value::text(r#"[1,{"x":2.50}]"#)]));
}

#[test]
fn entries_with_a_columns_own_name_count_before_others_and_later_ones_before_earlier() {
    let codec = codec(&columns(&[("A", Type::Int), ("B", Type::Int)]), &FormatOptions::default());
    for (text, expected) in [
        (r#"{"a": 1, "A": 2, "a": 3}"#, Some((2, 9))),
        (r#"{"a": 1, "a": "x"}"#, Some((1, 9))),
        (r#"{"A": "x", "A": 4}"#, Some((4, 9))),
        (r#"{"A": 4, "A": []}"#, None),
    ] {
        let text = text.replace('}', r#", "b": 9}"#);
        let expected = expected.map(|(a, b)| vec![Value::Int(a), Value::Int(b)]);
        assert_eq!(codec.decode(text.as_bytes()).ok(), expected, "{text}");
    }
}

#[test]
fn texts_that_are_not_looked_at_are_passed_over_and_all_else_is_still_checked() {
    let of = columns(&[("S", Type::String), ("I", Type::Int), ("T", Type::String)]);
    let spec = RowSpec { topic: "t", side: Side::Value, columns: &of, options: &FormatOptions::default() };
    let codec = JsonRows::new().reader_of(spec, &[false, false, true]).unwrap();
    let row = codec.decode(br#"{"S": {"x": [1]}, "I": 2, "T": "t"}"#);
    assert_eq!(row, Ok(vec![Value::Null, Value::Int(2), Value::text("t")]));
    for text in [r#"{"S": "s", "I": "no", "T": "t"}"#, r#"{"S": {"x"}, "I": 2}"#, r#"{"S": "s"} {}"#] {
        assert!(codec.decode(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn one_column_may_stand_by_itself() {
    let codec = codec(&columns(&[("A", Type::Bigint)]), &FormatOptions::bare());
    let mut out = Vec::new();
    codec.encode(&[Value::Bigint(7)], &mut out).unwrap();
    assert_eq!(out, b"7");
    assert_eq!(codec.decode(b" 7.9"), Ok(vec![Value::Bigint(7)]));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let codec = codec(
        &columns(&[("D", Type::Decimal { precision: 3, scale: 1 }), ("B", Type::Boolean)]),
        &FormatOptions::default(),
    );
    for (text, said) in [
        (r#"{"D": 1.25}"#, "D: 1.25 is no DECIMAL(3, 1)"),
        (r#"{"D": 100.5}"#, "D: 100.5 is no DECIMAL(3, 1)"),
        (r#"{"B": "true"}"#, "B: 'true' is no BOOLEAN"),
        ("[]", "an array stands where an object is expected"),
    ] {
        assert_eq!(codec.decode(text.as_bytes()).unwrap_err().to_string(), said);
    }
}

#[test]
fn a_schema_gives_back_the_columns_it_was_made_of() {
    let columns = columns(&[
        ("Z", Type::Int),
        ("B", Type::Decimal { precision: 6, scale: 2 }),
        ("M", Type::Map(Box::new(Type::String), Box::new(Type::Array(Box::new(Type::Bytes))))),
        (
            "S",
            Type::Struct(columns(&[
                ("X", Type::Double),
                ("A", Type::Timestamp),
                ("D", Type::Date),
                ("T", Type::Time),
            ])),
        ),
    ]);
    let text = schema::schema_of(&columns, false).to_string();
    assert_eq!(schema::columns_of(&text, false), Ok(FoundColumns { columns, is_bare: false }));
}

#[test]
fn schemas_that_others_wrote_give_columns() {
    for (ty, column) in [
        (r#"{"type": ["null", "string"]}"#, "F STRING"),
        (r#"{"enum": ["new", "sold"]}"#, "F STRING"),
        (r##"{"$ref": "#/definitions/price"}"##, "F STRUCT<CENTS BIGINT>"),
        (r##"{"type": "array", "items": {"$ref": "#/definitions/price"}}"##, "F ARRAY<STRUCT<CENTS BIGINT>>"),
        (
            r#"{"type": "array", "connect.type": "map", "items": {"type": "object", "properties":
                {"key": {"type": "integer", "connect.type": "int32"}, "value": {"type": "string"}}}}"#,
            "F MAP<INT, STRING>",
        ),
    ] {
        let definitions = r#"{"price": {"type": "object", "properties": {"cents": {"type": "integer"}}}}"#;
        let text =
            format!(r#"{{"type": "object", "definitions": {definitions}, "properties": {{"f": {ty}}}}}"#);
        let found = super::schema::columns_of(&text, true).unwrap();
        assert_eq!(found.columns.iter().map(ToString::to_string).collect::<Vec<_>>(), [column]);
    }
}

#[test]
fn a_schema_that_holds_itself_is_refused() {
    for text in [
        r##"{"type": "object", "properties": {"next": {"$ref": "#"}}}"##,
        r##"{"type": "object", "definitions": {"a": {"$ref": "#/definitions/a"}}, "properties": {"x": {"$ref": "#/definitions/a"}}}"##,
        r#"{"type": "object", "properties": {"x": {"$ref": "other.json"}}}"#,
    ] {
        assert!(super::schema::columns_of(text, true).is_err(), "{text}");
    }
}

#[test]
fn a_map_may_stand_as_its_entries() {
    let columns = columns(&[("M", Type::Map(Box::new(Type::Int), Box::new(Type::String)))]);
    let row = codec(&columns, &FormatOptions::default()).decode(br#"{"M": [{"key": 2, "value": "b"}]}"#);
    assert_eq!(row, Ok(vec![Value::Map([(Value::Int(2), Value::text("b"))].into())]));
}
