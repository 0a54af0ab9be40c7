//! Avro's rules of evolution beside those of the `apache-avro` library: equal where it is right, and where it is not, so told.

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use millstream_registry_rules::{Definition, Registration, State, Subject};
use proptest::prelude::*;

/// Whether the reader reads all that the writer writes, by this registry.
fn ours(reader: &str, writer: &str) -> bool {
    let (mut state, subject) = (State::default(), Subject::new("s").unwrap());
    let wanted = |text: &str| Registration::of(Definition::avro(text));
    for record in
        state.register(&subject, &wanted(writer)).unwrap_or_else(|why| panic!("{writer}: {why}")).records
    {
        state.apply(&record, None);
    }
    state.objections(&subject, &wanted(reader)).unwrap_or_else(|why| panic!("{reader}: {why}")).is_empty()
}

/// The same by the library.
fn theirs(reader: &str, writer: &str) -> bool {
    let parsed = |text: &str| Schema::parse_str(text).unwrap_or_else(|why| panic!("{text}: {why}"));
    matches!(SchemaCompatibility::can_read(&parsed(writer), &parsed(reader)), Ok(Compatibility::Full))
}

const PRIMITIVES: &[&str] = &["int", "long", "float", "double", "string", "bytes", "boolean", "null"];

fn kind() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => prop::sample::select(PRIMITIVES).prop_map(|name| format!("\"{name}\"")),
        1 => prop::sample::select(&["timestamp-millis", "timestamp-micros"][..])
            .prop_map(|logical| format!(r#"{{"type":"long","logicalType":"{logical}"}}"#)),
        1 => (1..4_u8).prop_map(|size| format!(r#"{{"type":"fixed","name":"F","size":{size}}}"#)),
        1 => (prop::sample::subsequence(vec!["A", "B", "C"], 1..=3), any::<bool>()).prop_map(|(symbols, has_default)| {
            let default = if has_default { format!(r#","default":"{}""#, symbols[0]) } else { String::new() };
            format!(r#"{{"type":"enum","name":"E","symbols":{symbols:?}{default}}}"#)
        }),
        1 => prop::sample::subsequence(vec!["null", "int", "long", "string"], 1..=3).prop_map(|branches| format!("{branches:?}")),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|items| format!(r#"{{"type":"array","items":{items}}}"#)),
            inner.clone().prop_map(|values| format!(r#"{{"type":"map","values":{values}}}"#)),
            prop::collection::btree_map("[abc]", inner, 0..3).prop_map(|fields| {
                let field =
                    |(name, kind): (&String, &String)| format!(r#"{{"name":"{name}","type":{kind}}}"#);
                let fields: Vec<_> = fields.iter().map(field).collect();
                format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, fields.join(","))
            }),
        ]
    })
}

/// A schema in which no name is defined twice; the library and ours both refuse such.
fn schema() -> impl Strategy<Value = String> {
    kind().prop_filter("a name is defined twice", |text| {
        ["\"name\":\"F\"", "\"name\":\"E\"", "\"name\":\"R\""]
            .iter()
            .all(|name| text.matches(name).count() < 2)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn without_names_that_stand_for_definitions_both_agree(reader in schema(), writer in schema()) {
        prop_assert_eq!(ours(&reader, &writer), theirs(&reader, &writer), "{} reads {}", reader, writer);
        prop_assert!(ours(&writer, &writer), "{} reads itself", writer);
    }
}

#[test]
fn where_the_library_is_wrong_the_registry_is_not() {
    let record = |fields: &str| format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    let fixed = |name: &str, size: u8| {
        format!(r#"{{"name":"{name}","type":{{"type":"fixed","name":"F","size":{size}}}}}"#)
    };
    let named = |name: &str| format!(r#"{{"name":"{name}","type":"F"}}"#);
    for (what, reader, writer, expected) in [
        (
            "the definition is where the other has only the name",
            record(&fixed("b", 2)),
            record(&format!("{},{}", fixed("a", 2), named("b"))),
            true,
        ),
        (
            "equal names, and other definitions behind them",
            record(&format!(
                r#"{{"name":"c","type":{{"type":"fixed","name":"F","size":4}},"default":"abcd"}},{}"#,
                named("b")
            )),
            record(&format!("{},{}", fixed("a", 2), named("b"))),
            false,
        ),
        (
            "a type that was renamed, with an alias",
            r#"{"type":"enum","name":"New","aliases":["Old"],"symbols":["A"]}"#.to_owned(),
            r#"{"type":"enum","name":"Old","symbols":["A"]}"#.to_owned(),
            true,
        ),
        (
            "a uuid as text where 16 bytes are read",
            r#"{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}"#.to_owned(),
            r#"{"type":"string","logicalType":"uuid"}"#.to_owned(),
            false,
        ),
        (
            "a decimal of more digits, which Java's library and so Confluent's registry takes",
            r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#.to_owned(),
            r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}"#.to_owned(),
            true,
        ),
    ] {
        assert_eq!(ours(&reader, &writer), expected, "{what}: {reader} reads {writer}");
        assert_eq!(theirs(&reader, &writer), !expected, "the library is right by now: {what}");
    }
}
