use std::fmt;

use crate::Value;

/// The type of a column, of a field, or of an expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// True or false.
    Boolean,
    /// 32 bits, signed.
    Int,
    /// 64 bits, signed.
    Bigint,
    /// 64 bits, binary floating point.
    Double,
    /// An exact number of `precision` digits, `scale` of them after the point.
    Decimal {
        /// Digits in all, 1 to 38.
        precision: u8,
        /// Digits after the point, at most `precision`.
        scale: u8,
    },
    /// Text.
    String,
    /// Bytes.
    Bytes,
    /// A moment, in milliseconds since 1970 in UTC.
    Timestamp,
    /// A calendar day, in days since 1970.
    Date,
    /// A time of day, in milliseconds since midnight.
    Time,
    /// Any number of elements of one type.
    Array(Box<Type>),
    /// Values of one type under keys of another.
    Map(Box<Type>, Box<Type>),
    /// Named fields.
    Struct(Vec<Column>),
}

impl Type {
    /// Whether arithmetic works on it.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Bigint | Self::Double | Self::Decimal { .. })
    }

    /// Whether `value` is of this type; a null is of every type.
    pub fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Decimal { scale, .. }, Value::Decimal(decimal)) => decimal.scale() == *scale,
            (Self::Array(element), Value::Array(values)) => values.iter().all(|value| element.holds(value)),
            (Self::Map(key, value), Value::Map(map)) => {
                map.iter().all(|(k, v)| key.holds(k) && value.holds(v))
            }
            (Self::Struct(fields), Value::Struct(values)) => {
                fields.len() == values.len()
                    && fields.iter().zip(values).all(|(field, value)| field.ty.holds(value))
            }
            (Self::Boolean, Value::Boolean(_))
            | (Self::Int, Value::Int(_))
            | (Self::Bigint, Value::Bigint(_))
            | (Self::Double, Value::Double(_))
            | (Self::String, Value::String(_))
            | (Self::Bytes, Value::Bytes(_))
            | (Self::Timestamp, Value::Timestamp(_))
            | (Self::Date, Value::Date(_))
            | (Self::Time, Value::Time(_))
            | (_, Value::Null) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::Int => f.write_str("INT"),
            Self::Bigint => f.write_str("BIGINT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            Self::String => f.write_str("STRING"),
            Self::Bytes => f.write_str("BYTES"),
            Self::Timestamp => f.write_str("TIMESTAMP"),
            Self::Date => f.write_str("DATE"),
            Self::Time => f.write_str("TIME"),
            Self::Array(element) => write!(f, "ARRAY<{element}>"),
            Self::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            Self::Struct(fields) => {
                f.write_str("STRUCT<")?;
                list(f, fields)?;
                f.write_str(">")
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, columns: &[Column]) -> fmt::Result {
    for (place, column) in columns.iter().enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        write!(f, "{comma}{column}")?;
    }
    Ok(())
}

/// A name and the type of what it names. Names are compared as they are: folding their case is the parser's business.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
}

impl Column {
    /// A column.
    pub fn new(name: impl Into<String>, ty: Type) -> Self {
        Self { name: name.into(), ty }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.ty)
    }
}

/// The values of some columns, in their order.
pub type Row = Vec<Value>;

/// The columns of a record: those its key holds and those its value holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RowSchema {
    /// In the key; empty when records have none.
    pub key: Vec<Column>,
    /// In the value.
    pub value: Vec<Column>,
}

impl RowSchema {
    /// Every column, the key's first.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().chain(&self.value)
    }
}

impl fmt::Display for RowSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("key (")?;
        list(f, &self.key)?;
        f.write_str(") value (")?;
        list(f, &self.value)?;
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decimal;

    #[test]
    fn types_are_written_as_the_language_writes_them() {
        let price = Type::Struct(vec![
            Column::new("AMOUNT", Type::Decimal { precision: 12, scale: 2 }),
            Column::new(
                "TAGS",
                Type::Map(Box::new(Type::String), Box::new(Type::Array(Box::new(Type::Int)))),
            ),
        ]);
        assert_eq!(price.to_string(), "STRUCT<AMOUNT DECIMAL(12, 2), TAGS MAP<STRING, ARRAY<INT>>>");
        let schema =
            RowSchema { key: vec![Column::new("ID", Type::String)], value: vec![Column::new("P", price)] };
        assert!(schema.to_string().starts_with("key (ID STRING) value (P STRUCT<"));
    }

    #[test]
    fn a_type_holds_its_own_values_and_nulls() {
        let decimal = Type::Decimal { precision: 5, scale: 2 };
        assert!(decimal.holds(&Value::Decimal(Decimal::new(125, 2))));
        assert!(!decimal.holds(&Value::Decimal(Decimal::new(125, 1))));
        let list = Type::Array(Box::new(Type::Int));
        assert!(list.holds(&Value::Array(vec![Value::Int(1), Value::Null])));
        assert!(!list.holds(&Value::Array(vec![Value::Bigint(1)])));
        assert!(list.holds(&Value::Null));
        assert!(!Type::Int.holds(&Value::Bigint(1)));
    }
}
