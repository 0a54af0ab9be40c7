//! Values and types as ksqlDB's JSON has them.

use millstream_model::{Column, Type, Value};
use millstream_ports::base64_text;
use millstream_sql::{date_text, moment_text, text_of, time_text};
use serde_json::{Value as Json, json};

/// Writes a value of a type behind what is written. A decimal is a number with all its digits; a double that is no number is
/// a text, for JSON has none such.
fn write(out: &mut String, value: &Value, ty: &Type) {
    match (value, ty) {
        (Value::Null, _) => out.push_str("null"),
        (Value::Boolean(_) | Value::Int(_) | Value::Bigint(_) | Value::Decimal(_), _) => {
            out.push_str(&text_of(value, ty));
        }
        (Value::Double(value), _) if value.is_finite() => out.push_str(&json!(value).to_string()),
        (Value::String(text), _) => quoted(out, text),
        (Value::Bytes(bytes), _) => quoted(out, &base64_text(bytes)),
        (Value::Timestamp(millis), _) => quoted(out, &moment_text(*millis)),
        (Value::Date(days), _) => quoted(out, &date_text(*days)),
        (Value::Time(millis), _) => quoted(out, &time_text(*millis)),
        (Value::Array(values), Type::Array(of)) => {
            list(out, ['[', ']'], values.iter(), |out, each| write(out, each, of));
        }
        (Value::Map(map), Type::Map(key, of)) => list(out, ['{', '}'], map.iter(), |out, (name, each)| {
            quoted(out, &text_of(name, key));
            out.push(':');
            write(out, each, of);
        }),
        (Value::Struct(values), Type::Struct(fields)) => {
            list(out, ['{', '}'], fields.iter().zip(values), |out, (field, each)| {
                quoted(out, &field.name);
                out.push(':');
                write(out, each, &field.ty);
            });
        }
        (other, ty) => quoted(out, &text_of(other, ty)),
    }
}

fn quoted(out: &mut String, text: &str) {
    out.push_str(&json!(text).to_string());
}

/// Writes what `each` writes of every item, with commas between.
fn list<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl Iterator<Item = T>,
    mut each: impl FnMut(&mut String, T),
) {
    out.push(open);
    for (place, item) in items.enumerate() {
        if place > 0 {
            out.push(',');
        }
        each(out, item);
    }
    out.push(close);
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

/// A row, as an array in JSON.
pub(crate) fn row(values: &[Value], columns: &[Column]) -> String {
    let mut out = String::new();
    list(&mut out, ['[', ']'], values.iter().zip(columns), |out, (each, column)| {
        write(out, each, &column.ty)
    });
    out
}

#[cfg(test)]
mod tests {
    use millstream_model::Decimal;

    use super::*;

    #[test]
    fn values_are_told_by_their_types() {
        let pair = Type::Struct(vec![Column::new("A", Type::Int), Column::new("b", Type::Date)]);
        let decimal = Type::Decimal { precision: 5, scale: 2 };
        let wide = Type::Decimal { precision: 38, scale: 2 };
        for (one, ty, expected) in [
            (Value::Null, Type::Int, "null"),
            (Value::Bigint(i64::MAX), Type::Bigint, "9223372036854775807"),
            (Value::Double(1.5), Type::Double, "1.5"),
            (Value::Double(3.0), Type::Double, "3.0"),
            (Value::Double(f64::NAN), Type::Double, "\"NaN\""),
            (Value::Double(f64::NEG_INFINITY), Type::Double, "\"-Infinity\""),
            (Value::Decimal(Decimal::new(1250, 2)), decimal, "12.50"),
            (Value::Decimal(Decimal::new(-12_345_678_901_234_567_890, 2)), wide, "-123456789012345678.90"),
            (Value::text("a\"b"), Type::String, "\"a\\\"b\""),
            (Value::Bytes([1, 255].into()), Type::Bytes, "\"Af8=\""),
            (Value::Timestamp(0), Type::Timestamp, "\"1970-01-01T00:00:00.000\""),
            (Value::Struct(vec![Value::Int(1), Value::Date(1)]), pair, "{\"A\":1,\"b\":\"1970-01-02\"}"),
            (Value::Array(vec![Value::Int(1), Value::Null]), Type::Array(Box::new(Type::Int)), "[1,null]"),
        ] {
            let told = row(&[one], &[Column::new("C", ty)]);
            assert_eq!(told, format!("[{expected}]"));
            assert!(serde_json::from_str::<Json>(&told).is_ok(), "{told}");
        }
        let texts = Type::Map(Box::new(Type::String), Box::new(Type::Int));
        let map = Value::Map([(Value::text("a"), Value::Int(1))].into());
        assert_eq!(row(&[map], &[Column::new("C", texts)]), r#"[{"a":1}]"#);
        let map = Type::Map(Box::new(Type::String), Box::new(Type::Array(Box::new(Type::Int))));
        assert_eq!(type_text(&map), "MAP<STRING, ARRAY<INTEGER>>");
        assert_eq!(schema(&map)["memberSchema"]["memberSchema"]["type"], "INTEGER");
    }
}
