//! ROUND and TRUNC.

use millstream_model::{Decimal, Type, Value};

use super::arguments::{at, decimal, double, int, long};
use super::numbers::same;
use super::{Body, Definition, Entry};
use crate::eval::{Failure, Outcome};

const fn entries(body: fn(&[&Value]) -> Outcome) -> [Entry; 6] {
    [
        Entry::new("value INT -> BIGINT", Body::Strict(body)),
        Entry::new("value BIGINT -> BIGINT", Body::Strict(body)),
        Entry::new("value DOUBLE -> BIGINT", Body::Strict(body)),
        Entry::new("value DOUBLE, digits INT -> DOUBLE", Body::Strict(body)),
        Entry::typed("value DECIMAL -> DECIMAL", whole, Body::Strict(body)),
        Entry::typed("value DECIMAL, digits INT -> DECIMAL", same, Body::Strict(body)),
    ]
}

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition {
        name: "ROUND",
        category: "MATHEMATICAL",
        about: "The nearest whole number, or the nearest of so many digits behind the point; halves go up.",
        entries: &entries(|a| stepped(a, half_up)),
    },
    Definition {
        name: "TRUNC",
        category: "MATHEMATICAL",
        about: "The number without its digits behind the point, or behind so many of them.",
        entries: &entries(|a| stepped(a, cut)),
    },
];

/// A decimal's type without what is behind the point.
fn whole(types: &[Type]) -> Option<Type> {
    match types.first()? {
        Type::Decimal { precision, scale } => {
            Some(Type::Decimal { precision: precision.saturating_sub(*scale).max(1), scale: 0 })
        }
        _ => None,
    }
}

/// A number at a place behind the point, or with a minus sign before it.
type Step = fn(Decimal, i32) -> Option<Decimal>;

fn stepped(values: &[&Value], step: Step) -> Outcome {
    let digits = values.get(1).map(|digits| int(digits)).transpose()?;
    let fits = |stepped: Option<Decimal>| stepped.ok_or_else(|| Failure::overflow("its type"));
    match (at(values, 0), digits) {
        (Value::Double(value), None) => {
            let stepped = Decimal::from_f64(*value).and_then(|value| step(value, 0));
            fits(stepped)?.to_i64().map(Value::Bigint).ok_or_else(|| Failure::overflow("BIGINT"))
        }
        (value @ Value::Double(_), Some(digits)) => {
            let exact = Decimal::from_f64(double(value)?).and_then(|value| step(value, digits));
            fits(exact).map(|exact| Value::Double(exact.to_f64()))
        }
        (Value::Decimal(value), None) => fits(step(*value, 0)).map(Value::Decimal),
        (value @ Value::Decimal(_), Some(digits)) => {
            let value = decimal(value)?;
            fits(step(value, digits).and_then(|stepped| stepped.rescale(value.scale()))).map(Value::Decimal)
        }
        (whole, _) => long(whole).map(Value::Bigint),
    }
}

/// A number without its digits from a place on, and half of what a digit at that place is worth; none of both where there
/// are no digits to lose.
fn at_place(value: Decimal, digits: i32) -> Option<(i128, i128)> {
    let lost = i32::from(value.scale()) - digits;
    let unit = 10_i128.checked_pow(u32::try_from(lost).ok()?)?;
    Some((value.unscaled(), unit))
}

fn with_digits(whole: i128, unit: i128, value: Decimal, digits: i32) -> Option<Decimal> {
    let at_scale = Decimal::new(whole.checked_mul(unit)?, value.scale());
    at_scale.rescale(u8::try_from(digits.max(0)).ok()?.min(value.scale()))
}

/// Halves go towards the positive side.
fn half_up(value: Decimal, digits: i32) -> Option<Decimal> {
    if digits >= i32::from(value.scale()) {
        return Some(value);
    }
    let Some((unscaled, unit)) = at_place(value, digits) else { return Some(Decimal::new(0, 0)) };
    with_digits(unscaled.checked_add(unit / 2)?.div_euclid(unit), unit, value, digits)
}

fn cut(value: Decimal, digits: i32) -> Option<Decimal> {
    if digits >= i32::from(value.scale()) {
        return Some(value);
    }
    let Some((unscaled, unit)) = at_place(value, digits) else { return Some(Decimal::new(0, 0)) };
    with_digits(unscaled / unit, unit, value, digits)
}
