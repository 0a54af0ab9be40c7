use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};

use super::{Act, Entry, Rule, Windows};
use crate::aggregate::Aggregate;
use crate::ast::WindowShape;
use crate::catalog::{BOUNDS, PSEUDO, Source};
use crate::eval::Bound;

/// The rule in words: what it reads, does and writes, a step a line.
impl Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Entry { source, .. } in &self.query.entries {
            writeln!(f, "read {} {} from {}", source.kind, source.name, Place(source))?;
        }
        for line in self.lines(|source| &source.name) {
            writeln!(f, "{}", line.said)?;
        }
        writeln!(f, "write {} {} to {}", self.sink.kind, self.sink.name, Place(&self.sink))
    }
}

/// A step, in words, and what the columns that come to it are called.
pub(super) struct Line<'r> {
    pub(super) act: &'r Act,
    pub(super) said: String,
    pub(super) left: Vec<String>,
    pub(super) right: Vec<String>,
}

impl Rule {
    /// Its steps in words, with a source's columns behind what `called` says.
    pub(super) fn lines(&self, called: impl Fn(&Source) -> &str) -> Vec<Line<'_>> {
        let of = |entry: &Entry| {
            let names = names(&entry.source, called(&entry.source));
            ((entry.wire.step, entry.wire.side), names)
        };
        let mut inputs: BTreeMap<_, Vec<String>> = self.query.entries.iter().map(of).collect();
        let mut lines = Vec::with_capacity(self.query.steps.len());
        for (place, step) in self.query.steps.iter().enumerate() {
            let mut input = |side| inputs.remove(&(place, side)).unwrap_or_default();
            let (left, right) = (input(0), input(1));
            let (said, output) = told(&step.act, Names(left.clone()), || Names(right.clone()));
            lines.push(Line { act: &step.act, said, left, right });
            if let Some(next) = step.next {
                inputs.insert((next.step, next.side), output);
            }
        }
        lines
    }
}

/// A step in words, and what the columns behind it are called.
fn told(act: &Act, rows: Names, right: impl FnOnce() -> Names) -> (String, Vec<String>) {
    match act {
        Act::Filter { condition, .. } => (format!("keep {}", rows.of(condition)), rows.0),
        Act::Extend { values } => {
            let more: Vec<_> = values.iter().map(|value| rows.of(value)).collect();
            (format!("add {}", more.join(", ")), [rows.0, more].concat())
        }
        Act::Select { values } => {
            let all: Vec<_> = values.iter().map(|value| rows.of(value)).collect();
            (format!("select {}", all.join(", ")), [vec!["KEY".to_owned()], all].concat())
        }
        Act::Explode { lists } => {
            let more: Vec<_> =
                lists.iter().map(|list| format!("{}({})", list.name(), rows.of(list.argument()))).collect();
            (format!("explode {}", more.join(", ")), [rows.0, more].concat())
        }
        Act::Rekey { key } => (format!("key {}", rows.all(key)), rows.0),
        Act::Exchange { key: Some(key), .. } => (format!("go to {}", rows.all(key)), rows.0),
        Act::Exchange { key: None, .. } => ("go to the key".to_owned(), rows.0),
        Act::Subscribe { foreign, .. } => (format!("refer by {}", rows.all(foreign)), rows.0),
        Act::Lookup { is_outer, .. } => {
            (joined(if *is_outer { "LEFT" } else { "INNER" }, "table"), both(rows, right()))
        }
        Act::Refer { is_outer, .. } => {
            let kind = if *is_outer { "LEFT" } else { "INNER" };
            (joined(kind, "table by foreign key"), [rows.0, right().0].concat())
        }
        Act::Merge { kind, .. } => (joined(kind.symbol(), "tables"), both(rows, right())),
        Act::Meet { kind, before_ms, after_ms, grace_ms, .. } => {
            let grace = grace_ms.map_or_else(String::new, |grace| format!(", {grace} ms late at the most"));
            let said = format!("streams, {before_ms} ms before to {after_ms} ms after{grace}");
            (joined(kind.symbol(), &said), both(rows, right()))
        }
        Act::Group { group, arguments, .. } => {
            let group: Vec<_> = group.iter().map(|by| rows.of(by)).collect();
            let arguments = arguments.iter().map(|of| rows.all(of)).collect::<Vec<_>>();
            (format!("group by {}", group.join(", ")), [group, vec!["\u{0}".to_owned()], arguments].concat())
        }
        Act::Aggregate { calls, window, .. } => aggregated(calls, window.as_ref(), &rows.0),
        Act::Sink { value, .. } => (format!("value {}", rows.all(value)), Vec::new()),
    }
}

