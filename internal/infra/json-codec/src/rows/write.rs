use millstream_model::{Column, Type, Value};
use millstream_ports::{base64_text, double_text};

use crate::document::Document;

/// Columns as an object, in their order.
pub(super) fn fields(row: &[Value], columns: &[Column]) -> Result<Document, String> {
    let entry = |(column, each): (&Column, &Value)| Ok((column.name.clone(), value(each, &column.ty)?));
    let row = row.iter().chain(std::iter::repeat(&Value::Null));
    columns.iter().zip(row).map(entry).collect::<Result<_, String>>().map(Document::Object)
}

/// One value of a type, which names a struct's fields.
pub(super) fn value(of: &Value, ty: &Type) -> Result<Document, String> {
    Ok(match (of, ty) {
        (Value::Null, _) => Document::Null,
        (Value::Boolean(value), _) => Document::Boolean(*value),
        (Value::Int(value) | Value::Date(value) | Value::Time(value), _) => {
            Document::Number(value.to_string())
        }
        (Value::Bigint(value) | Value::Timestamp(value), _) => Document::Number(value.to_string()),
        (Value::Double(value), _) if value.is_finite() => Document::Number(double_text(*value)),
        (Value::Double(value), _) => Document::Text(double_text(*value)),
        (Value::Decimal(value), _) => Document::Number(value.to_string()),
        (Value::String(text), _) => Document::Text(text.to_string()),
        (Value::Bytes(bytes), _) => Document::Text(base64_text(bytes)),
        (Value::Array(items), Type::Array(item)) => {
            Document::Array(items.iter().map(|each| value(each, item)).collect::<Result<_, _>>()?)
        }
        (Value::Map(entries), Type::Map(key_type, inner)) => {
            let entry = |(key, each)| Ok((map_key(key, key_type)?, value(each, inner)?));
            Document::Object(entries.iter().map(entry).collect::<Result<_, String>>()?)
        }
        (Value::Struct(values), Type::Struct(columns)) => fields(values, columns)?,
        (other, ty) => return Err(format!("{other:?} is no {ty}")),
    })
}

/// A key of a map, which stands as a text whatever its type.
fn map_key(key: &Value, ty: &Type) -> Result<String, String> {
    Ok(match value(key, ty)? {
        Document::Text(text) => text,
        other => other.to_string(),
    })
}
