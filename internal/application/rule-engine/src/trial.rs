use std::collections::BTreeMap;

use millstream_model::{Headers, Value};
use millstream_ports::{CodecError, PortError};
use millstream_sql::{
    Catalog, Diagnostic, Emission, Failure, Functions, Insertion, Rule, SinkRow, Source, SourceRecord, Span,
    State, StepError, plan, with_variables,
};
use thiserror::Error;

use crate::formats::Formats;
use crate::halves::Halves;
use crate::outside::outside;

/// A record of a topic, as bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its time, in milliseconds since 1970.
    pub timestamp: i64,
    /// Its headers.
    pub headers: Headers,
}

/// Why a trial did not go on.
#[derive(Debug, Error)]
pub enum TrialError {
    /// A statement has mistakes; nothing of it was done.
    #[error("{}", .0.iter().map(|mistake| mistake.message.as_str()).collect::<Vec<_>>().join("; "))]
    Mistakes(Vec<Diagnostic>),
    /// A format or a schema was refused.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A row does not fit the format or schema that it is to be written with.
    #[error("a row of {sink} can't be written: {source}")]
    Write {
        /// The source that was written to.
        sink: String,
        /// Why.
        source: CodecError,
    },
    /// A record is not of its source's formats.
    #[error("a record of {source_name} can't be read: {reason}")]
    Read {
        /// The source.
        source_name: String,
        /// Why.
        reason: CodecError,
    },
    /// A step could not be taken.
    #[error(transparent)]
    Step(#[from] StepError),
}

/// Rules run in memory, on records that the caller gives: no topic is read or written, but all rows go through their formats'
/// bytes.
///
/// Each query sees the records of all its sources in the order given, each worked off before the next, and then what queries
/// before it wrote. There is one partition.
pub struct Trial {
    formats: Formats,
    catalog: Catalog,
    queries: Vec<Query>,
    written: Vec<Message>,
}

struct Query {
    rule: Rule,
    sources: Vec<Halves>,
    sink: Halves,
    state: Memory,
    /// How many records of each topic it has seen.
    seen: BTreeMap<String, i64>,
}

/// A state in memory.
#[derive(Default)]
pub(crate) struct Memory(BTreeMap<Vec<u8>, Vec<u8>>);

impl State for Memory {
    fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, StepError> {
        Ok(self.0.get(key).map(Vec::as_slice))
    }

    fn put(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StepError> {
        match value {
            Some(value) => self.0.insert(key.to_vec(), value.to_vec()),
            None => self.0.remove(key),
        };
        Ok(())
    }
}

impl Trial {
    /// A trial that knows no source yet.
    pub fn new(formats: Formats) -> Self {
        let catalog = Catalog::new().using(Functions::with(&outside()));
        Self { formats, catalog, queries: Vec::new(), written: Vec::new() }
    }

    /// Adds a function written in Rust, for the statements done from now on: see [`Functions::register`].
    ///
    /// # Errors
    /// When the signature can't be read.
    pub fn register(
        &mut self,
        name: &str,
        about: &str,
        signature: &str,
        call: impl Fn(&[Value]) -> Result<Value, Failure> + Send + Sync + 'static,
    ) -> Result<(), Failure> {
        self.catalog.register(name, about, signature, call)
    }

    /// The sources known by now.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Does what statements say.
    ///
    /// # Errors
    /// All mistakes found in them, or the format or schema that was refused; nothing is then done.
    pub fn execute(&mut self, text: &str) -> Result<(), TrialError> {
        let mut catalog = self.catalog.clone();
        let text = with_variables(text).map_err(|mistake| TrialError::Mistakes(vec![mistake]))?;
        let (plan, mistakes) = plan(&text, &mut catalog, &self.formats);
        if !mistakes.is_empty() {
            return Err(TrialError::Mistakes(mistakes));
        }
        if let Some(said) = self.disturbs(&catalog, &plan.rules) {
            return Err(TrialError::Mistakes(vec![Diagnostic::new(Span::default(), said)]));
        }
        for insertion in &plan.insertions {
            self.insert(insertion)?;
        }
        for rule in plan.rules {
            let sources = rule.query.sources();
            let sources = sources.into_iter().map(|source| Halves::reading(source, &self.formats));
            let sources = sources.collect::<Result<_, _>>()?;
            let sink = Halves::writing(&rule.sink, &self.formats)?;
            // What is created anew takes the place of what was.
            self.queries.retain(|query| query.rule.name != rule.name || rule.name != rule.sink.name);
            self.queries.push(Query { rule, sources, sink, state: Memory::default(), seen: BTreeMap::new() });
        }
        self.queries.retain(|query| catalog.get(&query.rule.sink.name).is_some());
        self.catalog = catalog;
        Ok(())
    }

