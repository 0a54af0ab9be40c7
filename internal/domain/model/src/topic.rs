use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// Kafka's limit on the length of a topic's name.
const LENGTH_MAX: usize = 249;

/// The name of a topic; cheap to clone.
///
/// **Invariant:** 1 to 249 of the characters Kafka allows (ASCII letters, digits, `.`, `_`, `-`), and neither `.` nor `..`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName(Arc<str>);

/// Why a text is no topic name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{name}' is not a topic name: {reason}")]
pub struct TopicNameError {
    name: String,
    reason: &'static str,
}

impl TopicName {
    /// Checks `name` against Kafka's rule.
    ///
    /// # Errors
    /// When it is empty, longer than 249 characters, `.` or `..`, or has a character outside `[A-Za-z0-9._-]`.
    pub fn new(name: impl AsRef<str>) -> Result<Self, TopicNameError> {
        let name = name.as_ref();
        match fault(name) {
            None => Ok(Self(name.into())),
            Some(reason) => Err(TopicNameError { name: name.to_owned(), reason }),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn fault(name: &str) -> Option<&'static str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name {
        "" => Some("it is empty"),
        "." | ".." => Some("'.' and '..' are not allowed"),
        _ if name.len() > LENGTH_MAX => Some("it is longer than 249 characters"),
        _ if !name.chars().all(legal) => Some("only letters, digits, '.', '_' and '-' are allowed"),
        _ => None,
    }
}

/// It is compared and hashed as its text.
impl Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_rule_for_names_is_kept() {
        let long = "a".repeat(250);
        for (name, fine) in [
            ("shop_products", true),
            ("a.b-c_9", true),
            ("", false),
            (".", false),
            ("..", false),
            ("a b", false),
            ("é", false),
        ] {
            assert_eq!(TopicName::new(name).is_ok(), fine, "{name:?}");
        }
        assert!(TopicName::new(&long).is_err());
        assert!(TopicName::new(&long[1..]).is_ok());
    }

    #[test]
    fn the_error_says_which_name_and_why() {
        let error = TopicName::new("a b").unwrap_err().to_string();
        assert_eq!(error, "'a b' is not a topic name: only letters, digits, '.', '_' and '-' are allowed");
    }
}
