//! The rows that a topic's records make, worked out by another Avro library.

use std::collections::BTreeMap;

use apache_avro::types::Value;
use serde_json::{Map, Value as Json, json};

use crate::outside::{Avro, bare, hundredths, read_all};
use crate::stack::Stack;

/// A row's columns that are not null.
pub type Row = Map<String, Json>;

/// The last row of each key that a table can hold, tombstones taken into account.
pub fn rows(stack: &Stack, topic: &str, key_column: &str) -> BTreeMap<String, Row> {
    let (mut avro, mut rows) = (Avro::of(stack), BTreeMap::new());
    for record in read_all(stack, topic) {
        let Some((key, mut row)) = key_of(&mut avro, &record.key, key_column) else { continue };
        match &record.value {
            None => {
                rows.remove(&key);
            }
            Some(value) if value.first() == Some(&0) => {
                flatten("", &avro.decode(value), &mut row);
                if !holds_nul(&Json::Object(row.clone())) {
                    rows.insert(key, row);
                }
            }
            Some(_) => {}
        }
    }
    rows
}

fn key_of(avro: &mut Avro, key: &[u8], column: &str) -> Option<(String, Row)> {
    let mut row = Row::new();
    if column.is_empty() {
        flatten("", &avro.decode(key), &mut row);
    } else {
        let text = std::str::from_utf8(key).ok().filter(|text| !text.is_empty())?;
        row.insert(column.to_owned(), json!(text));
    }
    // The order of a primary key's columns is that of the key's fields.
    let parts: Vec<_> = match avro_fields(avro, key, column) {
        Some(names) => names.iter().map(|name| row[name].as_str().unwrap().to_owned()).collect(),
        None => row.values().map(|value| value.as_str().unwrap().to_owned()).collect(),
    };
    Some((parts.join("|"), row))
}

fn avro_fields(avro: &mut Avro, key: &[u8], column: &str) -> Option<Vec<String>> {
    if !column.is_empty() {
        return None;
    }
    let Value::Record(fields) = avro.decode(key) else { return None };
    Some(fields.iter().map(|(name, _)| name.to_lowercase()).collect())
}

fn flatten(before: &str, value: &Value, row: &mut Row) {
    let Value::Record(fields) = bare(value) else { panic!("no record: {value:?}") };
    for (name, value) in fields {
        let name = format!("{before}{}", name.to_lowercase());
        match bare(value) {
            Value::Record(_) => flatten(&format!("{name}_"), value, row),
            Value::Null => {}
            Value::Decimal(_) => {
                row.insert(name, json!(two_digits(hundredths(value))));
            }
            other => {
                row.insert(name, json_of(other));
            }
        }
    }
}

fn json_of(value: &Value) -> Json {
    match bare(value) {
        Value::String(text) => json!(text),
        Value::Int(number) => json!(number),
        Value::Long(number) | Value::TimestampMillis(number) => json!(number),
        Value::Double(number) => json!(number),
        Value::Decimal(_) => serde_json::from_str(&two_digits(hundredths(value))).unwrap(),
        Value::Array(values) => values.iter().map(json_of).collect(),
        Value::Map(map) => map.iter().map(|(name, value)| (name.clone(), json_of(value))).collect(),
        Value::Record(fields) => {
            fields.iter().map(|(name, value)| (name.to_lowercase(), json_of(value))).collect()
        }
        Value::Null => Json::Null,
        other => panic!("what is {other:?} in JSON?"),
    }
}

fn two_digits(hundredths: i64) -> String {
    let sign = if hundredths < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", hundredths.abs() / 100, hundredths.abs() % 100)
}

fn holds_nul(value: &Json) -> bool {
    match value {
        Json::String(text) => text.contains('\0'),
        Json::Array(values) => values.iter().any(holds_nul),
        Json::Object(map) => map.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        _ => false,
    }
}
