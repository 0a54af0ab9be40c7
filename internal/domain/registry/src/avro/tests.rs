use std::collections::BTreeMap;

use super::{Avro, incompatibilities};

fn parsed(text: &str) -> Avro {
    Avro::parse(text, BTreeMap::new(), true).unwrap_or_else(|why| panic!("{text}: {why}"))
}

/// A record `R` with these fields.
fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
}

/// What keeps the reader from reading, each as `KIND place`.
fn between(reader: &str, writer: &str) -> Vec<String> {
    let found = incompatibilities(&parsed(reader), &parsed(writer));
    found.iter().map(|found| format!("{} {}", found.kind, found.place)).collect()
}

#[test]
fn primitives_read_themselves_and_what_can_be_promoted_to_them() {
    let all = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];
    let promoted = [
        ("long", "int"),
        ("float", "int"),
        ("double", "int"),
        ("float", "long"),
        ("double", "long"),
        ("double", "float"),
        ("bytes", "string"),
        ("string", "bytes"),
    ];
    for reader in all {
        for writer in all {
            let expected = reader == writer || promoted.contains(&(reader, writer));
            let found = between(&format!("\"{reader}\""), &format!("\"{writer}\""));
            assert_eq!(found.is_empty(), expected, "{reader} reads {writer}: {found:?}");
        }
    }
}