    /// What queries that run do not bear: that what they read is dropped, or that what they fill by themselves is altered.
    fn disturbs(&self, after: &Catalog, new: &[Rule]) -> Option<String> {
        for before in self.catalog.sources() {
            let name = &before.name;
            let now = after.get(name);
            let by = |query: &&Query| {
                let rule = &query.rule;
                let reads = rule.query.sources().iter().any(|source| source.name == *name);
                let writes = rule.sink.name == *name && rule.name != *name;
                (reads && after.get(&rule.sink.name).is_some()) || writes
            };
            let user = self.queries.iter().find(by).filter(|_| now.is_none());
            if let Some(user) = user {
                return Some(format!("{name} is read or written by {}; drop that first", user.rule.name));
            }
            let is_replaced = new.iter().any(|rule| rule.name == *name);
            let is_filled = self.queries.iter().any(|query| query.rule.name == *name) && !is_replaced;
            if is_filled && now.is_some_and(|now| now.value != before.value) {
                return Some(format!(
                    "the columns of {name} are those of its query; write CREATE OR REPLACE"
                ));
            }
        }
        None
    }

    fn insert(&mut self, insertion: &Insertion) -> Result<(), TrialError> {
        let Insertion { sink, key, value, timestamp, .. } = insertion;
        let halves = Halves::writing(sink, &self.formats)?;
        let written = halves.write(key, Some(value), None);
        let (key, value) = written.map_err(|source| TrialError::Write { sink: sink.name.clone(), source })?;
        let (topic, headers) = (sink.topic.clone(), Headers::default());
        self.written.push(Message { topic, key, value, timestamp: timestamp.unwrap_or(0), headers });
        Ok(())
    }

    /// The row that an INSERT … VALUES would write.
    ///
    /// # Errors
    /// All mistakes found in it.
    pub fn insertion(&self, text: &str) -> Result<Insertion, TrialError> {
        let mut catalog = self.catalog.clone();
        let (plan, mistakes) = plan(text, &mut catalog, &self.formats);
        match plan.insertions.into_iter().next().filter(|_| mistakes.is_empty()) {
            Some(insertion) => Ok(insertion),
            None => Err(TrialError::Mistakes(mistakes)),
        }
    }

    /// The source that a CREATE would declare, were there nothing but the types that are known.
    ///
    /// # Errors
    /// All mistakes found in it.
    pub fn declared(&self, text: &str) -> Result<Source, TrialError> {
        let mut catalog = self.catalog.clone();
        let names: Vec<_> = catalog.sources().map(|source| source.name.clone()).collect();
        for name in &names {
            catalog.forget(name);
        }
        let (_, mistakes) = plan(text, &mut catalog, &self.formats);
        let declared = catalog.sources().next().cloned().filter(|_| mistakes.is_empty());
        declared.ok_or(TrialError::Mistakes(mistakes))
    }

    /// The key and the value of a record, as a source has them.
    ///
    /// # Errors
    /// When its bytes are not of the source's formats.
    pub fn row(
        &self,
        source: &Source,
        message: &Message,
    ) -> Result<(Vec<Value>, Option<Vec<Value>>), TrialError> {
        let halves = Halves::reading(source, &self.formats)?;
        let read = halves.read(message.key.as_deref(), message.value.as_deref());
        let read = read.map_err(|reason| TrialError::Read { source_name: source.name.clone(), reason })?;
        Ok((read.key, read.value))
    }

