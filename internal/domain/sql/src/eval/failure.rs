use std::fmt;

use millstream_model::Value;

/// Why an expression has no value in a row, such as a division by zero. Its display is a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(Box<str>);

/// What an expression comes to.
pub(crate) type Outcome = Result<Value, Failure>;

impl Failure {
    /// A failure for a reason.
    pub fn new(reason: impl AsRef<str>) -> Self {
        Self(reason.as_ref().into())
    }

    /// A number that its type has no room for.
    pub(crate) fn overflow(ty: impl fmt::Display) -> Self {
        Self::new(format!("the result does not fit {ty}"))
    }

    /// A value where binding lets no such value stand.
    pub(crate) fn unexpected(value: &Value) -> Self {
        Self::new(format!("{value:?} is not of the type expected here"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}
