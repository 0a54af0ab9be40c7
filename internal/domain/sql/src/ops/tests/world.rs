use std::collections::{BTreeMap, BTreeSet};

use millstream_model::{Column, Type, Value};

use crate::ops::{Bounds, Emission, SinkRow, SourceRecord, State, StepError};
use crate::{Catalog, RegisteredColumns, Rule, SchemaSource, plan};

/// The schemas that the shop registers, as far as the rules look at them.
pub(super) struct Schemas;

impl SchemaSource for Schemas {
    fn columns(&self, topic: &str, _: bool, _: &str, _: Option<u32>) -> Result<RegisteredColumns, String> {
        let text = |name: &str| Column::new(name, Type::String);
        let columns = match topic {
            "asked" => vec![text("PROMPT"), text("USER"), Column::new("ASKED_AT", Type::Timestamp)],
            "offered" => {
                let price = vec![Column::new("AMOUNT", Type::Int), text("CURRENCY")];
                vec![text("ID"), text("NAME"), Column::new("PRICE", Type::Struct(price))]
            }
            _ => return Err(format!("no schema for '{topic}'")),
        };
        Ok(RegisteredColumns { columns, is_bare: false })
    }
}

#[derive(Default)]
pub(in crate::ops) struct Memory {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Everything is kept here, so that nothing is sent.
    is_all: bool,
    /// What is to be told later, where anything can be.
    untold: Option<BTreeSet<Vec<u8>>>,
}

impl Memory {
    pub(in crate::ops) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl State for Memory {
    fn get(&mut self, key: &[u8]) -> Result<Option<&[u8]>, StepError> {
        Ok(self.entries.get(key).map(Vec::as_slice))
    }

    fn put(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), StepError> {
        match value {
            Some(value) => self.entries.insert(key.to_vec(), value.to_vec()),
            None => self.entries.remove(key),
        };
        Ok(())
    }

    fn is_home(&self, _: &[u8]) -> bool {
        self.is_all
    }

    fn tell_later(&mut self, place: &[u8]) -> Result<bool, StepError> {
        let Some(untold) = &mut self.untold else { return Ok(false) };
        untold.insert(place.to_vec());
        Ok(true)
    }
}

/// A record of a topic: its key and value columns.
pub(super) type Written = (Vec<Value>, Option<Vec<Value>>);

/// The same with its time, and its window's bounds.
type Stored = (Vec<Value>, Option<Vec<Value>>, i64, Option<Bounds>);

/// A rule as it runs: how far it has read each source and the records that it sent itself, and its state, apart for each
/// of the places that could be in partitions of their own.
struct Running {
    rule: Rule,
    read: Vec<usize>,
    sent: Vec<(Vec<u8>, Value)>,
    worked: usize,
    at_source: Memory,
    at_key: BTreeMap<Vec<u8>, Memory>,
    failures: Vec<String>,
}

/// All rules of a text, wired topic to topic.
pub(super) struct World {
    topics: BTreeMap<String, Vec<Stored>>,
    rules: Vec<Running>,
}

impl World {
    pub(super) fn new(text: &str) -> Self {
        let (plan, mistakes) = plan(text, &mut Catalog::new(), &Schemas);
        assert_eq!(mistakes, [], "{}", crate::render("test.sql", text, &mistakes));
        let running = |rule: Rule| Running {
            read: vec![0; rule.query.sources().len()],
            rule,
            sent: Vec::new(),
            worked: 0,
            at_source: Memory::default(),
            at_key: BTreeMap::new(),
            failures: Vec::new(),
        };
        Self { topics: BTreeMap::new(), rules: plan.rules.into_iter().map(running).collect() }
    }

    /// The same with one partition, where every step finds what it keeps.
    pub(super) fn of_one_partition(text: &str) -> Self {
        let mut world = Self::new(text);
        world.rules.iter_mut().for_each(|running| running.at_source.is_all = true);
        world
    }

    /// The same with one partition, where groups are told once for all records that are put together.
    pub(super) fn that_tells_later(text: &str) -> Self {
        let mut world = Self::of_one_partition(text);
        world.rules.iter_mut().for_each(|running| running.at_source.untold = Some(BTreeSet::new()));
        world
    }

    /// Writes records that come together, and lets the rules run until nothing is left to do.
    pub(super) fn put_together(&mut self, topic: &str, records: impl IntoIterator<Item = Written>) {
        let all = self.topics.entry(topic.to_owned()).or_default();
        for (key, value) in records {
            let time = 100 + i64::try_from(all.len()).unwrap();
            all.push((key, value, time, None));
        }
        self.settle();
    }

    /// Writes a record, and lets the rules run until nothing is left to do.
    pub(super) fn put(&mut self, topic: &str, key: Vec<Value>, value: Option<Vec<Value>>) {
        self.put_together(topic, [(key, value)]);
    }

    /// Writes a record of a time.
    pub(super) fn put_at(&mut self, topic: &str, time: i64, key: Vec<Value>, value: Option<Vec<Value>>) {
        self.topics.entry(topic.to_owned()).or_default().push((key, value, time, None));
        self.settle();
    }

    /// Changes what a rule of one partition keeps.
    pub(super) fn rewrite(&mut self, rule: usize, change: impl FnOnce(&Rule, &mut Memory)) {
        let running = &mut self.rules[rule];
        change(&running.rule, &mut running.at_source);
    }

