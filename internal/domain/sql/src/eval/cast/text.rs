use millstream_model::{Column, Type, Value};

use crate::time;

/// A value as text, as CAST writes it. A struct leaves out the fields that are null.
pub fn text_of(value: &Value, ty: &Type) -> String {
    match (value, ty) {
        (Value::Null, _) => "null".to_owned(),
        (Value::Boolean(value), _) => value.to_string(),
        (Value::Int(value), _) => value.to_string(),
        (Value::Bigint(value), _) => value.to_string(),
        (Value::Double(value), _) => double(*value),
        (Value::Decimal(value), _) => value.to_string(),
        (Value::String(text), _) => text.to_string(),
        (Value::Bytes(bytes), _) => crate::functions::to_base64(bytes),
        (Value::Timestamp(moment), _) => time::moment_text(*moment),
        (Value::Date(day), _) => time::date_text(*day),
        (Value::Time(moment), _) => time::time_text(*moment),
        (Value::Array(values), Type::Array(element)) => {
            let values: Vec<_> = values.iter().map(|value| text_of(value, element)).collect();
            format!("[{}]", values.join(", "))
        }
        (Value::Map(map), Type::Map(key, of)) => {
            let entries: Vec<_> = map
                .iter()
                .map(|(name, value)| format!("{}={}", text_of(name, key), text_of(value, of)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        (Value::Struct(values), Type::Struct(fields)) => structure(values, fields),
        (other, _) => format!("{other:?}"),
    }
}

fn structure(values: &[Value], fields: &[Column]) -> String {
    let known = fields.iter().zip(values).filter(|(_, value)| !value.is_null());
    let fields: Vec<_> =
        known.map(|(field, value)| format!("{}={}", field.name, text_of(value, &field.ty))).collect();
    format!("Struct{{{}}}", fields.join(","))
}

/// The shortest digits that read back as the number, with an exponent below a thousandth and from ten millions on, as the
/// Java library writes doubles (`Double.toString`).
fn double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = value.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{value:?}");
    }
    let written = format!("{value:E}");
    match written.split_once('E') {
        // One digit is made two, the nearest to the number.
        Some((digits, _)) if !digits.contains('.') => format!("{value:.1E}"),
        _ => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_written_as_java_does() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1_234_567.5, "1234567.5"),
            (1e7, "1.0E7"),
            (1.25e-4, "1.25E-4"),
            (0.001, "0.001"),
            (-3e30, "-3.0E30"),
            (f64::from_bits(1), "4.9E-324"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double(value), expected);
        }
    }
}
