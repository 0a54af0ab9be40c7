//! What rules keep, as the console shows it.

use std::sync::Arc;

use millstream_http_api::{Label, LocalTable, ToJson};
use millstream_model::Value;
use millstream_ports::base64_text;
use millstream_rule_engine::{KeptKey, RuleWatch, kept_value};
use millstream_sql::{date_text, moment_text, time_text};
use serde_json::{Map, Number, Value as Json, json};

/// The table that rules keep their state in, where they keep any.
pub(crate) fn table(watch: &RuleWatch) -> Option<LocalTable> {
    let (name, client) = watch.table()?;
    let rules = watch.clone();
    let label: Label = Arc::new(move |key| label(key, &|number| rules.numbered(number)));
    let value: ToJson = Arc::new(|bytes| {
        kept_value(bytes).map(|value| told(&value)).ok_or_else(|| "it is no value of a rule".to_owned())
    });
    Some(LocalTable { name, client, status: watch.status().clone(), label, value })
}

/// Such as `aggregate 3 "lamp", 7`, and before it the rule's name where several share the table.
fn label<'r>(key: &[u8], numbered: &dyn Fn(u32) -> Option<&'r str>) -> String {
    let Some(KeptKey { rule, what, step, of }) = KeptKey::read(key) else {
        return format!("own {}", base64_text(key));
    };
    let of: Vec<_> = of.iter().map(|value| told(value).to_string()).collect();
    let rule =
        rule.map(|number| numbered(number).map_or_else(|| format!("rule {number}"), ToOwned::to_owned));
    let told = format!("{} {what} {step} {}", rule.unwrap_or_default(), of.join(", "));
    told.trim().to_owned()
}

/// A value without its type: fields have places and no names.
fn told(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Bigint(value) => json!(value),
        Value::Double(value) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
        Value::Decimal(value) => json!(value.to_string()),
        Value::String(text) => json!(&**text),
        Value::Bytes(bytes) => json!(base64_text(bytes)),
        Value::Timestamp(millis) => json!(moment_text(*millis)),
        Value::Date(days) => json!(date_text(*days)),
        Value::Time(millis) => json!(time_text(*millis)),
        Value::Array(values) | Value::Struct(values) => values.iter().map(told).collect(),
        Value::Map(map) => {
            let name = |key: &Value| match told(key) {
                Json::String(text) => text,
                other => other.to_string(),
            };
            Json::Object(map.iter().map(|(key, value)| (name(key), told(value))).collect::<Map<_, _>>())
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_model::encode_value;

    use super::*;

    #[test]
    fn a_key_is_told_in_words() {
        let mut key = b"a\x00\x02".to_vec();
        encode_value(&Value::Struct(vec![Value::text("desk \"lamp\""), Value::Bigint(7)]), &mut key);
        let label = |key: &[u8]| label(key, &|number| (number == 3).then_some("SUMS"));
        assert_eq!(label(&key), "aggregate 2 \"desk \\\"lamp\\\"\", 7");
        assert_eq!(label(b"t\x00\x01"), "time 1");
        assert_eq!(label(b"q"), "own cQ==");
        assert_eq!(label(b"#\0\0\0\x03t\x00\x01"), "SUMS time 1");
        assert_eq!(label(b"#\0\0\0\x04t\x00\x01"), "rule 4 time 1", "it has left");
    }

    #[test]
    fn values_are_told_without_their_types() {
        let inner = Value::Struct(vec![Value::Null, Value::Boolean(true), Value::Double(f64::NAN)]);
        let map = Value::Map([(Value::text("a"), inner), (Value::Int(2), Value::Bytes([1].into()))].into());
        assert_eq!(told(&map), json!({"a": [null, true, null], "2": "AQ=="}));
    }
}
