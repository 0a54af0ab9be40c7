use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{Action, KeyRange, PortError, TableId, TableStore, Tail, World};
use millstream_topology::Partitioner;

use crate::layer::{Overlay, Writing};
use crate::memory::{MemoryBudget, Share};
use crate::query::{Entries as Found, Page};
use crate::recovery::begin;
use crate::timers::RESERVED;
use crate::view::client::CopiedTable;

/// Records read at a time.
const BATCH_RECORDS_MAX: usize = 20_000;

/// Bytes that a store takes at a time; readers of other keys wait for no more than that.
const STORE_BATCH_BYTES: usize = 256 << 10;

/// Processes on one machine that can each hold a copy of a table on the same storage.
const COPIES_MAX: usize = 64;

/// How often it is asked where the partitions end, once somebody wants to know how old the copy is.
const ENDS_EVERY: Duration = Duration::from_secs(1);

/// Waiting while the copy is not ready.
const BUSY_WAIT: Duration = Duration::from_millis(5);

/// A table that can be read from any thread, by the key's bytes.
pub(crate) trait ReadTable: Send + Sync {
    /// The value of `key`.
    fn read(&self, key: &[u8]) -> Result<Option<Arc<[u8]>>, PortError>;
}

/// Brings a table's copy forward, step by step.
pub(crate) struct Follower<W: World> {
    pub(crate) copy: Arc<TableCopy<W::Store>>,
    tail: W::Tail,
    places: Vec<Place>,
    ends_due: Instant,
}

/// How far a partition is read, and where it ended when reading began.
struct Place {
    next: Offset,
    end: Offset,
}

impl<W: World> Follower<W> {
    pub(crate) fn open(
        world: &W,
        owner: &str,
        topic: &TopicName,
        memory: &MemoryBudget,
    ) -> Result<Self, PortError> {
        let found = world.describe_topics(std::slice::from_ref(topic))?.into_iter().flatten().next();
        let width = found
            .ok_or_else(|| PortError::stop(format!("topic '{topic}' does not exist; create it, compacted")))?
            .partitions;
        let owner = format!("view-{owner}");
        let stores = open_copy(world, &owner, topic, width)?;
        let copy = Arc::new(TableCopy::new(topic.clone(), stores, memory));
        let tail = world.tail(&owner, std::slice::from_ref(topic))?;
        Ok(Self { copy, tail, places: Vec::new(), ends_due: Instant::now() })
    }

    /// Takes in what came since, waiting up to `wait` for it; answers whether anything did.
    pub(crate) fn step(&mut self, wait: Duration) -> Result<bool, PortError> {
        let ready = self.begin_all()?;
        if ready && !self.copy.state().is_ready {
            let remaining = self.places.iter().map(|place| place.next.until(place.end)).sum();
            self.copy.note(|state| (state.is_ready, state.remaining) = (remaining == 0, remaining));
        }
        let changed = self.take_in(if self.copy.state().is_ready { wait } else { wait.min(BUSY_WAIT) })?;
        if self.copy.is_watched.load(Ordering::Relaxed) && Instant::now() >= self.ends_due {
            self.note_ends();
            self.ends_due = Instant::now() + ENDS_EVERY;
        }
        Ok(changed)
    }

    /// Where the partitions end by now; not known where the brokers do not say.
    fn note_ends(&mut self) {
        let tail = &mut self.tail;
        let end = |index| tail.end(0, partition(index)).ok().flatten();
        let ends: Vec<_> = (0..self.places.len()).map(end).collect();
        let now = Instant::now();
        self.copy.note(|state| {
            for (place, end) in state.places.iter_mut().zip(ends) {
                place.end = end;
                if end.is_some_and(|end| place.next >= end) {
                    place.in_step_at = Some(now);
                }
            }
        });
    }

