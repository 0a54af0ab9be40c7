use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Generic;
use apache_avro::writer::datum::GenericDatumWriter;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;

fn written<T: Serialize + ?Sized>(schema: &str, value: &T) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    write(&Layout::parse(schema).unwrap(), value, &mut out).map_err(|error| error.to_string())?;
    Ok(out)
}

fn read_back<'de, T: Deserialize<'de>>(schema: &str, datum: &'de [u8]) -> Result<T, String> {
    let layout = Layout::parse(schema).unwrap();
    read(&layout, datum, std::marker::PhantomData).map_err(|error| error.to_string())
}

const EVERYTHING: &str = r#"{"type": "record", "name": "All", "namespace": "a.b", "fields": [
    {"name": "flag", "type": "boolean"}, {"name": "small", "type": "int"}, {"name": "large", "type": "long"},
    {"name": "single", "type": "float"}, {"name": "double", "type": "double"}, {"name": "text", "type": "string"},
    {"name": "perhaps", "type": ["null", "string"]}, {"name": "list", "type": {"type": "array", "items": "long"}},
    {"name": "map", "type": {"type": "map", "values": ["null", "int"]}},
    {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B"]}},
    {"name": "again", "type": ["Kind", "null"]},
    {"name": "next", "type": ["null", "All"]}]}"#;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    A,
    B,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct All {
    // Not in the schema's order, on purpose.
    next: Option<Box<All>>,
    flag: bool,
    large: i64,
    small: i32,
    single: f32,
    double: f64,
    text: String,
    list: Vec<i64>,
    map: BTreeMap<String, Option<i32>>,
    kind: Kind,
    again: Option<Kind>,
    perhaps: Option<String>,
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::A), Just(Kind::B)]
}

fn all() -> impl Strategy<Value = All> {
    let numbers = (any::<bool>(), any::<i64>(), any::<i32>(), any::<i16>(), any::<i32>());
    let lists = (
        proptest::collection::vec(any::<i64>(), 0..5),
        proptest::collection::btree_map(".{0,5}", proptest::option::of(any::<i32>()), 0..4),
    );
    let rest = (".{0,20}", kind(), proptest::option::of(kind()), proptest::option::of(".{0,9}"));
    let leaf =
        (numbers, lists, rest).prop_map(|((flag, large, small, single, double), (list, map), rest)| All {
            next: None,
            flag,
            large,
            small,
            single: f32::from(single) / 8.0,
            double: f64::from(double) / 8.0,
            text: rest.0,
            list,
            map,
            kind: rest.1,
            again: rest.2,
            perhaps: rest.3,
        });
    leaf.prop_recursive(3, 8, 1, |inner| {
        (inner.clone(), inner).prop_map(|(outer, inner)| All { next: Some(Box::new(inner)), ..outer })
    })
}

