//! Functions over texts. Places count from 1, in characters.

use millstream_model::Value;

use super::arguments::{at, bytes, count, int, text, texts};
use super::{Body, Definition, Entry};
use crate::eval::Outcome;

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition {
        name: "UCASE",
        category: "STRING",
        about: "The text in capitals.",
        entries: &[Entry::new(
            "text STRING -> STRING",
            Body::One(|a| Ok(Value::from(text(a)?.to_uppercase()))),
        )],
    },
    Definition {
        name: "LCASE",
        category: "STRING",
        about: "The text in small letters.",
        entries: &[Entry::new(
            "text STRING -> STRING",
            Body::One(|a| Ok(Value::from(text(a)?.to_lowercase()))),
        )],
    },
    Definition {
        name: "TRIM",
        category: "STRING",
        about: "The text without the blanks at its ends.",
        entries: &[Entry::new(
            "text STRING -> STRING",
            Body::One(|a| Ok(Value::text(text(a)?.trim_matches(|c| c <= ' ')))),
        )],
    },
    Definition {
        name: "LEN",
        category: "STRING",
        about: "How many characters a text has, or how many bytes.",
        entries: &[
            Entry::new("text STRING -> INT", Body::One(|a| count(text(a)?.chars().count()))),
            Entry::new("bytes BYTES -> INT", Body::One(|a| count(bytes(a)?.len()))),
        ],
    },
    Definition {
        name: "CONCAT",
        category: "STRING",
        about: "All texts, or all bytes, one behind the other; nulls are left out.",
        entries: &[
            Entry::new("texts STRING... -> STRING", Body::Lenient(|a| Ok(joined(a, "")))),
            Entry::new("bytes BYTES... -> BYTES", Body::Lenient(|a| joined_bytes(a, &[]))),
        ],
    },
    Definition {
        name: "CONCAT_WS",
        category: "STRING",
        about: "All texts, or all bytes, with the first one between them; nulls are left out.",
        entries: &[
            Entry::new("separator STRING, text STRING, texts STRING... -> STRING", Body::Lenient(concat_ws)),
            Entry::new("separator BYTES, value BYTES, values BYTES... -> BYTES", Body::Lenient(concat_ws)),
        ],
    },
    Definition {
        name: "REPLACE",
        category: "STRING",
        about: "The text with every occurrence of one text replaced by another.",
        entries: &[Entry::new("text STRING, old STRING, new STRING -> STRING", Body::Strict(replace))],
    },
    Definition {
        name: "INITCAP",
        category: "STRING",
        about: "The text with the first letter of each word in capitals, and the others small.",
        entries: &[Entry::new("text STRING -> STRING", Body::One(|a| Ok(Value::from(initcap(text(a)?)))))],
    },
    Definition {
        name: "REVERSE",
        category: "STRING",
        about: "The text from its end to its beginning.",
        entries: &[Entry::new(
            "text STRING -> STRING",
            Body::One(|a| Ok(Value::from(text(a)?.chars().rev().collect::<String>()))),
        )],
    },
    Definition {
        name: "CHR",
        category: "STRING",
        about: "The character of a Unicode number, which may be written as '\\u004d'.",
        entries: &[
            Entry::new("code INT -> STRING", Body::One(|a| Ok(chr(u32::try_from(int(a)?).ok())))),
            Entry::new("code STRING -> STRING", Body::One(|a| Ok(escaped(text(a)?)))),
        ],
    },
    Definition {
        name: "ELT",
        category: "STRING",
        about: "The n-th of the texts behind the number, or null where there is none.",
        entries: &[Entry::new("n INT, texts STRING... -> STRING", Body::Lenient(|a| Ok(elt(a))))],
    },
    Definition {
        name: "FIELD",
        category: "STRING",
        about: "The place of the first text among the others, or 0 where it is not.",
        entries: &[Entry::new("text STRING, texts STRING... -> INT", Body::Lenient(field))],
    },
    Definition {
        name: "SPLIT",
        category: "STRING",
        about: "The parts of a text, or of bytes, between the separators; an empty separator splits everywhere.",
        entries: &[
            Entry::new(
                "text STRING, separator STRING -> ARRAY<STRING>",
                Body::Two(|a, b| Ok(split(text(a)?, text(b)?))),
            ),
            Entry::new(
                "bytes BYTES, separator BYTES -> ARRAY<BYTES>",
                Body::Two(|a, b| Ok(split_bytes(bytes(a)?, bytes(b)?))),
            ),
        ],
    },
    Definition {
        name: "SPLIT_TO_MAP",
        category: "STRING",
        about: "The entries of a text such as 'a:1,b:2'; of two with one key the later counts.",
        entries: &[Entry::new(
            "text STRING, between_entries STRING, behind_keys STRING -> MAP<STRING, STRING>",
            Body::Strict(split_to_map),
        )],
    },
];

