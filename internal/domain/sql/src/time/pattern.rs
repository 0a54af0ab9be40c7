use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::{Fields, Zone, read};
use crate::eval::Failure;

/// A form of dates and times, such as `yyyy-MM-dd'T'HH:mm:ss`, in the letters of Java's `DateTimeFormatter`.
#[derive(Clone, Debug, PartialEq)]
pub struct TimePattern(pub(super) Vec<Piece>);

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    /// As it stands there.
    Literal(String),
    /// A letter, and how often it stands there.
    Letter(char, usize),
    /// What may be missing from a text.
    Optional(Vec<Piece>),
}

/// The letters that are known.
const LETTERS: &str = "GuyYDMLdQqwWEecFahKkHmsSAnNVzOXxZ";

impl TimePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When it has a letter that is not known, or quotes or brackets that are open.
    pub fn new(text: &str) -> Result<Self, Failure> {
        let mut characters = text.chars().peekable();
        let pieces = pieces(&mut characters, false)
            .ok_or_else(|| Failure::new(format!("'{text}' is no pattern for dates and times")))?;
        Ok(Self(pieces))
    }

    /// The milliseconds since 1970 that a text of this form stands for; what it does not say is the first of 1970, at
    /// midnight in UTC.
    ///
    /// # Errors
    /// When the text is not of this form.
    pub fn parse_millis(&self, text: &str) -> Result<i64, Failure> {
        self.moment(text, &Zone::utc())
    }

    /// As [`TimePattern::parse_millis`], in a zone, unless the text names one.
    pub(crate) fn moment(&self, text: &str, zone: &Zone) -> Result<i64, Failure> {
        let fields = self.parse(text)?;
        fields.moment(zone).ok_or_else(|| Failure::new(format!("'{text}' says no moment")))
    }

    /// What a text of this form says.
    pub(crate) fn parse(&self, text: &str) -> Result<Fields, Failure> {
        let said = read::all(&self.0, text, false);
        said.ok_or_else(|| Failure::new(format!("'{text}' is not of the form asked for")))
    }

    /// As [`TimePattern::parse`], with numbers of any width, and whatever behind them.
    pub(crate) fn parse_loosely(&self, text: &str) -> Result<Fields, Failure> {
        let said = read::all(&self.0, text, true);
        said.ok_or_else(|| Failure::new(format!("'{text}' is not of the form asked for")))
    }
}

type Characters<'t> = std::iter::Peekable<std::str::Chars<'t>>;

fn pieces(characters: &mut Characters<'_>, is_optional: bool) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    while let Some(c) = characters.next() {
        let piece = match c {
            '\'' => Piece::Literal(quoted(characters)?),
            '[' => Piece::Optional(self::pieces(characters, true)?),
            ']' => return is_optional.then_some(pieces),
            '{' | '}' | '#' => return None,
            c if c.is_ascii_alphabetic() => {
                let mut count = 1;
                while characters.next_if_eq(&c).is_some() {
                    count += 1;
                }
                LETTERS.contains(c).then_some(Piece::Letter(c, count))?
            }
            c => Piece::Literal(c.to_string()),
        };
        match (pieces.last_mut(), piece) {
            (Some(Piece::Literal(before)), Piece::Literal(more)) => before.push_str(&more),
            (_, piece) => pieces.push(piece),
        }
    }
    // An open bracket is closed by the end.
    Some(pieces)
}

/// What stands between quotes; two of them are one.
fn quoted(characters: &mut Characters<'_>) -> Option<String> {
    let mut text = String::new();
    loop {
        match characters.next()? {
            '\'' if characters.next_if_eq(&'\'').is_some() => text.push('\''),
            '\'' if text.is_empty() => return Some("'".to_owned()),
            '\'' => return Some(text),
            c => text.push(c),
        }
    }
}

/// How many patterns are kept ready.
const READY_MAX: usize = 256;

thread_local! {
    static READY: RefCell<HashMap<Box<str>, Rc<TimePattern>>> = RefCell::default();
}

/// A pattern made ready; those used before are kept.
pub(crate) fn ready(text: &str) -> Result<Rc<TimePattern>, Failure> {
    READY.with_borrow_mut(|ready| {
        if let Some(known) = ready.get(text) {
            return Ok(Rc::clone(known));
        }
        let made = Rc::new(TimePattern::new(text)?);
        if ready.len() >= READY_MAX {
            ready.clear();
        }
        ready.insert(text.into(), Rc::clone(&made));
        Ok(made)
    })
}