    /// Runs all queries on these records, and answers everything that was written.
    ///
    /// # Errors
    /// The first step that failed.
    pub fn play(&mut self, inputs: &[Message]) -> Result<Vec<Message>, TrialError> {
        let mut written = std::mem::take(&mut self.written);
        for query in &mut self.queries {
            let mut out = Vec::new();
            for input in inputs.iter().chain(&written) {
                let seen = query.seen.entry(input.topic.clone()).or_default();
                let offset = *seen;
                *seen += 1;
                query.take(input, offset, &mut out)?;
            }
            written.extend(out);
        }
        Ok(written)
    }
}

impl Query {
    fn take(&mut self, input: &Message, offset: i64, out: &mut Vec<Message>) -> Result<(), TrialError> {
        let topics: Vec<_> = self.rule.query.sources().iter().map(|source| source.topic.clone()).collect();
        for (side, topic) in topics.iter().enumerate() {
            let Some(halves) = self.sources.get(side).filter(|_| *topic == input.topic) else { continue };
            // What can't be read is passed over, as a running rule sends it to its dead letters.
            let Ok(read) = halves.read(input.key.as_deref(), input.value.as_deref()) else { continue };
            let record = SourceRecord {
                key: read.key,
                value: read.value,
                timestamp: input.timestamp,
                partition: 0,
                offset,
                headers: input.headers.clone(),
                window: read.window,
            };
            let emissions = self.rule.on_source(side, &record, &mut self.state)?;
            self.perform(emissions, out)?;
        }
        Ok(())
    }

    /// Works off what a step wants done, first come, first served.
    fn perform(&mut self, emissions: Vec<Emission>, out: &mut Vec<Message>) -> Result<(), TrialError> {
        let mut waiting = std::collections::VecDeque::from(emissions);
        while let Some(emission) = waiting.pop_front() {
            match emission {
                Emission::Repartition { key, message } => {
                    waiting.extend(self.rule.on_repartitioned(&key, message, &mut self.state)?);
                }
                // The null in its place is told by the row.
                Emission::Failed(_) => {}
                Emission::Sink(SinkRow { key, value, timestamp, window, headers }) => {
                    let sink = &self.rule.sink;
                    let written = self.sink.write(&key, value.as_deref(), window);
                    let (key, value) =
                        written.map_err(|source| TrialError::Write { sink: sink.name.clone(), source })?;
                    out.push(Message { topic: sink.topic.clone(), key, value, timestamp, headers });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use millstream_ports::{DelimitedRows, KafkaRows, NoRows};

    use super::*;

    const SOURCE: &str =
        "CREATE STREAM s (k STRING KEY, v INT, w INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='DELIMITED')";

    fn trial() -> Trial {
        let formats = Formats::default()
            .with("DELIMITED", Arc::new(DelimitedRows))
            .with("KAFKA", Arc::new(KafkaRows))
            .with("NONE", Arc::new(NoRows));
        let mut trial = Trial::new(formats);
        trial.execute(SOURCE).unwrap();
        trial
    }

    #[test]
    fn what_queries_stand_on_stays_as_it_is() {
        let mut trial = trial();
        trial.execute("CREATE STREAM o AS SELECT k, v FROM s").unwrap();
        trial
            .execute(
                "CREATE STREAM more (k STRING KEY, v INT) WITH (KAFKA_TOPIC='m', VALUE_FORMAT='DELIMITED')",
            )
            .unwrap();
        trial.execute("INSERT INTO more SELECT k, v FROM o").unwrap();
        for (refused, why) in [
            ("DROP STREAM s", "S is read or written by O"),
            ("DROP STREAM more", "MORE is read or written by MORE_1"),
            ("ALTER STREAM o ADD COLUMN w INT", "the columns of O"),
        ] {
            let said = trial.execute(refused).unwrap_err().to_string();
            assert!(said.contains(why), "{refused}: {said}");
        }
        trial.execute("ALTER STREAM s ADD COLUMN x INT").unwrap();
    }

    #[test]
    fn a_single_null_is_no_value_in_the_format_kafka() {
        let mut trial = trial();
        trial.execute("CREATE STREAM o WITH (VALUE_FORMAT='KAFKA') AS SELECT k, v FROM s").unwrap();
        let (topic, headers) = ("s".to_owned(), Headers::default());
        let null =
            Message { topic, key: Some(b"a".to_vec()), value: Some(b",5".to_vec()), timestamp: 0, headers };
        let one = Message { value: Some(b"1,5".to_vec()), ..null.clone() };
        let written = trial.play(&[one, null]).unwrap();
        let values: Vec<_> = written.into_iter().map(|message| message.value).collect();
        assert_eq!(values, [Some(vec![0, 0, 0, 1]), None]);
    }
}
