//! Conditions written out in one piece, for where thousands are asked of one row: then it is the way from one part of a
//! condition to the next that takes time, and here the next one stands beside it.

use std::sync::Arc;

use millstream_model::Value;

use super::arithmetic::{Kind, Operation, double_of, doubles, long_of};
use super::compare::Comparison;
use super::typed::{both, either};
use super::{Bound, Failure, Frame, Order, Pattern};

/// A condition as the list of its parts, each before those that it is made of.
///
/// **Invariant:** it comes to what [`Bound::try_holds`] comes to in every row, failures included.
#[derive(Clone, Debug)]
pub(crate) struct Condition(Box<[Part]>);

#[derive(Clone, Debug)]
enum Part {
    /// Its second side takes so many parts.
    And(usize),
    Or(usize),
    Not,
    Longs(Comparison),
    /// Compared with a constant.
    LongIs(Comparison, i64),
    Doubles(Comparison),
    IsNull(usize, bool),
    Like(u32, Arc<Pattern>),
    /// A number of the row.
    Column(usize),
    Long(i64),
    Double(f64),
    OnLongs(Operation, Kind),
    /// On a column and a constant.
    OnColumn(Operation, Kind, u32, i64),
    OnDoubles(Operation),
    /// Anything else, as it is.
    Made(Box<Bound>),
}

/// The parts that are not looked at yet.
type Rest<'p> = std::slice::Iter<'p, Part>;

impl Condition {
    pub(crate) fn of(bound: &Bound) -> Self {
        let mut parts = Vec::new();
        write_truth(bound, &mut parts);
        Self(parts.into())
    }

    /// Whether it is true in `row`, or fails in it.
    pub(crate) fn may_hold(&self, row: &[Value]) -> bool {
        !matches!(truth(&mut self.0.iter(), Frame::of(row)), Ok(Some(false) | None))
    }
}

fn write_truth(bound: &Bound, parts: &mut Vec<Part>) {
    match bound {
        Bound::And(sides) => write_sides(Part::And, sides, parts),
        Bound::Or(sides) => write_sides(Part::Or, sides, parts),
        Bound::Not(of) => {
            parts.push(Part::Not);
            write_truth(of, parts);
        }
        Bound::Compare(comparison, Order::Long, sides) => {
            if let Some(constant) = constant(&sides.1) {
                parts.push(Part::LongIs(*comparison, constant));
                write_long(&sides.0, parts);
                return;
            }
            parts.push(Part::Longs(*comparison));
            write_long(&sides.0, parts);
            write_long(&sides.1, parts);
        }
        Bound::Compare(comparison, Order::Double, sides) => {
            parts.push(Part::Doubles(*comparison));
            write_double(&sides.0, parts);
            write_double(&sides.1, parts);
        }
        other => parts.push(simple(other).unwrap_or_else(|| made(other))),
    }
}

/// What is asked of a column, in one part.
fn simple(bound: &Bound) -> Option<Part> {
    match bound {
        Bound::IsNull(of, negated) => match **of {
            Bound::Column(index) => Some(Part::IsNull(index, *negated)),
            _ => None,
        },
        Bound::Like(of, pattern) => match **of {
            Bound::Column(index) => Some(Part::Like(u32::try_from(index).ok()?, pattern.clone())),
            _ => None,
        },
        _ => None,
    }
}

fn made(bound: &Bound) -> Part {
    Part::Made(Box::new(bound.clone()))
}

fn constant(bound: &Bound) -> Option<i64> {
    if let Bound::Literal(value) = bound { long_of(value) } else { None }
}

/// What is worked out from a column and a constant, in one part.
fn on_column(operation: Operation, kind: Kind, sides: &(Bound, Bound)) -> Option<Part> {
    let Bound::Column(column) = sides.0 else { return None };
    Some(Part::OnColumn(operation, kind, u32::try_from(column).ok()?, constant(&sides.1)?))
}

fn write_sides(part: fn(usize) -> Part, sides: &(Bound, Bound), parts: &mut Vec<Part>) {
    let place = parts.len();
    parts.push(part(0));
    write_truth(&sides.0, parts);
    let second = parts.len();
    write_truth(&sides.1, parts);
    let count = parts.len() - second;
    if let Some(slot) = parts.get_mut(place) {
        *slot = part(count);
    }
}

