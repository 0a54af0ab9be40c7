use millstream_model::{Type, Value};
use millstream_sql::Failure;
use rhai::{Array, Blob, Dynamic, Map};

/// A value as scripts see it.
pub(crate) fn given(value: &Value, ty: &Type) -> Result<Dynamic, Failure> {
    Ok(match (value, ty) {
        (Value::Null, _) => Dynamic::UNIT,
        (Value::Boolean(truth), _) => Dynamic::from_bool(*truth),
        (Value::Int(number) | Value::Date(number) | Value::Time(number), _) => {
            Dynamic::from_int(i64::from(*number))
        }
        (Value::Bigint(number) | Value::Timestamp(number), _) => Dynamic::from_int(*number),
        (Value::Double(number), _) => Dynamic::from_float(*number),
        (Value::String(text), _) => Dynamic::from(text.to_string()),
        (Value::Bytes(bytes), _) => Dynamic::from_blob(bytes.to_vec()),
        (Value::Array(all), Type::Array(of)) => {
            Dynamic::from_array(all.iter().map(|value| given(value, of)).collect::<Result<Array, _>>()?)
        }
        (Value::Map(all), Type::Map(_, of)) => {
            let entry = |(key, value): (&Value, &Value)| {
                let key =
                    key.as_text().ok_or_else(|| Failure::new("a script's map has texts for its keys"))?;
                Ok((key.into(), given(value, of)?))
            };
            Dynamic::from_map(all.iter().map(entry).collect::<Result<Map, Failure>>()?)
        }
        (Value::Struct(all), Type::Struct(fields)) => {
            let entries = fields.iter().zip(all);
            let entry = |(field, value): (&millstream_model::Column, &Value)| {
                Ok((field.name.as_str().into(), given(value, &field.ty)?))
            };
            Dynamic::from_map(entries.map(entry).collect::<Result<Map, Failure>>()?)
        }
        (_, ty) => return Err(Failure::new(format!("a script can't be given this as {ty}"))),
    })
}

/// What a script gave, as a value of its declared type.
pub(crate) fn taken(value: Dynamic, ty: &Type) -> Result<Value, Failure> {
    if value.is_unit() {
        return Ok(Value::Null);
    }
    let found = value.type_name();
    let other = || Failure::new(format!("the script is declared to give {ty}, and gave {found}"));
    let long = || value.as_int().map_err(|_| other());
    let int = || i32::try_from(long()?).map_err(|_| Failure::new(format!("the result does not fit {ty}")));
    Ok(match ty {
        Type::Boolean => Value::Boolean(value.as_bool().map_err(|_| other())?),
        Type::Int => Value::Int(int()?),
        Type::Date => Value::Date(int()?),
        Type::Time => Value::Time(int()?),
        Type::Bigint => Value::Bigint(long()?),
        Type::Timestamp => Value::Timestamp(long()?),
        Type::Double => Value::Double(double(&value).ok_or_else(other)?),
        Type::String => Value::text(value.clone().into_string().map_err(|_| other())?),
        Type::Bytes => Value::Bytes(value.clone().try_cast::<Blob>().ok_or_else(other)?.into()),
        Type::Array(of) => {
            let all = value.clone().try_cast::<Array>().ok_or_else(other)?;
            Value::Array(all.into_iter().map(|value| taken(value, of)).collect::<Result<_, _>>()?)
        }
        Type::Map(_, of) => {
            let all = value.clone().try_cast::<Map>().ok_or_else(other)?.into_iter();
            let entries = all.map(|(key, value)| Ok((Value::text(key.as_str()), taken(value, of)?)));
            Value::Map(entries.collect::<Result<_, Failure>>()?)
        }
        Type::Struct(fields) => {
            let mut all = value.clone().try_cast::<Map>().ok_or_else(other)?;
            let field = |field: &millstream_model::Column| {
                all.remove(field.name.as_str()).map_or(Ok(Value::Null), |value| taken(value, &field.ty))
            };
            Value::Struct(fields.iter().map(field).collect::<Result<_, _>>()?)
        }
        Type::Decimal { .. } => return Err(other()),
    })
}

/// A number as a double; whole ones become the nearest.
#[expect(clippy::cast_precision_loss, reason = "whole numbers become the nearest double, as in SQL")]
fn double(value: &Dynamic) -> Option<f64> {
    value.as_float().or_else(|_| value.as_int().map(|number| number as f64)).ok()
}
