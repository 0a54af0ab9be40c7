//! Nested values as JSON, as RFC 8259 has it.

use std::fmt::Write as _;

use millstream_model::{Type, Value};
use millstream_ports::{CodecError, base64_text};

use crate::{iso, text};

/// Appends a value. Decimals keep all their digits, moments are ISO 8601, bytes are base64, and what JSON has no number for
/// (infinity, and what is no number) is a text.
///
/// # Errors
/// When it holds a character or a moment that PostgreSQL does not.
pub(crate) fn append(ty: &Type, value: &Value, out: &mut String) -> Result<(), CodecError> {
    match (ty, value) {
        (Type::Array(element), Value::Array(values)) => {
            list(out, ('[', ']'), values.iter(), |each, out| append(element, each, out))
        }
        (Type::Map(keys, element), Value::Map(map)) => {
            list(out, ('{', '}'), map.iter(), |(name, each), out| {
                let mut text = String::new();
                let is_there = text::append(keys, name, &mut text)?;
                string(if is_there { &text } else { "null" }, out)?;
                out.push(':');
                append(element, each, out)
            })
        }
        (Type::Struct(fields), Value::Struct(values)) => {
            list(out, ('{', '}'), fields.iter().zip(values), |(field, each), out| {
                lower(&field.name, out)?;
                out.push(':');
                append(&field.ty, each, out)
            })
        }
        (_, single) => self::single(single, out),
    }
}

fn list<T>(
    out: &mut String,
    (open, close): (char, char),
    values: impl Iterator<Item = T>,
    mut each: impl FnMut(T, &mut String) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    out.push(open);
    for (place, value) in values.enumerate() {
        if place > 0 {
            out.push(',');
        }
        each(value, out)?;
    }
    out.push(close);
    Ok(())
}

fn single(value: &Value, out: &mut String) -> Result<(), CodecError> {
    match value {
        Value::Boolean(is) => out.push_str(if *is { "true" } else { "false" }),
        Value::Int(number) => text::show(number, out),
        Value::Bigint(number) => text::show(number, out),
        Value::Double(number) if number.is_finite() => {
            // A string takes all that is written to it.
            let _ = write!(out, "{number:?}");
        }
        Value::Double(number) => string(text::not_finite(*number), out)?,
        Value::Decimal(number) => text::show(number, out),
        Value::String(text) => string(text, out)?,
        Value::Bytes(bytes) => string(&base64_text(bytes), out)?,
        Value::Timestamp(millis) => string(&text::moment(*millis).map(iso::written)?, out)?,
        Value::Date(days) => string(&iso::date(*days), out)?,
        Value::Time(millis) => string(&iso::time(*millis), out)?,
        Value::Null | Value::Array(_) | Value::Map(_) | Value::Struct(_) => out.push_str("null"),
    }
    Ok(())
}

fn string(text: &str, out: &mut String) -> Result<(), CodecError> {
    text::check(text)?;
    // Few texts have anything to escape.
    if text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        out.push_str(&serde_json::Value::from(text).to_string());
    } else {
        out.push('"');
        out.push_str(text);
        out.push('"');
    }
    Ok(())
}

fn lower(name: &str, out: &mut String) -> Result<(), CodecError> {
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        out.push('"');
        out.extend(name.chars().map(|letter| letter.to_ascii_lowercase()));
        out.push('"');
        return Ok(());
    }
    string(&name.to_lowercase(), out)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use millstream_model::{Column, Decimal};

    use super::*;

    fn json(ty: &Type, value: &Value) -> Result<String, CodecError> {
        let mut out = String::new();
        append(ty, value, &mut out).map(|()| out)
    }

    #[test]
    fn nested_values_are_json() {
        let image = Type::Struct(vec![
            Column::new("URL", Type::String),
            Column::new("PRICE", Type::Decimal { precision: 5, scale: 2 }),
            Column::new("AT", Type::Timestamp),
            Column::new("RAW", Type::Bytes),
            Column::new("FAR", Type::Double),
        ]);
        let value = Value::Struct(vec![
            Value::text("a\"\\\n\u{1f6cb}"),
            Value::Decimal("12.00".parse::<Decimal>().unwrap()),
            Value::Timestamp(0),
            Value::Bytes([0xfb, 0xff, 1, 2].into()),
            Value::Double(f64::NEG_INFINITY),
        ]);
        let list = Value::Array(vec![value, Value::Null]);
        let want = r#"[{"url":"a\"\\\n🛋","price":12.00,"at":"1970-01-01T00:00:00Z","raw":"+/8BAg==","far":"-Infinity"},null]"#;
        assert_eq!(json(&Type::Array(Box::new(image)), &list).unwrap(), want);
        let map = Value::Map(BTreeMap::from([
            (Value::text("B"), Value::Int(1)),
            (Value::text("a"), Value::Boolean(true)),
        ]));
        assert_eq!(
            json(&Type::Map(Box::new(Type::String), Box::new(Type::Int)), &map).unwrap(),
            r#"{"B":1,"a":true}"#
        );
    }

    #[test]
    fn what_postgresql_does_not_hold_is_refused() {
        let ty = Type::Array(Box::new(Type::String));
        assert!(json(&ty, &Value::Array(vec![Value::text("a\0")])).is_err());
        let ty = Type::Array(Box::new(Type::Timestamp));
        assert!(json(&ty, &Value::Array(vec![Value::Timestamp(i64::MAX)])).is_err());
    }
}
