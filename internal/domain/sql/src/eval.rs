//! Expressions bound to a row's columns: no name is looked up while a rule runs.

mod arithmetic;
mod function;

use std::cmp::Ordering;

use millstream_model::{Type, Value};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

pub(crate) use arithmetic::{arithmetic, number_type};
pub(crate) use function::{Function, function};

use crate::ast::BinaryOp;

/// An expression over a row, its columns by index. Where it has no answer, as in a division by zero, it is null.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// A column of the row.
    Column(usize),
    /// A constant.
    Literal(Value),
    /// A struct's field, by index.
    Field(Box<Bound>, usize),
    /// Two operands.
    Binary(Box<Bound>, BinaryOp, Box<Bound>),
    /// Logical negation.
    Not(Box<Bound>),
    /// A minus sign.
    Negate(Box<Bound>),
    /// `IS NULL`, or with `true` its opposite.
    IsNull(Box<Bound>, bool),
    /// The first case whose condition is true, or the last expression.
    Case(Vec<(Bound, Bound)>, Option<Box<Bound>>),
    /// Conversion to a type.
    Cast(Box<Bound>, Type),
    /// A scalar function.
    Call(Function, Vec<Bound>),
    /// A struct of fields.
    Struct(Vec<Bound>),
}

impl Bound {
    /// The expression's value in `row`.
    pub fn eval(&self, row: &[Value]) -> Value {
        match self {
            Self::Column(index) => row.get(*index).cloned().unwrap_or(Value::Null),
            Self::Literal(value) => value.clone(),
            Self::Field(of, index) => match of.eval(row) {
                Value::Struct(mut fields) if *index < fields.len() => fields.swap_remove(*index),
                _ => Value::Null,
            },
            Self::Binary(left, op, right) => binary(left, *op, right, row),
            Self::Not(of) => truth(&of.eval(row)).map_or(Value::Null, |value| Value::Boolean(!value)),
            Self::Negate(of) => arithmetic(&Value::Int(0), BinaryOp::Subtract, &of.eval(row)),
            Self::IsNull(of, negated) => Value::Boolean(of.eval(row).is_null() != *negated),
            Self::Case(cases, otherwise) => {
                let chosen = cases.iter().find(|(condition, _)| truth(&condition.eval(row)) == Some(true));
                chosen
                    .map(|(_, result)| result)
                    .or(otherwise.as_deref())
                    .map_or(Value::Null, |result| result.eval(row))
            }
            Self::Cast(of, ty) => cast(of.eval(row), ty),
            Self::Call(function, arguments) => {
                function.call(arguments.iter().map(|argument| argument.eval(row)).collect())
            }
            Self::Struct(fields) => Value::Struct(fields.iter().map(|field| field.eval(row)).collect()),
        }
    }

    /// Whether the expression is true in `row`; null is not.
    pub fn holds(&self, row: &[Value]) -> bool {
        truth(&self.eval(row)) == Some(true)
    }
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Boolean(value) => Some(*value),
        _ => None,
    }
}

/// Three-valued logic: null is "not known".
fn binary(left: &Bound, op: BinaryOp, right: &Bound, row: &[Value]) -> Value {
    let known = |value: Option<bool>| value.map_or(Value::Null, Value::Boolean);
    let left = left.eval(row);
    match op {
        BinaryOp::And if truth(&left) == Some(false) => return Value::Boolean(false),
        BinaryOp::Or if truth(&left) == Some(true) => return Value::Boolean(true),
        _ => {}
    }
    let right = right.eval(row);
    match op {
        BinaryOp::And => known(match (truth(&left), truth(&right)) {
            (_, Some(false)) => Some(false),
            (Some(left), Some(right)) => Some(left && right),
            _ => None,
        }),
        BinaryOp::Or => known(match (truth(&left), truth(&right)) {
            (_, Some(true)) => Some(true),
            (Some(left), Some(right)) => Some(left || right),
            _ => None,
        }),
        BinaryOp::Eq => known(compare(&left, &right).map(Ordering::is_eq)),
        BinaryOp::NotEq => known(compare(&left, &right).map(Ordering::is_ne)),
        BinaryOp::Lt => known(compare(&left, &right).map(Ordering::is_lt)),
        BinaryOp::LtEq => known(compare(&left, &right).map(Ordering::is_le)),
        BinaryOp::Gt => known(compare(&left, &right).map(Ordering::is_gt)),
        BinaryOp::GtEq => known(compare(&left, &right).map(Ordering::is_ge)),
        BinaryOp::Like => match (&left, &right) {
            (Value::String(text), Value::String(pattern)) => Value::Boolean(like(text, pattern)),
            _ => Value::Null,
        },
        BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo => {
            arithmetic(&left, op, &right)
        }
    }
}

