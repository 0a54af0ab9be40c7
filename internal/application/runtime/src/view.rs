use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{Action, Codec, CodecError, PortError, TableId, TableStore, Tail, World};
use millstream_topology::Partitioner;
use thiserror::Error;

use crate::layer::Replay;
use crate::recovery::begin;
use crate::stop::Stop;

/// Records read at a time.
const BATCH_RECORDS_MAX: usize = 20_000;

/// Processes on one machine that can each hold a copy of a table on the same storage.
const COPIES_MAX: usize = 64;

/// How long the reader waits for a record before it looks whether it should stop.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// A table that can be read from any thread, by the key's bytes.
pub(crate) trait ReadTable: Send + Sync {
    /// The value of `key`.
    fn read(&self, key: &[u8]) -> Result<Option<Arc<[u8]>>, PortError>;
}

/// Why a view could not answer.
#[derive(Debug, Error)]
pub enum ViewError {
    /// Its storage, or its reader, failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A key or value does not fit its codec.
    #[error("view of '{topic}': {source}")]
    Codec {
        /// The table's topic.
        topic: String,
        /// What does not fit.
        source: CodecError,
    },
}

/// A read-only copy of a table, all partitions of it, kept up to date from its changelog.
///
/// It is as fresh as its reader is fast; [`View::wait_until`] waits for a state. Dropping it stops the reader.
pub struct View<W: World, K, V> {
    reader: TableReader<W>,
    key: K,
    value: V,
}

impl<W: World, K: Codec, V: Codec> View<W, K, V> {
    /// Opens a copy of `topic`, kept on behalf of `owner`, and begins to follow it.
    ///
    /// # Errors
    /// When the topic does not exist, or the brokers or the storage refuse.
    pub fn open(world: &W, owner: &str, topic: &TopicName, key: K, value: V) -> Result<Self, PortError> {
        let reader = TableReader::open(world, owner, topic, 32 << 20)?;
        Ok(Self { reader, key, value })
    }

    /// Waits until the copy has all that was in the topic when it was opened.
    ///
    /// # Errors
    /// When the reader failed, or the time is over.
    pub fn wait_ready(&self, timeout: Duration) -> Result<(), PortError> {
        self.reader.wait_ready(timeout)
    }

    /// Calls `read` with the value of `key`.
    ///
    /// # Errors
    /// When key or value do not fit their codecs, or the storage fails.
    pub fn get<T>(
        &self,
        key: &K::Value<'_>,
        read: impl FnOnce(Option<V::Value<'_>>) -> T,
    ) -> Result<T, ViewError> {
        let codec = |source| ViewError::Codec { topic: self.reader.table.topic.to_string(), source };
        let mut bytes = Vec::new();
        self.key.encode(key, &mut bytes).map_err(codec)?;
        let found = self.reader.table.read(&bytes)?;
        let value = found.as_deref().map(|bytes| self.value.decode(bytes)).transpose().map_err(codec)?;
        Ok(read(value))
    }

    /// Waits until `reached` holds, asking anew after each change.
    ///
    /// # Errors
    /// When the time is over, or the reader failed, or `reached` did.
    pub fn wait_until(
        &self,
        timeout: Duration,
        mut reached: impl FnMut(&Self) -> Result<bool, ViewError>,
    ) -> Result<(), ViewError> {
        let deadline = Instant::now() + timeout;
        loop {
            let seen = self.reader.table.changes();
            if reached(self)? {
                return Ok(());
            }
            self.reader.table.wait_change(seen, deadline)?;
        }
    }

    /// How many records lie between the copy and the topic's end when it was opened; 0 once it is ready.
    pub fn remaining(&self) -> u64 {
        self.reader.table.state().remaining
    }
}

/// A table's copy and the thread that follows its topic.
pub(crate) struct TableReader<W: World> {
    pub(crate) table: Arc<TableCopy<W::Store>>,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl<W: World> TableReader<W> {
    pub(crate) fn open(
        world: &W,
        owner: &str,
        topic: &TopicName,
        cache_bytes: usize,
    ) -> Result<Self, PortError> {
        let found = world.describe_topics(std::slice::from_ref(topic))?.into_iter().flatten().next();
        let width = found
            .ok_or_else(|| PortError::stop(format!("topic '{topic}' does not exist; create it, compacted")))?
            .partitions;
        let owner_name = format!("view-{owner}");
        let stores = open_copy(world, &owner_name, topic, width)?;
        let table = Arc::new(TableCopy::new(topic.clone(), stores, cache_bytes));
        let tail = world.tail(&owner_name, std::slice::from_ref(topic))?;
        let stop = Stop::new();
        let (follower, stopper) = (table.clone(), stop.clone());
        let thread = thread::Builder::new()
            .name(format!("view-{topic}"))
            .spawn(move || follower.follow(tail, &stopper))
            .map_err(|error| PortError::stop("could not start a thread").because(error))?;
        Ok(Self { table, stop, thread: Some(thread) })
    }

    pub(crate) fn wait_ready(&self, timeout: Duration) -> Result<(), PortError> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let seen = self.table.changes();
            if self.table.state().is_ready {
                return Ok(());
            }
            self.table
                .wait_change(seen, deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(1)))
                .or_else(|error| {
                    if deadline.is_none() && error.action() == Action::Retry { Ok(()) } else { Err(error) }
                })?;
        }
    }
}

