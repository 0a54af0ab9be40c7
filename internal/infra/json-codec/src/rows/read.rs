use std::collections::BTreeMap;

use millstream_model::{Column, Decimal, Type, Value};
use millstream_ports::base64_bytes;

use super::number::{decimal, whole};
use crate::document::Document;

/// The columns of an object.
pub(super) fn fields(document: &Document, columns: &[Column]) -> Result<Vec<Value>, String> {
    let Document::Object(entries) = document else {
        return Err(format!("{} stands where an object is expected", kind(document)));
    };
    let field = |column: &Column| {
        let exact = entries.iter().rev().find(|(name, _)| *name == column.name);
        let is_named = |(name, _): &&(String, Document)| name.to_uppercase() == column.name.to_uppercase();
        match exact.or_else(|| entries.iter().find(is_named)) {
            None => Ok(Value::Null),
            Some((_, of)) => value(of, &column.ty).map_err(|reason| format!("{}: {reason}", column.name)),
        }
    };
    columns.iter().map(field).collect()
}

/// One value of a type.
pub(super) fn value(document: &Document, ty: &Type) -> Result<Value, String> {
    let wrong = || format!("{} is no {ty}", kind(document));
    if document.is_null() {
        return Ok(Value::Null);
    }
    match (ty, document) {
        (Type::Boolean, Document::Boolean(value)) => Ok(Value::Boolean(*value)),
        (Type::String, Document::Text(text)) => Ok(Value::text(text)),
        (Type::String, other) => Ok(Value::text(other.to_string())),
        (Type::Bytes, Document::Text(text)) => {
            base64_bytes(text).map(|bytes| Value::Bytes(bytes.into())).ok_or_else(wrong)
        }
        (Type::Array(item), Document::Array(items)) => {
            items.iter().map(|each| value(each, item)).collect::<Result<_, _>>().map(Value::Array)
        }
        (Type::Map(key_type, of), Document::Object(entries)) => {
            let entry = |(key, each): &(String, Document)| Ok((map_key(key, key_type)?, value(each, of)?));
            entries.iter().map(entry).collect::<Result<BTreeMap<_, _>, String>>().map(Value::Map)
        }
        (Type::Map(key, of), Document::Array(entries)) => {
            let entry = |each: &Document| {
                let part = |name: &str| each.get(name).ok_or_else(wrong);
                Ok((value(part("key")?, key)?, value(part("value")?, of)?))
            };
            entries.iter().map(entry).collect::<Result<BTreeMap<_, _>, String>>().map(Value::Map)
        }
        (Type::Struct(columns), document) => fields(document, columns).map(Value::Struct),
        (ty, Document::Number(text) | Document::Text(text)) => number(text.trim(), ty).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

/// A key of a map, which stands as a text whatever its type.
fn map_key(key: &str, ty: &Type) -> Result<Value, String> {
    let document = match ty {
        Type::Boolean => Document::Boolean(key.eq_ignore_ascii_case("true")),
        _ => Document::Text(key.to_owned()),
    };
    value(&document, ty)
}

fn number(text: &str, ty: &Type) -> Option<Value> {
    Some(match ty {
        Type::Int => Value::Int(i32::try_from(whole(text)?).ok()?),
        Type::Bigint => Value::Bigint(whole(text)?),
        Type::Double => Value::Double(text.parse().ok()?),
        Type::Date => Value::Date(i32::try_from(whole(text)?).ok()?),
        Type::Time => Value::Time(i32::try_from(whole(text)?).ok()?),
        Type::Timestamp => Value::Timestamp(whole(text)?),
        Type::Decimal { precision, scale } => Value::Decimal(fitted(decimal(text)?, *precision, *scale)?),
        _ => return None,
    })
}

/// A number with a decimal's scale, where it has not more digits behind the point nor in all.
fn fitted(number: Decimal, precision: u8, scale: u8) -> Option<Decimal> {
    number.fit(precision, scale).filter(|fitted| fitted.compare(number).is_eq())
}

fn kind(document: &Document) -> String {
    match document {
        Document::Null => "null".to_owned(),
        Document::Boolean(value) => value.to_string(),
        Document::Number(digits) => digits.clone(),
        Document::Text(text) => format!("'{text}'"),
        Document::Array(_) => "an array".to_owned(),
        Document::Object(_) => "an object".to_owned(),
    }
}
