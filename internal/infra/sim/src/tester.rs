use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream_model::{Headers, Offset, Partition, Timestamp, TopicName};
use millstream_ports::{Codec, CodecError, PortError};
use millstream_runtime::{
    GroupGraph, Output, Processor, ProcessorError, Settings, Status, Stepped, Table, Visitor,
};
use thiserror::Error;

use crate::topic::SimRecord;
use crate::world::Sim;

/// Partitions of the topics, unless told otherwise.
const PARTITIONS: u32 = 4;

/// Steps after which a group that still finds something to do is taken to never end.
const STEPS_MAX: usize = 100_000;

/// Runs a group on a world in memory, one step after another, for tests: no broker, no threads, no waiting.
///
/// Topics are made as the group needs them. [`Tester::send`] writes to any of them; [`Tester::run`] processes and commits all
/// that can be, loops included; [`Tester::take`] gives what an output got since it was last asked, [`Tester::value`] what
/// the table holds. Time moves only by [`Tester::advance`], and by the commit interval in each run.
///
/// ```
/// use millstream_ports::{DecimalText, Utf8};
/// use millstream_runtime::{GroupGraph, Output, Table};
/// use millstream_sim::Tester;
///
/// let (table, counts) = (Table::new(DecimalText), Output::new("counts", Utf8, DecimalText));
/// let (kept, emitted) = (table.clone(), counts.clone());
/// let graph = GroupGraph::define("counter")
///     .input("words", Utf8, Utf8, move |context, word: &str, _: &str| {
///         let count = context.get(&kept)?.unwrap_or(0) + 1;
///         context.set(&kept, &count)?;
///         Ok(context.emit(&emitted, &word, &count)?)
///     })
///     .persist(&table)
///     .output(&counts)
///     .build()?;
///
/// let words = Output::new("words", Utf8, Utf8);
/// let mut tester = Tester::new(graph);
/// tester.send(&words, &"lamp", &"")?;
/// tester.send(&words, &"lamp", &"")?;
/// tester.run()?;
/// assert_eq!(tester.take(&counts, |word, count| (word.to_owned(), count))?, [("lamp".into(), 1), ("lamp".into(), 2)]);
/// assert_eq!(tester.value(&table, b"lamp", |count| count)?, Some(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Tester {
    sim: Sim,
    graph: Arc<GroupGraph>,
    settings: Settings,
    partitions: u32,
    running: Option<Stepped<Sim>>,
    taken: BTreeMap<(TopicName, Partition), Offset>,
}

/// Why a test could not go on.
#[derive(Debug, Error)]
pub enum TestError {
    /// The group can't go on.
    #[error(transparent)]
    Processor(#[from] ProcessorError),
    /// The world refused.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A key or value does not fit its codec.
    #[error("{place}: {source}")]
    Codec {
        /// Of which topic or table.
        place: String,
        /// What does not fit.
        source: CodecError,
    },
    /// It is still busy after a hundred thousand steps, such as a loop that feeds itself.
    #[error("the group is still busy after {STEPS_MAX} steps")]
    Endless,
}

impl Tester {
    /// A tester of `graph` on a world of its own, with one worker and topics of four partitions.
    pub fn new(graph: GroupGraph) -> Self {
        Self::on(Sim::new(), graph)
    }

    /// A tester of `graph` on `sim`, which may have topics already, or be shared with other groups.
    pub fn on(sim: Sim, graph: GroupGraph) -> Self {
        let (settings, taken) = (Settings { workers: 1, ..Settings::default() }, BTreeMap::new());
        Self { sim, graph: Arc::new(graph), settings, partitions: PARTITIONS, running: None, taken }
    }

    /// Sets how many partitions the topics have that it makes.
    #[must_use]
    pub fn partitions(mut self, partitions: u32) -> Self {
        self.partitions = partitions;
        self
    }

    /// Sets how the processor runs.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The world: for records with headers of their own, for reading topics as they are, and for faults.
    pub fn sim(&self) -> &Sim {
        &self.sim
    }

