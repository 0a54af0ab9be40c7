use millstream_model::{Type, Value};
use millstream_ports::{base64_text, double_text};

use super::layout::{Fields, Layout, Parts};

/// Columns as an object, in their order.
pub(super) fn fields(row: &[Value], fields: &Fields, out: &mut Vec<u8>) -> Result<(), String> {
    let mut row = row.iter();
    out.push(b'{');
    for (place, field) in fields.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&field.label);
        value(row.next().unwrap_or(&Value::Null), &field.layout, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// One value of a type, which names a struct's fields.
pub(super) fn value(of: &Value, layout: &Layout, out: &mut Vec<u8>) -> Result<(), String> {
    match (of, &layout.parts) {
        (Value::Null, _) => out.extend_from_slice(b"null"),
        (Value::Boolean(value), _) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        (Value::Int(value) | Value::Date(value) | Value::Time(value), _) => whole((*value).into(), out),
        (Value::Bigint(value) | Value::Timestamp(value), _) => whole(*value, out),
        (Value::Double(value), _) if value.is_finite() => {
            out.extend_from_slice(double_text(*value).as_bytes());
        }
        (Value::Double(value), _) => quoted(&double_text(*value), out),
        (Value::Decimal(value), _) => out.extend_from_slice(value.to_string().as_bytes()),
        (Value::String(text), _) => quoted(text, out),
        (Value::Bytes(bytes), _) => quoted(&base64_text(bytes), out),
        (Value::Array(items), Parts::Elements(item)) => elements(items, item, out)?,
        (Value::Map(entries), Parts::Entries(of)) => {
            out.push(b'{');
            for (place, (key, each)) in entries.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                map_key(key, &of.0, out)?;
                out.push(b':');
                value(each, &of.1, out)?;
            }
            out.push(b'}');
        }
        (Value::Struct(values), Parts::Fields(of)) => fields(values, of, out)?,
        (other, _) => return Err(misplaced(other, &layout.ty)),
    }
    Ok(())
}

fn misplaced(value: &Value, ty: &Type) -> String {
    format!("{value:?} is no {ty}")
}

fn elements(items: &[Value], item: &Layout, out: &mut Vec<u8>) -> Result<(), String> {
    out.push(b'[');
    for (place, each) in items.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        value(each, item, out)?;
    }
    out.push(b']');
    Ok(())
}

/// A key of a map, which stands as a text whatever its type.
fn map_key(key: &Value, layout: &Layout, out: &mut Vec<u8>) -> Result<(), String> {
    let mut bytes = Vec::new();
    value(key, layout, &mut bytes)?;
    if bytes.first() == Some(&b'"') {
        out.extend_from_slice(&bytes);
    } else {
        quoted(&String::from_utf8_lossy(&bytes), out);
    }
    Ok(())
}

fn whole(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let (mut rest, mut place) = (number.unsigned_abs(), digits.len());
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        (rest, place) = (rest / 10, at);
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(digits.get(place..).unwrap_or_default());
}

/// A text as JSON quotes it.
pub(super) fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(place) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20)) {
        let (plain, escaped) = rest.split_at(place);
        out.extend_from_slice(plain);
        if let Some((symbol, behind)) = escaped.split_first() {
            escape(*symbol, out);
            rest = behind;
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn escape(symbol: u8, out: &mut Vec<u8>) {
    match symbol {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        other => out.extend_from_slice(format!("\\u{other:04x}").as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;

    #[test]
    fn numbers_and_texts_are_written_as_documents_are_printed() {
        for number in [0, 7, -7, 10, 1_234_567_890, i64::MIN, i64::MAX] {
            let mut out = Vec::new();
            whole(number, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
        for text in ["", "plain", "\"", "a\\b\n\r\t\u{1}é\u{7f}", "end\""] {
            let mut out = Vec::new();
            quoted(text, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), Document::Text(text.to_owned()).to_string());
        }
    }
}
