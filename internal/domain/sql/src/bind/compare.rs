use std::sync::Arc;

use millstream_model::{Type, Value};

use super::coerce::{is_null, unified};
use super::typing::is_comparable;
use super::{Binder, Typed};
use crate::ast::{At, BinaryOp, Expr};
use crate::diagnostic::Diagnostic;
use crate::eval::{Bound, Comparison, Conversion, Order, Pattern};

pub(super) fn comparison(op: BinaryOp) -> Option<Comparison> {
    Some(match op {
        BinaryOp::Eq => Comparison::Eq,
        BinaryOp::NotEq => Comparison::NotEq,
        BinaryOp::Lt => Comparison::Lt,
        BinaryOp::LtEq => Comparison::LtEq,
        BinaryOp::Gt => Comparison::Gt,
        BinaryOp::GtEq => Comparison::GtEq,
        BinaryOp::Distinct => Comparison::Distinct,
        BinaryOp::NotDistinct => Comparison::NotDistinct,
        _ => return None,
    })
}

pub(super) fn compared(
    comparison: Comparison,
    (left, left_type): (Bound, Type),
    (right, right_type): (Bound, Type),
    at: &At<Expr>,
) -> Typed {
    if is_null(&left) || is_null(&right) {
        return Err(
            Diagnostic::new(at.span, "nothing compares with NULL").help("write IS NULL or IS NOT NULL")
        );
    }
    if !is_comparable(comparison, &left_type, &right_type) {
        let said = format!("{} does not take {left_type} and {right_type}", comparison.symbol());
        return Err(Diagnostic::new(at.span, said).help("convert one with CAST"));
    }
    let left = timed(left, &left_type, &right_type);
    let right = timed(right, &right_type, &left_type);
    let is_whole = |ty: &Type| matches!(ty, Type::Int | Type::Bigint);
    let order = if is_whole(&left_type) && is_whole(&right_type) {
        Order::Long
    } else if left_type == Type::Double && right_type.is_number()
        || right_type == Type::Double && left_type.is_number()
    {
        Order::Double
    } else {
        Order::General
    };
    Ok((Bound::Compare(comparison, order, Box::new((left, right))), Type::Boolean))
}

/// A text beside a day, a time or a moment is read as one.
fn timed(bound: Bound, ty: &Type, other: &Type) -> Bound {
    if *ty != Type::String || *other == Type::String {
        return bound;
    }
    let conversion = Box::new(Conversion::To(other.clone()));
    super::folded(Bound::Cast(Box::new(bound), conversion, other.clone()))
}

impl Binder<'_, '_> {
    /// A bare NULL in the list is never found.
    pub(super) fn is_in(&mut self, of: &At<Expr>, list: &[At<Expr>], at: &At<Expr>) -> Typed {
        let mut all = vec![self.bind(of)?];
        for candidate in list {
            let bound = self.bind(candidate)?;
            if !is_null(&bound.0) {
                all.push(bound);
            }
        }
        let (mut all, _) = unified(all, at)?;
        let of = all.remove(0);
        Ok((Bound::In(Box::new(of), all), Type::Boolean))
    }

    pub(super) fn like(
        &mut self,
        of: &At<Expr>,
        pattern: &At<Expr>,
        escape: Option<char>,
        at: &At<Expr>,
    ) -> Typed {
        let ((of, of_type), (pattern, pattern_type)) = (self.bind(of)?, self.bind(pattern)?);
        if of_type != Type::String || pattern_type != Type::String {
            let said = format!("LIKE does not take {of_type} and {pattern_type}");
            return Err(Diagnostic::new(at.span, said));
        }
        if let Bound::Literal(Value::String(text)) = &pattern {
            let pattern =
                Pattern::new(text, escape).map_err(|error| Diagnostic::new(at.span, error.to_string()))?;
            return Ok((Bound::Like(Box::new(of), Arc::new(pattern)), Type::Boolean));
        }
        Ok((Bound::LikeAny(Box::new((of, pattern)), escape), Type::Boolean))
    }
}