    /// Writes a record at the world's time, partitioned as the Java clients do.
    ///
    /// # Errors
    /// When key or value do not fit their codecs.
    pub fn send<K: Codec, V: Codec>(
        &mut self,
        edge: &Output<K, V>,
        key: &K::Value<'_>,
        value: &V::Value<'_>,
    ) -> Result<(), TestError> {
        let now = millstream_ports::World::now(&self.sim);
        self.send_at(edge, key, value, now)
    }

    /// As [`Tester::send`], with a time of its own.
    ///
    /// # Errors
    /// As [`Tester::send`].
    pub fn send_at<K: Codec, V: Codec>(
        &mut self,
        edge: &Output<K, V>,
        key: &K::Value<'_>,
        value: &V::Value<'_>,
        timestamp: Timestamp,
    ) -> Result<(), TestError> {
        let place = || format!("a record for '{}'", edge.topic());
        let key = encoded(edge.key_codec(), key, place)?;
        let value = encoded(edge.value_codec(), value, place)?;
        self.make_topics();
        self.sim.create(edge.topic(), self.partitions);
        self.sim.write_record(edge.topic(), SimRecord { key, value, headers: Headers::default(), timestamp });
        Ok(())
    }

    /// Makes the topics that the group reads and writes. Those it keeps for itself it makes when it starts.
    fn make_topics(&self) {
        let spec = self.graph.spec();
        let outputs = spec.outputs.iter().map(|(topic, _)| topic);
        let outside = spec.inputs.iter().filter(|topic| Some(*topic) != spec.loopback.as_ref());
        for topic in outside.chain(&spec.joins).chain(&spec.lookups).chain(outputs) {
            self.sim.create(topic.as_str(), self.partitions);
        }
    }

    fn running(&mut self) -> Result<&mut Stepped<Sim>, TestError> {
        self.make_topics();
        let running = if let Some(running) = self.running.take() {
            running
        } else {
            let processor = Processor::new(self.sim.clone(), self.graph.clone());
            processor.settings(self.settings.clone()).stepped()?
        };
        Ok(self.running.insert(running))
    }

    /// Takes one turn; answers whether anything came up.
    ///
    /// # Errors
    /// When the group can't go on. It is then down, until the next step starts it again.
    pub fn step(&mut self) -> Result<bool, TestError> {
        let stepped = self.running()?.step();
        if stepped.is_err() {
            self.running = None;
        }
        Ok(stepped?)
    }

    /// Processes and commits all that there is.
    ///
    /// # Errors
    /// As [`Tester::step`], or when there is no end to it.
    pub fn run(&mut self) -> Result<(), TestError> {
        let mut was_idle = false;
        for _ in 0..STEPS_MAX {
            match (self.step()?, was_idle) {
                (true, _) => was_idle = false,
                // What is not committed yet is when the interval is over.
                (false, false) => {
                    self.sim.advance(self.settings.commit_interval());
                    was_idle = true;
                }
                (false, true) => return Ok(()),
            }
        }
        Err(TestError::Endless)
    }

    /// Lets time go by, then runs.
    ///
    /// # Errors
    /// As [`Tester::run`].
    pub fn advance(&mut self, time: Duration) -> Result<(), TestError> {
        self.sim.advance(time);
        self.run()
    }

    /// Calls a visitor back for every key that the table holds, and runs; answers how many they were.
    ///
    /// # Errors
    /// As [`Tester::run`], or when the group has no such visitor.
    pub fn visit<K, A: Send + Sync + 'static>(
        &mut self,
        visitor: &Visitor<K, A>,
        argument: A,
    ) -> Result<u64, TestError> {
        let mut visiting = self.running()?.visit(visitor, argument)?;
        for _ in 0..STEPS_MAX {
            self.run()?;
            if let Some(visited) = visiting.poll()? {
                return Ok(visited);
            }
            self.sim.advance(self.settings.commit_interval());
        }
        Err(TestError::Endless)
    }

