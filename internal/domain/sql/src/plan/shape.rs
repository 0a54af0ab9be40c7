//! What a rule keeps, written down, so that a changed rule can be told from one that its state still fits.

use std::fmt::{self, Display};

use super::{Act, Rule};
use crate::catalog::Source;
use crate::plan::explain::Line;

/// What a rule reads, keeps and writes, in words that are the same as long as its state and its readers see no difference.
///
/// **Invariant:** two rules with equal kept parts read and write the same entries of the group table, whatever stateless
/// steps stand between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Each source: its kind, topic, formats, key and columns.
    pub sources: Vec<Sided>,
    /// Each step that keeps something, in order.
    pub kept: Vec<String>,
    /// Every other step, in order.
    pub free: Vec<String>,
    /// What is written.
    pub sink: Sided,
}

/// A source or a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sided {
    /// Where it is and how it is written: kind, topic, formats, key.
    pub place: String,
    /// Its value's columns.
    pub columns: Vec<String>,
}

/// Whether a changed rule can go on where the one before it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the same.
    Same,
    /// Its state fits; these are the changes.
    Compatible(Vec<String>),
    /// Its state or what it has written does not fit; these parts, and why.
    Incompatible(Vec<String>),
}

impl Sided {
    fn of(source: &Source) -> Self {
        let Source { kind, topic, key_format, value_format, key, value, window, .. } = source;
        let names = |columns: &[millstream_model::Column]| {
            columns.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let window = window.map_or_else(String::new, |window| format!(" in {:?}", window.shape));
        let key = names(key).join(", ");
        let place = format!("{kind} in '{topic}', {key_format} ({key}){window} {value_format}");
        Self { place, columns: names(value) }
    }

    /// Columns that `new` has behind all of these; `None` where one of these is missing there or has moved.
    fn gained<'n>(&self, new: &'n Self) -> Option<&'n [String]> {
        new.columns.strip_prefix(self.columns.as_slice())
    }
}

impl Shape {
    /// The shape of a rule.
    pub fn of(rule: &Rule) -> Self {
        let (mut kept, mut free) = (Vec::new(), Vec::new());
        // What a source is called may change; its topic may not.
        for Line { act, said, left, right } in rule.lines(|source| &source.topic) {
            match act {
                act if !act.keeps() => free.push(said),
                Act::Aggregate { calls, window, .. } => {
                    // How late rows may come changes no entry.
                    let window =
                        window.map(|window| format!("{:?}, final: {}", window.shape, window.is_final));
                    let types: Vec<_> = calls.iter().map(|call| call.state_type().to_string()).collect();
                    let window = window.unwrap_or_default();
                    kept.push(format!("{} of {} {window}", without_lateness(&said), types.join(", ")));
                }
                Act::Group { .. } | Act::Subscribe { .. } => kept.push(said),
                _ => kept.push(format!("{said} of ({}) and ({})", left.join(", "), right.join(", "))),
            }
        }
        let sources = rule.query.sources().into_iter().map(Sided::of).collect();
        Self { sources, kept, free, sink: Sided::of(&rule.sink) }
    }

    /// Whether a rule of shape `new` can go on from the state of a rule of this one.
    pub fn verdict(&self, new: &Self) -> Verdict {
        if self == new {
            return Verdict::Same;
        }
        let (mut changes, mut reasons) = (Vec::new(), Vec::new());
        self.compare_sources(new, &mut changes, &mut reasons);
        self.compare_kept(new, &mut reasons);
        if self.sink.place != new.sink.place {
            reasons.push(format!("it wrote a {}, and would write a {}", self.sink.place, new.sink.place));
        } else if let Some(gained) = self.sink.gained(&new.sink) {
            changes.extend(gained.iter().map(|column| format!("it also writes {column}")));
        } else {
            let (old, new) = (self.sink.columns.join(", "), new.sink.columns.join(", "));
            reasons.push(format!("it wrote ({old}), which readers rely on, and would write ({new})"));
        }
        if !reasons.is_empty() {
            return Verdict::Incompatible(reasons);
        }
        let gone = self.free.iter().filter(|step| !new.free.contains(step));
        changes.extend(gone.map(|step| format!("it does not {step} any more")));
        let come = new.free.iter().filter(|step| !self.free.contains(step));
        changes.extend(come.map(|step| format!("it does {step}")));
        Verdict::Compatible(changes)
    }

    fn compare_sources(&self, new: &Self, changes: &mut Vec<String>, reasons: &mut Vec<String>) {
        if self.sources.len() != new.sources.len() {
            reasons.push(format!(
                "it read {} sources, and would read {}",
                self.sources.len(),
                new.sources.len()
            ));
            return;
        }
        for (old, new) in self.sources.iter().zip(&new.sources) {
            if old.place != new.place {
                reasons.push(format!("it read a {}, and would read a {}", old.place, new.place));
            } else if old.columns != new.columns {
                changes.push(format!("it reads ({}) of a {}", new.columns.join(", "), new.place));
            }
        }
    }

    fn compare_kept(&self, new: &Self, reasons: &mut Vec<String>) {
        if self.kept.len() != new.kept.len() {
            let list = |kept: &[String]| if kept.is_empty() { "nothing".to_owned() } else { kept.join("; ") };
            reasons.push(format!("it kept {}, and would keep {}", list(&self.kept), list(&new.kept)));
            return;
        }
        let changed = self.kept.iter().zip(&new.kept).filter(|(old, new)| old != new);
        reasons.extend(changed.map(|(old, new)| format!("it kept '{old}', and would keep '{new}'")));
    }
}

fn without_lateness(said: &str) -> &str {
    said.split_once(" in windows of ")
        .or_else(|| said.split_once(" in sessions "))
        .map_or(said, |(calls, _)| calls)
}

impl Verdict {
    /// Whether the state can be kept.
    pub fn keeps_state(&self) -> bool {
        !matches!(self, Self::Incompatible(_))
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("unchanged: its state is kept"),
            Self::Compatible(changes) => {
                f.write_str("compatible: its state is kept")?;
                changes.iter().try_for_each(|change| write!(f, "\n  {change}"))
            }
            Self::Incompatible(reasons) => {
                f.write_str("incompatible: its state can't be kept")?;
                reasons.iter().try_for_each(|reason| write!(f, "\n  {reason}"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
