//! Values and types as ksqlDB's JSON has them.

use millstream_model::{Column, Type, Value};
use millstream_ports::base64_text;
use millstream_sql::{date_text, moment_text, text_of, time_text};
use serde_json::{Map, Number, Value as Json, json};

/// A value of a type. A double that is no number is null, for JSON has none such.
pub(crate) fn value(value: &Value, ty: &Type) -> Json {
    match (value, ty) {
        (Value::Null, _) => Json::Null,
        (Value::Boolean(value), _) => json!(value),
        (Value::Int(value), _) => json!(value),
        (Value::Bigint(value), _) => json!(value),
        (Value::Double(value), _) => Number::from_f64(*value).map_or(Json::Null, Json::Number),
        (Value::Decimal(_), _) => {
            // A number where that says the same; a reader's double would round what has more digits.
            let text = text_of(value, ty);
            let number =
                text.parse::<f64>().ok().filter(|_| text.bytes().filter(u8::is_ascii_digit).count() <= 15);
            number.and_then(Number::from_f64).map_or(Json::String(text), Json::Number)
        }
        (Value::String(text), _) => json!(&**text),
        (Value::Bytes(bytes), _) => json!(base64_text(bytes)),
        (Value::Timestamp(millis), _) => json!(moment_text(*millis)),
        (Value::Date(days), _) => json!(date_text(*days)),
        (Value::Time(millis), _) => json!(time_text(*millis)),
        (Value::Array(values), Type::Array(of)) => values.iter().map(|each| self::value(each, of)).collect(),
        (Value::Map(map), Type::Map(key, of)) => {
            let entry = |(name, each): (&Value, &Value)| (text_of(name, key), self::value(each, of));
            Json::Object(map.iter().map(entry).collect())
        }
        (Value::Struct(values), Type::Struct(fields)) => {
            let field = |(field, each): (&Column, &Value)| (field.name.clone(), self::value(each, &field.ty));
            Json::Object(fields.iter().zip(values).map(field).collect::<Map<_, _>>())
        }
        (other, ty) => json!(text_of(other, ty)),
    }
}

/// A type in ksqlDB's words.
pub(crate) fn type_text(ty: &Type) -> String {
    match ty {
        Type::Int => "INTEGER".to_owned(),
        Type::Array(of) => format!("ARRAY<{}>", type_text(of)),
        Type::Map(key, of) => format!("MAP<{}, {}>", type_text(key), type_text(of)),
        Type::Struct(fields) => {
            let fields = fields.iter().map(|field| format!("`{}` {}", field.name, type_text(&field.ty)));
            format!("STRUCT<{}>", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A type as an object, as DESCRIBE gives it.
pub(crate) fn schema(ty: &Type) -> Json {
    let of = |name: &str, fields: Json, member: Json| json!({"type": name, "fields": fields, "memberSchema": member});
    match ty {
        Type::Array(member) => of("ARRAY", Json::Null, schema(member)),
        Type::Map(_, member) => of("MAP", Json::Null, schema(member)),
        Type::Struct(fields) => {
            let fields = fields.iter().map(|field| json!({"name": field.name, "schema": schema(&field.ty)}));
            of("STRUCT", fields.collect(), Json::Null)
        }
        Type::Decimal { precision, scale } => json!({
            "type": "DECIMAL", "fields": null, "memberSchema": null,
            "parameters": {"precision": precision, "scale": scale},
        }),
        plain => of(&type_text(plain), Json::Null, Json::Null),
    }
}

/// A row.
pub(crate) fn row(values: &[Value], columns: &[Column]) -> Json {
    values.iter().zip(columns).map(|(each, column)| value(each, &column.ty)).collect()
}

#[cfg(test)]
mod tests {
    use millstream_model::Decimal;

    use super::*;

    #[test]
    fn values_are_told_by_their_types() {
        let pair = Type::Struct(vec![Column::new("A", Type::Int), Column::new("b", Type::Date)]);
        let decimal = Type::Decimal { precision: 5, scale: 2 };
        for (one, ty, expected) in [
            (Value::Null, Type::Int, "null"),
            (Value::Bigint(i64::MAX), Type::Bigint, "9223372036854775807"),
            (Value::Double(1.5), Type::Double, "1.5"),
            (Value::Double(f64::NAN), Type::Double, "null"),
            (Value::Decimal(Decimal::new(1250, 2)), decimal, "12.50"),
            (Value::text("a\"b"), Type::String, "\"a\\\"b\""),
            (Value::Bytes([1, 255].into()), Type::Bytes, "\"Af8=\""),
            (Value::Timestamp(0), Type::Timestamp, "\"1970-01-01T00:00:00.000\""),
            (Value::Struct(vec![Value::Int(1), Value::Date(1)]), pair, "{\"A\":1,\"b\":\"1970-01-02\"}"),
            (Value::Array(vec![Value::Int(1), Value::Null]), Type::Array(Box::new(Type::Int)), "[1,null]"),
        ] {
            let told = value(&one, &ty).to_string();
            assert!(told == expected || told == expected.trim_end_matches('0'), "{told} for {expected}");
        }
        let map = Type::Map(Box::new(Type::String), Box::new(Type::Array(Box::new(Type::Int))));
        assert_eq!(type_text(&map), "MAP<STRING, ARRAY<INTEGER>>");
        assert_eq!(schema(&map)["memberSchema"]["memberSchema"]["type"], "INTEGER");
    }
}