/// Reader, writer, and what is between them.
const CASES: &[(&str, &str, &str, &[&str])] = &[
    ("arrays by items", r#"{"type":"array","items":"long"}"#, r#"{"type":"array","items":"int"}"#, &[]),
    (
        "arrays by items, wrong",
        r#"{"type":"array","items":"int"}"#,
        r#"{"type":"array","items":"long"}"#,
        &["TYPE_MISMATCH /items"],
    ),
    ("maps by values", r#"{"type":"map","values":"string"}"#, r#"{"type":"map","values":"bytes"}"#, &[]),
    (
        "a map is no array",
        r#"{"type":"map","values":"int"}"#,
        r#"{"type":"array","items":"int"}"#,
        &["TYPE_MISMATCH /"],
    ),
    ("a union may widen", r#"["null","string","int"]"#, r#"["null","string"]"#, &[]),
    (
        "a union may not narrow",
        r#"["null","string"]"#,
        r#"["null","string","boolean"]"#,
        &["MISSING_UNION_BRANCH /2"],
    ),
    ("a union in another order", r#"["string","null"]"#, r#"["null","string"]"#, &[]),
    ("a union with a promotion", r#"["null","double"]"#, r#"["null","int"]"#, &[]),
    ("into a union", r#"["null","string"]"#, r#""string""#, &[]),
    ("into a union without it", r#"["null","string"]"#, r#""int""#, &["MISSING_UNION_BRANCH /"]),
    ("out of a union of one", r#""string""#, r#"["string"]"#, &[]),
    ("out of a union with more", r#""string""#, r#"["null","string"]"#, &["TYPE_MISMATCH /0"]),
    (
        "enum with more symbols",
        r#"{"type":"enum","name":"E","symbols":["A","B","C"]}"#,
        r#"{"type":"enum","name":"E","symbols":["B","A"]}"#,
        &[],
    ),
    (
        "enum with fewer symbols",
        r#"{"type":"enum","name":"E","symbols":["A"]}"#,
        r#"{"type":"enum","name":"E","symbols":["A","B"]}"#,
        &["MISSING_ENUM_SYMBOLS /symbols"],
    ),
    (
        "enum with fewer symbols and a default",
        r#"{"type":"enum","name":"E","symbols":["A"],"default":"A"}"#,
        r#"{"type":"enum","name":"E","symbols":["A","B"]}"#,
        &[],
    ),
    (
        "the writer's default does not help",
        r#"{"type":"enum","name":"E","symbols":["A"]}"#,
        r#"{"type":"enum","name":"E","symbols":["A","B"],"default":"A"}"#,
        &["MISSING_ENUM_SYMBOLS /symbols"],
    ),
    (
        "enum renamed",
        r#"{"type":"enum","name":"F","symbols":["A"]}"#,
        r#"{"type":"enum","name":"E","symbols":["A"]}"#,
        &["NAME_MISMATCH /name"],
    ),
    (
        "enum renamed with an alias",
        r#"{"type":"enum","name":"F","aliases":["E"],"symbols":["A"]}"#,
        r#"{"type":"enum","name":"E","symbols":["A"]}"#,
        &[],
    ),
    (
        "an alias of the writer does not help",
        r#"{"type":"enum","name":"E","symbols":["A"]}"#,
        r#"{"type":"enum","name":"F","aliases":["E"],"symbols":["A"]}"#,
        &["NAME_MISMATCH /name"],
    ),
    (
        "an alias takes the namespace of its type",
        r#"{"type":"fixed","name":"n.F","aliases":["E"],"size":2}"#,
        r#"{"type":"fixed","name":"n.E","size":2}"#,
        &[],
    ),
    (
        "an alias in another namespace",
        r#"{"type":"fixed","name":"n.F","aliases":["m.E"],"size":2}"#,
        r#"{"type":"fixed","name":"n.E","size":2}"#,
        &["NAME_MISMATCH /name"],
    ),
    (
        "namespaces make no difference",
        r#"{"type":"fixed","name":"a.F","size":2}"#,
        r#"{"type":"fixed","name":"b.F","size":2}"#,
        &[],
    ),
    (
        "fixed of another size",
        r#"{"type":"fixed","name":"F","size":3}"#,
        r#"{"type":"fixed","name":"F","size":2}"#,
        &["FIXED_SIZE_MISMATCH /size"],
    ),
    ("fixed is not bytes", r#""bytes""#, r#"{"type":"fixed","name":"F","size":2}"#, &["TYPE_MISMATCH /"]),
    (
        "a record is no enum",
        r#"{"type":"record","name":"E","fields":[]}"#,
        r#"{"type":"enum","name":"E","symbols":["A"]}"#,
        &["TYPE_MISMATCH /"],
    ),
    (
        "logical types are looked through",
        r#"{"type":"long","logicalType":"timestamp-millis"}"#,
        r#"{"type":"int","logicalType":"date"}"#,
        &[],
    ),
    ("a uuid is a string", r#""string""#, r#"{"type":"string","logicalType":"uuid"}"#, &[]),
    (
        "a uuid as text is no fixed",
        r#"{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}"#,
        r#"{"type":"string","logicalType":"uuid"}"#,
        &["TYPE_MISMATCH /"],
    ),
    (
        "a decimal is bytes, whatever its precision",
        r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#,
        r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}"#,
        &[],
    ),
];

#[test]
fn types_read_what_the_specification_lets_them_read() {
    for (what, reader, writer, expected) in CASES {
        assert_eq!(between(reader, writer), *expected, "{what}: {reader} reads {writer}");
    }
}

/// Fields of the reader, fields of the writer, and what is between the records.
const FIELDS: &[(&str, &str, &str, &[&str])] = &[
    (
        "added with a default",
        r#"{"name":"a","type":"int"},{"name":"b","type":"int","default":0}"#,
        r#"{"name":"a","type":"int"}"#,
        &[],
    ),
    ("added with null as the default", r#"{"name":"b","type":["null","int"],"default":null}"#, "", &[]),
    (
        "added without a default",
        r#"{"name":"a","type":"int"},{"name":"b","type":["null","int"]}"#,
        r#"{"name":"a","type":"int"}"#,
        &["READER_FIELD_MISSING_DEFAULT_VALUE /fields/1"],
    ),
    (
        "removed",
        r#"{"name":"a","type":"int"}"#,
        r#"{"name":"b","type":"int"},{"name":"a","type":"int"}"#,
        &[],
    ),
    (
        "moved",
        r#"{"name":"a","type":"int"},{"name":"b","type":"string"}"#,
        r#"{"name":"b","type":"string"},{"name":"a","type":"int"}"#,
        &[],
    ),
    (
        "renamed",
        r#"{"name":"b","type":"int"}"#,
        r#"{"name":"a","type":"int"}"#,
        &["READER_FIELD_MISSING_DEFAULT_VALUE /fields/0"],
    ),
    (
        "renamed with an alias",
        r#"{"name":"b","type":"long","aliases":["a"]}"#,
        r#"{"name":"a","type":"int"}"#,
        &[],
    ),
    (
        "renamed with an alias and another type",
        r#"{"name":"b","type":"int","aliases":["a"]}"#,
        r#"{"name":"a","type":"long"}"#,
        &["TYPE_MISMATCH /fields/0/type"],
    ),
    (
        "an alias of the writer's does not help",
        r#"{"name":"b","type":"int"}"#,
        r#"{"name":"a","type":"int","aliases":["b"]}"#,
        &["READER_FIELD_MISSING_DEFAULT_VALUE /fields/0"],
    ),
    (
        "a name and an alias that both match",
        r#"{"name":"b","type":"int","aliases":["a"]}"#,
        r#"{"name":"a","type":"string"},{"name":"b","type":"int"}"#,
        &["TYPE_MISMATCH /fields/0"],
    ),
    ("promoted", r#"{"name":"a","type":"double"}"#, r#"{"name":"a","type":"float"}"#, &[]),
    (
        "made optional",
        r#"{"name":"a","type":["null","int"],"default":null}"#,
        r#"{"name":"a","type":"int"}"#,
        &[],
    ),
    (
        "made required",
        r#"{"name":"a","type":"int"}"#,
        r#"{"name":"a","type":["null","int"]}"#,
        &["TYPE_MISMATCH /fields/0/type/0"],
    ),
    (
        "all faults are told",
        r#"{"name":"a","type":"int"},{"name":"b","type":"int"}"#,
        r#"{"name":"a","type":"string"}"#,
        &["TYPE_MISMATCH /fields/0/type", "READER_FIELD_MISSING_DEFAULT_VALUE /fields/1"],
    ),
    (
        "nested records",
        r#"{"name":"a","type":{"type":"record","name":"N","fields":[{"name":"x","type":"long"},{"name":"y","type":"int"}]}}"#,
        r#"{"name":"a","type":{"type":"record","name":"N","fields":[{"name":"x","type":"int"}]}}"#,
        &["READER_FIELD_MISSING_DEFAULT_VALUE /fields/0/type/fields/1"],
    ),
    (
        "a name stands for its definition, wherever that is",
        r#"{"name":"b","type":{"type":"fixed","name":"F","size":2}}"#,
        r#"{"name":"a","type":{"type":"fixed","name":"F","size":2}},{"name":"b","type":"F"}"#,
        &[],
    ),
    (
        "equal names with other definitions behind them",
        r#"{"name":"c","type":{"type":"fixed","name":"F","size":4},"default":"abcd"},{"name":"b","type":"F"}"#,
        r#"{"name":"a","type":{"type":"fixed","name":"F","size":2}},{"name":"b","type":"F"}"#,
        &["FIXED_SIZE_MISMATCH /fields/1/type/size"],
    ),
    (
        "a record within itself",
        r#"{"name":"next","type":["null","R"]},{"name":"v","type":"long"}"#,
        r#"{"name":"next","type":["null","R"]},{"name":"v","type":"int"}"#,
        &[],
    ),
    (
        "a record within itself that does not go",
        r#"{"name":"next","type":["null","R"]},{"name":"v","type":"int"}"#,
        r#"{"name":"next","type":["null","R"]},{"name":"v","type":"string"}"#,
        &["TYPE_MISMATCH /fields/1/type"],
    ),
];

#[test]
fn records_read_by_their_fields() {
    for (what, reader, writer, expected) in FIELDS {
        assert_eq!(between(&record(reader), &record(writer)), *expected, "{what}");
    }
}

#[test]
fn one_schema_is_told_in_one_way() {
    for (written, told) in [
        (r#" {"type" : "string"} "#, r#""string""#),
        (
            r#"{"avro.java.string":"String","type":"string"}"#,
            r#"{"type":"string","avro.java.string":"String"}"#,
        ),
        (r#"{"items":{"type":"int"},"type":"array"}"#, r#"{"type":"array","items":"int"}"#),
        (
            r#"{"fields":[{"type":"int","doc":"d","order":"ascending","x":1,"name":"a","aliases":["z"],"default":1}],"aliases":["Old","m.Older"],"name":"n.R","type":"record","doc":"D"}"#,
            r#"{"type":"record","name":"R","namespace":"n","doc":"D","fields":[{"name":"a","type":"int","doc":"d","default":1,"aliases":["z"],"x":1}],"aliases":["Old","m.Older"]}"#,
        ),
        (
            r#"{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":{"type":"fixed","name":"n.F","size":1}},{"name":"b","type":"n.F"},{"name":"c","type":{"type":"enum","namespace":"","name":"E","symbols":["A"]}},{"name":"d","type":"E"}]}"#,
            r#"{"type":"record","name":"R","namespace":"n","fields":[{"name":"a","type":{"type":"fixed","name":"F","size":1}},{"name":"b","type":"F"},{"name":"c","type":{"type":"enum","name":"E","namespace":"","symbols":["A"]}},{"name":"d","type":"E"}]}"#,
        ),
    ] {
        let canonical = parsed(written).canonical();
        assert_eq!(canonical, told);
        assert_eq!(parsed(&canonical).canonical(), told, "telling it again changes nothing");
        assert_eq!(Avro::parse_leniently(written).unwrap().canonical(), told);
    }
}

#[test]
fn normalised_the_order_of_attributes_and_the_place_of_namespaces_do_not_matter() {
    let one = r#"{"type":"record","namespace":"n","name":"R","z":1,"a":{"y":2,"x":3},"fields":[{"name":"f","type":"n.R"}]}"#;
    let other =
        r#"{"a":{"x":3,"y":2},"z":1,"fields":[{"type":"R","name":"f"}],"name":"n.R","type":"record"}"#;
    assert_ne!(parsed(one).canonical(), parsed(other).canonical());
    assert_eq!(parsed(one).normal(), parsed(other).normal());
    assert_eq!(parsed(&parsed(one).normal()).normal(), parsed(one).normal());
}

#[test]
fn what_is_no_schema_is_refused_with_the_reason() {
    let with = |field: &str| record(field);
    for (text, why) in [
        ("nonsense".to_owned(), "not JSON"),
        ("{}".to_owned(), "no type"),
        (r#"{"type":{"type":"int"},"logicalType":"date"}"#.to_owned(), "no type"),
        (r#"{"type":"fixed","name":"F","namespace":"a-b","size":1}"#.to_owned(), "illegal name 'a-b.F'"),
        (r#"{"type":"fixed","name":"F","aliases":["1"],"size":1}"#.to_owned(), "illegal name '1'"),
        (r#"{"type":"fixed","name":"int","size":1}"#.to_owned(), "illegal name 'int'"),
        ("12".to_owned(), "12 is no type"),
        (r#""text""#.to_owned(), "undefined name: 'text'"),
        (r#"{"type":"record","name":"R"}"#.to_owned(), "no list of fields"),
        (r#"{"type":"record","fields":[]}"#.to_owned(), "no name in record"),
        (r#"{"type":"record","name":"1R","fields":[]}"#.to_owned(), "illegal name '1R'"),
        (r#"{"type":"array"}"#.to_owned(), "needs 'items'"),
        (r#"{"type":"map"}"#.to_owned(), "needs 'values'"),
        (r#"{"type":"enum","name":"E"}"#.to_owned(), "needs 'symbols'"),
        (r#"{"type":"enum","name":"E","symbols":["A","A"]}"#.to_owned(), "comes twice"),
        (r#"{"type":"enum","name":"E","symbols":["a-b"]}"#.to_owned(), "illegal symbol 'a-b'"),
        (r#"{"type":"enum","name":"E","symbols":["A"],"default":"B"}"#.to_owned(), "no symbol of its enum"),
        (r#"{"type":"fixed","name":"F","size":-1}"#.to_owned(), "needs a 'size'"),
        (r#"["int","int"]"#.to_owned(), "'int' twice"),
        (r#"["int",["null"]]"#.to_owned(), "immediately contain another"),
        (with(r#"{"name":"a"}"#), "field 'R.a' has no type"),
        (with(r#"{"name":"a","type":"Missing"}"#), "in field 'R.a': undefined name: 'Missing'"),
        (with(r#"{"name":"a","type":"int"},{"name":"a","type":"int"}"#), "two fields 'a'"),
        (with(r#"{"name":"a b","type":"int"}"#), "illegal name 'a b'"),
        (with(r#"{"name":"a","type":"int","order":"up"}"#), "an order that is none"),
        (with(r#"{"name":"a","type":{"type":"fixed","name":"R","size":1}}"#), "can't redefine 'R'"),
    ] {
        let said = Avro::parse(&text, BTreeMap::new(), true).unwrap_err();
        assert!(said.contains(why), "{text}: {said}");
    }
}

#[test]
fn defaults_have_to_fit_in_new_schemas() {
    for (kind, default, fits) in [
        (r#""int""#, "1", true),
        (r#""int""#, "2147483648", false),
        (r#""int""#, "1.5", false),
        (r#""long""#, "2147483648", true),
        (r#""double""#, "1", true),
        (r#""string""#, r#""x""#, true),
        (r#""string""#, "null", false),
        (r#""bytes""#, r#""\u00ff""#, true),
        (r#"["null","int"]"#, "null", true),
        (r#"["int","null"]"#, "null", true),
        (r#"["null","int"]"#, r#""x""#, false),
        (r#"{"type":"array","items":"int"}"#, "[1,2]", true),
        (r#"{"type":"array","items":"int"}"#, r#"["a"]"#, false),
        (r#"{"type":"map","values":"int"}"#, r#"{"a":1}"#, true),
        (r#"{"type":"enum","name":"E","symbols":["A"]}"#, r#""A""#, true),
        (r#"{"type":"enum","name":"E","symbols":["A"]}"#, r#""B""#, false),
        (r#"{"type":"record","name":"N","fields":[{"name":"x","type":"int"}]}"#, r#"{"x":1}"#, true),
        (r#"{"type":"record","name":"N","fields":[{"name":"x","type":"int"}]}"#, "{}", false),
        (r#"{"type":"record","name":"N","fields":[{"name":"x","type":"int","default":0}]}"#, "{}", true),
    ] {
        let text = record(&format!(r#"{{"name":"a","type":{kind},"default":{default}}}"#));
        let parsed = Avro::parse(&text, BTreeMap::new(), true);
        assert_eq!(parsed.is_ok(), fits, "{text}: {:?}", parsed.err());
        assert!(Avro::parse_leniently(&text).is_ok(), "one that was let in once stays readable");
    }
}
