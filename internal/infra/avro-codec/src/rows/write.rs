use millstream_model::{Column, Type, Value};
use serde::ser::{Error, Serialize, SerializeMap, SerializeSeq, Serializer};

use super::fitted;

/// Columns and their values, as a record.
pub(super) struct Record<'a>(pub(super) &'a [Column], pub(super) &'a [Value]);

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (index, column) in self.0.iter().enumerate() {
            map.serialize_entry(
                &column.name,
                &Plain(self.1.get(index).unwrap_or(&Value::Null), Some(&column.ty)),
            )?;
        }
        map.end()
    }
}

/// A value of a type; the type names a struct's fields.
pub(super) struct Plain<'a>(pub(super) &'a Value, pub(super) Option<&'a Type>);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.0, self.1) {
            (Value::Null, _) => serializer.serialize_none(),
            (Value::Boolean(value), _) => serializer.serialize_bool(*value),
            (Value::Int(value) | Value::Date(value) | Value::Time(value), _) => {
                serializer.serialize_i32(*value)
            }
            (Value::Bigint(value) | Value::Timestamp(value), _) => serializer.serialize_i64(*value),
            (Value::Double(value), _) => serializer.serialize_f64(*value),
            // As decimal text, which is exact; an integer would be taken for whole units.
            (Value::Decimal(value), ty) => match ty.and_then(|ty| fitted(*value, ty)) {
                Some(value) => serializer.serialize_str(&value.to_string()),
                None => Err(S::Error::custom(format_args!("{value} does not fit its column"))),
            },
            (Value::String(value), _) => serializer.serialize_str(value),
            (Value::Bytes(value), _) => serializer.serialize_bytes(value),
            (Value::Array(items), ty) => {
                let item_type = match ty {
                    Some(Type::Array(item)) => Some(&**item),
                    _ => None,
                };
                let mut seq = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| seq.serialize_element(&Plain(item, item_type)))?;
                seq.end()
            }
            (Value::Map(entries), ty) => {
                let (key_type, value_type) = match ty {
                    Some(Type::Map(key, value)) => (Some(&**key), Some(&**value)),
                    _ => (None, None),
                };
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(&Plain(key, key_type), &Plain(value, value_type))?;
                }
                map.end()
            }
            (Value::Struct(values), Some(Type::Struct(columns))) => {
                Record(columns, values).serialize(serializer)
            }
            (Value::Struct(_), _) => Err(S::Error::custom("a struct stands where its type is none")),
        }
    }
}
