//! Functions over numbers. A null argument gives null, and so does a result that does not fit its type.

use millstream_model::{Type, Value};
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};
use rust_decimal::{Decimal, RoundingStrategy};

use super::Function;
use crate::eval::{double, exact};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("ABS", (1, 1), number, abs),
    Function::new("CEIL", (1, 1), number, |a| stepped(a, f64::ceil, |exact| exact.ceil())),
    Function::new("FLOOR", (1, 1), number, |a| stepped(a, f64::floor, |exact| exact.floor())),
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
        Value::Decimal(value) => Some(Value::Decimal(value.abs())),
        _ => None,
    }
}

/// Whole numbers stay; decimals keep their scale.
fn stepped(arguments: &[Value], floating: fn(f64) -> f64, exact: fn(Decimal) -> Decimal) -> Option<Value> {
    match arguments.first()? {
        Value::Double(value) => Some(Value::Double(floating(*value))),
        Value::Decimal(value) => at_scale(exact(*value), value.scale()).map(Value::Decimal),
        whole @ (Value::Int(_) | Value::Bigint(_)) => Some(whole.clone()),
        _ => None,
    }
}

fn at_scale(mut value: Decimal, scale: u32) -> Option<Decimal> {
    value.rescale(scale);
    (value.scale() == scale).then_some(value)
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
        Some(digits) => u32::try_from(exact(digits)?.to_i64()?).ok()?,
    };
    let nearest =
        |value: Decimal| value.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero);
    match arguments.first()? {
        Value::Double(value) if arguments.len() == 1 => {
            nearest(Decimal::from_f64(*value)?).to_i64().map(Value::Bigint)
        }
        Value::Double(value) => nearest(Decimal::from_f64(*value)?).to_f64().map(Value::Double),
        Value::Decimal(value) => at_scale(nearest(*value), value.scale()).map(Value::Decimal),
        whole @ (Value::Int(_) | Value::Bigint(_)) => Some(whole.clone()),
        _ => None,
    }
}

fn of_double(arguments: &[Value], of: fn(f64) -> f64) -> Option<Value> {
    let value = of(double(arguments.first()?)?);
    value.is_finite().then_some(Value::Double(value))
}
