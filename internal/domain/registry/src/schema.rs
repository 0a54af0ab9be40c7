use std::fmt;

use crate::Refusal;

/// The greatest version; versions are Java's `int`.
const VERSION_MAX: u32 = i32::MAX.unsigned_abs();

/// A subject's name: what versions of a schema are registered under, such as `products-value`.
///
/// **Invariant:** at least one character, none of them for control, no name of Confluent's own, and no context before it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(String);

impl Subject {
    /// Checks a name. The default context's prefix `:.:` is taken off.
    ///
    /// # Errors
    /// [`Refusal::InvalidSubject`] when it is no name, or is one of another context.
    pub fn new(name: impl Into<String>) -> Result<Self, Refusal> {
        let name = name.into();
        let plain = name.strip_prefix(":.:").unwrap_or(&name);
        let is_reserved = matches!(plain, "__GLOBAL" | "__EMPTY");
        if plain.is_empty() || is_reserved || plain.starts_with(":.") || plain.chars().any(char::is_control) {
            return Err(Refusal::InvalidSubject(name));
        }
        Ok(Self(plain.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a setting holds for: one subject, or `None` for all that have none of their own.
pub type Scope = Option<Subject>;

/// A version's number in its subject, from 1.
pub type Version = u32;

/// Which version is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionRange {
    /// The newest that is not deleted.
    Latest,
    /// This one.
    Exactly(Version),
}

impl VersionRange {
    /// Reads `latest`, `-1` or a number from 1 to 2³¹-1.
    ///
    /// # Errors
    /// [`Refusal::InvalidVersion`] for anything else.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let trimmed = text.trim();
        if trimmed.eq_ignore_ascii_case("latest") || trimmed == "-1" {
            return Ok(Self::Latest);
        }
        let number = trimmed.parse::<Version>().ok().filter(|number| (1..=VERSION_MAX).contains(number));
        number.map(Self::Exactly).ok_or_else(|| Refusal::InvalidVersion(text.to_owned()))
    }
}

/// What a schema is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// Apache Avro.
    #[default]
    Avro,
    /// JSON Schema.
    Json,
    /// Protocol Buffers.
    Protobuf,
}

impl Language {
    /// All, as `/schemas/types` lists them.
    pub const ALL: [Self; 3] = [Self::Json, Self::Protobuf, Self::Avro];

    /// The name by which clients and records tell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avro => "AVRO",
            Self::Json => "JSON",
            Self::Protobuf => "PROTOBUF",
        }
    }

    /// The language of a name.
    ///
    /// # Errors
    /// [`Refusal::InvalidSchema`] when no language is called so.
    pub fn called(name: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.into_iter().find(|language| language.name() == name);
        found.ok_or_else(|| Refusal::InvalidSchema(format!("Invalid schema type {name}")))
    }
}

/// A version of another subject that a schema takes types from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// What the schema calls it: a type's full name in Avro, a URL in JSON Schema, an import in Protobuf.
    pub name: String,
    /// The other subject.
    pub subject: Subject,
    /// Its version.
    pub version: Version,
}

/// A schema and all that belongs to what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Definition {
    /// What it is written in.
    pub language: Language,
    /// The schema.
    pub text: String,
    /// What it takes from other subjects.
    pub references: Vec<Reference>,
    /// Metadata, as JSON. Kept and given back; nothing here acts on it.
    pub metadata: Option<String>,
    /// Rules for clients, as JSON. Kept and given back; nothing here acts on them.
    pub rule_set: Option<String>,
}

impl Definition {
    /// An Avro schema that refers to nothing.
    pub fn avro(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_number_from_one_or_the_latest() {
        for (text, expected) in [
            ("1", Some(VersionRange::Exactly(1))),
            ("2147483647", Some(VersionRange::Exactly(2_147_483_647))),
            ("latest", Some(VersionRange::Latest)),
            ("LATEST", Some(VersionRange::Latest)),
            ("-1", Some(VersionRange::Latest)),
            ("0", None),
            ("-2", None),
            ("2147483648", None),
            ("", None),
            ("one", None),
        ] {
            assert_eq!(VersionRange::parse(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn subjects_of_the_default_context_are_plain_and_those_of_others_refused() {
        assert_eq!(Subject::new(":.:a-value").unwrap().as_str(), "a-value");
        assert_eq!(Subject::new("a/b c:ü").unwrap().as_str(), "a/b c:ü");
        for name in ["", ":.:", ":.other:a", "a\nb", "__GLOBAL", "__EMPTY"] {
            assert_eq!(Subject::new(name).unwrap_err().code(), 42208, "{name:?}");
        }
    }
}
