//! Functions that hide the characters of a text behind others of their kind.

use millstream_model::Value;

use super::arguments::{at, int, text};
use super::{Body, Definition, Entry};
use crate::eval::{Failure, Outcome};

const CATEGORY: &str = "STRING";

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition {
        name: "MASK",
        category: CATEGORY,
        about: "The text with capitals, small letters, digits and others masked, as X, x, n and -, or as is said; by null a kind is not.",
        entries: &[
            Entry::new("text STRING -> STRING", Body::Lenient(|a| masked(a, None, |_, _| true))),
            Entry::new(
                "text STRING, capitals STRING, small STRING, digits STRING, others STRING -> STRING",
                Body::Lenient(|a| masked(a, None, |_, _| true)),
            ),
        ],
    },
    Definition {
        name: "MASK_LEFT",
        category: CATEGORY,
        about: "The text with so many of its first characters masked.",
        entries: &[
            Entry::new("text STRING, count INT -> STRING", Body::Lenient(left)),
            Entry::new(
                "text STRING, count INT, capitals STRING, small STRING, digits STRING, others STRING -> STRING",
                Body::Lenient(left),
            ),
        ],
    },
    Definition {
        name: "MASK_RIGHT",
        category: CATEGORY,
        about: "The text with so many of its last characters masked.",
        entries: &[
            Entry::new("text STRING, count INT -> STRING", Body::Lenient(right)),
            Entry::new(
                "text STRING, count INT, capitals STRING, small STRING, digits STRING, others STRING -> STRING",
                Body::Lenient(right),
            ),
        ],
    },
    Definition {
        name: "MASK_KEEP_LEFT",
        category: CATEGORY,
        about: "The text with all but so many of its first characters masked.",
        entries: &[
            Entry::new("text STRING, count INT -> STRING", Body::Lenient(keep_left)),
            Entry::new(
                "text STRING, count INT, capitals STRING, small STRING, digits STRING, others STRING -> STRING",
                Body::Lenient(keep_left),
            ),
        ],
    },
    Definition {
        name: "MASK_KEEP_RIGHT",
        category: CATEGORY,
        about: "The text with all but so many of its last characters masked.",
        entries: &[
            Entry::new("text STRING, count INT -> STRING", Body::Lenient(keep_right)),
            Entry::new(
                "text STRING, count INT, capitals STRING, small STRING, digits STRING, others STRING -> STRING",
                Body::Lenient(keep_right),
            ),
        ],
    },
];

fn left(values: &[&Value]) -> Outcome {
    masked(values, counted(values)?, |place, count| place.before < count)
}

fn right(values: &[&Value]) -> Outcome {
    masked(values, counted(values)?, |place, count| place.behind < count)
}

fn keep_left(values: &[&Value]) -> Outcome {
    masked(values, counted(values)?, |place, count| place.before >= count)
}

fn keep_right(values: &[&Value]) -> Outcome {
    masked(values, counted(values)?, |place, count| place.behind >= count)
}

fn counted(values: &[&Value]) -> Result<Option<usize>, Failure> {
    usize::try_from(int(at(values, 1))?).map(Some).map_err(|_| Failure::new("a count is not below 0"))
}

/// How many characters are before and behind one.
struct Place {
    before: usize,
    behind: usize,
}

/// What each kind is masked with: capitals, small letters, digits, and others.
struct Masks([Option<char>; 4]);

fn masked(values: &[&Value], count: Option<usize>, is_masked: fn(&Place, usize) -> bool) -> Outcome {
    let masks = masks(values.get(1 + usize::from(count.is_some())..).unwrap_or_default())?;
    if at(values, 0).is_null() {
        return Ok(Value::Null);
    }
    let characters: Vec<_> = text(at(values, 0))?.chars().collect();
    let size = characters.len();
    let mask = |(before, c): (usize, &char)| {
        let place = Place { before, behind: size - before - 1 };
        if is_masked(&place, count.unwrap_or(0)) { masks.of(*c) } else { *c }
    };
    Ok(Value::text(characters.iter().enumerate().map(mask).collect::<String>()))
}

fn masks(given: &[&Value]) -> Result<Masks, Failure> {
    if given.is_empty() {
        return Ok(Masks([Some('X'), Some('x'), Some('n'), Some('-')]));
    }
    let mut masks = [None; 4];
    for (mask, given) in masks.iter_mut().zip(given) {
        if !given.is_null() {
            let mut characters = text(given)?.chars();
            *mask = match (characters.next(), characters.next()) {
                (Some(only), None) => Some(only),
                _ => return Err(Failure::new("a mask is one character")),
            };
        }
    }
    Ok(Masks(masks))
}

impl Masks {
    fn of(&self, c: char) -> char {
        let [capital, small, digit, other] = self.0;
        let mask = if c.is_uppercase() {
            capital
        } else if c.is_lowercase() {
            small
        } else if c.is_numeric() {
            digit
        } else {
            other
        };
        mask.unwrap_or(c)
    }
}
