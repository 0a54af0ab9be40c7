use std::borrow::Cow;

use millstream_model::Value;

use super::{Bound, Outcome};

/// What an expression is evaluated in: a row, and the variables of the lambdas around it.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(super) row: &'a [Value],
    pub(super) variables: &'a [&'a Value],
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
        // Most lambdas stand in no other.
        if self.frame.variables.is_empty() {
            return self.look(&values);
        }
        let variables: Vec<_> = self.frame.variables.iter().copied().chain(values).collect();
        self.look(&variables)
    }

    fn look(&self, variables: &[&Value]) -> Outcome {
        let frame = Frame { row: self.frame.row, variables };
        self.body.look(frame).map(Cow::into_owned)
    }
}
