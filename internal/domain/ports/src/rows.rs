use std::sync::Arc;

use millstream_model::{Column, Type, Value};

use crate::{CodecError, PortError};

/// Which half of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Its key.
    Key,
    /// Its value.
    Value,
}

/// Turns one half of a topic's records into a row's columns and back.
///
/// An adapter MUST give the columns in the order it was made with, null where the bytes hold none of that name, MUST refuse
/// bytes that are not of its format, and MUST NOT panic.
pub trait RowCodec: Send + Sync {
    /// Reads the columns.
    ///
    /// # Errors
    /// When the bytes are not of this format, or a value does not fit its column.
    fn decode(&self, bytes: &[u8]) -> Result<Vec<Value>, CodecError>;

    /// Appends the bytes of the columns' values to `out`.
    ///
    /// # Errors
    /// When a value does not fit the format or its schema.
    fn encode(&self, row: &[Value], out: &mut Vec<u8>) -> Result<(), CodecError>;
}

/// A format that rows are kept in, such as AVRO.
pub trait RowFormat: Send + Sync {
    /// The columns of a topic's records as their schema has them, names in capitals.
    ///
    /// # Errors
    /// When the format keeps no schemas, none is registered, or it can't be read.
    fn columns(&self, topic: &str, side: Side) -> Result<Vec<Column>, PortError>;

    /// A codec that reads these columns of a topic's records, and may pass over all others.
    ///
    /// # Errors
    /// When the format can't hold a column's type.
    fn reader(&self, topic: &str, side: Side, columns: &[Column]) -> Result<Arc<dyn RowCodec>, PortError>;

    /// A codec that writes these columns to a topic; a format with schemas registers theirs.
    ///
    /// # Errors
    /// When the format can't hold a column's type, or the registry refuses the schema.
    fn writer(&self, topic: &str, side: Side, columns: &[Column]) -> Result<Arc<dyn RowCodec>, PortError>;
}

/// Kafka's own serializers: one column of a primitive type, with no name and no schema.
#[derive(Clone, Copy, Debug, Default)]
pub struct KafkaRows;

struct KafkaCodec(Option<Type>);

impl RowFormat for KafkaRows {
    fn columns(&self, topic: &str, _side: Side) -> Result<Vec<Column>, PortError> {
        Err(PortError::stop(format!(
            "the columns of topic '{topic}' must be declared: the format KAFKA has no schemas"
        )))
    }

    fn reader(&self, topic: &str, side: Side, columns: &[Column]) -> Result<Arc<dyn RowCodec>, PortError> {
        self.writer(topic, side, columns)
    }

    fn writer(&self, topic: &str, _side: Side, columns: &[Column]) -> Result<Arc<dyn RowCodec>, PortError> {
        match columns {
            [] => Ok(Arc::new(KafkaCodec(None))),
            [
                Column {
                    ty: ty @ (Type::String | Type::Int | Type::Bigint | Type::Double | Type::Bytes),
                    ..
                },
            ] => Ok(Arc::new(KafkaCodec(Some(ty.clone())))),
            _ => Err(PortError::stop(format!(
                "topic '{topic}': the format KAFKA holds one STRING, INT, BIGINT, DOUBLE or BYTES"
            ))),
        }
    }
}

impl RowCodec for KafkaCodec {
    fn decode(&self, bytes: &[u8]) -> Result<Vec<Value>, CodecError> {
        let Some(ty) = &self.0 else { return Ok(Vec::new()) };
        let size = || CodecError::new(format!("{} bytes are no {ty}", bytes.len()));
        let value = match ty {
            Type::Int => Value::Int(i32::from_be_bytes(bytes.try_into().map_err(|_| size())?)),
            Type::Bigint => Value::Bigint(i64::from_be_bytes(bytes.try_into().map_err(|_| size())?)),
            Type::Double => Value::Double(f64::from_be_bytes(bytes.try_into().map_err(|_| size())?)),
            Type::Bytes => Value::Bytes(bytes.into()),
            _ => Value::text(std::str::from_utf8(bytes).map_err(|_| CodecError::new("not UTF-8 text"))?),
        };
        Ok(vec![value])
    }

    fn encode(&self, row: &[Value], out: &mut Vec<u8>) -> Result<(), CodecError> {
        match row {
            [] => {}
            [Value::Int(value)] => out.extend_from_slice(&value.to_be_bytes()),
            [Value::Bigint(value)] => out.extend_from_slice(&value.to_be_bytes()),
            [Value::Double(value)] => out.extend_from_slice(&value.to_be_bytes()),
            [Value::Bytes(value)] => out.extend_from_slice(value),
            [Value::String(value)] => out.extend_from_slice(value.as_bytes()),
            _ => return Err(CodecError::new("the format KAFKA holds one value that is not null")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_serializers_write_the_same_bytes() {
        for (ty, value, bytes) in [
            (Type::String, Value::text("lamp"), &b"lamp"[..]),
            (Type::Int, Value::Int(258), &[0, 0, 1, 2]),
            (Type::Bigint, Value::Bigint(-1), &[255; 8]),
            (Type::Double, Value::Double(1.0), &[0x3f, 0xf0, 0, 0, 0, 0, 0, 0]),
        ] {
            let codec = KafkaRows.writer("t", Side::Key, &[Column::new("K", ty)]).unwrap();
            let mut out = Vec::new();
            codec.encode(std::slice::from_ref(&value), &mut out).unwrap();
            assert_eq!(out, bytes);
            assert_eq!(codec.decode(bytes), Ok(vec![value]));
        }
    }

    #[test]
    fn what_it_can_not_hold_is_refused() {
        let two = [Column::new("A", Type::Int), Column::new("B", Type::Int)];
        assert!(KafkaRows.writer("t", Side::Key, &two).is_err());
        let codec = KafkaRows.reader("t", Side::Key, &two[..1]).unwrap();
        assert_eq!(codec.decode(b"abc").unwrap_err().to_string(), "3 bytes are no INT");
    }
}
