use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::time::Duration;

use millstream_model::{Headers, Partition, Value};
use millstream_ports::{PortError, Start, Tail, World};
use millstream_sql::{Asking, Emission, SinkRow, SourceKind, SourceRecord};

use super::Fault;
use super::copy::{Raw, record, width};
use crate::deploy::named;
use crate::formats::Formats;
use crate::halves::Halves;
use crate::trial::Memory;

/// Records that are taken in at once.
const BATCH: usize = 1000;

/// How long a table that is joined may take to be read.
const TABLE_POLLS_MAX: usize = 1000;

/// A row that is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What is selected of it.
    pub values: Vec<Value>,
    /// Whether it is gone; the columns of its key are then all that is told.
    pub is_gone: bool,
}

/// Rows that come without end, or up to a limit.
pub trait Flow: Send {
    /// What came within `wait`, or none; `None` when no more will come.
    ///
    /// # Errors
    /// When the topics can't be read any more, or a step of the query failed.
    fn next(&mut self, wait: Duration) -> Result<Option<Vec<Row>>, Fault>;
}

/// A query that is run here and now, for whoever asks: its state is in memory.
pub(crate) struct Transient {
    asking: Asking,
    sources: Vec<Halves>,
    memory: Memory,
}

impl Transient {
    pub(crate) fn new(asking: Asking, formats: &Formats) -> Result<Self, PortError> {
        let sources = asking.rule.query.sources();
        let sources = sources.into_iter().map(|source| Halves::reading(source, formats));
        Ok(Self { sources: sources.collect::<Result<_, _>>()?, asking, memory: Memory::default() })
    }

    pub(crate) fn asking(&self) -> &Asking {
        &self.asking
    }

    /// What becomes of a record of source number `side`.
    pub(crate) fn take(&mut self, side: usize, record: &SourceRecord) -> Result<Vec<SinkRow>, Fault> {
        let failed = |error: millstream_sql::StepError| Fault::statement(error.to_string());
        let rule = &self.asking.rule;
        let mut waiting = VecDeque::from(rule.on_source(side, record, &mut self.memory).map_err(failed)?);
        let mut rows = Vec::new();
        while let Some(emission) = waiting.pop_front() {
            match emission {
                Emission::Repartition { key, message } => {
                    waiting.extend(rule.on_repartitioned(&key, message, &mut self.memory).map_err(failed)?);
                }
                Emission::Sink(row) => rows.push(row),
                Emission::Failed(_) => {}
            }
        }
        Ok(rows)
    }

    /// A row as it is told; one that is gone by its key alone.
    pub(crate) fn told(&self, row: SinkRow) -> Row {
        if let Some(values) = row.value {
            return Row { values, is_gone: false };
        }
        let value = |place: &Option<usize>| {
            place.and_then(|place| row.key.get(place).cloned()).unwrap_or(Value::Null)
        };
        Row { values: self.asking.keys.iter().map(value).collect(), is_gone: true }
    }
}

/// A query whose rows are told as they change.
pub(crate) struct Push<T> {
    tail: T,
    /// For each topic that is read, the sources over it.
    sides: Vec<Vec<usize>>,
    running: Transient,
    left: Option<u64>,
    /// The rows of a table that were told, so that what was never told is not said to be gone.
    shown: BTreeSet<(Vec<Value>, Option<i64>)>,
}

