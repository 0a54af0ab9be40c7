use millstream_model::{Decimal, Value};

use super::{Bound, Failure, Frame, Outcome, exact};
use crate::ast::BinaryOp;

/// What is done with two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `+`.
    Add,
    /// `-`.
    Subtract,
    /// `*`.
    Multiply,
    /// `/`.
    Divide,
    /// `%`.
    Modulo,
}

impl Operation {
    pub(crate) fn of(op: BinaryOp) -> Option<Self> {
        Some(match op {
            BinaryOp::Add => Self::Add,
            BinaryOp::Subtract => Self::Subtract,
            BinaryOp::Multiply => Self::Multiply,
            BinaryOp::Divide => Self::Divide,
            BinaryOp::Modulo => Self::Modulo,
            _ => return None,
        })
    }

    /// How it is written.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
        }
    }
}

/// In which numbers it is done, which is also the type of what comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 32 bits.
    Int,
    /// 64 bits.
    Bigint,
    /// Binary floating point.
    Double,
    /// Exact, of so many digits and so many of them behind the point.
    Decimal {
        /// Digits in all.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
}

impl Kind {
    pub(super) fn apply(self, operation: Operation, sides: &(Bound, Bound), frame: Frame<'_>) -> Outcome {
        match self {
            Self::Int | Self::Bigint => {
                let Some(result) = self.long(operation, sides, frame)? else { return Ok(Value::Null) };
                Ok(match self {
                    // In range, as `long` sees to.
                    Self::Int => i32::try_from(result).map_or(Value::Null, Value::Int),
                    _ => Value::Bigint(result),
                })
            }
            Self::Double => Ok(double(operation, sides, frame)?.map_or(Value::Null, Value::Double)),
            Self::Decimal { precision, scale } => {
                let (left, right) = (sides.0.look(frame)?, sides.1.look(frame)?);
                match (exact(&left), exact(&right)) {
                    (Some(left), Some(right)) => {
                        decimal(operation, left, right, precision, scale).map(Value::Decimal)
                    }
                    _ => Ok(Value::Null),
                }
            }
        }
    }

    /// Arithmetic on whole numbers; the result is in range of the kind.
    pub(super) fn long(
        self,
        operation: Operation,
        sides: &(Bound, Bound),
        frame: Frame<'_>,
    ) -> Result<Option<i64>, Failure> {
        let (left, right) = (sides.0.long(frame)?, sides.1.long(frame)?);
        self.on_longs(operation, left, right)
    }

    #[inline]
    pub(super) fn on_longs(
        self,
        operation: Operation,
        left: Option<i64>,
        right: Option<i64>,
    ) -> Result<Option<i64>, Failure> {
        let (Some(left), Some(right)) = (left, right) else { return Ok(None) };
        let result = match operation {
            Operation::Add => left.checked_add(right),
            Operation::Subtract => left.checked_sub(right),
            Operation::Multiply => left.checked_mul(right),
            Operation::Divide | Operation::Modulo if right == 0 => return Err(divided_by_zero()),
            Operation::Divide => left.checked_div(right),
            Operation::Modulo => left.checked_rem(right),
        };
        let fits = |result: &i64| self != Self::Int || i32::try_from(*result).is_ok();
        let name = if self == Self::Int { "INT" } else { "BIGINT" };
        result.filter(fits).map(Some).ok_or_else(|| Failure::overflow(name))
    }
}

fn divided_by_zero() -> Failure {
    Failure::new("division by zero")
}

pub(super) fn double(
    operation: Operation,
    sides: &(Bound, Bound),
    frame: Frame<'_>,
) -> Result<Option<f64>, Failure> {
    Ok(doubles(operation, sides.0.double(frame)?, sides.1.double(frame)?))
}

#[inline]
pub(super) fn doubles(operation: Operation, left: Option<f64>, right: Option<f64>) -> Option<f64> {
    let (left, right) = (left?, right?);
    Some(match operation {
        Operation::Add => left + right,
        Operation::Subtract => left - right,
        Operation::Multiply => left * right,
        Operation::Divide => left / right,
        Operation::Modulo => left % right,
    })
}

/// The result at `scale`, rounded half away from zero where it has more digits.
pub(crate) fn decimal(
    operation: Operation,
    left: Decimal,
    right: Decimal,
    precision: u8,
    scale: u8,
) -> Result<Decimal, Failure> {
    let result = match operation {
        Operation::Add => left.checked_add(right),
        Operation::Subtract => left.checked_sub(right),
        Operation::Multiply => left.checked_mul_at(right, scale),
        Operation::Divide | Operation::Modulo if right.is_zero() => return Err(divided_by_zero()),
        Operation::Divide => left.checked_div(right, scale),
        Operation::Modulo => left.checked_rem(right),
    };
    let fitted = result.and_then(|result| result.fit(precision, scale));
    fitted.ok_or_else(|| Failure::overflow(format_args!("DECIMAL({precision}, {scale})")))
}

pub(super) fn negate(value: &Value) -> Outcome {
    match value {
        Value::Int(value) => value.checked_neg().map(Value::Int).ok_or_else(|| Failure::overflow("INT")),
        Value::Bigint(value) => {
            value.checked_neg().map(Value::Bigint).ok_or_else(|| Failure::overflow("BIGINT"))
        }
        Value::Double(value) => Ok(Value::Double(-value)),
        Value::Decimal(value) => {
            value.checked_neg().map(Value::Decimal).ok_or_else(|| Failure::overflow("DECIMAL"))
        }
        Value::Null => Ok(Value::Null),
        other => Err(Failure::unexpected(other)),
    }
}

#[inline]
pub(crate) fn long_of(value: &Value) -> Option<i64> {
    match value {
        Value::Int(value) => Some(i64::from(*value)),
        Value::Bigint(value) => Some(*value),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "whole numbers become the nearest double, as in every SQL")]
pub(crate) fn double_of(value: &Value) -> Option<f64> {
    match value {
        Value::Double(value) => Some(*value),
        Value::Int(value) => Some(f64::from(*value)),
        Value::Bigint(value) => Some(*value as f64),
        Value::Decimal(value) => Some(value.to_f64()),
        _ => None,
    }
}