impl<W: World> Drop for TableReader<W> {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Opens the first copy of the table that no other process on this machine holds: instances may share their storage, and
/// each follows the topic for itself.
fn open_copy<W: World>(
    world: &W,
    owner: &str,
    topic: &TopicName,
    width: u32,
) -> Result<Vec<W::Store>, PortError> {
    let open = |owner: &str| {
        let id = |index| TableId {
            owner: owner.to_owned(),
            table: topic.clone(),
            partition: Partition::new(index),
        };
        (0..width).map(|index| world.open_table(&id(index))).collect::<Result<Vec<_>, _>>()
    };
    let mut opened = open(owner);
    for number in 2..=COPIES_MAX {
        match opened {
            Err(error) if error.action() == Action::Retry => opened = open(&format!("{owner}-{number}")),
            settled => return settled,
        }
    }
    opened
}

/// A lookup of a running processor, whatever world it is of.
pub(crate) trait FollowedTable: Send + Sync {
    fn topic(&self) -> &TopicName;
    fn value(&self, key: &[u8]) -> Result<Option<Arc<[u8]>>, PortError>;
    fn wait_value(&self, key: &[u8], value: Option<&[u8]>, timeout: Duration) -> Result<(), PortError>;
}

impl<W: World> FollowedTable for TableReader<W> {
    fn topic(&self) -> &TopicName {
        &self.table.topic
    }

    fn value(&self, key: &[u8]) -> Result<Option<Arc<[u8]>>, PortError> {
        self.table.read(key)
    }

    fn wait_value(&self, key: &[u8], value: Option<&[u8]>, timeout: Duration) -> Result<(), PortError> {
        let deadline = Instant::now() + timeout;
        loop {
            let seen = self.table.changes();
            if self.table.read(key)?.as_deref() == value {
                return Ok(());
            }
            self.table.wait_change(seen, deadline)?;
        }
    }
}

type Cached = HashMap<Box<[u8]>, Option<Arc<[u8]>>, RandomState>;

/// A table's copy: a store a partition, and the entries that were asked for in memory.
pub(crate) struct TableCopy<S> {
    pub(crate) topic: TopicName,
    stores: Vec<S>,
    cached: RwLock<Cached>,
    cache_entries_max: usize,
    state: Mutex<CopyState>,
    changed: Condvar,
}

#[derive(Clone, Default)]
pub(crate) struct CopyState {
    changes: u64,
    pub(crate) is_ready: bool,
    pub(crate) remaining: u64,
    failure: Option<String>,
}

impl<S: TableStore> TableCopy<S> {
    fn new(topic: TopicName, stores: Vec<S>, cache_bytes: usize) -> Self {
        // Entries are counted rather than weighed: a lookup's are small and few.
        let cache_entries_max = cache_bytes / 256;
        let (cached, state, changed) = (RwLock::default(), Mutex::default(), Condvar::new());
        Self { topic, stores, cached, cache_entries_max, state, changed }
    }

