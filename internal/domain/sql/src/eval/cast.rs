mod text;

use std::collections::BTreeMap;

use millstream_model::{Decimal, Type, Value};

pub use text::text_of;

use super::arithmetic::double_of;
use super::compare::DAY_MS;
use super::{Failure, Outcome, exact};
use crate::time;

/// How a value of one type becomes one of another.
#[derive(Clone, Debug, PartialEq)]
pub enum Conversion {
    /// It stays what it is.
    Same,
    /// To another number, text, truth or time, by the value itself.
    To(Type),
    /// To text, as the type it has is written.
    Text(Type),
    /// Each element of an array.
    Each(Box<Conversion>),
    /// Each key and value of a map.
    Entries(Box<Conversion>, Box<Conversion>),
    /// A struct's fields: where each stood and how it is converted; none where there was no such field.
    Fields(Vec<Option<(usize, Conversion)>>),
}

impl Conversion {
    /// The conversion that CAST makes; none where there is none.
    pub(crate) fn between(from: &Type, to: &Type) -> Option<Self> {
        if from == to {
            return Some(Self::Same);
        }
        match (from, to) {
            (Type::Array(from), Type::Array(to)) => Some(Self::Each(Box::new(Self::between(from, to)?))),
            (Type::Map(from_key, from), Type::Map(to_key, to)) => {
                let key = Self::between(from_key, to_key)?;
                Some(Self::Entries(Box::new(key), Box::new(Self::between(from, to)?)))
            }
            (Type::Struct(from), Type::Struct(to)) => {
                let field = |field: &millstream_model::Column| {
                    let Some(place) = from.iter().position(|known| known.name == field.name) else {
                        return Some(None);
                    };
                    Some(Some((place, Self::between(&from.get(place)?.ty, &field.ty)?)))
                };
                to.iter().map(field).collect::<Option<_>>().map(Self::Fields)
            }
            (Type::Bytes, _) => None,
            (from, Type::String) => Some(Self::Text(from.clone())),
            (from, to) => is_scalar_cast(from, to).then(|| Self::To(to.clone())),
        }
    }

    /// Converts a value; null stays null.
    ///
    /// # Errors
    /// When the value is none of the type that it shall have.
    pub(crate) fn convert(&self, value: &Value) -> Outcome {
        match (self, value) {
            (_, Value::Null) => Ok(Value::Null),
            (Self::Same, value) => Ok(value.clone()),
            (Self::To(ty), value) => to_scalar(value, ty),
            (Self::Text(ty), value) => Ok(Value::String(text_of(value, ty).into())),
            (Self::Each(element), Value::Array(values)) => {
                values.iter().map(|value| element.convert(value)).collect::<Result<_, _>>().map(Value::Array)
            }
            (Self::Entries(of_key, of_value), Value::Map(map)) => {
                let entry =
                    |(key, value): (&Value, &Value)| Ok((of_key.convert(key)?, of_value.convert(value)?));
                map.iter().map(entry).collect::<Result<BTreeMap<_, _>, _>>().map(Value::Map)
            }
            (Self::Fields(fields), Value::Struct(values)) => {
                let field = |field: &Option<(usize, Self)>| match field {
                    Some((place, conversion)) => {
                        values.get(*place).map_or(Ok(Value::Null), |value| conversion.convert(value))
                    }
                    None => Ok(Value::Null),
                };
                fields.iter().map(field).collect::<Result<_, _>>().map(Value::Struct)
            }
            (_, other) => Err(Failure::unexpected(other)),
        }
    }
}

fn is_scalar_cast(from: &Type, to: &Type) -> bool {
    match (from, to) {
        (Type::String, Type::Array(_) | Type::Map(..) | Type::Struct(_)) => false,
        (Type::String, _) | (Type::Timestamp, Type::Date | Type::Time) | (Type::Date, Type::Timestamp) => {
            true
        }
        _ => from.is_number() && to.is_number(),
    }
}

/// What does not fit a narrower whole number keeps its lowest bits, as in Java (JLS 5.1.3), which rules rely on; doubles
/// become the nearest number that there is.
#[expect(clippy::cast_possible_truncation, reason = "it is what this conversion is")]
fn to_scalar(value: &Value, ty: &Type) -> Outcome {
    let refused = || Failure::new(format!("{} is no {ty}", text_of(value, ty)));
    match (ty, value) {
        (Type::Date, Value::Timestamp(moment)) => {
            i32::try_from(moment.div_euclid(DAY_MS)).map(Value::Date).map_err(|_| refused())
        }
        (Type::Time, Value::Timestamp(moment)) => {
            i32::try_from(moment.rem_euclid(DAY_MS)).map(Value::Time).map_err(|_| refused())
        }
        (Type::Timestamp, Value::Date(day)) => Ok(Value::Timestamp(i64::from(*day) * DAY_MS)),
        (_, Value::String(text)) => from_text(text.trim(), ty).ok_or_else(refused),
        (Type::Int, Value::Double(value)) => Ok(Value::Int(*value as i32)),
        (Type::Bigint, Value::Double(value)) => Ok(Value::Bigint(*value as i64)),
        (Type::Int, value) => whole(value).map(|whole| Value::Int(whole as i32)).ok_or_else(refused),
        (Type::Bigint, value) => whole(value).map(|whole| Value::Bigint(whole as i64)).ok_or_else(refused),
        (Type::Double, value) => double_of(value).map(Value::Double).ok_or_else(refused),
        (Type::Decimal { precision, scale }, value) => number(value)
            .and_then(|number| number.fit(*precision, *scale))
            .map(Value::Decimal)
            .ok_or_else(refused),
        (_, value) => Err(Failure::unexpected(value)),
    }
}

fn number(value: &Value) -> Option<Decimal> {
    match value {
        Value::Double(value) => Decimal::from_f64(*value),
        other => exact(other),
    }
}

/// A number without what is behind its point.
fn whole(value: &Value) -> Option<i128> {
    let exact = exact(value)?;
    let cut = if exact.unscaled() < 0 { exact.ceil()? } else { exact.floor()? };
    Some(cut.unscaled())
}

fn from_text(text: &str, ty: &Type) -> Option<Value> {
    Some(match ty {
        Type::Boolean => Value::Boolean(is_yes(text)),
        Type::Int => Value::Int(text.parse().ok()?),
        Type::Bigint => Value::Bigint(text.parse().ok()?),
        Type::Double => Value::Double(text.parse().ok().filter(|value: &f64| value.is_finite())?),
        Type::Decimal { precision, scale } => {
            Value::Decimal(text.parse::<Decimal>().ok()?.fit(*precision, *scale)?)
        }
        Type::Date => Value::Date(time::date_of(text)?),
        Type::Time => Value::Time(time::time_of(text)?),
        Type::Timestamp => Value::Timestamp(time::moment_of(text)?),
        Type::Bytes => Value::Bytes(crate::functions::from_base64(text)?.into()),
        _ => return None,
    })
}

/// Whether a text begins the word "true" or "yes"; any other text is false.
fn is_yes(text: &str) -> bool {
    let begins = |word: &str| word.get(..text.len()).is_some_and(|head| head.eq_ignore_ascii_case(text));
    !text.is_empty() && (begins("true") || begins("yes"))
}
