//! Functions over regular expressions.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use fancy_regex::{Captures, Regex};
use millstream_model::Value;

use super::arguments::{at, int, text, texts};
use super::{Body, Definition, Entry};
use crate::eval::{Failure, Outcome};

const CATEGORY: &str = "REGULAR EXPRESSION";

pub(super) const FUNCTIONS: &[Definition] = &[
    Definition {
        name: "REGEXP_EXTRACT",
        category: CATEGORY,
        about: "The first part of a text that a pattern matches, or what one of its groups matches there.",
        entries: &[
            Entry::new("pattern STRING, text STRING -> STRING", Body::Strict(extract)),
            Entry::new("pattern STRING, text STRING, group INT -> STRING", Body::Strict(extract)),
        ],
    },
    Definition {
        name: "REGEXP_EXTRACT_ALL",
        category: CATEGORY,
        about: "All parts of a text that a pattern matches, or what one of its groups matches in each.",
        entries: &[
            Entry::new("pattern STRING, text STRING -> ARRAY<STRING>", Body::Strict(extract_all)),
            Entry::new("pattern STRING, text STRING, group INT -> ARRAY<STRING>", Body::Strict(extract_all)),
        ],
    },
    Definition {
        name: "REGEXP_REPLACE",
        category: CATEGORY,
        about: "The text with all that a pattern matches replaced; $1 stands for what the first group matches.",
        entries: &[Entry::new("text STRING, pattern STRING, new STRING -> STRING", Body::Strict(replace))],
    },
    Definition {
        name: "REGEXP_SPLIT_TO_ARRAY",
        category: CATEGORY,
        about: "The parts of a text between what a pattern matches.",
        entries: &[Entry::new("text STRING, pattern STRING -> ARRAY<STRING>", Body::Two(split))],
    },
];

/// How many patterns are kept ready.
const READY_MAX: usize = 256;

thread_local! {
    static READY: RefCell<HashMap<Box<str>, Rc<Regex>>> = RefCell::default();
}

/// A pattern made ready; those used before are kept, for most rules use a few again and again.
fn ready(pattern: &str) -> Result<Rc<Regex>, Failure> {
    READY.with_borrow_mut(|ready| {
        if let Some(known) = ready.get(pattern) {
            return Ok(Rc::clone(known));
        }
        let made = Regex::new(pattern)
            .map_err(|error| Failure::new(format!("'{pattern}' is no regular expression: {error}")))?;
        if ready.len() >= READY_MAX {
            ready.clear();
        }
        let made = Rc::new(made);
        ready.insert(pattern.into(), Rc::clone(&made));
        Ok(made)
    })
}

fn too_hard(error: &fancy_regex::Error) -> Failure {
    Failure::new(format!("the pattern could not be matched: {error}"))
}

/// The text of a group; none where the pattern has no such group.
fn group(values: &[&Value], regex: &Regex) -> Result<Option<usize>, Failure> {
    let wanted = values.get(2).map_or(Ok(0), |group| int(group))?;
    Ok(usize::try_from(wanted).ok().filter(|wanted| *wanted < regex.captures_len()))
}

fn part(captures: &Captures<'_, str>, group: usize) -> Value {
    captures.get(group).map_or(Value::Null, |part| Value::text(part.as_str()))
}

fn extract(values: &[&Value]) -> Outcome {
    let regex = ready(text(at(values, 0))?)?;
    let Some(group) = group(values, &regex)? else { return Ok(Value::Null) };
    let found = regex.captures(text(at(values, 1))?).map_err(|error| too_hard(&error))?;
    Ok(found.map_or(Value::Null, |captures| part(&captures, group)))
}

fn extract_all(values: &[&Value]) -> Outcome {
    let regex = ready(text(at(values, 0))?)?;
    let Some(group) = group(values, &regex)? else { return Ok(Value::Null) };
    let found = regex.captures_iter(text(at(values, 1))?);
    let parts = found
        .map(|captures| captures.map(|captures| part(&captures, group)).map_err(|error| too_hard(&error)));
    parts.collect::<Result<_, _>>().map(Value::Array)
}

fn replace(values: &[&Value]) -> Outcome {
    let (of, new) = (text(at(values, 0))?, text(at(values, 2))?);
    let regex = ready(text(at(values, 1))?)?;
    let (mut made, mut behind) = (String::with_capacity(of.len()), 0);
    for captures in regex.captures_iter(of) {
        let captures = captures.map_err(|error| too_hard(&error))?;
        let Some(whole) = captures.get(0) else { continue };
        made.push_str(of.get(behind..whole.start()).unwrap_or_default());
        expand(new, &captures, &mut made)?;
        behind = whole.end();
    }
    made.push_str(of.get(behind..).unwrap_or_default());
    Ok(Value::text(made))
}

/// What a match is replaced by, as Java reads it (`Matcher.appendReplacement`): `$1` and `${name}` are groups, and what
/// stands behind a backslash is itself.
fn expand(new: &str, captures: &Captures<'_, str>, out: &mut String) -> Result<(), Failure> {
    let refused = || Failure::new(format!("'{new}' names a group that the pattern has not"));
    let mut rest = new.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => out.extend(rest.next()),
            '$' if rest.next_if_eq(&'{').is_some() => {
                let name: String = rest.by_ref().take_while(|c| *c != '}').collect();
                out.push_str(captures.name(&name).ok_or_else(refused)?.as_str());
            }
            '$' => {
                let digit = |c: &mut std::iter::Peekable<std::str::Chars<'_>>| {
                    c.peek().and_then(|c| c.to_digit(10)).and_then(|digit| usize::try_from(digit).ok())
                };
                let mut group =
                    digit(&mut rest).filter(|group| *group < captures.len()).ok_or_else(refused)?;
                rest.next();
                // Further digits belong to it as long as there is such a group.
                while let Some(longer) =
                    digit(&mut rest).map(|next| group * 10 + next).filter(|longer| *longer < captures.len())
                {
                    group = longer;
                    rest.next();
                }
                out.push_str(captures.get(group).map_or("", |group| group.as_str()));
            }
            c => out.push(c),
        }
    }
    Ok(())
}

/// A pattern that matches nothing at all splits into characters.
fn split(of: &Value, pattern: &Value) -> Outcome {
    let (of, pattern) = (text(of)?, text(pattern)?);
    let regex = ready(pattern)?;
    if regex.is_match("").map_err(|error| too_hard(&error))? {
        return Ok(texts(of.chars().map(String::from)));
    }
    let parts = regex.split(of).map(|part| part.map(Value::text).map_err(|error| too_hard(&error)));
    parts.collect::<Result<_, _>>().map(Value::Array)
}
