use std::fmt::{self, Display, Write};

use super::{QueryPlan, Rule};
use crate::aggregate::AggregateCall;
use crate::catalog::{PSEUDO, Source};
use crate::eval::Bound;

/// The rule in words: what it reads, does and writes, a step a line.
impl Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for source in self.query.sources() {
            writeln!(f, "read {} {} from {}", source.kind, source.name, Place(source))?;
        }
        let rows = Names(self.query.sources().into_iter().flat_map(names).collect());
        match &self.query {
            QueryPlan::Project { filter, key, value, .. } => {
                filtered(f, "keep", filter.as_ref(), &rows)?;
                writeln!(f, "key {}", rows.all(key))?;
                writeln!(f, "value {}", rows.all(value))?;
            }
            QueryPlan::Aggregate { filter, group, calls, having, value, .. } => {
                filtered(f, "keep", filter.as_ref(), &rows)?;
                writeln!(f, "group by {}", rows.all(group))?;
                let called = |call: &AggregateCall| {
                    let of: Vec<_> = call.arguments.iter().map(|of| rows.of(of)).collect();
                    let of = if of.is_empty() { "*".to_owned() } else { of.join(", ") };
                    format!("{}({of})", call.aggregate.name())
                };
                let calls: Vec<_> = calls.iter().map(called).collect();
                writeln!(f, "aggregate {}", calls.join(", "))?;
                let grouped = Names(group.iter().map(|by| rows.of(by)).chain(calls).collect());
                filtered(f, "having", having.as_ref(), &grouped)?;
                writeln!(f, "value {}", grouped.all(value))?;
            }
            QueryPlan::Join { right, is_outer, on, filter, key, value, .. } => {
                let kind = if *is_outer { "left join" } else { "join" };
                writeln!(f, "{kind} where {} is the key of {}", rows.of(on), right.name)?;
                filtered(f, "keep", filter.as_ref(), &rows)?;
                writeln!(f, "key {}", rows.all(key))?;
                writeln!(f, "value {}", rows.all(value))?;
            }
        }
        writeln!(f, "write {} {} to {}", self.sink.kind, self.sink.name, Place(&self.sink))
    }
}

fn filtered(f: &mut fmt::Formatter<'_>, word: &str, filter: Option<&Bound>, names: &Names) -> fmt::Result {
    filter.map_or(Ok(()), |filter| writeln!(f, "{word} {}", names.of(filter)))
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

fn names(source: &Source) -> Vec<String> {
    let columns = source.key.iter().chain(&source.value).map(|column| column.name.as_str());
    let all = columns.chain(PSEUDO.iter().map(|(name, _)| *name));
    all.map(|name| format!("{}.{name}", source.name)).collect()
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
