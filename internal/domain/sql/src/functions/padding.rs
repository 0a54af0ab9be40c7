//! LPAD and RPAD.

use millstream_model::Value;

use super::arguments::{at, bytes, int, text};
use super::{Body, Definition, Entry};
use crate::eval::{Failure, Outcome};

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition {
        name: "LPAD",
        category: "STRING",
        about: "The text, or the bytes, made as long as is said: padded on the left, or cut on the right.",
        entries: &[
            Entry::new("text STRING, length INT, padding STRING -> STRING", Body::Strict(|a| pad(a, true))),
            Entry::new("bytes BYTES, length INT, padding BYTES -> BYTES", Body::Strict(|a| pad(a, true))),
        ],
    },
    Definition {
        name: "RPAD",
        category: "STRING",
        about: "The text, or the bytes, made as long as is said: padded or cut on the right.",
        entries: &[
            Entry::new("text STRING, length INT, padding STRING -> STRING", Body::Strict(|a| pad(a, false))),
            Entry::new("bytes BYTES, length INT, padding BYTES -> BYTES", Body::Strict(|a| pad(a, false))),
        ],
    },
];

/// The longest that padding makes, in characters: what a record says must not fill the memory.
const PADDED_MAX: usize = 1 << 20;

/// Without padding, or to less than nothing, nothing can be made.
fn pad(values: &[&Value], is_left: bool) -> Outcome {
    let Ok(length) = usize::try_from(int(at(values, 1))?) else { return Ok(Value::Null) };
    if length > PADDED_MAX {
        return Err(Failure::new(format!("padding makes at most {PADDED_MAX} characters")));
    }
    if let Value::Bytes(of) = at(values, 0) {
        let made = padded(of, length, bytes(at(values, 2))?, is_left);
        return Ok(made.map_or(Value::Null, |made| Value::Bytes(made.into())));
    }
    let characters = |value| Ok::<_, Failure>(text(value)?.chars().collect::<Vec<_>>());
    let made = padded(&characters(at(values, 0))?, length, &characters(at(values, 2))?, is_left);
    Ok(made.map_or(Value::Null, |made| Value::text(made.into_iter().collect::<String>())))
}

fn padded<T: Copy>(of: &[T], length: usize, with: &[T], is_left: bool) -> Option<Vec<T>> {
    if with.is_empty() {
        return None;
    }
    let padding = with.iter().cycle().take(length.saturating_sub(of.len()));
    let kept = of.iter().take(length);
    Some(if is_left {
        padding.chain(kept).copied().collect()
    } else {
        kept.chain(padding).copied().collect()
    })
}
