use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use millstream_model::{Headers, Offset, Partition, TopicName, Value};
use millstream_ports::{Action, PortError, Start, Tail, World};
use millstream_sql::{Bounds, Source, SourceRecord};

use crate::deploy::named;
use crate::formats::Formats;
use crate::halves::Halves;

/// Records that are taken in at once.
const BATCH: usize = 10_000;

/// How long a poll waits.
const POLL_WAIT: Duration = Duration::from_millis(20);

/// A row's key, and the bounds of the window that it belongs to.
type Place = (Vec<Value>, Option<(i64, i64)>);

/// What a table holds, all partitions of it, read from its topic: any server can answer for the whole table, whoever owns its
/// partitions. It is made when a table is first asked, and brought up to date whenever it is.
pub(crate) struct TableCopy<W: World> {
    /// Which statement made the table that this is a copy of.
    pub(crate) made: i64,
    source: Source,
    halves: Halves,
    reach: Reach<W>,
    rows: BTreeMap<Place, SourceRecord>,
}

/// A topic that is read to its end as of now.
pub(crate) struct Reach<W: World> {
    tail: W::Tail,
    probe: W::Tail,
    width: u32,
    /// The partitions that are read.
    begun: BTreeSet<Partition>,
    /// Whether something that was read was not taken in, or is not what the topic holds any more: what came of it is no whole.
    is_torn: bool,
}

/// A record as it was read.
pub(crate) struct Raw {
    pub(crate) partition: Partition,
    pub(crate) offset: Offset,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Headers,
}

impl<W: World> Reach<W> {
    pub(crate) fn open(world: &W, topic: &str) -> Result<Self, PortError> {
        let topic = named(topic)?;
        let width = width(world, &topic)?;
        let topics = std::slice::from_ref(&topic);
        Ok(Self {
            tail: world.tail("pull", topics)?,
            probe: world.tail("pull-end", topics)?,
            width,
            begun: BTreeSet::new(),
            is_torn: false,
        })
    }

    /// Hands over what came since the last time, up to the end as of now. `each` may say that it has enough.
    pub(crate) fn read(
        &mut self,
        wait: Duration,
        mut each: impl FnMut(Raw) -> Result<ControlFlow<()>, PortError>,
    ) -> Result<(), PortError> {
        let deadline = Instant::now() + wait;
        let mut ends = Vec::new();
        for partition in (0..self.width).map(Partition::new) {
            if !self.begun.contains(&partition) {
                decided(deadline, || self.tail.add(0, partition, Start::Earliest))?;
                self.begun.insert(partition);
            }
            let end = decided(deadline, || self.probe.add(0, partition, Start::Latest))?.1;
            self.probe.remove(0, partition)?;
            if self.tail.position(0, partition)? > end {
                self.is_torn = true;
                return Err(PortError::retry(
                    "the topic ends before what was read of it, as one that was made anew; ask again",
                ));
            }
            ends.push((partition, end));
        }
        loop {
            let mut is_open = false;
            for (partition, end) in &ends {
                is_open |= self.tail.position(0, *partition)? < *end;
            }
            if !is_open {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(PortError::retry("the topic could not be read to its end in time; ask again"));
            }
            let mut batch = Vec::new();
            self.tail.poll(POLL_WAIT, BATCH, |view| {
                batch.push(Raw {
                    partition: view.partition,
                    offset: view.offset,
                    timestamp: view.timestamp.0,
                    key: view.key.map(<[u8]>::to_vec),
                    value: view.value.map(<[u8]>::to_vec),
                    headers: Headers::copy_of(view.headers),
                });
                ControlFlow::Continue(())
            })?;
            for raw in batch {
                match each(raw) {
                    Ok(ControlFlow::Continue(())) => {}
                    Ok(ControlFlow::Break(())) => return Ok(()),
                    Err(error) => {
                        self.is_torn = true;
                        return Err(error);
                    }
                }
            }
        }
    }
}

/// Asks again while transactions at the end of a partition are not decided, for what they hold belongs to the answer.
fn decided<T>(deadline: Instant, mut ask: impl FnMut() -> Result<T, PortError>) -> Result<T, PortError> {
    loop {
        match ask() {
            Err(error) if error.action() == Action::Retry && Instant::now() < deadline => {
                std::thread::sleep(POLL_WAIT);
            }
            answered => return answered,
        }
    }
}

/// A record's row; `None` where its bytes are none.
///
/// # Errors
/// When it can't be told now what the bytes are, as while a schema registry does not answer.
pub(crate) fn record(halves: &Halves, raw: Raw) -> Result<Option<SourceRecord>, PortError> {
    let read = match halves.read(raw.key.as_deref(), raw.value.as_deref()) {
        Ok(read) => read,
        Err(error) if error.may_pass() => {
            return Err(PortError::retry("a record can't be read now; ask again").because(error));
        }
        Err(_) => return Ok(None),
    };
    Ok(Some(SourceRecord {
        key: read.key,
        value: read.value,
        timestamp: raw.timestamp,
        partition: raw.partition.as_i32(),
        offset: raw.offset.0,
        headers: raw.headers,
        window: read.window,
    }))
}

/// How many partitions a topic has.
pub(crate) fn width(world: &impl World, topic: &TopicName) -> Result<u32, PortError> {
    let found = world.describe_topics(std::slice::from_ref(topic))?.into_iter().flatten().next();
    let missing = || PortError::stop(format!("topic '{topic}' does not exist"));
    Ok(found.ok_or_else(missing)?.partitions)
}

impl<W: World> TableCopy<W> {
    pub(crate) fn open(world: &W, formats: &Formats, source: &Source, made: i64) -> Result<Self, PortError> {
        let halves = Halves::reading(source, formats)?;
        let reach = Reach::open(world, &source.topic)?;
        Ok(Self { made, source: source.clone(), halves, reach, rows: BTreeMap::new() })
    }

    pub(crate) fn is_of(&self, source: &Source, made: i64) -> bool {
        self.made == made && self.source == *source && !self.reach.is_torn
    }

    /// Takes in what was written up to now.
    pub(crate) fn refresh(&mut self, wait: Duration) -> Result<(), PortError> {
        let (halves, rows) = (&self.halves, &mut self.rows);
        self.reach.read(wait, |raw| {
            let Some(record) = record(halves, raw)? else { return Ok(ControlFlow::Continue(())) };
            let bounds = record.window.map(|window: Bounds| (window.start, window.end));
            let place = (record.key.clone(), bounds);
            match &record.value {
                // A row without a key can't be replaced, so it is none of a table's.
                _ if record.key.iter().all(Value::is_null) => {}
                Some(_) => drop(rows.insert(place, record)),
                None => drop(rows.remove(&place)),
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// The rows of one key, or all, in the order of their keys and windows.
    pub(crate) fn rows<'c>(
        &'c self,
        key: Option<&[Value]>,
    ) -> Box<dyn Iterator<Item = &'c SourceRecord> + 'c> {
        match key {
            None => Box::new(self.rows.values()),
            Some(key) => {
                let (first, key) = ((key.to_vec(), None), key.to_vec());
                let range = self.rows.range(first..).take_while(move |(place, _)| place.0 == key);
                Box::new(range.map(|(_, record)| record))
            }
        }
    }
}

impl Raw {
    /// The same record once more.
    pub(crate) fn copied(&self) -> Self {
        Self { key: self.key.clone(), value: self.value.clone(), headers: self.headers.clone(), ..*self }
    }
}
