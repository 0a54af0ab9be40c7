use std::borrow::Cow;

use millstream_model::Value;

use super::{Bound, Outcome};

/// What an expression is evaluated in: a row, and the variables of the lambdas around it.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(super) row: &'a [Value],
    pub(super) variables: &'a [Value],
}

impl<'a> Frame<'a> {
    pub(super) fn of(row: &'a [Value]) -> Self {
        Self { row, variables: &[] }
    }
}

/// A lambda where it stands: it sees the row and the variables around it.
pub(crate) struct Lambda<'a> {
    pub(super) body: &'a Bound,
    pub(super) frame: Frame<'a>,
}

impl Lambda<'_> {
    /// Its value for these values of its own variables.
    pub(crate) fn apply<const N: usize>(&self, values: [&Value; N]) -> Outcome {
        let variables: Vec<_> = self.frame.variables.iter().chain(values).cloned().collect();
        let frame = Frame { row: self.frame.row, variables: &variables };
        self.body.look(frame).map(Cow::into_owned)
    }
}
