//! Expressions bound to a row's columns: no name is looked up while a rule runs.

mod arithmetic;
mod cast;
mod compare;
mod failure;
mod flat;
mod lambda;
mod like;
mod look;
mod parts;
mod typed;
mod written;

use std::sync::Arc;

use millstream_model::{Type, Value};

pub use arithmetic::{Kind, Operation};
pub(crate) use arithmetic::{double_of, long_of};
pub use cast::{Conversion, text_of};
pub use compare::{Comparison, Order};
pub(crate) use compare::{compare, exact};
pub use failure::Failure;
pub(crate) use failure::Outcome;
pub(crate) use flat::Condition;
pub(crate) use lambda::{Frame, Lambda};
pub use like::Pattern;

use crate::functions::Called;

/// An expression over a row, its columns by index and its operators chosen by type.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    /// A column of the row.
    Column(usize),
    /// A variable of the lambda that it stands in, by index; those of outer lambdas come first.
    Variable(usize),
    /// A constant.
    Literal(Value),
    /// A struct's field, by index.
    Field(Box<Bound>, usize),
    /// Both are true.
    And(Box<(Bound, Bound)>),
    /// One is true.
    Or(Box<(Bound, Bound)>),
    /// A comparison.
    Compare(Comparison, Order, Box<(Bound, Bound)>),
    /// Arithmetic on two numbers.
    Arithmetic(Operation, Kind, Box<(Bound, Bound)>),
    /// Two texts, one behind the other.
    Concat(Box<(Bound, Bound)>),
    /// Logical negation.
    Not(Box<Bound>),
    /// A minus sign.
    Negate(Box<Bound>),
    /// `IS NULL`, or with `true` its opposite.
    IsNull(Box<Bound>, bool),
    /// The first case whose condition is true, or the last expression.
    Case(Vec<(Bound, Bound)>, Option<Box<Bound>>),
    /// Conversion to a type.
    Cast(Box<Bound>, Box<Conversion>, Type),
    /// A scalar function, with its values and then its lambdas.
    Call(Called, Vec<Bound>, Vec<Bound>),
    /// A struct of fields.
    Struct(Vec<Bound>),
    /// Whether a value is one of a list.
    In(Box<Bound>, Vec<Bound>),
    /// An array of elements.
    Array(Vec<Bound>),
    /// A map of entries; of two with one key the later counts.
    Map(Vec<(Bound, Bound)>),
    /// An array's element by its place from 1, or with a minus sign from the end; or a map's value by its key.
    Index(Box<(Bound, Bound)>),
    /// Whether a text is like a pattern that is known beforehand.
    Like(Box<Bound>, Arc<Pattern>),
    /// Whether a text is like a pattern of the row.
    LikeAny(Box<(Bound, Bound)>, Option<char>),
}

impl Bound {
    /// The expression's value in `row`; null where it fails, as in a division by zero.
    pub fn eval(&self, row: &[Value]) -> Value {
        self.try_eval(row).unwrap_or(Value::Null)
    }

    /// The expression's value in `row`.
    ///
    /// # Errors
    /// Why it has none.
    pub fn try_eval(&self, row: &[Value]) -> Result<Value, Failure> {
        self.look(Frame::of(row)).map(std::borrow::Cow::into_owned)
    }

    /// Whether the expression is true in `row`; null is not, nor is what fails.
    pub fn holds(&self, row: &[Value]) -> bool {
        self.try_holds(row).unwrap_or(false)
    }

    /// Whether the expression is true in `row`; null is not.
    ///
    /// # Errors
    /// Why it can't be said.
    pub fn try_holds(&self, row: &[Value]) -> Result<bool, Failure> {
        Ok(self.truth(Frame::of(row))? == Some(true))
    }
}

#[cfg(test)]
mod tests;