impl<T: Tail> Push<T> {
    /// Begins to read: what is joined as a table from its first record on, and all else from there where `from_first`.
    pub(crate) fn open<W: World<Tail = T>>(
        world: &W,
        formats: &Formats,
        asking: Asking,
        from_first: bool,
    ) -> Result<Self, Fault> {
        let sources: Vec<_> =
            asking.rule.query.sources().iter().map(|source| (source.topic.clone(), source.kind)).collect();
        let mut topics: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (side, (topic, _)) in sources.iter().enumerate() {
            topics.entry(topic.clone()).or_default().push(side);
        }
        let names = topics.keys().map(|topic| named(topic)).collect::<Result<Vec<_>, _>>()?;
        let tail = world.tail("push", &names)?;
        let left = asking.limit;
        let running = Transient::new(asking, formats)?;
        let sides: Vec<_> = topics.into_values().collect();
        let mut push = Self { tail, sides, running, left, shown: BTreeSet::new() };
        let is_table = |sides: &Vec<usize>| {
            sources.len() > 1
                && sides
                    .iter()
                    .any(|side| sources.get(*side).is_some_and(|(_, kind)| *kind == SourceKind::Table))
        };
        let tables: Vec<_> = push.sides.iter().map(is_table).collect();
        let start = if from_first { Start::Earliest } else { Start::Latest };
        // Tables first, so that the first event of a stream finds its row.
        for (place, name) in names.iter().enumerate().filter(|(place, _)| tables.get(*place) == Some(&true)) {
            let mut ends = Vec::new();
            for partition in (0..width(world, name)?).map(Partition::new) {
                ends.push((partition, push.tail.add(place, partition, Start::Earliest)?.1));
            }
            push.load(place, &ends)?;
        }
        for (place, name) in names.iter().enumerate().filter(|(place, _)| tables.get(*place) != Some(&true)) {
            for partition in (0..width(world, name)?).map(Partition::new) {
                push.tail.add(place, partition, start)?;
            }
        }
        Ok(push)
    }

    fn load(&mut self, topic: usize, ends: &[(Partition, millstream_model::Offset)]) -> Result<(), Fault> {
        for _ in 0..TABLE_POLLS_MAX {
            let mut is_open = false;
            for (partition, end) in ends {
                is_open |= self.tail.position(topic, *partition)? < *end;
            }
            if !is_open {
                return Ok(());
            }
            self.step(Duration::from_millis(20))?;
        }
        Err(PortError::retry("a table that is joined could not be read to its end").into())
    }

    /// Takes in what comes within `wait`, and gives the rows that it makes.
    fn step(&mut self, wait: Duration) -> Result<Vec<Row>, Fault> {
        let mut batch = Vec::new();
        self.tail.poll(wait, BATCH, |view| {
            batch.push((
                view.topic,
                Raw {
                    partition: view.partition,
                    offset: view.offset,
                    timestamp: view.timestamp.0,
                    key: view.key.map(<[u8]>::to_vec),
                    value: view.value.map(<[u8]>::to_vec),
                    headers: Headers::copy_of(view.headers),
                },
            ));
            ControlFlow::Continue(())
        })?;
        let mut rows = Vec::new();
        for (topic, raw) in batch {
            let sides = self.sides.get(topic).cloned().unwrap_or_default();
            for side in sides {
                self.take(side, &raw, &mut rows)?;
            }
        }
        Ok(rows)
    }

    fn take(&mut self, side: usize, raw: &Raw, rows: &mut Vec<Row>) -> Result<(), Fault> {
        let Some(halves) = self.running.sources.get(side) else { return Ok(()) };
        // What can't be read is passed over, as a rule does that is told to.
        let Some(record) = record(halves, raw.copied())? else { return Ok(()) };
        for row in self.running.take(side, &record)? {
            if self.is_news(&row) {
                rows.push(self.running.told(row));
            }
        }
        Ok(())
    }

    fn is_news(&mut self, row: &SinkRow) -> bool {
        if self.running.asking.rule.sink.kind == SourceKind::Stream {
            return row.value.is_some();
        }
        let place = (row.key.clone(), row.window.map(|window| window.start));
        if row.value.is_some() {
            self.shown.insert(place);
            return true;
        }
        self.shown.remove(&place)
    }
}

impl<T: Tail> Flow for Push<T> {
    fn next(&mut self, wait: Duration) -> Result<Option<Vec<Row>>, Fault> {
        if self.left == Some(0) {
            return Ok(None);
        }
        let mut rows = self.step(wait)?;
        if let Some(left) = &mut self.left {
            rows.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left = left.saturating_sub(rows.len() as u64);
        }
        Ok(Some(rows))
    }
}
