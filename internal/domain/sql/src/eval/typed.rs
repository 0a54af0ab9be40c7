//! Roads without detours: truths, whole numbers and doubles travel as they are, without a value around them.

use millstream_model::Value;

use super::arithmetic::{double_of, long_of};
use super::{Bound, Comparison, Failure, Frame, Kind, Order};

impl Bound {
    /// The value of an expression of type BOOLEAN.
    pub(super) fn truth(&self, frame: Frame<'_>) -> Result<Option<bool>, Failure> {
        match self {
            Self::Compare(comparison, order, sides) => {
                let (left, right) = &**sides;
                compared(*comparison, *order, left, right, frame).map(Some)
            }
            Self::And(sides) => match sides.0.truth(frame)? {
                Some(false) => Ok(Some(false)),
                left => Ok(both(left, sides.1.truth(frame)?)),
            },
            Self::Or(sides) => match sides.0.truth(frame)? {
                Some(true) => Ok(Some(true)),
                left => Ok(either(left, sides.1.truth(frame)?)),
            },
            Self::Not(of) => Ok(of.truth(frame)?.map(|truth| !truth)),
            Self::IsNull(of, negated) => Ok(Some(of.look(frame)?.is_null() != *negated)),
            Self::In(of, list) => is_in(of, list, frame).map(Some),
            Self::Like(of, pattern) => match &*of.look(frame)? {
                Value::String(text) => Ok(Some(pattern.matches(text))),
                _ => Ok(None),
            },
            Self::LikeAny(sides, escape) => match (&*sides.0.look(frame)?, &*sides.1.look(frame)?) {
                (Value::String(text), Value::String(pattern)) => {
                    Ok(Some(super::Pattern::new(pattern, *escape)?.matches(text)))
                }
                _ => Ok(None),
            },
            other => Ok(match &*other.look(frame)? {
                Value::Boolean(truth) => Some(*truth),
                _ => None,
            }),
        }
    }

    /// The value of an expression of type INT or BIGINT. Columns and constants need no call.
    #[inline]
    pub(super) fn long(&self, frame: Frame<'_>) -> Result<Option<i64>, Failure> {
        match self {
            Self::Column(index) => Ok(frame.row.get(*index).and_then(long_of)),
            Self::Literal(value) => Ok(long_of(value)),
            other => other.long_made(frame),
        }
    }

    fn long_made(&self, frame: Frame<'_>) -> Result<Option<i64>, Failure> {
        match self {
            Self::Arithmetic(operation, kind @ (Kind::Int | Kind::Bigint), sides) => {
                kind.long(*operation, sides, frame)
            }
            other => Ok(long_of(&*other.look(frame)?)),
        }
    }

    /// The value of an expression of a numeric type, as a double. Columns and constants need no call.
    #[inline]
    pub(super) fn double(&self, frame: Frame<'_>) -> Result<Option<f64>, Failure> {
        match self {
            Self::Column(index) => Ok(frame.row.get(*index).and_then(double_of)),
            Self::Literal(value) => Ok(double_of(value)),
            other => other.double_made(frame),
        }
    }

    fn double_made(&self, frame: Frame<'_>) -> Result<Option<f64>, Failure> {
        match self {
            Self::Arithmetic(operation, Kind::Double, sides) => {
                super::arithmetic::double(*operation, sides, frame)
            }
            other => Ok(double_of(&*other.look(frame)?)),
        }
    }
}

pub(super) fn both(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (_, Some(false)) => Some(false),
        (Some(left), Some(right)) => Some(left && right),
        _ => None,
    }
}

pub(super) fn either(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (_, Some(true)) => Some(true),
        (Some(left), Some(right)) => Some(left || right),
        _ => None,
    }
}

fn compared(
    comparison: Comparison,
    order: Order,
    left: &Bound,
    right: &Bound,
    frame: Frame<'_>,
) -> Result<bool, Failure> {
    match order {
        Order::Long => Ok(comparison.holds(left.long(frame)?, right.long(frame)?)),
        Order::Double => Ok(comparison.holds(left.double(frame)?, right.double(frame)?)),
        Order::General => {
            let (left, right) = (left.look(frame)?, right.look(frame)?);
            Ok(comparison.holds_of(&left, &right))
        }
    }
}

/// A null is in no list, and no list has one.
fn is_in(of: &Bound, list: &[Bound], frame: Frame<'_>) -> Result<bool, Failure> {
    let value = of.look(frame)?;
    if value.is_null() {
        return Ok(false);
    }
    for candidate in list {
        if Comparison::Eq.holds_of(&value, &*candidate.look(frame)?) {
            return Ok(true);
        }
    }
    Ok(false)
}