/// SQL's comparison: nothing compares with null, and numbers of different types compare by value.
pub(crate) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Boolean(left), Value::Boolean(right)) => Some(left.cmp(right)),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Bytes(left), Value::Bytes(right)) => Some(left.cmp(right)),
        (Value::Timestamp(left), Value::Timestamp(right)) => Some(left.cmp(right)),
        (Value::Double(left), right) => left.partial_cmp(&double(right)?),
        (left, Value::Double(right)) => double(left)?.partial_cmp(right),
        (Value::Array(_) | Value::Struct(_) | Value::Map(_), _) => {
            (left == right).then_some(Ordering::Equal).or(Some(Ordering::Less))
        }
        _ => Some(exact(left)?.cmp(&exact(right)?)),
    }
}

pub(crate) fn exact(value: &Value) -> Option<Decimal> {
    match value {
        Value::Int(value) => Some(Decimal::from(*value)),
        Value::Bigint(value) | Value::Timestamp(value) => Some(Decimal::from(*value)),
        Value::Decimal(value) => Some(*value),
        _ => None,
    }
}

pub(crate) fn double(value: &Value) -> Option<f64> {
    match value {
        Value::Double(value) => Some(*value),
        other => exact(other)?.to_f64(),
    }
}

/// `%` stands for any characters, `_` for one. Walks back to the last `%` on a mismatch, so it takes time by the product
/// of the lengths at worst.
fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut want, mut star) = (0, 0, None);
    while at < text.len() {
        match pattern.get(want) {
            Some('%') => {
                star = Some((want, at));
                want += 1;
            }
            Some(next) if *next == '_' || text.get(at) == Some(next) => (at, want) = (at + 1, want + 1),
            _ => match star {
                Some((from, seen)) => {
                    star = Some((from, seen + 1));
                    (want, at) = (from + 1, seen + 1);
                }
                None => return false,
            },
        }
    }
    pattern.get(want..).unwrap_or_default().iter().all(|rest| *rest == '%')
}

fn cast(value: Value, ty: &Type) -> Value {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.trim().to_owned()),
        _ => None,
    };
    let whole = |value: &Value| {
        exact(value).and_then(|exact| exact.trunc().to_i64()).or_else(|| match value {
            Value::Double(value) => Decimal::try_from(value.trunc()).ok()?.to_i64(),
            other => text(other)?.parse().ok(),
        })
    };
    let cast = match ty {
        Type::Int => whole(&value).and_then(|whole| i32::try_from(whole).ok()).map(Value::Int),
        Type::Bigint => whole(&value).map(Value::Bigint),
        Type::Timestamp => whole(&value).map(Value::Timestamp),
        Type::Double => double(&value).or_else(|| text(&value)?.parse().ok()).map(Value::Double),
        Type::Decimal { scale, .. } => {
            let exact = exact(&value)
                .or_else(|| Decimal::try_from(double(&value)?).ok())
                .or_else(|| text(&value)?.parse().ok());
            exact.map(|exact| Value::Decimal(at_scale(exact, u32::from(*scale))))
        }
        Type::Boolean => {
            truth(&value).or_else(|| text(&value)?.to_lowercase().parse().ok()).map(Value::Boolean)
        }
        Type::String => function::text_of(&value).map(Value::text),
        Type::Bytes | Type::Array(_) | Type::Map(_) | Type::Struct(_) => Some(value),
    };
    cast.unwrap_or(Value::Null)
}

pub(crate) fn at_scale(value: Decimal, scale: u32) -> Decimal {
    let mut value = value.round_dp_with_strategy(scale, rust_decimal::RoundingStrategy::MidpointAwayFromZero);
    value.rescale(scale);
    value
}

#[cfg(test)]
mod tests;
