//! Functions that take a part of a text or look for one. Places count from 1, and negative ones from the end.

use millstream_model::Value;

use super::arguments::{at, bytes, count, int, text};
use super::{Body, Definition, Entry};
use crate::eval::Outcome;

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition {
        name: "SUBSTRING",
        category: "STRING",
        about: "The part of a text, or of bytes, from a place on, and of a length where one is given.",
        entries: &[
            Entry::new("text STRING, place INT -> STRING", Body::Strict(substring)),
            Entry::new("text STRING, place INT, length INT -> STRING", Body::Strict(substring)),
            Entry::new("bytes BYTES, place INT -> BYTES", Body::Strict(substring)),
            Entry::new("bytes BYTES, place INT, length INT -> BYTES", Body::Strict(substring)),
        ],
    },
    Definition {
        name: "INSTR",
        category: "STRING",
        about: "The place of a part in a text, from a place on, and the n-th of them; 0 where it is not.",
        entries: &[
            Entry::new("text STRING, part STRING -> INT", Body::Lenient(instr)),
            Entry::new("text STRING, part STRING, place INT -> INT", Body::Lenient(instr)),
            Entry::new("text STRING, part STRING, place INT, occurrence INT -> INT", Body::Lenient(instr)),
        ],
    },
    Definition {
        name: "STARTS_WITH",
        category: "STRING",
        about: "Whether a text begins with another.",
        entries: &[Entry::new(
            "text STRING, beginning STRING -> BOOLEAN",
            Body::Two(|a, b| Ok(Value::Boolean(text(a)?.starts_with(text(b)?)))),
        )],
    },
];

/// From where to where a part goes, in a whole of `size`.
fn range(size: usize, place: i32, length: Option<i32>) -> (usize, usize) {
    let step = usize::try_from(place.unsigned_abs()).unwrap_or(usize::MAX);
    let start = if place < 0 { size.saturating_sub(step) } else { step.saturating_sub(1).min(size) };
    let end = length.map_or(size, |length| {
        let length = usize::try_from(length).unwrap_or(0);
        start.saturating_add(length).min(size)
    });
    (start, end)
}

fn substring(values: &[&Value]) -> Outcome {
    let place = int(at(values, 1))?;
    let length = values.get(2).map(|length| int(length)).transpose()?;
    if let Value::Bytes(of) = at(values, 0) {
        let (start, end) = range(of.len(), place, length);
        return Ok(Value::Bytes(bytes(at(values, 0))?.get(start..end).unwrap_or_default().into()));
    }
    let of = text(at(values, 0))?;
    let (start, end) = range(of.chars().count(), place, length);
    Ok(Value::from(of.chars().skip(start).take(end - start).collect::<String>()))
}

/// Nothing is in a null, and a null is in nothing.
fn instr(values: &[&Value]) -> Outcome {
    let (Value::String(of), Value::String(part)) = (at(values, 0), at(values, 1)) else { return count(0) };
    let number = |place: usize| values.get(place).map_or(Ok(1), |number| int(number));
    let (place, occurrence) = (number(2)?, number(3)?);
    let (mut of, mut part): (Vec<char>, Vec<char>) = (of.chars().collect(), part.chars().collect());
    let from = usize::try_from(place.unsigned_abs()).unwrap_or(usize::MAX);
    let Ok(occurrence) = usize::try_from(occurrence) else { return count(0) };
    if from == 0 || from > of.len() || occurrence == 0 {
        return count(0);
    }
    if place < 0 {
        of.reverse();
        part.reverse();
    }
    let starts =
        (from - 1..=of.len()).filter(|start| of.get(*start..).is_some_and(|rest| rest.starts_with(&part)));
    let Some(found) = starts.into_iter().nth(occurrence - 1) else { return count(0) };
    count(if place < 0 { of.len() - found - part.len() + 1 } else { found + 1 })
}
