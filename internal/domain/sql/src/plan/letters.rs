//! The dead letters of a rule, as a stream that other rules can read.

use millstream_model::{Column, FormatOptions, Type};

use super::{Planner, Rule};
use crate::ast::{At, SourceKind};
use crate::catalog::{HeaderColumn, OnError, Source};
use crate::diagnostic::Diagnostic;

/// What is behind the name of what a rule fills in the name of its dead letters.
const SUFFIX: &str = "_DEAD_LETTERS";

/// Columns of dead letters, and the headers that they stand in.
const HEADERS: [(&str, &str); 5] = [
    ("ERROR_TOPIC", "__millstream.errors.topic"),
    ("ERROR_PARTITION", "__millstream.errors.partition"),
    ("ERROR_OFFSET", "__millstream.errors.offset"),
    ("ERROR_STAGE", "__millstream.errors.stage"),
    ("ERROR_MESSAGE", "__millstream.errors.message"),
];

impl Rule {
    /// The topic of its dead letters.
    pub fn dead_letters(&self) -> String {
        topic_of(&self.name)
    }
}

fn topic_of(rule: &str) -> String {
    format!("rules-{}-dead-letters", rule.to_lowercase())
}

impl Planner<'_> {
    /// Makes a rule's dead letters known, where its statement asks for them.
    pub(super) fn know_dead_letters(&mut self, rule: &Rule, name: &At<String>) -> Result<(), Diagnostic> {
        if rule.sink.on_error != OnError::DeadLetterStream {
            return Ok(());
        }
        let letters = letters(rule);
        if self.catalog.get(&letters.name).is_some_and(|known| known.topic != letters.topic) {
            let said =
                format!("there is a {} already, and the dead letters would be called so", letters.name);
            return Err(Diagnostic::new(name.span, said).help("give the other one another name"));
        }
        self.catalog.insert(letters);
        Ok(())
    }

    /// Makes them unknown with what the rule fills.
    pub(super) fn forget_dead_letters(&mut self, name: &str) {
        let letters = format!("{name}{SUFFIX}");
        if self.catalog.get(&letters).is_some_and(|known| known.topic == topic_of(name)) {
            self.catalog.remove(&letters);
        }
    }
}

fn letters(rule: &Rule) -> Source {
    let header = |(column, header): (&str, &str)| HeaderColumn {
        column: Column::new(column, Type::Bytes),
        header: Some(header.to_owned()),
        place: 1,
    };
    Source {
        name: format!("{}{SUFFIX}", rule.name),
        kind: SourceKind::Stream,
        topic: rule.dead_letters(),
        key_format: "KAFKA".to_owned(),
        value_format: "KAFKA".to_owned(),
        key_options: FormatOptions { is_bare: true, ..FormatOptions::default() },
        value_options: FormatOptions { is_bare: true, ..FormatOptions::default() },
        key: vec![Column::new("RECORD_KEY", Type::Bytes)],
        value: vec![Column::new("RECORD_VALUE", Type::Bytes)],
        headers: HEADERS.map(header).into(),
        window: None,
        timestamp: None,
        partitions: Some(1),
        replicas: None,
        on_error: OnError::DeadLetter,
        is_read_only: true,
    }
}
