//! JSON (RFC 8259) as the JSON functions see it: objects keep their order, and numbers their digits.

mod path;
mod read;

use std::fmt::{self, Display, Write};

pub(crate) use path::JsonPath;

/// A JSON document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number, in the digits that it is written in.
    Number(Box<str>),
    /// A text.
    Text(Box<str>),
    /// Elements in order.
    Array(Vec<Json>),
    /// Members in order; of two with one name the later counts.
    Object(Vec<(Box<str>, Json)>),
}

impl Json {
    /// Reads a document; none where the text is no JSON, or more than one document.
    pub(crate) fn read(text: &str) -> Option<Self> {
        read::document(text)
    }

    /// An object's member.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => {
                members.iter().find(|(known, _)| &**known == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// Its text where it is one, and otherwise the document as it is written.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text.into(),
            other => other.to_string(),
        }
    }

    fn is_whole_number(digits: &str) -> bool {
        !digits.contains(['.', 'e', 'E'])
    }

    /// Sets an object's member, in its place where it has one.
    pub(crate) fn set(members: &mut Vec<(Box<str>, Self)>, name: Box<str>, value: Self) {
        match members.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => members.push((name, value)),
        }
    }

    /// Whether a number is written as a whole one.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self, Self::Number(digits) if Self::is_whole_number(digits))
    }
}

impl Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Number(digits) => f.write_str(digits),
            Self::Text(text) => quoted(f, text),
            Self::Array(elements) => {
                f.write_char('[')?;
                for (place, element) in elements.iter().enumerate() {
                    write!(f, "{}{element}", if place == 0 { "" } else { "," })?;
                }
                f.write_char(']')
            }
            Self::Object(members) => {
                f.write_char('{')?;
                for (place, (name, value)) in members.iter().enumerate() {
                    f.write_str(if place == 0 { "" } else { "," })?;
                    quoted(f, name)?;
                    write!(f, ":{value}")?;
                }
                f.write_char('}')
            }
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\u{8}' => f.write_str("\\b")?,
            '\u{c}' => f.write_str("\\f")?,
            c if c < ' ' => write!(f, "\\u{:04X}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_written_as_they_were_read() {
        for text in [
            "null",
            "true",
            "-0.50e+3",
            "12345678901234567890.000",
            "\"a\\\"b\\\\ \\u0001 ж\"",
            "[1,[],{\"a\":{}},\"x\"]",
            "{\"b\":1,\"a\":[null,false]}",
        ] {
            assert_eq!(Json::read(text).unwrap().to_string(), text);
        }
        assert_eq!(Json::read(" [ 1 , 2 ]\n").unwrap().to_string(), "[1,2]");
        assert_eq!(Json::read(r#""\u00e9\ud83d\ude00\/""#), Some(Json::Text("é😀/".into())));
        assert_eq!(Json::read(r#"{"a":1,"b":2,"a":3}"#).unwrap().to_string(), r#"{"a":3,"b":2}"#);
    }

    #[test]
    fn what_is_no_json_is_not_read() {
        for text in [
            "", "nul", "01", "1.", ".5", "+1", "[1,]", "{a:1}", "{\"a\"}", "\"a", "\"\n\"", "[1] 2", "'a'",
            "-", "\"\\x\"",
        ] {
            assert_eq!(Json::read(text), None, "{text}");
        }
        assert_eq!(Json::read(&"[".repeat(100_000)), None);
    }
}