    /// Whether every partition's reading has begun; one that has records in doubt waits for them.
    fn begin_all(&mut self) -> Result<bool, PortError> {
        for (index, store) in self.copy.stores.iter().enumerate().skip(self.places.len()) {
            match begin(&mut self.tail, 0, partition(index), &mut &*store) {
                Ok((next, end)) => {
                    self.places.push(Place { next, end });
                    self.copy.note(|state| state.places.push(Followed { next, end: None, in_step_at: None }));
                }
                Err(error) if error.action() == Action::Retry => {
                    tracing::debug!(topic = %self.copy.topic, %error, "waiting to read the table");
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn take_in(&mut self, wait: Duration) -> Result<bool, PortError> {
        let copy = &self.copy;
        let mut batches: Vec<Overlay> = copy.stores.iter().map(|_| Overlay::default()).collect();
        self.tail.poll(wait, BATCH_RECORDS_MAX, |record| {
            if let (Some(batch), Some(key)) = (batches.get_mut(record.partition.index()), record.key) {
                batch.insert(key, record.value);
            }
            ControlFlow::Continue(())
        })?;
        let mut changed = false;
        for (index, ((batch, place), store)) in
            batches.into_iter().zip(&mut self.places).zip(&copy.stores).enumerate()
        {
            let position = self.tail.position(0, partition(index))?.max(place.next);
            if !batch.is_empty() || position > place.next {
                copy.store(store, batch, place.next, position)?;
                (place.next, changed) = (position, true);
            }
        }
        if changed {
            copy.note(|state| {
                for (seen, place) in state.places.iter_mut().zip(&self.places) {
                    seen.next = place.next;
                }
            });
        }
        Ok(changed)
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

type CachedEntries = HashMap<Box<[u8]>, Option<Arc<[u8]>>, RandomState>;

/// What an entry costs beside its bytes, in bytes.
const ENTRY_OVERHEAD: usize = 128;

/// Entries that were asked for.
#[derive(Default)]
struct Cached {
    entries: CachedEntries,
    bytes: usize,
}

impl Cached {
    fn insert(&mut self, key: &[u8], value: Option<Arc<[u8]>>, bytes_max: usize) {
        if self.bytes > bytes_max {
            *self = Self::default();
        }
        self.bytes += cost(key, value.as_deref());
        if let Some(before) = self.entries.insert(key.into(), value) {
            self.bytes = self.bytes.saturating_sub(cost(key, before.as_deref()));
        }
    }

    fn remove(&mut self, key: &[u8]) {
        if let Some(before) = self.entries.remove(key) {
            self.bytes = self.bytes.saturating_sub(cost(key, before.as_deref()));
        }
    }
}

fn cost(key: &[u8], value: Option<&[u8]>) -> usize {
    key.len() + value.map_or(0, <[u8]>::len) + ENTRY_OVERHEAD
}

/// A table's copy: a store a partition, and the entries that were asked for in memory.
pub(crate) struct TableCopy<S> {
    pub(crate) topic: TopicName,
    stores: Vec<S>,
    cached: RwLock<Cached>,
    share: Share,
    state: Mutex<CopyState>,
    changed: Condvar,
    /// Whether anybody wants to know how old it is.
    pub(crate) is_watched: AtomicBool,
}

#[derive(Clone, Default)]
pub(crate) struct CopyState {
    pub(crate) changes: u64,
    pub(crate) is_ready: bool,
    pub(crate) remaining: u64,
    pub(crate) failure: Option<String>,
    places: Vec<Followed>,
}

impl CopyState {
    pub(crate) fn place(&self, partition: Partition) -> Option<&Followed> {
        self.places.get(partition.index())
    }
}

/// How far a partition is followed, and where it ended when that was last asked.
#[derive(Clone, Debug)]
pub(crate) struct Followed {
    pub(crate) next: Offset,
    pub(crate) end: Option<Offset>,
    /// When the copy was last seen to have all of it.
    pub(crate) in_step_at: Option<Instant>,
}

impl<S: TableStore> TableCopy<S> {
    fn new(topic: TopicName, stores: Vec<S>, memory: &MemoryBudget) -> Self {
        let share = memory.join(stores.iter().map(TableStore::memory_bytes).sum());
        let (cached, state, changed) = (RwLock::default(), Mutex::default(), Condvar::new());
        Self { topic, stores, cached, share, state, changed, is_watched: AtomicBool::new(false) }
    }

    pub(crate) fn state(&self) -> CopyState {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, CopyState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changes(&self) -> u64 {
        self.locked().changes
    }

    /// Waits until something has changed since `seen`.
    pub(crate) fn wait_change(&self, seen: u64, deadline: Instant) -> Result<(), PortError> {
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

    /// Brings a store forward. Who reads a key meanwhile sees it as it was or as it is.
    fn store(&self, store: &S, batch: Overlay, before: Offset, next: Offset) -> Result<(), PortError> {
        let mut writing = Writing::new(batch, Some(before), next);
        loop {
            let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
            if !writing.store_batch(store, STORE_BATCH_BYTES, |key, _| cached.remove(key))? {
                return Ok(());
            }
        }
    }

    pub(crate) fn fail(&self, error: &PortError) {
        self.note(|state| state.failure = Some(format!("the view of '{}' stopped: {error}", self.topic)));
    }

    /// The first entries of a range, of all partitions.
    pub(crate) fn range(&self, range: &KeyRange, entries_max: usize) -> Result<Found, PortError> {
        let mut all = Vec::new();
        for store in self.stores.iter().filter(|_| entries_max > 0) {
            let mut found = Vec::new();
            store.range(range, &mut |key, value| {
                found.push((key.to_vec(), value.to_vec()));
                found.len() < entries_max
            })?;
            all.append(&mut found);
        }
        all.sort();
        all.truncate(entries_max);
        Ok(all)
    }

    /// A copy is read by many threads, so that its store is not set aside under them.
    fn unrepaired(&self, error: PortError) -> PortError {
        match error.action() {
            Action::DeadLetter => {
                let said = format!("the copy of '{}' is damaged; a restart builds it anew", self.topic);
                PortError::stop(said).because(error)
            }
            Action::Retry | Action::Stop => error,
        }
    }

    fn load(&self, key: &[u8]) -> Result<Option<Arc<[u8]>>, PortError> {
        let mut value = Vec::new();
        let found = self.holder(key, &mut value)?;
        Ok(found.map(|_| value.into()))
    }

    /// Which partition has `key`, if any, and what it has.
    fn holder(&self, key: &[u8], value: &mut Vec<u8>) -> Result<Option<Partition>, PortError> {
        let likely = self.likely(key).index();
        for (index, store) in self.stores.iter().enumerate().cycle().skip(likely).take(self.stores.len()) {
            if store.get(key, value)? {
                return Ok(Some(partition(index)));
            }
        }
        Ok(None)
    }

    /// The hash says where most clients put the key; whoever wrote the table may have used another.
    fn likely(&self, key: &[u8]) -> Partition {
        Partition::new(Partitioner::default().partition(key, self.partitions()))
    }

    fn partitions(&self) -> u32 {
        u32::try_from(self.stores.len()).unwrap_or(u32::MAX)
    }

    fn part(&self, partition: Partition) -> Result<&S, PortError> {
        let none = || PortError::stop(format!("'{}' has no partition {partition}", self.topic));
        self.stores.get(partition.index()).ok_or_else(none)
    }
}

impl<S: TableStore> CopiedTable for TableCopy<S> {
    fn topic(&self) -> &TopicName {
        &self.topic
    }

    fn width(&self) -> u32 {
        self.partitions()
    }

    fn now(&self) -> CopyState {
        self.state()
    }

    fn wait(&self, seen: u64, deadline: Instant) -> Result<(), PortError> {
        self.wait_change(seen, deadline)
    }

    fn place(&self, key: &[u8]) -> Result<Partition, PortError> {
        let found = self.holder(key, &mut Vec::new()).map_err(|error| self.unrepaired(error))?;
        Ok(found.unwrap_or_else(|| self.likely(key)))
    }

    fn find(&self, partition: Partition, key: &[u8]) -> Result<Option<Vec<u8>>, PortError> {
        let mut value = Vec::new();
        let found = self.part(partition)?.get(key, &mut value).map_err(|error| self.unrepaired(error))?;
        Ok(found.then_some(value))
    }

    fn page(&self, partition: Partition, range: &KeyRange, limit: usize) -> Result<Page, PortError> {
        let mut page = Page::default();
        self.part(partition)?
            .range(range, &mut |key, value| {
                // Timers are the framework's, and none of the table's keys.
                if key.starts_with(RESERVED) {
                    return true;
                }
                page.has_more = page.entries.len() == limit;
                if !page.has_more {
                    page.entries.push((key.to_vec(), value.to_vec()));
                }
                !page.has_more
            })
            .map_err(|error| self.unrepaired(error))?;
        Ok(page)
    }
}

impl<S: TableStore> ReadTable for TableCopy<S> {
    fn read(&self, key: &[u8]) -> Result<Option<Arc<[u8]>>, PortError> {
        if let Some(value) = self.cached.read().unwrap_or_else(PoisonError::into_inner).entries.get(key) {
            return Ok(value.clone());
        }
        // Held while the store is read, so that no older value is cached over a newer one.
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        let value = self.load(key).map_err(|error| self.unrepaired(error))?;
        cached.insert(key, value.clone(), self.share.cache_bytes());
        Ok(value)
    }
}

fn partition(index: usize) -> Partition {
    Partition::new(u32::try_from(index).unwrap_or(u32::MAX))
}
