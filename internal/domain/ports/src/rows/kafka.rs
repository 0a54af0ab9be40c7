use std::sync::Arc;

use millstream_model::{Column, Type, Value};

use super::{FoundColumns, RowCodec, RowFormat, RowSpec, Side};
use crate::{CodecError, PortError};

/// Kafka's own serializers: one column of a primitive type, with no name and no schema.
#[derive(Clone, Copy, Debug, Default)]
pub struct KafkaRows;

struct KafkaCodec(Option<Type>);

impl RowFormat for KafkaRows {
    fn columns(&self, topic: &str, _: Side, _: Option<u32>) -> Result<FoundColumns, PortError> {
        Err(PortError::stop(format!(
            "the columns of topic '{topic}' must be declared: the format KAFKA has no schemas"
        )))
    }

    fn reader(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        self.writer(spec)
    }

    fn writer(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        let topic = spec.topic;
        match spec.columns {
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
    use millstream_model::FormatOptions;

    use super::*;

    const PLAIN: FormatOptions =
        FormatOptions { is_bare: false, delimiter: None, schema_id: None, schema_name: None };

    fn spec(columns: &[Column]) -> RowSpec<'_> {
        RowSpec { topic: "t", side: Side::Key, columns, options: &PLAIN }
    }

    #[test]
    fn kafkas_serializers_write_the_same_bytes() {
        for (ty, value, bytes) in [
            (Type::String, Value::text("lamp"), &b"lamp"[..]),
            (Type::Int, Value::Int(258), &[0, 0, 1, 2]),
            (Type::Bigint, Value::Bigint(-1), &[255; 8]),
            (Type::Double, Value::Double(1.0), &[0x3f, 0xf0, 0, 0, 0, 0, 0, 0]),
        ] {
            let column = [Column::new("K", ty)];
            let codec = KafkaRows.writer(spec(&column)).unwrap();
            let mut out = Vec::new();
            codec.encode(std::slice::from_ref(&value), &mut out).unwrap();
            assert_eq!(out, bytes);
            assert_eq!(codec.decode(bytes), Ok(vec![value]));
        }
    }

    #[test]
    fn what_it_can_not_hold_is_refused() {
        let two = [Column::new("A", Type::Int), Column::new("B", Type::Int)];
        assert!(KafkaRows.writer(spec(&two)).is_err());
        let codec = KafkaRows.reader(spec(&two[..1])).unwrap();
        assert_eq!(codec.decode(b"abc").unwrap_err().to_string(), "3 bytes are no INT");
    }
}
