use millstream_model::{Type, Value};

use crate::ast::{At, BinaryOp, Expr};
use crate::diagnostic::Diagnostic;
use crate::eval::Bound;

/// The most digits a DECIMAL has.
const DIGITS_MAX: u8 = 38;

pub(super) fn literal_type(value: &Value) -> Type {
    match value {
        Value::Boolean(_) => Type::Boolean,
        Value::Int(_) => Type::Int,
        Value::Bigint(_) => Type::Bigint,
        Value::Double(_) => Type::Double,
        Value::Decimal(value) => Type::Decimal { precision: value.precision(), scale: value.scale() },
        // A null's type is never looked at where there is another one.
        _ => Type::String,
    }
}

/// The type that an operator gives, if it takes these.
pub(super) fn result_type(op: BinaryOp, left: &Type, right: &Type) -> Option<Type> {
    match op {
        BinaryOp::And | BinaryOp::Or => {
            (*left == Type::Boolean && *right == Type::Boolean).then_some(Type::Boolean)
        }
        BinaryOp::Concat => (*left == Type::String && *right == Type::String).then_some(Type::String),
        BinaryOp::Like => (*left == Type::String && *right == Type::String).then_some(Type::Boolean),
        BinaryOp::Eq | BinaryOp::NotEq => common(left, right).map(|_| Type::Boolean).or(moment(left, right)),
        BinaryOp::Lt | BinaryOp::LtEq | BinaryOp::Gt | BinaryOp::GtEq => {
            let is_ordered =
                !matches!(left, Type::Array(_) | Type::Map(..) | Type::Struct(_) | Type::Boolean);
            common(left, right).filter(|_| is_ordered).map(|_| Type::Boolean).or(moment(left, right))
        }
        BinaryOp::Add if *left == Type::String && *right == Type::String => Some(Type::String),
        BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo => {
            number(op, left, right)
        }
    }
}

/// Moments compare with whole numbers of milliseconds.
fn moment(left: &Type, right: &Type) -> Option<Type> {
    matches!((left, right), (Type::Timestamp, Type::Bigint) | (Type::Bigint, Type::Timestamp))
        .then_some(Type::Boolean)
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

/// A DECIMAL with so many digits before the point and behind it; what is too many is taken from behind.
fn decimal(whole: u8, scale: u8) -> Type {
    let whole = whole.min(DIGITS_MAX);
    let scale = scale.min(DIGITS_MAX - whole);
    Type::Decimal { precision: (whole + scale).max(1), scale }
}

/// The type that arithmetic gives.
fn number(op: BinaryOp, left: &Type, right: &Type) -> Option<Type> {
    if !left.is_number() || !right.is_number() {
        return None;
    }
    if *left == Type::Double || *right == Type::Double {
        return Some(Type::Double);
    }
    let is_decimal = |ty: &Type| matches!(ty, Type::Decimal { .. });
    if !is_decimal(left) && !is_decimal(right) {
        return Some(if *left == Type::Int && *right == Type::Int { Type::Int } else { Type::Bigint });
    }
    let ((a, s), (b, t)) = (digits(left)?, digits(right)?);
    Some(match op {
        BinaryOp::Multiply => decimal(a + b, s + t),
        // Six digits behind the point at the least, and as many as a divisor of so many digits may need.
        BinaryOp::Divide => decimal(a + t, (s + b + t + 1).max(6)),
        BinaryOp::Modulo => decimal(a.min(b), s.max(t)),
        _ => decimal(a.max(b) + 1, s.max(t)),
    })
}

/// The type that values of both types can be, if there is one.
pub(super) fn common(left: &Type, right: &Type) -> Option<Type> {
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
    Some(decimal(a.max(b), s.max(t)))
}

/// Makes values of one type of all; a null is of any.
pub(super) fn unified(all: Vec<(Bound, Type)>, at: &At<Expr>) -> Result<(Vec<Bound>, Type), Diagnostic> {
    let is_null = |bound: &Bound| *bound == Bound::Literal(Value::Null);
    let mut result: Option<Type> = None;
    for (_, ty) in all.iter().filter(|(bound, _)| !is_null(bound)) {
        result = Some(match result {
            None => ty.clone(),
            Some(before) => common(&before, ty).ok_or_else(|| {
                Diagnostic::new(at.span, format!("{before} and {ty} are not of one type"))
                    .help("convert one with CAST")
            })?,
        });
    }
    let ty = result.unwrap_or(Type::String);
    let cast = |(bound, of): (Bound, Type)| {
        if of == ty || is_null(&bound) { bound } else { Bound::Cast(Box::new(bound), ty.clone()) }
    };
    Ok((all.into_iter().map(cast).collect(), ty))
}

/// The expression as exactly this type.
pub(super) fn fitted(bound: Bound, ty: &Type) -> (Bound, Type) {
    (Bound::Cast(Box::new(bound), ty.clone()), ty.clone())
}

/// Whether CAST takes a value from one type to the other.
pub(super) fn casts(from: &Type, to: &Type) -> bool {
    match (from, to) {
        _ if from == to => true,
        (_, Type::String) => !matches!(from, Type::Bytes | Type::Array(_) | Type::Map(..) | Type::Struct(_)),
        (Type::String, _) => !matches!(to, Type::Bytes | Type::Array(_) | Type::Map(..) | Type::Struct(_)),
        (Type::Bigint, Type::Timestamp) | (Type::Timestamp, Type::Bigint) => true,
        _ => from.is_number() && to.is_number(),
    }
}
