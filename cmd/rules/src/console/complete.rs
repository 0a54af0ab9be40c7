use std::cell::RefCell;
use std::collections::BTreeSet;

use millstream_sql::pieces;
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper, Result};
use serde_json::Value;

use super::client::{Client, Own};
use super::local;

const KEYWORDS: &str = "ADD ALL ALTER AND ARRAY AS ASSERT BEGINNING BETWEEN BIGINT BOOLEAN BY BYTES CASE CAST CHANGES COLUMN \
    CREATE DATE DECIMAL DEFINE DELETE DESCRIBE DOUBLE DROP ELSE EMIT END EXISTS EXPLAIN EXTENDED FINAL FROM FULL FUNCTION \
    FUNCTIONS GRACE GROUP HAVING HEADERS HOPPING IF IN INNER INSERT INT INTERVAL INTO IS JOIN KAFKA_TOPIC KEY KEY_FORMAT LEFT \
    LIKE LIMIT LIST MAP NOT NULL ON OR OUTER PARTITION PARTITIONS PAUSE PERIOD PRIMARY PRINT PROPERTIES QUERIES REPLACE \
    REPLICAS RESUME RETENTION RIGHT ROWTIME RUN SCRIPT SELECT SESSION SET SHOW SIZE SOURCE SPOOL STREAM STREAMS STRING \
    STRUCT TABLE TABLES TERMINATE THEN TIME TIMESTAMP TOPIC TOPICS TUMBLING TYPE TYPES UNDEFINE UNION UNSET VALUES \
    VALUE_FORMAT VARIABLES WHEN WHERE WINDOW WINDOWEND WINDOWSTART WITH WITHIN";

/// Completes words, and tells when a statement is whole.
pub(super) struct Typing {
    client: Client,
    /// What the server has names for; `None` until it is asked, or when it may have changed.
    known: RefCell<Option<BTreeSet<String>>>,
}

impl Typing {
    pub(super) fn new(client: Client) -> Self {
        Self { client, known: RefCell::new(None) }
    }

    /// Names may have come or gone.
    pub(super) fn forget(&self) {
        self.known.replace(None);
    }

    fn words(&self) -> BTreeSet<String> {
        let mut known = self.known.borrow_mut();
        known.get_or_insert_with(|| asked(&self.client)).clone()
    }
}

/// The sources, their columns, and the functions.
fn asked(client: &Client) -> BTreeSet<String> {
    let mut words: BTreeSet<_> = KEYWORDS.split_whitespace().map(str::to_owned).collect();
    let text = "DESCRIBE STREAMS EXTENDED; DESCRIBE TABLES EXTENDED; SHOW FUNCTIONS";
    // Without an answer there are the keywords.
    for entity in client.statement(text, &Own::default()).unwrap_or_default() {
        names(&entity, &mut words);
    }
    words
}

fn names(of: &Value, words: &mut BTreeSet<String>) {
    match of {
        Value::Array(all) => all.iter().for_each(|each| names(each, words)),
        Value::Object(object) => {
            let own = object.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
            words.extend(own.map(str::to_owned));
            for field in ["sourceDescriptions", "fields", "functions"] {
                if let Some(inner) = object.get(field) {
                    names(inner, words);
                }
            }
        }
        _ => {}
    }
}

/// Where the word that is being typed begins.
fn begin(line: &str, end: usize) -> usize {
    let before = line.get(..end).unwrap_or_default();
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    before.char_indices().rev().take_while(|(_, c)| is_part(*c)).last().map_or(end, |(at, _)| at)
}

impl Completer for Typing {
    type Candidate = Pair;

    fn complete(&self, line: &str, end: usize, _: &Context<'_>) -> Result<(usize, Vec<Pair>)> {
        let begin = begin(line, end);
        let typed = line.get(begin..end).unwrap_or_default();
        if typed.is_empty() {
            return Ok((begin, Vec::new()));
        }
        let is_small = typed.chars().all(|c| !c.is_uppercase());
        let fits =
            |word: &String| word.get(..typed.len()).is_some_and(|first| first.eq_ignore_ascii_case(typed));
        let pair = |word: String| {
            let replacement = if is_small { word.to_lowercase() } else { word };
            Pair { display: replacement.clone(), replacement }
        };
        Ok((begin, self.words().into_iter().filter(fits).map(pair).collect()))
    }
}

impl Validator for Typing {
    fn validate(&self, context: &mut ValidationContext<'_>) -> Result<ValidationResult> {
        let typed = context.input();
        let is_whole =
            local::Local::of(typed).is_some() || pieces(typed).last().is_none_or(|last| last.is_whole);
        Ok(if is_whole { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Hinter for Typing {
    type Hint = String;
}

impl Highlighter for Typing {}

impl Helper for Typing {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_word_begins_behind_what_is_none() {
        for (line, word) in [("SELECT a.na", "na"), ("(COU", "COU"), ("é_x", "é_x"), ("a ", "")] {
            assert_eq!(&line[begin(line, line.len())..], word);
        }
    }

    #[test]
    fn names_are_found_wherever_they_are() {
        let mut words = BTreeSet::new();
        names(&json!([{"sourceDescriptions": [{"name": "PAGES", "fields": [{"name": "ID"}]}]}]), &mut words);
        names(&json!({"functions": [{"name": "ABS"}]}), &mut words);
        assert_eq!(words.into_iter().collect::<Vec<_>>(), ["ABS", "ID", "PAGES"]);
    }
}