    pub(crate) fn state(&self) -> CopyState {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, CopyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changes(&self) -> u64 {
        self.locked().changes
    }

    /// Waits until something has changed since `seen`.
    fn wait_change(&self, seen: u64, deadline: Instant) -> Result<(), PortError> {
        let mut state = self.locked();
        while state.changes == seen {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(PortError::retry(format!(
                    "the view of '{}' did not get there in time",
                    self.topic
                )));
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.failure.as_ref().map_or(Ok(()), |failure| Err(PortError::stop(failure.clone())))
    }

    fn note(&self, change: impl FnOnce(&mut CopyState)) {
        let mut state = self.locked();
        change(&mut state);
        state.changes += 1;
        self.changed.notify_all();
    }

    fn follow<T: Tail>(&self, mut tail: T, stop: &Stop) {
        if let Err(error) = self.follow_until(&mut tail, stop) {
            tracing::error!(topic = %self.topic, %error, "view stopped");
            self.note(|state| state.failure = Some(format!("the view of '{}' stopped: {error}", self.topic)));
        }
    }

    fn follow_until<T: Tail>(&self, tail: &mut T, stop: &Stop) -> Result<(), PortError> {
        let mut ends = Vec::new();
        for (index, store) in self.stores.iter().enumerate() {
            ends.push(begin(tail, 0, partition(index), store)?);
        }
        let mut next: Vec<Offset> = ends.iter().map(|(first, _)| *first).collect();
        while !stop.is_set() {
            let remaining = next.iter().zip(&ends).map(|(next, (_, end))| next.until(*end)).sum();
            if !self.state().is_ready {
                self.note(|state| (state.is_ready, state.remaining) = (remaining == 0, remaining));
            }
            self.take_in(tail, &mut next)?;
        }
        Ok(())
    }

    fn take_in<T: Tail>(&self, tail: &mut T, next: &mut [Offset]) -> Result<(), PortError> {
        let mut batches: Vec<Replay> = self.stores.iter().map(|_| Replay::default()).collect();
        let wait = if self.locked().is_ready { POLL_WAIT } else { Duration::from_millis(5) };
        tail.poll(wait, BATCH_RECORDS_MAX, |record| {
            if let (Some(batch), Some(key)) = (batches.get_mut(record.partition.index()), record.key) {
                batch.add(key, record.value);
            }
            ControlFlow::Continue(())
        })?;
        let mut changed = false;
        for (index, ((batch, next), store)) in batches.iter().zip(next).zip(&self.stores).enumerate() {
            let position = tail.position(0, partition(index))?.max(*next);
            if batch.len() > 0 || position > *next {
                let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
                store.apply(&mut batch.iter(), position)?;
                batch.iter().for_each(|(key, _)| drop(cached.remove(key)));
                (*next, changed) = (position, true);
            }
        }
        if changed {
            self.note(|_| ());
        }
        Ok(())
    }

    fn load(&self, key: &[u8]) -> Result<Option<Arc<[u8]>>, PortError> {
        // The hash says where most clients put the key; whoever wrote the table may have used another.
        let width = u32::try_from(self.stores.len()).unwrap_or(u32::MAX);
        let likely = Partitioner::default().partition(key, width) as usize;
        let mut value = Vec::new();
        for store in self.stores.iter().cycle().skip(likely).take(self.stores.len()) {
            if store.get(key, &mut value)? {
                return Ok(Some(value.into()));
            }
        }
        Ok(None)
    }
}

impl<S: TableStore> ReadTable for TableCopy<S> {
    fn read(&self, key: &[u8]) -> Result<Option<Arc<[u8]>>, PortError> {
        if let Some(value) = self.cached.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            return Ok(value.clone());
        }
        // Held while the store is read, so that no older value is cached over a newer one.
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        let value = self.load(key)?;
        if cached.len() >= self.cache_entries_max {
            cached.clear();
        }
        cached.insert(key.into(), value.clone());
        Ok(value)
    }
}

fn partition(index: usize) -> Partition {
    Partition::new(u32::try_from(index).unwrap_or(u32::MAX))
}
