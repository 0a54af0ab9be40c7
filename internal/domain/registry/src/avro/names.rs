use std::fmt;

use super::Primitive;

/// A full name; the namespace may be empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    pub(crate) space: String,
    pub(crate) simple: String,
}

impl Name {
    /// A name as it is written where `enclosing` is the namespace: dots in it say the namespace themselves.
    pub(crate) fn within(text: &str, enclosing: &str) -> Self {
        let (space, simple) = text.rsplit_once('.').unwrap_or((enclosing, text));
        Self { space: space.to_owned(), simple: simple.to_owned() }
    }

    /// Whether it may be a type's: no part is what the specification forbids, and it is not a primitive type's.
    pub(crate) fn is_legal(&self) -> bool {
        let is_taken = self.space.is_empty() && Primitive::called(&self.simple).is_some();
        let is_space_legal = self.space.is_empty() || self.space.split('.').all(is_legal);
        is_legal(&self.simple) && is_space_legal && !is_taken
    }

    /// How it is written where `enclosing` is the namespace.
    pub(crate) fn told_within(&self, enclosing: &str) -> String {
        if self.space == enclosing { self.simple.clone() } else { self.to_string() }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.space.is_empty() { "" } else { "." };
        write!(f, "{}{dot}{}", self.space, self.simple)
    }
}

/// Whether the specification allows it for a type's, a field's or a symbol's name.
pub(crate) fn is_legal(name: &str) -> bool {
    let mut letters = name.chars();
    let first = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
