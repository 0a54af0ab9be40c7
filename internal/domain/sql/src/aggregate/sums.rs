//! Sums and means. A sum is kept in more digits than its type has, so that taking rows out always leads back.

use millstream_model::{Decimal, Type, Value};

use super::{elements, parts};
use crate::eval::exact;

pub(super) fn begin(ty: &Type) -> Value {
    match ty {
        Type::Double => Value::Double(0.0),
        Type::Decimal { scale, .. } => Value::Decimal(Decimal::new(0, *scale)),
        _ => Value::Decimal(Decimal::new(0, 0)),
    }
}

/// Adds a value, or takes it out with a sign of -1.
pub(super) fn add(state: Value, value: &Value, ty: &Type, sign: i64) -> Value {
    if value.is_null() {
        return state;
    }
    let state = if state.is_null() { begin(ty) } else { state };
    add_state(state, value, sign)
}

pub(super) fn add_all(state: Value, values: &Value, ty: &Type, sign: i64) -> Value {
    elements(values.clone()).iter().fold(state, |state, value| add(state, value, ty, sign))
}

pub(super) fn add_state(state: Value, value: &Value, sign: i64) -> Value {
    match (&state, value) {
        (Value::Double(sum), Value::Double(value)) => {
            Value::Double(if sign < 0 { sum - value } else { sum + value })
        }
        (Value::Decimal(sum), value) => {
            let added = exact(value)
                .and_then(|value| if sign < 0 { sum.checked_sub(value) } else { sum.checked_add(value) });
            // 38 digits are enough for any number of rows that there will ever be.
            added.map_or(state, Value::Decimal)
        }
        _ => state,
    }
}

/// The sum in its type; null where it does not fit.
pub(super) fn result(state: &Value, ty: &Type) -> Value {
    let fitted = match (state, ty) {
        (Value::Decimal(sum), Type::Int) => {
            sum.to_i64().and_then(|sum| i32::try_from(sum).ok()).map(Value::Int)
        }
        (Value::Decimal(sum), Type::Bigint) => sum.to_i64().map(Value::Bigint),
        (Value::Decimal(sum), Type::Decimal { precision, scale }) => {
            sum.fit(*precision, *scale).map(Value::Decimal)
        }
        (Value::Double(sum), _) => Some(Value::Double(*sum)),
        _ => None,
    };
    fitted.unwrap_or(Value::Null)
}

/// A mean is kept as the sum and the number of values.
pub(super) fn average(state: Value, value: &Value, ty: &Type, sign: i64) -> Value {
    if value.is_null() {
        return state;
    }
    let [sum, count] = parts::<2>(state);
    Value::Struct(vec![add(sum, value, ty, sign), counted(&count, sign)])
}

fn counted(count: &Value, by: i64) -> Value {
    match count {
        Value::Bigint(count) => Value::Bigint(count.saturating_add(by)),
        _ => Value::Bigint(by),
    }
}

pub(super) fn merge_averages(first: Value, second: &Value) -> Value {
    let ([sum, count], [more, by]) = (parts::<2>(first), parts::<2>(second.clone()));
    let by = if let Value::Bigint(by) = by { by } else { 0 };
    Value::Struct(vec![add_state(sum, &more, 1), counted(&count, by)])
}

/// Of no values it is zero.
#[expect(clippy::cast_precision_loss, reason = "a mean is a double")]
pub(super) fn mean(state: &Value) -> Value {
    let [sum, count] = parts::<2>(state.clone());
    let sum = match sum {
        Value::Double(sum) => sum,
        Value::Decimal(sum) => sum.to_f64(),
        _ => 0.0,
    };
    Value::Double(match count {
        Value::Bigint(count) if count != 0 => sum / count as f64,
        _ => 0.0,
    })
}
