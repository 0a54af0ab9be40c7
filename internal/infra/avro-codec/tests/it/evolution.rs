//! Readers of one version and writers of another.

use millstream_avro_codec::{Avro, Registry};
use millstream_ports::Codec;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fake::Fake;
use crate::oracle::bytes_of;

const OLD: &str = r#"{"type": "record", "name": "P", "fields": [
    {"name": "id", "type": "string"}, {"name": "count", "type": "int"}, {"name": "legacy", "type": {"type": "map", "values":
        {"type": "array", "items": ["null", {"type": "enum", "name": "E", "symbols": ["A", "B"]}]}}}]}"#;
/// A field is gone, one is new and stands before the others, and one is wider.
const NEW: &str = r#"{"type": "record", "name": "P", "fields": [
    {"name": "brand", "type": ["null", "string"], "default": null}, {"name": "count", "type": "long"},
    {"name": "id", "type": "string"}, {"name": "size", "type": "int", "default": 7}]}"#;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Old {
    id: String,
    count: i32,
    #[serde(default)]
    legacy: std::collections::BTreeMap<String, Vec<Option<String>>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct New {
    #[serde(default)]
    brand: Option<String>,
    count: i64,
    id: String,
    #[serde(default = "seven")]
    size: i32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Strict {
    id: String,
    size: i32,
}

fn seven() -> i32 {
    7
}

/// A registry that knows the old schema as 1 and the new one as 2.
fn both() -> Fake {
    Fake::start(|request| match request.path() {
        "/schemas/ids/1" => Fake::schema(OLD),
        "/schemas/ids/2" => Fake::schema(NEW),
        _ => Fake::error(404, 40403, "Schema not found"),
    })
}

fn written<T: Serialize + DeserializeOwned + 'static>(id: u32, schema: &str, value: &T) -> Vec<u8> {
    bytes_of(&Avro::<T>::fixed(id, schema).unwrap(), value)
}

fn old() -> Old {
    let legacy = [("k".to_owned(), vec![Some("B".to_owned()), None])].into();
    Old { id: "p".to_owned(), count: 3, legacy }
}

fn new() -> New {
    New { brand: Some("Halden".to_owned()), count: 4, id: "q".to_owned(), size: 9 }
}

#[test]
fn a_newer_reader_takes_its_defaults_for_what_an_older_writer_lacked() {
    let fake = both();
    let reader = Avro::<New>::reader(&Registry::new(&fake.url()).unwrap());
    let expected = New { brand: None, count: 3, id: "p".to_owned(), size: 7 };
    assert_eq!(reader.decode(&written(1, OLD, &old())), Ok(expected));
    assert_eq!(reader.decode(&written(2, NEW, &new())), Ok(new()));
}

#[test]
fn an_older_reader_passes_over_what_a_newer_writer_added() {
    let fake = both();
    let reader = Avro::<Old>::reader(&Registry::new(&fake.url()).unwrap());
    let expected = Old { id: "q".to_owned(), count: 4, legacy: [].into() };
    assert_eq!(reader.decode(&written(2, NEW, &new())), Ok(expected));
    assert_eq!(reader.decode(&written(1, OLD, &old())), Ok(old()));
}

#[test]
fn a_field_with_neither_writer_nor_default_is_an_error_that_names_it() {
    let fake = both();
    let reader = Avro::<Strict>::reader(&Registry::new(&fake.url()).unwrap());
    let said = reader.decode(&written(1, OLD, &old())).unwrap_err().to_string();
    assert!(said.starts_with("not the Avro of schema 1") && said.contains("missing field `size`"), "{said}");
}

#[test]
fn each_schema_is_asked_for_once_and_an_unknown_one_not_for_every_record() {
    let fake = both();
    let reader = Avro::<New>::reader(&Registry::new(&fake.url()).unwrap());
    for _ in 0..3 {
        reader.decode(&written(1, OLD, &old())).unwrap();
        reader.clone().decode(&written(2, NEW, &new())).unwrap();
        let said = reader.decode(&written(3, NEW, &new())).unwrap_err().to_string();
        assert_eq!(said, "the schema registry knows no schema with id 3");
    }
    let mut asked: Vec<_> = fake.requests().iter().map(|request| request.path().to_owned()).collect();
    asked.sort();
    assert_eq!(asked, ["/schemas/ids/1", "/schemas/ids/2", "/schemas/ids/3"]);
}
