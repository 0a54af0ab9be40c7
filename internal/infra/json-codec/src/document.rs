use std::fmt::{self, Write};

mod lexer;
mod read;

pub(crate) use lexer::{Kind, Lexer};

/// Any JSON document, its numbers as they were written, and its objects' entries in the order they came.
///
/// Numbers stay text because `1.20` and `1.2` are one number of two scales, and because not every one fits 64 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A number, as it was written.
    Number(String),
    /// A text.
    Text(String),
    /// Elements.
    Array(Vec<Document>),
    /// Entries; a name may come more than once, and the last one counts.
    Object(Vec<(String, Document)>),
}

impl Document {
    /// Reads exactly one document.
    ///
    /// # Errors
    /// A sentence with the place in bytes, where `bytes` are not one JSON document in UTF-8 (RFC 8259).
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        read::document(bytes)
    }

    /// The entry of this name, if it is an object and has one.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(entries) => entries.iter().rev().find(|(known, _)| known == name).map(|(_, of)| of),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if it is one of 64 bits.
    pub fn as_whole(&self) -> Option<i64> {
        match self {
            Self::Number(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// The elements; none if it is no array.
    pub fn elements(&self) -> &[Self] {
        match self {
            Self::Array(elements) => elements,
            _ => &[],
        }
    }

    /// The entries; none if it is no object.
    pub fn entries(&self) -> &[(String, Self)] {
        match self {
            Self::Object(entries) => entries,
            _ => &[],
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        *self == Self::Null
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Number(digits) => f.write_str(digits),
            Self::Text(text) => quoted(text, f),
            Self::Array(elements) => {
                f.write_char('[')?;
                for (place, element) in elements.iter().enumerate() {
                    let comma = if place == 0 { "" } else { "," };
                    write!(f, "{comma}{element}")?;
                }
                f.write_char(']')
            }
            Self::Object(entries) => {
                f.write_char('{')?;
                for (place, (name, of)) in entries.iter().enumerate() {
                    f.write_str(if place == 0 { "" } else { "," })?;
                    quoted(name, f)?;
                    write!(f, ":{of}")?;
                }
                f.write_char('}')
            }
        }
    }
}

/// A text as JSON quotes it.
fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if u32::from(c) < 0x20 => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_printed_as_it_was_read() {
        for text in [
            "null",
            "[1.20,-0,1e400,12345678901234567890123]",
            r#"{"b":"a\"\\\n\u0001é","a":[true,false,{}],"b":[]}"#,
        ] {
            assert_eq!(Document::parse(text.as_bytes()).unwrap().to_string(), text);
        }
        assert_eq!(Document::parse(br#" "\ud83d\ude00\/" "#), Ok(Document::Text("😀/".to_owned())));
    }

    #[test]
    fn of_two_entries_with_one_name_the_last_counts() {
        let document = Document::parse(br#"{"a": 1, "a": 2}"#).unwrap();
        assert_eq!(document.get("a").and_then(Document::as_whole), Some(2));
    }

    #[test]
    fn what_is_no_document_is_refused_with_its_place() {
        for (text, place) in [
            ("", "byte 0"),
            ("[1,]", "byte 3"),
            ("{\"a\" 1}", "byte 5"),
            ("1 2", "byte 2"),
            ("01", "byte 1"),
            ("\"\n\"", "byte 1"),
            ("nul", "byte 0"),
            ("\"\\ud800\"", "byte 7"),
        ] {
            let said = Document::parse(text.as_bytes()).unwrap_err();
            assert!(said.ends_with(place), "{text}: {said}");
        }
        assert!(Document::parse(&[b'['; 10_000]).unwrap_err().contains("deep"));
    }
}
