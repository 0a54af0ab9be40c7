//! Expressions bound to a row's columns: no name is looked up while a rule runs.

mod arithmetic;
mod function;
mod parts;

use std::borrow::Cow;
use std::cmp::Ordering;

use millstream_model::{Decimal, Type, Value};

pub(crate) use arithmetic::arithmetic;
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
    /// Whether a value is one of a list.
    In(Box<Bound>, Vec<Bound>),
    /// An array of elements.
    Array(Vec<Bound>),
    /// A map of entries; of two with one key the later counts, and one without a key is left out.
    Map(Vec<(Bound, Bound)>),
    /// An array's element by its place from 1, or with a minus sign from the end; or a map's value by its key.
    Index(Box<Bound>, Box<Bound>),
}

impl Bound {
    /// The expression's value in `row`.
    pub fn eval(&self, row: &[Value]) -> Value {
        self.look(row).into_owned()
    }

    /// The expression's value in `row`, borrowed where it stands there as it is.
    fn look<'a>(&'a self, row: &'a [Value]) -> Cow<'a, Value> {
        match self {
            Self::Column(index) => row.get(*index).map_or(Cow::Owned(Value::Null), Cow::Borrowed),
            Self::Literal(value) => Cow::Borrowed(value),
            Self::Field(of, index) => match of.look(row) {
                Cow::Borrowed(Value::Struct(fields)) => {
                    fields.get(*index).map_or(Cow::Owned(Value::Null), Cow::Borrowed)
                }
                Cow::Owned(Value::Struct(mut fields)) if *index < fields.len() => {
                    Cow::Owned(fields.swap_remove(*index))
                }
                _ => Cow::Owned(Value::Null),
            },
            Self::Case(cases, otherwise) => {
                let chosen = cases.iter().find(|(condition, _)| condition.holds(row));
                let result = chosen.map(|(_, result)| result).or(otherwise.as_deref());
                result.map_or(Cow::Owned(Value::Null), |result| result.look(row))
            }
            made => Cow::Owned(made.make(row)),
        }
    }

    /// The value of an expression that makes a new one.
    fn make(&self, row: &[Value]) -> Value {
        let all = |of: &[Self]| of.iter().map(|each| each.eval(row)).collect::<Vec<_>>();
        match self {
            Self::Binary(left, op, right) => binary(left, *op, right, row),
            Self::Not(of) => truth(&of.look(row)).map_or(Value::Null, |value| Value::Boolean(!value)),
            Self::Negate(of) => arithmetic(&Value::Int(0), BinaryOp::Subtract, &of.look(row)),
            Self::IsNull(of, negated) => Value::Boolean(of.look(row).is_null() != *negated),
            Self::In(of, list) => is_in(&of.look(row), list, row),
            Self::Cast(of, ty) => cast(of.look(row).into_owned(), ty),
            Self::Call(function, arguments) => function.call(all(arguments)),
            Self::Struct(fields) => Value::Struct(all(fields)),
            Self::Array(elements) => Value::Array(all(elements)),
            Self::Map(entries) => {
                let entry = |(key, value): &(Self, Self)| match key.eval(row) {
                    Value::Null => None,
                    key => Some((key, value.eval(row))),
                };
                Value::Map(entries.iter().filter_map(entry).collect())
            }
            Self::Index(of, index) => element(&of.look(row), &index.look(row)).unwrap_or(Value::Null),
            Self::Column(_) | Self::Literal(_) | Self::Field(..) | Self::Case(..) => {
                self.look(row).into_owned()
            }
        }
    }

    /// Whether the expression is true in `row`; null is not.
    pub fn holds(&self, row: &[Value]) -> bool {
        truth(&self.look(row)) == Some(true)
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
    let left = left.look(row);
    match op {
        BinaryOp::And if truth(&left) == Some(false) => return Value::Boolean(false),
        BinaryOp::Or if truth(&left) == Some(true) => return Value::Boolean(true),
        _ => {}
    }
    let right = right.look(row);
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
        BinaryOp::Like => match (&*left, &*right) {
            (Value::String(text), Value::String(pattern)) => Value::Boolean(like(text, pattern)),
            _ => Value::Null,
        },
        BinaryOp::Concat => arithmetic(&left, BinaryOp::Add, &right),
        BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo => {
            arithmetic(&left, op, &right)
        }
    }
}

/// True when one is equal, null when that can't be known.
fn is_in(value: &Value, list: &[Bound], row: &[Value]) -> Value {
    let mut is_known = true;
    for candidate in list {
        match compare(value, &candidate.look(row)) {
            Some(Ordering::Equal) => return Value::Boolean(true),
            Some(_) => {}
            None => is_known = false,
        }
    }
    if is_known { Value::Boolean(false) } else { Value::Null }
}

fn element(of: &Value, index: &Value) -> Option<Value> {
    match (of, index) {
        (Value::Array(elements), index) => {
            let place = exact(index)?.to_i64()?;
            let from_start = if place > 0 { place - 1 } else { i64::try_from(elements.len()).ok()? + place };
            let is_place = place != 0;
            elements.get(usize::try_from(from_start).ok()?).filter(|_| is_place).cloned()
        }
        (Value::Map(map), key) => map.get(key).cloned(),
        _ => None,
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
        (Value::Date(left), Value::Date(right)) | (Value::Time(left), Value::Time(right)) => {
            Some(left.cmp(right))
        }
        (Value::Double(left), right) => left.partial_cmp(&double(right)?),
        (left, Value::Double(right)) => double(left)?.partial_cmp(right),
        (Value::Array(_) | Value::Struct(_) | Value::Map(_), _) => {
            (left == right).then_some(Ordering::Equal).or(Some(Ordering::Less))
        }
        _ => Some(exact(left)?.compare(exact(right)?)),
    }
}

pub(crate) fn exact(value: &Value) -> Option<Decimal> {
    match value {
        Value::Int(value) => Some(Decimal::from(i64::from(*value))),
        Value::Bigint(value) | Value::Timestamp(value) => Some(Decimal::from(*value)),
        Value::Decimal(value) => Some(*value),
        _ => None,
    }
}

pub(crate) fn double(value: &Value) -> Option<f64> {
    match value {
        Value::Double(value) => Some(*value),
        other => exact(other).map(Decimal::to_f64),
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
        exact(value).and_then(Decimal::to_i64).or_else(|| match value {
            Value::Double(value) => Decimal::from_f64(value.trunc())?.to_i64(),
            other => text(other)?.parse().ok(),
        })
    };
    let cast = match ty {
        Type::Int => whole(&value).and_then(|whole| i32::try_from(whole).ok()).map(Value::Int),
        Type::Bigint => whole(&value).map(Value::Bigint),
        Type::Timestamp => whole(&value).map(Value::Timestamp),
        Type::Double => double(&value).or_else(|| text(&value)?.parse().ok()).map(Value::Double),
        Type::Decimal { precision, scale } => {
            let exact = exact(&value)
                .or_else(|| Decimal::from_f64(double(&value)?))
                .or_else(|| text(&value)?.parse().ok());
            exact.and_then(|exact| exact.fit(*precision, *scale)).map(Value::Decimal)
        }
        Type::Boolean => {
            truth(&value).or_else(|| text(&value)?.to_lowercase().parse().ok()).map(Value::Boolean)
        }
        Type::String => function::text_of(&value).map(Value::text),
        // Bound only from the same type, or from a null.
        Type::Date | Type::Time | Type::Bytes | Type::Array(_) | Type::Map(..) | Type::Struct(_) => {
            Some(value)
        }
    };
    cast.unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests;
