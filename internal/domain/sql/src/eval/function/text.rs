//! Functions over texts. A null argument gives null, except where it is said.

use millstream_model::{Type, Value};

use super::{Function, MANY};
use crate::eval::{double, exact};

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("UCASE", (1, 1), texts, |a| Some(Value::text(text(a, 0)?.to_uppercase()))),
    Function::new("LCASE", (1, 1), texts, |a| Some(Value::text(text(a, 0)?.to_lowercase()))),
    Function::new("TRIM", (1, 1), texts, |a| Some(Value::text(text(a, 0)?.trim()))),
    Function::new("LEN", (1, 1), |a| texts(a).map(|_| Type::Int), |a| count(text(a, 0)?.chars().count())),
    // A null argument is left out.
    Function::new("CONCAT", (1, MANY), texts, |a| {
        Some(Value::text(a.iter().filter_map(Value::as_text).collect::<String>()))
    }),
    Function::new("CONCAT_WS", (2, MANY), texts, concat_with_separator),
    Function::new("SUBSTRING", (2, 3), text_then_whole, substring),
    Function::new("REPLACE", (3, 3), texts, |a| {
        Some(Value::text(text(a, 0)?.replace(text(a, 1)?, text(a, 2)?)))
    }),
    Function::new("INSTR", (2, 2), |a| texts(a).map(|_| Type::Int), instr),
    Function::new("LPAD", (3, 3), padded, |a| pad(a, true)),
    Function::new("RPAD", (3, 3), padded, |a| pad(a, false)),
    Function::new("SPLIT", (2, 2), |a| Some(Type::Array(Box::new(texts(a)?))), split),
    Function::new("INITCAP", (1, 1), texts, |a| Some(Value::text(initcap(text(a, 0)?)))),
    Function::new("REVERSE", (1, 1), texts, |a| {
        Some(Value::text(text(a, 0)?.chars().rev().collect::<String>()))
    }),
    Function::new(
        "STARTS_WITH",
        (2, 2),
        |a| texts(a).map(|_| Type::Boolean),
        |a| Some(Value::Boolean(text(a, 0)?.starts_with(text(a, 1)?))),
    ),
];

fn texts(arguments: &[Type]) -> Option<Type> {
    arguments.iter().all(|ty| *ty == Type::String).then_some(Type::String)
}

fn text_then_whole(arguments: &[Type]) -> Option<Type> {
    let (first, rest) = arguments.split_first()?;
    let fits = *first == Type::String && rest.iter().all(|ty| *ty == Type::Int);
    fits.then_some(Type::String)
}

fn padded(arguments: &[Type]) -> Option<Type> {
    (arguments == [Type::String, Type::Int, Type::String]).then_some(Type::String)
}

fn text(arguments: &[Value], index: usize) -> Option<&str> {
    arguments.get(index)?.as_text()
}

fn whole(arguments: &[Value], index: usize) -> Option<i64> {
    exact(arguments.get(index)?)?.to_i64()
}

fn count(count: usize) -> Option<Value> {
    i32::try_from(count).ok().map(Value::Int)
}

/// A null is left out, but for the separator.
fn concat_with_separator(arguments: &[Value]) -> Option<Value> {
    let (separator, rest) = arguments.split_first()?;
    let parts: Vec<_> = rest.iter().filter_map(Value::as_text).collect();
    Some(Value::text(parts.join(separator.as_text()?)))
}

/// Positions count from 1; negative ones from the end.
fn substring(arguments: &[Value]) -> Option<Value> {
    let characters: Vec<char> = text(arguments, 0)?.chars().collect();
    let size = i64::try_from(characters.len()).ok()?;
    let start = match whole(arguments, 1)? {
        position if position > 0 => position - 1,
        position => size.saturating_add(position).max(0),
    };
    let length = if arguments.len() > 2 { whole(arguments, 2)?.max(0) } else { size };
    let (from, count) = (usize::try_from(start).ok()?, usize::try_from(length).ok()?);
    Some(Value::text(characters.into_iter().skip(from).take(count).collect::<String>()))
}

/// The place of the first occurrence, from 1; 0 when there is none.
fn instr(arguments: &[Value]) -> Option<Value> {
    let (of, part) = (text(arguments, 0)?, text(arguments, 1)?);
    let place = of.find(part).and_then(|place| of.get(..place));
    count(place.map_or(0, |before| before.chars().count() + 1))
}

/// Longest text that padding makes, in characters: what a rule says must not fill the memory.
const PADDED_MAX: i64 = 1 << 20;

fn pad(arguments: &[Value], is_left: bool) -> Option<Value> {
    let (of, length, with) = (text(arguments, 0)?, whole(arguments, 1)?, text(arguments, 2)?);
    let length = usize::try_from(length).ok().filter(|_| length <= PADDED_MAX && !with.is_empty())?;
    let missing = length.saturating_sub(of.chars().count());
    let padding: String = with.chars().cycle().take(missing).collect();
    let kept: String = of.chars().take(length).collect();
    Some(Value::text(if is_left { padding + &kept } else { kept + &padding }))
}

/// An empty separator splits into characters.
fn split(arguments: &[Value]) -> Option<Value> {
    let (of, separator) = (text(arguments, 0)?, text(arguments, 1)?);
    Some(Value::Array(if separator.is_empty() {
        of.chars().map(|c| Value::text(c.to_string())).collect()
    } else {
        of.split(separator).map(Value::text).collect()
    }))
}

fn initcap(of: &str) -> String {
    let mut is_first = true;
    let change = |c: char| {
        let changed: String = if is_first { c.to_uppercase().collect() } else { c.to_lowercase().collect() };
        is_first = c.is_whitespace();
        changed
    };
    of.chars().map(change).collect()
}

/// A value as text, as CAST writes it.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Boolean(value) => Some(value.to_string()),
        Value::String(text) => Some(text.to_string()),
        Value::Double(_) => double(value).map(|value| format!("{value:?}")),
        other => exact(other).map(|exact| exact.to_string()),
    }
}