/// The same value as the library's generic one.
fn generic(all: &All) -> Generic {
    let kind = |kind: &Kind| match kind {
        Kind::A => Generic::Enum(0, "A".to_owned()),
        Kind::B => Generic::Enum(1, "B".to_owned()),
    };
    let union = |branch: u32, value| Generic::Union(branch, Box::new(value));
    let null_or = |value: Option<Generic>| value.map_or(union(0, Generic::Null), |value| union(1, value));
    let entry = |(key, value): (&String, &Option<i32>)| (key.clone(), null_or(value.map(Generic::Int)));
    let fields = [
        ("flag", Generic::Boolean(all.flag)),
        ("small", Generic::Int(all.small)),
        ("large", Generic::Long(all.large)),
        ("single", Generic::Float(all.single)),
        ("double", Generic::Double(all.double)),
        ("text", Generic::String(all.text.clone())),
        ("perhaps", null_or(all.perhaps.clone().map(Generic::String))),
        ("list", Generic::Array(all.list.iter().map(|item| Generic::Long(*item)).collect())),
        ("map", Generic::Map(all.map.iter().map(entry).collect())),
        ("kind", kind(&all.kind)),
        ("again", all.again.as_ref().map_or(union(1, Generic::Null), |again| union(0, kind(again)))),
        ("next", null_or(all.next.as_deref().map(generic))),
    ];
    Generic::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

proptest! {
    #[test]
    fn what_is_written_the_library_reads_and_the_other_way_round(all in all()) {
        let schema = Schema::parse_str(EVERYTHING).unwrap();
        let ours = written(EVERYTHING, &all).unwrap();
        let theirs = GenericDatumReader::builder(&schema).build().unwrap();
        prop_assert_eq!(theirs.read_value(&mut ours.as_slice()).unwrap(), generic(&all));
        let theirs = GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(generic(&all)).unwrap();
        prop_assert_eq!(read_back::<All>(EVERYTHING, &theirs).unwrap(), all);
    }

    #[test]
    fn a_datum_that_is_cut_is_refused(all in all(), cut in any::<prop::sample::Index>()) {
        let datum = written(EVERYTHING, &all).unwrap();
        let cut = cut.index(datum.len());
        prop_assert!(read_back::<All>(EVERYTHING, &datum[..cut]).is_err());
        let more = [datum.as_slice(), &[0]].concat();
        prop_assert!(read_back::<All>(EVERYTHING, &more).is_err());
    }

    #[test]
    fn no_bytes_bring_the_reader_down(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_back::<All>(EVERYTHING, &bytes);
        let _ = read_back::<serde::de::IgnoredAny>(EVERYTHING, &bytes);
        let _ = read_back::<serde_json::Value>(EVERYTHING, &bytes);
    }

    #[test]
    fn what_is_passed_over_is_passed_over_whole(all in all()) {
        let datum = written(EVERYTHING, &all).unwrap();
        prop_assert!(read_back::<serde::de::IgnoredAny>(EVERYTHING, &datum).is_ok());
    }
}

#[test]
fn numbers_take_the_bytes_of_the_specification() {
    for (number, bytes) in [
        (0_i64, &[0][..]),
        (-1, &[1]),
        (1, &[2]),
        (-64, &[0x7f]),
        (64, &[0x80, 1]),
        (i64::MAX, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        (i64::MIN, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
    ] {
        assert_eq!(written(r#""long""#, &number).unwrap(), bytes, "{number}");
        assert_eq!(read_back::<i64>(r#""long""#, bytes).unwrap(), number);
    }
    assert!(read_back::<i64>(r#""long""#, &[0xff; 10]).is_err(), "65 bits");
    assert!(read_back::<i64>(r#""int""#, &[0xfe, 0xff, 0xff, 0xff, 0x7f]).is_err(), "33 bits");
}

#[test]
fn texts_and_bytes_are_lent() {
    let datum = written(r#""string""#, "Oak desk lamp").unwrap();
    let text: &str = read_back(r#""string""#, &datum).unwrap();
    assert_eq!(text.as_ptr(), datum[1..].as_ptr());
    let datum = [b"\x06".as_slice(), &[0xff, 0, 1]].concat();
    let bytes: &[u8] = read_back(r#""bytes""#, &datum).unwrap();
    assert_eq!(bytes, [0xff, 0, 1]);
    assert!(read_back::<&str>(r#""string""#, &datum).is_err(), "it is not UTF-8");
}

#[test]
fn blocks_that_tell_their_bytes_are_read_and_passed_over() {
    // Two items in a block of three bytes, then one without, then the end.
    let datum = [3, 6, 2, 0x80, 1, 2, 6, 0];
    let schema = r#"{"type": "array", "items": "long"}"#;
    assert_eq!(read_back::<Vec<i64>>(schema, &datum).unwrap(), [1, 64, 3]);
    assert!(read_back::<serde::de::IgnoredAny>(schema, &datum).is_ok());
}

#[test]
fn a_list_that_claims_too_much_and_a_value_that_nests_too_deep_are_refused() {
    let nulls = r#"{"type": "array", "items": "null"}"#;
    let mut claim = Vec::new();
    write(&Layout::parse(r#""long""#).unwrap(), &10_000_000_i64, &mut claim).unwrap();
    claim.push(0);
    assert!(read_back::<Vec<()>>(nulls, &claim).unwrap_err().contains("more elements"));
    let list = r#"{"type": "record", "name": "L", "fields": [{"name": "next", "type": ["null", "L"]}]}"#;
    let deep = vec![2; 100_000];
    assert!(read_back::<serde::de::IgnoredAny>(list, &deep).unwrap_err().contains("deep in each other"));
}

#[test]
fn decimals_go_as_text_whatever_holds_them() {
    let bytes = r#"{"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}"#;
    let fixed =
        r#"{"type": "fixed", "name": "F", "size": 3, "logicalType": "decimal", "precision": 5, "scale": 2}"#;
    for (schema, text, datum) in [
        (bytes, "12.50", &[4, 0x04, 0xe2][..]),
        (bytes, "-0.01", &[2, 0xff]),
        (bytes, "0.00", &[2, 0]),
        (fixed, "-0.01", &[0xff, 0xff, 0xff]),
    ] {
        assert_eq!(written(schema, text).unwrap(), datum, "{text}");
        assert_eq!(read_back::<String>(schema, datum).unwrap(), text);
    }
    assert_eq!(written(bytes, &7_i32), written(bytes, "7.00"));
    for text in ["1.234", "1000.00", "one"] {
        assert!(written(bytes, text).unwrap_err().contains("no decimal of 5 digits"), "{text}");
    }
}

#[test]
fn a_union_takes_the_branch_that_fits_best() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Event {
        #[serde(rename = "null")]
        Nothing,
        #[serde(rename = "Made")]
        Made { id: i64 },
        #[serde(rename = "string")]
        Note(String),
    }
    let made = r#"{"type": "record", "name": "Made", "namespace": "x.y", "fields": [{"name": "id", "type": "long"}]}"#;
    let union = format!(r#"["null", {made}, "string"]"#);
    for (event, datum) in [
        (Event::Nothing, &[0][..]),
        (Event::Made { id: 5 }, &[2, 10]),
        (Event::Note("hi".to_owned()), &[4, 4, b'h', b'i']),
    ] {
        assert_eq!(written(&union, &event).unwrap(), datum);
        assert_eq!(read_back::<Event>(&union, datum).unwrap(), event);
    }
    let numbers = r#"["null", "int", "long", "double", "string", "boolean"]"#;
    for (value, first) in
        [(json!(5), 4), (json!("a"), 8), (json!(1.5), 6), (json!(true), 10), (json!(null), 0)]
    {
        assert_eq!(written(numbers, &value).unwrap()[0], first, "{value}");
    }
    assert!(written(r#"["null", "int"]"#, "text").unwrap_err().contains("a union without a branch for it"));
}

#[test]
fn a_record_is_written_from_maps_and_lacks_only_what_may_be_null() {
    let schema = r#"{"type": "record", "name": "R", "fields": [
        {"name": "a", "type": "long"}, {"name": "b", "type": ["null", "long"]}, {"name": "c", "type": "string"}]}"#;
    let whole = written(schema, &json!({"c": "x", "b": 2, "a": 1})).unwrap();
    assert_eq!(whole, [2, 2, 4, 2, b'x']);
    assert_eq!(written(schema, &json!({"c": "x", "a": 1})).unwrap(), [2, 0, 2, b'x']);
    for (value, told) in [
        (json!({"c": "x"}), "no field 'a'"),
        (json!({"a": 1, "b": null}), "no field 'c'"),
        (json!({"a": 1, "c": "x", "d": 0}), "the schema's record has no field 'd'"),
        (json!({"a": "one", "c": "x"}), "a: a text stands where the schema has a long"),
    ] {
        assert!(written(schema, &value).unwrap_err().contains(told), "{value}");
    }
}

#[test]
fn a_field_that_is_new_to_the_reader_is_passed_over_and_one_that_is_gone_takes_its_default() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Part {
        flag: bool,
        text: String,
        #[serde(default)]
        later: i64,
    }
    let all = json!({"flag": true, "small": 1, "large": 2, "single": 0.5, "double": 0.5, "text": "t", "list": [1, 2],
        "map": {"a": 1}, "kind": "B", "again": "A", "next": null});
    let datum = written(EVERYTHING, &all).unwrap();
    let part: Part = read_back(EVERYTHING, &datum).unwrap();
    assert_eq!(part, Part { flag: true, text: "t".to_owned(), later: 0 });
}

#[test]
fn lists_of_unknown_length_are_written_too() {
    struct Unknown;
    impl Serialize for Unknown {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((0..4_i64).filter(|number| number % 2 == 1))
        }
    }
    let schema = r#"{"type": "array", "items": "long"}"#;
    let datum = written(schema, &Unknown).unwrap();
    assert_eq!(read_back::<Vec<i64>>(schema, &datum).unwrap(), [1, 3]);
    assert_eq!(written(schema, &Vec::<i64>::new()).unwrap(), [0]);
}