    /// Time goes on by the clock for a rule of one partition, with no record.
    pub(super) fn rest(&mut self, rule: usize, time: i64) {
        let running = &mut self.rules[rule];
        let emissions = running.rule.on_idle(time, &mut running.at_source).unwrap();
        running.perform(emissions, &mut self.topics);
        self.settle();
    }

    /// All records of a topic in short: their keys and values, times and windows.
    pub(super) fn told(&self, topic: &str) -> Vec<String> {
        let list = |values: &[Value]| {
            values
                .iter()
                .map(|value| match value {
                    Value::String(text) => text.to_string(),
                    Value::Null => "-".to_owned(),
                    Value::Int(number) => number.to_string(),
                    Value::Bigint(number) => number.to_string(),
                    other => format!("{other:?}"),
                })
                .collect::<Vec<_>>()
                .join(",")
        };
        let one = |(key, value, time, window): &Stored| {
            let value = value.as_deref().map_or_else(|| "gone".to_owned(), list);
            let window =
                window.map_or_else(String::new, |bounds| format!(" in {}-{}", bounds.start, bounds.end));
            format!("{}: {value} at {time}{window}", list(key))
        };
        self.topics.get(topic).into_iter().flatten().map(one).collect()
    }

    /// A rule stops without having committed its last offsets, and starts again: its state is there, what it read last
    /// comes once more.
    pub(super) fn crash(&mut self, rule: usize, back: usize) {
        let rules = self.rules.len();
        let running = &mut self.rules[rule % rules];
        for read in running.read.iter_mut().chain([&mut running.worked]) {
            *read = read.saturating_sub(back);
        }
        self.settle();
    }

    fn settle(&mut self) {
        while self.rules.iter_mut().any(|running| running.step(&mut self.topics))
            || self.rules.iter_mut().any(|running| running.tell_late(&mut self.topics))
        {}
    }

    /// All records of a topic.
    pub(super) fn written(&self, topic: &str) -> Vec<Written> {
        let all = self.topics.get(topic).into_iter().flatten();
        all.map(|(key, value, ..)| (key.clone(), value.clone())).collect()
    }

    /// The last value of each key of a topic.
    pub(super) fn table(&self, topic: &str) -> BTreeMap<Vec<Value>, Vec<Value>> {
        let mut table = BTreeMap::new();
        for (key, value) in self.written(topic) {
            match value {
                Some(value) => table.insert(key, value),
                None => table.remove(&key),
            };
        }
        table
    }

    /// What could not be worked out by a rule.
    pub(super) fn failures(&self, rule: usize) -> &[String] {
        &self.rules[rule].failures
    }

    /// How many entries all state of a rule has.
    pub(super) fn entries(&self, rule: usize) -> usize {
        let running = &self.rules[rule];
        running.at_source.entries.len()
            + running.at_key.values().map(|memory| memory.entries.len()).sum::<usize>()
    }
}

impl Running {
    /// Works on one record, if there is one.
    fn step(&mut self, topics: &mut BTreeMap<String, Vec<Stored>>) -> bool {
        let emissions = if let Some((key, message)) = self.sent.get(self.worked) {
            self.worked += 1;
            let state = self.at_key.entry(key.clone()).or_default();
            self.rule.on_repartitioned(key, message.clone(), state).unwrap()
        } else if let Some((side, record)) = self.next(topics) {
            self.read[side] += 1;
            self.rule.on_source(side, &record, &mut self.at_source).unwrap()
        } else {
            return false;
        };
        self.perform(emissions, topics);
        true
    }

    /// Tells what was put off, if anything was.
    fn tell_late(&mut self, topics: &mut BTreeMap<String, Vec<Stored>>) -> bool {
        let untold = self.at_source.untold.as_mut().map(std::mem::take).unwrap_or_default();
        for place in &untold {
            let emissions = self.rule.on_later(place, &mut self.at_source).unwrap();
            self.perform(emissions, topics);
        }
        !untold.is_empty()
    }

    fn perform(&mut self, emissions: Vec<Emission>, topics: &mut BTreeMap<String, Vec<Stored>>) {
        for emission in emissions {
            match emission {
                Emission::Repartition { key, message } => self.sent.push((key, message)),
                Emission::Failed(failure) => self.failures.push(failure.to_string()),
                Emission::Sink(SinkRow { key, value, timestamp, window, .. }) => {
                    topics
                        .entry(self.rule.sink.topic.clone())
                        .or_default()
                        .push((key, value, timestamp, window));
                }
            }
        }
    }

    fn next(&self, topics: &BTreeMap<String, Vec<Stored>>) -> Option<(usize, SourceRecord)> {
        let sources = self.rule.query.sources();
        sources.iter().zip(&self.read).enumerate().find_map(|(side, (source, read))| {
            let (key, value, timestamp, window) = topics.get(&source.topic)?.get(*read)?.clone();
            let offset = i64::try_from(*read).unwrap();
            Some((
                side,
                SourceRecord {
                    key,
                    value,
                    timestamp,
                    window,
                    partition: 3,
                    offset,
                    ..SourceRecord::default()
                },
            ))
        })
    }
}
