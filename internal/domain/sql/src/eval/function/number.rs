//! Functions over numbers. A null argument gives null, and so does a result that does not fit its type.

use millstream_model::{Decimal, Type, Value};

use super::Function;
use crate::eval::{double, exact};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("ABS", (1, 1), number, abs),
    Function::new("CEIL", (1, 1), number, |a| stepped(a, f64::ceil, Decimal::ceil)),
    Function::new("FLOOR", (1, 1), number, |a| stepped(a, f64::floor, Decimal::floor)),
    Function::new("ROUND", (1, 2), rounded, round),
    Function::new(
        "SIGN",
        (1, 1),
        |a| number(a).map(|_| Type::Int),
        |a| {
            let number = double(a.first()?)?;
            Some(Value::Int(i32::from(number > 0.0) - i32::from(number < 0.0)))
        },
    ),
    Function::new("SQRT", (1, 1), floating, |a| of_double(a, f64::sqrt)),
    Function::new("EXP", (1, 1), floating, |a| of_double(a, f64::exp)),
    Function::new("LN", (1, 1), floating, |a| of_double(a, f64::ln)),
];

fn number(arguments: &[Type]) -> Option<Type> {
    arguments.first().filter(|ty| ty.is_number()).cloned()
}

fn floating(arguments: &[Type]) -> Option<Type> {
    number(arguments).map(|_| Type::Double)
}

fn abs(arguments: &[Value]) -> Option<Value> {
    match arguments.first()? {
        Value::Int(value) => value.checked_abs().map(Value::Int),
        Value::Bigint(value) => value.checked_abs().map(Value::Bigint),
        Value::Double(value) => Some(Value::Double(value.abs())),
        Value::Decimal(value) => value.checked_abs().map(Value::Decimal),
        _ => None,
    }
}

/// Whole numbers stay; decimals keep their scale.
fn stepped(
    arguments: &[Value],
    floating: fn(f64) -> f64,
    exact: fn(Decimal) -> Option<Decimal>,
) -> Option<Value> {
    match arguments.first()? {
        Value::Double(value) => Some(Value::Double(floating(*value))),
        Value::Decimal(value) => exact(*value)?.rescale(value.scale()).map(Value::Decimal),
        whole @ (Value::Int(_) | Value::Bigint(_)) => Some(whole.clone()),
        _ => None,
    }
}

/// To the nearest whole number, or with a second argument to so many digits, in the argument's own type.
fn rounded(arguments: &[Type]) -> Option<Type> {
    match (number(arguments)?, arguments.get(1)) {
        (ty, Some(Type::Int)) => Some(ty),
        (_, Some(_)) => None,
        (Type::Double, None) => Some(Type::Bigint),
        (ty, None) => Some(ty),
    }
}

fn round(arguments: &[Value]) -> Option<Value> {
    let digits = match arguments.get(1) {
        None => 0,
        Some(digits) => u8::try_from(exact(digits)?.to_i64()?).ok()?,
    };
    match arguments.first()? {
        Value::Double(value) if arguments.len() == 1 => {
            Decimal::from_f64(*value)?.rescale(digits)?.to_i64().map(Value::Bigint)
        }
        Value::Double(value) => {
            let value = Decimal::from_f64(*value)?;
            let rounded = if value.scale() > digits { value.rescale(digits)? } else { value };
            Some(Value::Double(rounded.to_f64()))
        }
        Value::Decimal(value) if value.scale() > digits => {
            value.rescale(digits)?.rescale(value.scale()).map(Value::Decimal)
        }
        whole @ (Value::Int(_) | Value::Bigint(_) | Value::Decimal(_)) => Some(whole.clone()),
        _ => None,
    }
}

fn of_double(arguments: &[Value], of: fn(f64) -> f64) -> Option<Value> {
    let value = of(double(arguments.first()?)?);
    value.is_finite().then_some(Value::Double(value))
}