    /// Ends the processor in good order. The next step starts it again, from what it left.
    ///
    /// # Errors
    /// When it could not commit.
    pub fn stop(&mut self) -> Result<(), TestError> {
        Ok(self.running.take().map_or(Ok(()), Stepped::stop)?)
    }

    /// Ends the processor in the midst of its work, what it had not committed undone. The next step starts it again.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// What the processor is doing, when it runs.
    pub fn status(&self) -> Option<Arc<Status>> {
        self.running.as_ref().map(Stepped::status)
    }

    /// Calls `each` with the records that came to `output` since it was last asked: in order within a partition, one
    /// partition after another.
    ///
    /// # Errors
    /// When a record does not decode.
    pub fn take<K: Codec, V: Codec, T>(
        &mut self,
        output: &Output<K, V>,
        mut each: impl FnMut(K::Value<'_>, V::Value<'_>) -> T,
    ) -> Result<Vec<T>, TestError> {
        let place = || format!("a record of '{}'", output.topic());
        let records = self.take_records(output.topic());
        let decode = |record: &SimRecord| {
            let key = decoded(output.key_codec(), record.key.as_deref(), place)?;
            Ok(each(key, decoded(output.value_codec(), record.value.as_deref(), place)?))
        };
        records.iter().map(decode).collect()
    }

    /// The records that came to a topic since it was last asked, as they are: such as dead letters, or headers.
    pub fn take_records(&mut self, topic: &str) -> Vec<SimRecord> {
        let Ok(name) = TopicName::new(topic) else { return Vec::new() };
        let mut fresh = Vec::new();
        for (partition, offset, record) in self.sim.read_with_places(topic) {
            let next = self.taken.entry((name.clone(), partition)).or_default();
            if offset >= *next {
                *next = offset.next();
                fresh.push(record);
            }
        }
        fresh
    }

    /// Calls `read` with the table's value of a key.
    ///
    /// # Errors
    /// When it does not decode.
    pub fn value<V: Codec, T>(
        &mut self,
        table: &Table<V>,
        key: &[u8],
        read: impl FnOnce(Option<V::Value<'_>>) -> T,
    ) -> Result<T, TestError> {
        let found = self.bytes(key)?;
        let place = || "a value of the table".to_owned();
        let value = found.as_deref().map(|bytes| decoded(table.codec(), Some(bytes), place)).transpose()?;
        Ok(read(value))
    }

    /// The bytes that the table has under a key.
    ///
    /// # Errors
    /// When the group can't be started.
    pub fn bytes(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, TestError> {
        Ok(self.running()?.table(key)?)
    }

    /// The bytes that the group's own copy of a lookup has under a key.
    ///
    /// # Errors
    /// When the group has no such lookup.
    pub fn lookup(&mut self, topic: &str, key: &[u8]) -> Result<Option<Vec<u8>>, TestError> {
        let topic = TopicName::new(topic)
            .map_err(|error| PortError::stop("a lookup can't be read").because(error))?;
        Ok(self.running()?.lookup(&topic, key)?.map(|bytes| bytes.to_vec()))
    }
}

fn encoded<C: Codec>(
    codec: &C,
    value: &C::Value<'_>,
    place: impl Fn() -> String,
) -> Result<Option<Vec<u8>>, TestError> {
    let mut bytes = Vec::new();
    codec.encode(value, &mut bytes).map_err(|source| TestError::Codec { place: place(), source })?;
    Ok((!codec.is_absent(value)).then_some(bytes))
}

fn decoded<'a, C: Codec>(
    codec: &C,
    bytes: Option<&'a [u8]>,
    place: impl Fn() -> String,
) -> Result<C::Value<'a>, TestError> {
    let decoded = bytes.map_or_else(|| codec.decode_absent(), |bytes| codec.decode(bytes));
    decoded.map_err(|source| TestError::Codec { place: place(), source })
}
