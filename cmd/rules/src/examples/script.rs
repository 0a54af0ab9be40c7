//! Scripts of statements that test themselves: `--@test: name` begins a test, INSERTs are what is put in, and ASSERTs what must
//! have come of it, record by record in the order of each topic.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Write, stdout};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail, ensure};
use millstream_avro_codec::Registry;
use millstream_model::{Column, Value};
use millstream_rhai_functions::ScriptFunction;
use millstream_rule_engine::{Message, Trial};
use millstream_sql::{Asserted, Command, Insertion, Source, command, pieces, substitute, text_of};

use crate::scripts;
use crate::wiring::formats_over;

/// A test of a script: its statements, and what must be wrong with one of them, where that is said.
#[derive(Debug, Default)]
pub(super) struct ScriptTest {
    id: String,
    statements: Vec<(String, usize)>,
    must_fail: bool,
    message: Option<String>,
    /// What its statements can call beside the standard functions.
    pub(super) functions: Vec<ScriptFunction>,
}

/// The tests of a file; none where it has no `--@test`.
pub(super) fn tests(file: &Path) -> anyhow::Result<Vec<ScriptTest>> {
    let whole = crate::files::read(file)?;
    let mut all: Vec<ScriptTest> = Vec::new();
    for piece in pieces(&whole) {
        for note in &piece.notes {
            let (name, value) =
                note.split_once(':').map_or((note.as_str(), ""), |(name, value)| (name, value.trim()));
            match (name.trim(), all.last_mut()) {
                ("test", _) => {
                    let id = format!("{}: {value}", file.display());
                    all.push(ScriptTest { id, ..ScriptTest::default() });
                }
                ("expected.error", Some(test)) => test.must_fail = true,
                ("expected.message", Some(test)) => {
                    test.must_fail = true;
                    test.message = Some(value.to_owned());
                }
                (unknown, _) => bail!(
                    "line {}: there is no --@{unknown}; there are test, expected.error and expected.message",
                    piece.line
                ),
            }
        }
        // What stands before the first test is of none: a plain rule file has nothing else.
        if let Some(test) = all.last_mut() {
            test.statements.push((piece.text, piece.line));
        }
    }
    Ok(all)
}

/// Runs tests, says how each came out, and counts those that passed and failed.
pub(super) fn tried(tests: &[ScriptTest], registry: &Registry) -> anyhow::Result<(usize, usize)> {
    let (mut passed, mut failed) = (0, 0);
    for test in tests {
        match test.run(registry) {
            Ok(()) => {
                passed += 1;
                writeln!(stdout(), "ok      {}", test.id)?;
            }
            Err(reason) => {
                failed += 1;
                writeln!(stdout(), "FAILED  {}: {reason:#}", test.id)?;
            }
        }
    }
    Ok((passed, failed))
}

impl ScriptTest {
    fn run(&self, registry: &Registry) -> anyhow::Result<()> {
        let mut stage = Stage {
            trial: Trial::new(formats_over(registry)),
            come: BTreeMap::new(),
            variables: BTreeMap::new(),
        };
        scripts::register(&self.functions, |name, about, signature, call| {
            stage.trial.register(name, about, signature, call)
        })?;
        let outcome = self
            .statements
            .iter()
            .try_for_each(|(text, line)| stage.one(text).with_context(|| format!("line {line}")));
        match (outcome, &self.message) {
            (outcome, _) if !self.must_fail => outcome,
            (Ok(()), _) => bail!("a statement must be refused, and none was"),
            (Err(error), Some(message)) => {
                let said = format!("{error:#}");
                ensure!(said.contains(message), "'{message}' must be wrong, and what is wrong is: {said}");
                Ok(())
            }
            (Err(_), None) => Ok(()),
        }
    }
}

/// What a test's statements have come to so far.
struct Stage {
    trial: Trial,
    /// By topic, the records that no ASSERT was about yet.
    come: BTreeMap<String, VecDeque<Message>>,
    variables: BTreeMap<String, String>,
}

impl Stage {
    fn one(&mut self, text: &str) -> anyhow::Result<()> {
        let text = substitute(text, &self.variables)
            .map_err(|name| anyhow!("the variable {name} is not defined"))?;
        let asked = command(&text, self.trial.catalog()).map_err(|mistake| anyhow!(mistake.message))?;
        match asked {
            Command::Assert(Asserted::Values(insert)) => self.values(&insert, false),
            Command::Assert(Asserted::NullValues(insert)) => self.values(&insert, true),
            Command::Assert(Asserted::Source(create)) => self.source(&create),
            Command::Define(name, value) => {
                match value {
                    Some(value) => drop(self.variables.insert(name, value)),
                    None => drop(self.variables.remove(&name)),
                }
                Ok(())
            }
            Command::Assert(_)
            | Command::Select
            | Command::Print(_)
            | Command::RunScript(_)
            | Command::Delete { .. } => {
                bail!("the statement can't be run in a test, which has no topics")
            }
            _ => {
                self.trial.execute(&text)?;
                for message in self.trial.play(&[])? {
                    self.come.entry(message.topic.clone()).or_default().push_back(message);
                }
                Ok(())
            }
        }
    }