fn joined(kind: &str, what: &str) -> String {
    format!("{kind} join of {what}")
}

/// The columns behind a join: both sides' and the key.
fn both(left: Names, right: Names) -> Vec<String> {
    [left.0, right.0, vec!["KEY".to_owned()]].concat()
}

fn aggregated(calls: &[Aggregate], window: Option<&Windows>, names: &[String]) -> (String, Vec<String>) {
    let mut parts = names.splitn(2, |name| name == "\u{0}");
    let (group, arguments) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let called = |(call, argument): (&Aggregate, &String)| {
        format!("{}({})", call.name(), if argument.is_empty() { "*" } else { argument })
    };
    let calls: Vec<_> = calls.iter().zip(arguments).map(called).collect();
    let bounds =
        if window.is_some() { vec!["WINDOWSTART".to_owned(), "WINDOWEND".to_owned()] } else { Vec::new() };
    let window = window.map_or_else(String::new, |window| format!(" in {window}"));
    (format!("aggregate {}{window}", calls.join(", ")), [group.to_vec(), bounds, calls].concat())
}

impl Display for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape {
            WindowShape::Tumbling { size_ms } => write!(f, "windows of {size_ms} ms")?,
            WindowShape::Hopping { size_ms, advance_ms } => {
                write!(f, "windows of {size_ms} ms every {advance_ms} ms")?;
            }
            WindowShape::Session { gap_ms } => write!(f, "sessions {gap_ms} ms apart")?,
        }
        write!(
            f,
            ", {} ms late at the most{}",
            self.grace_ms,
            if self.is_final { ", told when closed" } else { "" }
        )
    }
}

/// A source's topic, formats and columns.
struct Place<'a>(&'a Source);

impl Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = |columns: &[millstream_model::Column]| {
            columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let Source { topic, key_format, value_format, key, value, .. } = self.0;
        write!(f, "{topic}: {key_format} ({}) {value_format} ({})", columns(key), columns(value))
    }
}

fn names(source: &Source, called: &str) -> Vec<String> {
    let headers = source.headers.iter().map(|header| &header.column);
    let columns = source.key.iter().chain(&source.value).chain(headers).map(|column| column.name.as_str());
    let bounds = if source.window.is_some() { &BOUNDS[..] } else { &[] };
    let all = columns.chain(PSEUDO.iter().chain(bounds).map(|(name, _)| *name));
    all.map(|name| format!("{called}.{name}")).collect()
}

/// What a row's columns are called.
struct Names(Vec<String>);

impl Names {
    fn all(&self, all: &[Bound]) -> String {
        all.iter().map(|bound| self.of(bound)).collect::<Vec<_>>().join(", ")
    }

    /// The expression, its columns by name.
    fn of(&self, bound: &Bound) -> String {
        bound.written(&self.0)
    }
}

/// Rules one below the other, with a line between.
pub fn explain(rules: &[Rule]) -> String {
    let mut out = String::new();
    for (place, rule) in rules.iter().enumerate() {
        let line = if place == 0 { "" } else { "\n" };
        // Writing to a String does not fail.
        let _ = write!(out, "{line}{rule}");
    }
    out
}