fn write_long(bound: &Bound, parts: &mut Vec<Part>) {
    match bound {
        Bound::Column(index) => parts.push(Part::Column(*index)),
        Bound::Arithmetic(operation, kind @ (Kind::Int | Kind::Bigint), sides) => {
            if let Some(part) = on_column(*operation, *kind, sides) {
                parts.push(part);
                return;
            }
            parts.push(Part::OnLongs(*operation, *kind));
            write_long(&sides.0, parts);
            write_long(&sides.1, parts);
        }
        other => parts.push(constant(other).map_or_else(|| made(other), Part::Long)),
    }
}

fn write_double(bound: &Bound, parts: &mut Vec<Part>) {
    match bound {
        Bound::Column(index) => parts.push(Part::Column(*index)),
        Bound::Arithmetic(operation, Kind::Double, sides) => {
            parts.push(Part::OnDoubles(*operation));
            write_double(&sides.0, parts);
            write_double(&sides.1, parts);
        }
        Bound::Literal(value) => parts.push(double_of(value).map_or_else(|| made(bound), Part::Double)),
        other => parts.push(made(other)),
    }
}

fn truth(rest: &mut Rest<'_>, frame: Frame<'_>) -> Result<Option<bool>, Failure> {
    match rest.next() {
        Some(Part::And(second)) => match truth(rest, frame)? {
            Some(false) => {
                pass(rest, *second);
                Ok(Some(false))
            }
            left => Ok(both(left, truth(rest, frame)?)),
        },
        Some(Part::Or(second)) => match truth(rest, frame)? {
            Some(true) => {
                pass(rest, *second);
                Ok(Some(true))
            }
            left => Ok(either(left, truth(rest, frame)?)),
        },
        Some(Part::Not) => Ok(truth(rest, frame)?.map(|truth| !truth)),
        Some(Part::Longs(comparison)) => {
            let (left, right) = (long(rest, frame)?, long(rest, frame)?);
            Ok(Some(comparison.holds(left, right)))
        }
        Some(Part::LongIs(comparison, constant)) => {
            Ok(Some(comparison.holds(long(rest, frame)?, Some(*constant))))
        }
        Some(Part::Doubles(comparison)) => {
            let (left, right) = (double(rest, frame)?, double(rest, frame)?);
            Ok(Some(comparison.holds(left, right)))
        }
        Some(Part::IsNull(column, negated)) => {
            Ok(Some(frame.row.get(*column).is_none_or(Value::is_null) != *negated))
        }
        Some(Part::Like(column, pattern)) => match frame.row.get(*column as usize) {
            Some(Value::String(text)) => Ok(Some(pattern.matches(text))),
            _ => Ok(None),
        },
        Some(Part::Made(bound)) => bound.truth(frame),
        // No truth is a number.
        _ => Ok(None),
    }
}

/// Passes a second side over, whose condition is decided without it.
fn pass(rest: &mut Rest<'_>, parts: usize) {
    *rest = rest.as_slice().get(parts..).unwrap_or_default().iter();
}

fn long(rest: &mut Rest<'_>, frame: Frame<'_>) -> Result<Option<i64>, Failure> {
    match rest.next() {
        Some(Part::Column(column)) => Ok(frame.row.get(*column).and_then(long_of)),
        Some(Part::Long(long)) => Ok(Some(*long)),
        Some(Part::OnLongs(operation, kind)) => {
            let (left, right) = (long(rest, frame)?, long(rest, frame)?);
            kind.on_longs(*operation, left, right)
        }
        Some(Part::OnColumn(operation, kind, column, constant)) => {
            let column = frame.row.get(*column as usize).and_then(long_of);
            kind.on_longs(*operation, column, Some(*constant))
        }
        Some(Part::Made(bound)) => bound.long(frame),
        _ => Ok(None),
    }
}

fn double(rest: &mut Rest<'_>, frame: Frame<'_>) -> Result<Option<f64>, Failure> {
    match rest.next() {
        Some(Part::Column(column)) => Ok(frame.row.get(*column).and_then(double_of)),
        Some(Part::Double(double)) => Ok(Some(*double)),
        Some(Part::OnDoubles(operation)) => {
            let (left, right) = (double(rest, frame)?, double(rest, frame)?);
            Ok(doubles(*operation, left, right))
        }
        Some(Part::Made(bound)) => bound.double(frame),
        _ => Ok(None),
    }
}