    /// The next record of a source is this row, or the end of this key.
    fn values(&mut self, insert: &str, is_end: bool) -> anyhow::Result<()> {
        let expected = self.trial.insertion(insert)?;
        let source = &expected.sink;
        let next = self.come.get_mut(&source.topic).and_then(VecDeque::pop_front);
        let next = next.with_context(|| format!("{} has no further record", source.name))?;
        let (key, value) = self.trial.row(source, &next)?;
        let wanted = (!is_end).then(|| expected.value.clone());
        let is_in_time = expected.timestamp.is_none_or(|time| time == next.timestamp);
        ensure!(
            key == expected.key && value == wanted && is_in_time,
            "the next record of {} is {} at {}, where {} was expected{}",
            source.name,
            written(source, &key, value.as_deref()),
            next.timestamp,
            written(source, &expected.key, wanted.as_deref()),
            at(&expected)
        );
        Ok(())
    }

    fn source(&self, create: &str) -> anyhow::Result<()> {
        let expected = self.trial.declared(create)?;
        let found = self.trial.catalog().get(&expected.name);
        let found = found.with_context(|| format!("there is no stream or table {}", expected.name))?;
        let list =
            |columns: &[Column]| columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        for (what, found, wanted) in [
            ("kind", found.kind.to_string(), expected.kind.to_string()),
            ("topic", found.topic.clone(), expected.topic.clone()),
            ("key format", found.key_format.clone(), expected.key_format.clone()),
            ("value format", found.value_format.clone(), expected.value_format.clone()),
            ("key", list(&found.key), list(&expected.key)),
            ("value", list(&found.value), list(&expected.value)),
            ("windows", format!("{:?}", found.window), format!("{:?}", expected.window)),
        ] {
            ensure!(found == wanted, "the {what} of {} is {found}, not {wanted}", expected.name);
        }
        Ok(())
    }
}

fn at(expected: &Insertion) -> String {
    expected.timestamp.map_or_else(String::new, |time| format!(" at {time}"))
}

/// A row in words.
fn written(source: &Source, key: &[Value], value: Option<&[Value]>) -> String {
    let list = |columns: &[Column], values: &[Value]| {
        let each = columns.iter().zip(values).map(|(column, value)| text_of(value, &column.ty));
        each.collect::<Vec<_>>().join(", ")
    };
    let value =
        value.map_or_else(|| "nothing".to_owned(), |value| format!("({})", list(&source.value, value)));
    format!("({}): {value}", list(&source.key, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "
--@test: totals are kept by kind
CREATE STREAM events (id STRING KEY, kind STRING, amount INT) WITH (KAFKA_TOPIC='events', VALUE_FORMAT='JSON');
CREATE TABLE totals AS SELECT kind, SUM(amount) AS total FROM events WHERE amount <> 0 GROUP BY kind HAVING SUM(amount) > 0;
INSERT INTO events (ROWTIME, id, kind, amount) VALUES (10, 'a', 'in', 3);
INSERT INTO events (ROWTIME, id, kind, amount) VALUES (20, 'b', 'in', 4);
ASSERT VALUES totals (ROWTIME, kind, total) VALUES (10, 'in', 3);
ASSERT VALUES totals (kind, total) VALUES ('in', 7);
INSERT INTO events (id, kind, amount) VALUES ('b', 'in', -9);
ASSERT NULL VALUES totals (kind) KEY ('in');
ASSERT TABLE totals (kind STRING PRIMARY KEY, total INT) WITH (KAFKA_TOPIC='TOTALS', VALUE_FORMAT='JSON');

--@test: a name must be known
--@expected.message: there is no stream or table NOBODY
CREATE STREAM x AS SELECT * FROM nobody;
--@test: whatever is wrong
--@expected.error: any
DROP STREAM nobody;
";

    fn outcome(script: &str) -> Vec<Result<(), String>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.sql");
        std::fs::write(&file, script).unwrap();
        let registry = Registry::in_memory().unwrap();
        let found = tests(&file).unwrap();
        found.iter().map(|test| test.run(&registry).map_err(|error| format!("{error:#}"))).collect()
    }

    #[test]
    fn what_comes_is_held_to_what_is_asserted() {
        assert_eq!(outcome(SCRIPT), [Ok(()), Ok(()), Ok(())]);
        for (from, to, why) in [
            ("(10, 'in', 3)", "(11, 'in', 3)", "line 7: the next record of TOTALS is (in): (3) at 10"),
            ("('in', 7)", "('in', 8)", "where (in): (8) was expected"),
            ("KEY ('in')", "KEY ('out')", "where (out): nothing was expected"),
            ("total INT)", "total BIGINT)", "the value of TOTALS is TOTAL INT, not TOTAL BIGINT"),
            ("HAVING SUM(amount) > 0", "", "is (in): (-2)"),
            (
                "ASSERT TABLE",
                "ASSERT VALUES totals (kind, total) VALUES ('in', 1); ASSERT TABLE",
                "has no further record",
            ),
        ] {
            assert!(SCRIPT.contains(from), "{from}");
            let told = outcome(&SCRIPT.replace(from, to)).swap_remove(0).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        let told = outcome(&SCRIPT.replace("table NOBODY", "table SOMEBODY")).swap_remove(1).unwrap_err();
        assert!(told.contains("'there is no stream or table SOMEBODY' must be wrong"), "{told}");
        let told =
            outcome(&SCRIPT.replace("DROP STREAM nobody", "DROP STREAM IF EXISTS nobody")).swap_remove(2);
        assert!(told.unwrap_err().contains("none was"));
    }

    #[test]
    fn a_plain_rule_file_has_no_tests() {
        assert!(outcome("-- a comment\nCREATE STREAM x AS SELECT * FROM y;").is_empty());
    }
}
