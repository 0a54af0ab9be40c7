use std::cell::RefCell;
use std::fmt;

use millstream_model::{Column, Decimal, Type, Value};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::fitted;

/// Reads a record's fields into columns, in the columns' order; others are passed over unread.
pub(super) struct Fields<'c>(pub(super) &'c [Column]);

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = Vec<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Value>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Value>, A::Error> {
        let mut row = vec![Value::Null; self.0.len()];
        while let Some(place) = map.next_key_seed(Name(self.0))? {
            match place.and_then(|index| Some((row.get_mut(index)?, self.0.get(index)?))) {
                Some((slot, column)) => *slot = map.next_value_seed(Typed(&column.ty))?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(row)
    }
}

/// Reads a record of a schema whose fields are known, in the order of the schema: no name is looked at.
pub(super) struct Mapped<'c> {
    pub(super) columns: &'c [Column],
    pub(super) fields: &'c [Option<usize>],
}

impl<'de> DeserializeSeed<'de> for Mapped<'_> {
    type Value = Vec<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Value>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Mapped<'_> {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Value>, A::Error> {
        let mut row = vec![Value::Null; self.columns.len()];
        let mut fields = self.fields.iter();
        while map.next_key::<IgnoredAny>()?.is_some() {
            let place = fields.next().copied().flatten();
            match place.and_then(|index| Some((row.get_mut(index)?, self.columns.get(index)?))) {
                Some((slot, column)) => *slot = map.next_value_seed(Typed(&column.ty))?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(row)
    }
}

/// Reads a record by its fields' names, and notes which column each of them is, where that is used.
pub(super) struct Learning<'c> {
    pub(super) columns: &'c [Column],
    pub(super) used: &'c [bool],
    pub(super) found: &'c RefCell<Vec<Option<usize>>>,
}

impl<'de> DeserializeSeed<'de> for Learning<'_> {
    type Value = Vec<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Value>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Learning<'_> {
    type Value = Vec<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Value>, A::Error> {
        let mut row = vec![Value::Null; self.columns.len()];
        while let Some(place) = map.next_key_seed(Name(self.columns))? {
            let place = place.filter(|place| self.used.get(*place).is_none_or(|used| *used));
            self.found.borrow_mut().push(place);
            match place.and_then(|index| Some((row.get_mut(index)?, self.columns.get(index)?))) {
                Some((slot, column)) => *slot = map.next_value_seed(Typed(&column.ty))?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(row)
    }
}

/// Finds the column of a field's name, whatever its capitals.
struct Name<'c>(&'c [Column]);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<usize>, E> {
        let exact = self.0.iter().position(|column| column.name == name);
        Ok(exact.or_else(|| self.0.iter().position(|column| column.name.eq_ignore_ascii_case(name))))
    }
}

/// Reads a value of a type.
pub(super) struct Typed<'c>(pub(super) &'c Type);

impl<'de> DeserializeSeed<'de> for Typed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Typed<'_> {
    fn wrong<E: Error>(&self, what: &str) -> E {
        E::custom(format_args!("{what} is no {}", self.0))
    }

    /// Gives a number the column's scale, unless digits would be lost.
    fn decimal<E: Error>(&self, number: Decimal) -> Result<Value, E> {
        fitted(number, self.0).map(Value::Decimal).ok_or_else(|| self.wrong(&number.to_string()))
    }
}

impl<'de> Visitor<'de> for Typed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", self.0)
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        if *self.0 == Type::Boolean { Ok(Value::Boolean(value)) } else { Err(self.wrong("a boolean")) }
    }

    fn visit_i32<E: Error>(self, value: i32) -> Result<Value, E> {
        self.visit_i64(i64::from(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        match self.0 {
            Type::Int => i32::try_from(value).map(Value::Int).map_err(|_| self.wrong("a 64-bit integer")),
            Type::Date => i32::try_from(value).map(Value::Date).map_err(|_| self.wrong("a 64-bit integer")),
            Type::Time => i32::try_from(value).map(Value::Time).map_err(|_| self.wrong("a 64-bit integer")),
            Type::Bigint => Ok(Value::Bigint(value)),
            Type::Timestamp => Ok(Value::Timestamp(value)),
            Type::Decimal { .. } => self.decimal(Decimal::from(value)),
            #[expect(clippy::cast_precision_loss, reason = "Avro promotes integers to doubles so")]
            Type::Double => Ok(Value::Double(value as f64)),
            _ => Err(self.wrong("an integer")),
        }
    }

    fn visit_f32<E: Error>(self, value: f32) -> Result<Value, E> {
        self.visit_f64(f64::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        if *self.0 == Type::Double {
            Ok(Value::Double(value))
        } else {
            Err(self.wrong("a floating-point number"))
        }
    }

    /// Texts, and decimals, which the decoder hands over as decimal text.
    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        match self.0 {
            Type::String => Ok(Value::text(text)),
            Type::Bytes => Ok(Value::Bytes(text.as_bytes().into())),
            Type::Decimal { .. } => {
                text.parse().map_or_else(|_| Err(self.wrong("a text")), |number| self.decimal(number))
            }
            _ => Err(self.wrong("a text")),
        }
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Value, E> {
        if *self.0 == Type::Bytes { Ok(Value::Bytes(bytes.into())) } else { Err(self.wrong("bytes")) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        match self.0 {
            Type::Array(item) => {
                let mut items = Vec::new();
                while let Some(value) = seq.next_element_seed(Typed(item))? {
                    items.push(value);
                }
                Ok(Value::Array(items))
            }
            Type::Map(key, value) => {
                let mut entries = std::collections::BTreeMap::new();
                while let Some((key, value)) = seq.next_element_seed(Entry { key, value })? {
                    entries.insert(key, value);
                }
                Ok(Value::Map(entries))
            }
            _ => Err(self.wrong("an array")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        match self.0 {
            Type::Struct(columns) => Fields(columns).visit_map(map).map(Value::Struct),
            Type::Map(key, value) if **key == Type::String => {
                let mut entries = std::collections::BTreeMap::new();
                while let Some(key) = map.next_key::<String>()? {
                    entries.insert(Value::text(key), map.next_value_seed(Typed(value))?);
                }
                Ok(Value::Map(entries))
            }
            _ => Err(self.wrong("a record")),
        }
    }
}

/// Reads an entry of a map that stands as a record of a key and a value.
struct Entry<'c> {
    key: &'c Type,
    value: &'c Type,
}

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = (Value, Value);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(Value, Value), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entry<'_> {
    type Value = (Value, Value);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record of a key and a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(Value, Value), A::Error> {
        let mut entry = (Value::Null, Value::Null);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "key" => entry.0 = map.next_value_seed(Typed(self.key))?,
                "value" => entry.1 = map.next_value_seed(Typed(self.value))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(entry)
    }
}