fn joined(values: &[&Value], separator: &str) -> Value {
    let known = || values.iter().filter_map(|value| value.as_text());
    let length: usize = known().map(|text| text.len() + separator.len()).sum();
    let mut all = String::with_capacity(length.saturating_sub(separator.len()));
    for (place, text) in known().enumerate() {
        all.push_str(if place == 0 { "" } else { separator });
        all.push_str(text);
    }
    Value::from(all)
}

fn joined_bytes(values: &[&Value], separator: &[u8]) -> Outcome {
    let known: Vec<_> =
        values.iter().filter(|value| !value.is_null()).map(|value| bytes(value)).collect::<Result<_, _>>()?;
    Ok(Value::Bytes(known.join(separator).into()))
}

fn concat_ws(values: &[&Value]) -> Outcome {
    match values.split_first() {
        Some((Value::String(separator), rest)) => Ok(joined(rest, separator)),
        Some((Value::Bytes(separator), rest)) => joined_bytes(rest, separator),
        _ => Ok(Value::Null),
    }
}

fn replace(values: &[&Value]) -> Outcome {
    let (of, old, new) = (text(at(values, 0))?, text(at(values, 1))?, text(at(values, 2))?);
    Ok(Value::from(of.replace(old, new)))
}

fn initcap(of: &str) -> String {
    let mut is_first = true;
    let lower = of.to_lowercase();
    let capital = |c: char| {
        let changed: String = if is_first { c.to_uppercase().collect() } else { c.to_string() };
        is_first = c.is_whitespace();
        changed
    };
    // What stands before the first word belongs to none.
    lower.trim_start().chars().map(capital).collect()
}

fn chr(code: Option<u32>) -> Value {
    code.and_then(char::from_u32).map_or(Value::Null, |c| Value::text(c.to_string()))
}

/// Two numbers in a row may stand for one character, as UTF-16 has it.
fn escaped(of: &str) -> Value {
    if !of.starts_with("\\u") {
        return Value::Null;
    }
    let units: Option<Vec<u16>> =
        of.split("\\u").skip(1).map(|unit| u16::from_str_radix(unit, 16).ok()).collect();
    units.and_then(|units| String::from_utf16(&units).ok()).map_or(Value::Null, Value::text)
}

fn elt(values: &[&Value]) -> Value {
    let Some((Value::Int(place), texts)) = values.split_first() else { return Value::Null };
    let found = usize::try_from(*place).ok().and_then(|place| texts.get(place.checked_sub(1)?));
    found.map_or(Value::Null, |found| (*found).clone())
}

fn field(values: &[&Value]) -> Outcome {
    let place = values.split_first().and_then(|(of, rest)| {
        let is_same = |value: &&Value| !of.is_null() && *value == *of;
        rest.iter().position(is_same)
    });
    count(place.map_or(0, |place| place + 1))
}

/// An empty text has one part, which is empty.
fn split(of: &str, separator: &str) -> Value {
    match separator {
        "" if of.is_empty() => texts([""]),
        "" => texts(of.chars().map(String::from)),
        separator => texts(of.split(separator)),
    }
}

fn split_bytes(of: &[u8], separator: &[u8]) -> Value {
    let part = |part: &[u8]| Value::Bytes(part.into());
    if separator.is_empty() && !of.is_empty() {
        return Value::Array(of.chunks(1).map(part).collect());
    }
    let (mut parts, mut begin, mut place) = (Vec::new(), 0, 0);
    while let Some(rest) = of.get(place..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(separator) {
            parts.push(part(of.get(begin..place).unwrap_or_default()));
            place += separator.len();
            begin = place;
        } else {
            place += 1;
        }
    }
    parts.push(part(of.get(begin..).unwrap_or_default()));
    Value::Array(parts)
}

fn split_to_map(values: &[&Value]) -> Outcome {
    let (of, entry, key) = (text(at(values, 0))?, text(at(values, 1))?, text(at(values, 2))?);
    if entry.is_empty() || key.is_empty() || entry == key {
        return Ok(Value::Null);
    }
    let parts = of.split(entry).filter_map(|part| {
        let mut sides = part.split(key);
        Some((Value::text(sides.next()?), Value::text(sides.next()?)))
    });
    Ok(Value::Map(parts.collect()))
}
