use std::cmp::Ordering;

use millstream_model::{Decimal, Value};

use super::arithmetic::double_of;

/// How two sides are compared. Whatever is compared with null is false, but for the two that look for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`.
    Eq,
    /// `<>`.
    NotEq,
    /// `<`.
    Lt,
    /// `<=`.
    LtEq,
    /// `>`.
    Gt,
    /// `>=`.
    GtEq,
    /// `IS DISTINCT FROM`: one null is distinct from anything else, two are not.
    Distinct,
    /// `IS NOT DISTINCT FROM`.
    NotDistinct,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Whole numbers.
    Long,
    /// Numbers of which one is a double.
    Double,
    /// Anything else.
    General,
}

impl Comparison {
    pub(super) fn holds<T: PartialOrd>(self, left: Option<T>, right: Option<T>) -> bool {
        match (left, right) {
            (Some(left), Some(right)) => self.is(left.partial_cmp(&right)),
            (None, None) => self == Self::NotDistinct,
            _ => self == Self::Distinct,
        }
    }

    pub(super) fn holds_of(self, left: &Value, right: &Value) -> bool {
        match (left.is_null(), right.is_null()) {
            (false, false) => self.is(compare(left, right)),
            (true, true) => self == Self::NotDistinct,
            _ => self == Self::Distinct,
        }
    }

    fn is(self, order: Option<Ordering>) -> bool {
        match self {
            Self::Eq | Self::NotDistinct => order == Some(Ordering::Equal),
            Self::NotEq | Self::Distinct => order != Some(Ordering::Equal),
            Self::Lt => order == Some(Ordering::Less),
            Self::LtEq => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::Gt => order == Some(Ordering::Greater),
            Self::GtEq => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }

    /// How it is written.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::NotEq => "<>",
            Self::Lt => "<",
            Self::LtEq => "<=",
            Self::Gt => ">",
            Self::GtEq => ">=",
            Self::Distinct => "IS DISTINCT FROM",
            Self::NotDistinct => "IS NOT DISTINCT FROM",
        }
    }
}

/// Milliseconds in a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// SQL's order: nothing compares with null, numbers of different types compare by value, and days with moments by their
/// midnight in UTC.
pub(crate) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Date(day), Value::Timestamp(moment)) => Some((i64::from(*day) * DAY_MS).cmp(moment)),
        (Value::Timestamp(moment), Value::Date(day)) => Some(moment.cmp(&(i64::from(*day) * DAY_MS))),
        (Value::Boolean(_), Value::Boolean(_))
        | (Value::Int(_), Value::Int(_))
        | (Value::Bigint(_), Value::Bigint(_))
        | (Value::String(_), Value::String(_))
        | (Value::Bytes(_), Value::Bytes(_))
        | (Value::Timestamp(_), Value::Timestamp(_))
        | (Value::Date(_), Value::Date(_))
        | (Value::Time(_), Value::Time(_)) => Some(left.cmp(right)),
        (Value::Array(left), Value::Array(right)) | (Value::Struct(left), Value::Struct(right)) => {
            Some(if all_equal(left.iter(), right.iter()) { Ordering::Equal } else { left.cmp(right) })
        }
        (Value::Map(left), Value::Map(right)) => {
            let same = left.keys().eq(right.keys()) && all_equal(left.values(), right.values());
            Some(if same { Ordering::Equal } else { Ordering::Less })
        }
        (Value::Double(_), _) | (_, Value::Double(_)) => double_of(left)?.partial_cmp(&double_of(right)?),
        _ => Some(exact(left)?.compare(exact(right)?)),
    }
}

/// Whether elements are the same, one by one. A null within an array or a struct is like another.
fn all_equal<'a>(
    left: impl ExactSizeIterator<Item = &'a Value>,
    right: impl ExactSizeIterator<Item = &'a Value>,
) -> bool {
    left.len() == right.len()
        && left.zip(right).all(|(left, right)| Comparison::NotDistinct.holds_of(left, right))
}

/// A number, exactly.
pub(crate) fn exact(value: &Value) -> Option<Decimal> {
    match value {
        Value::Int(value) => Some(Decimal::from(i64::from(*value))),
        Value::Bigint(value) => Some(Decimal::from(*value)),
        Value::Decimal(value) => Some(*value),
        _ => None,
    }
}
