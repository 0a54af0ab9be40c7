use millstream_model::{Type, Value};

use crate::eval::{Comparison, Kind, Operation};

/// The most digits behind the point that a value has.
const SCALE_MAX: u8 = 38;

/// The type of a literal; a bare NULL is taken for any, and counts as STRING where none is asked for.
pub(super) fn literal_type(value: &Value) -> Type {
    match value {
        Value::Boolean(_) => Type::Boolean,
        Value::Int(_) => Type::Int,
        Value::Bigint(_) => Type::Bigint,
        Value::Double(_) => Type::Double,
        Value::Decimal(value) => {
            // A zero before the point is a digit too.
            Type::Decimal {
                precision: value.precision().max(value.scale().saturating_add(1)),
                scale: value.scale(),
            }
        }
        _ => Type::String,
    }
}

/// Digits before the point and behind it, of an exact number.
fn digits(ty: &Type) -> Option<(u8, u8)> {
    match ty {
        Type::Int => Some((10, 0)),
        Type::Bigint => Some((19, 0)),
        Type::Decimal { precision, scale } => Some((precision.saturating_sub(*scale), *scale)),
        _ => None,
    }
}

fn decimal(whole: u8, scale: u8) -> (u8, u8) {
    let scale = scale.min(SCALE_MAX);
    (whole.saturating_add(scale).max(1), scale)
}

/// In which numbers an operation on two types is done, if on any.
pub(super) fn kind(operation: Operation, left: &Type, right: &Type) -> Option<Kind> {
    if !left.is_number() || !right.is_number() {
        return None;
    }
    if *left == Type::Double || *right == Type::Double {
        return Some(Kind::Double);
    }
    let is_decimal = |ty: &Type| matches!(ty, Type::Decimal { .. });
    if !is_decimal(left) && !is_decimal(right) {
        return Some(if *left == Type::Int && *right == Type::Int { Kind::Int } else { Kind::Bigint });
    }
    let ((a, s), (b, t)) = (digits(left)?, digits(right)?);
    let (precision, scale) = match operation {
        Operation::Multiply => decimal((a + b).saturating_add(1), s.saturating_add(t)),
        // Six digits behind the point at the least, and as many as a divisor of so many digits may need.
        Operation::Divide => {
            decimal(a.saturating_add(t), s.saturating_add(b).saturating_add(t).saturating_add(1).max(6))
        }
        Operation::Modulo => decimal(a.min(b), s.max(t)),
        Operation::Add | Operation::Subtract => decimal(a.max(b).saturating_add(1), s.max(t)),
    };
    Some(Kind::Decimal { precision, scale })
}

impl Kind {
    pub(super) fn result(self) -> Type {
        match self {
            Self::Int => Type::Int,
            Self::Bigint => Type::Bigint,
            Self::Double => Type::Double,
            Self::Decimal { precision, scale } => Type::Decimal { precision, scale },
        }
    }
}

/// The numeric type that both types' values can be.
pub(crate) fn widened(left: &Type, right: &Type) -> Option<Type> {
    if left == right {
        return Some(left.clone());
    }
    if !left.is_number() || !right.is_number() {
        return None;
    }
    if *left == Type::Double || *right == Type::Double {
        return Some(Type::Double);
    }
    if !matches!(left, Type::Decimal { .. }) && !matches!(right, Type::Decimal { .. }) {
        return Some(Type::Bigint);
    }
    let ((a, s), (b, t)) = (digits(left)?, digits(right)?);
    let (precision, scale) = decimal(a.max(b), s.max(t));
    Some(Type::Decimal { precision, scale })
}

/// Whether two types are compared so.
pub(super) fn is_comparable(comparison: Comparison, left: &Type, right: &Type) -> bool {
    let is_time = |ty: &Type| matches!(ty, Type::Date | Type::Time | Type::Timestamp);
    let is_equality = matches!(
        comparison,
        Comparison::Eq | Comparison::NotEq | Comparison::Distinct | Comparison::NotDistinct
    );
    match (left, right) {
        (Type::String | Type::Bytes, _) if left == right => true,
        (Type::String, right) => is_time(right),
        (left, Type::String) => is_time(left),
        (Type::Date | Type::Timestamp, Type::Date | Type::Timestamp) | (Type::Time, Type::Time) => true,
        (Type::Boolean, Type::Boolean)
        | (Type::Map(..), Type::Map(..))
        | (Type::Array(_), Type::Array(_))
        | (Type::Struct(_), Type::Struct(_)) => is_equality,
        _ => left.is_number() && right.is_number(),
    }
}
