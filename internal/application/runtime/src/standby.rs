use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use millstream_model::{Partition, TopicName};
use millstream_ports::{Action, PortError, Tail, World};
use millstream_topology::standbys;

use crate::partition::{PartitionTable, Plan};
use crate::recovery::{begin, open_layer};
use crate::status::{StandbyStatus, Status};
use crate::stop::Stop;

/// Changelog records read at a time.
const BATCH_RECORDS_MAX: usize = 5_000;

/// Time between two questions who is in the group.
const ROSTER_INTERVAL: Duration = Duration::from_secs(2);

/// Time between two looks for the ends of what is followed.
const ENDS_INTERVAL: Duration = Duration::from_secs(1);

/// Time until a standby that failed is begun anew.
const FAILURE_WAIT: Duration = Duration::from_secs(5);

/// Waiting where nothing came.
const IDLE_WAIT: Duration = Duration::from_millis(20);

type Tables<W> = Vec<PartitionTable<<W as World>::Store>>;

/// The tables of partitions that other processes own, kept close behind them, so that whoever gets such a partition has next
/// to nothing to read.
///
/// All workers of a process share it. **Invariant:** a partition's tables are here or with the worker that owns it, never in
/// both places: they are handed over whole, and nothing is copied.
pub(crate) struct Standbys<W: World> {
    world: W,
    plan: Arc<Plan>,
    tail: W::Tail,
    /// Numbered as a partition's tables are: the changelog first where there is one, then the joins.
    topics: Vec<TopicName>,
    held: BTreeMap<Partition, Standby<W>>,
    /// What this process is to stand by for, as of the last answer of the group.
    wanted: BTreeSet<Partition>,
    /// What the workers of this process own, and which worker does.
    owned: BTreeMap<Partition, usize>,
    asked_at: Option<Duration>,
    looked_at: Duration,
    resting_until: Duration,
}

struct Standby<W: World> {
    tables: Tables<W>,
    /// How many of its tables are being followed.
    following: usize,
}

/// Standbys that workers and the thread that feeds them share.
pub(crate) type SharedStandbys<W> = Arc<Mutex<Standbys<W>>>;

pub(crate) fn locked<W: World>(shared: &Mutex<Standbys<W>>) -> MutexGuard<'_, Standbys<W>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<W: World> Standbys<W> {
    /// `None` where no standbys are wanted, or there are no tables to keep.
    pub(crate) fn new(world: &W, plan: &Arc<Plan>) -> Result<Option<SharedStandbys<W>>, PortError> {
        let spec = &plan.graph.spec;
        let topics: Vec<_> = spec.changelog.iter().chain(&spec.joins).cloned().collect();
        if plan.settings.standbys == 0 || topics.is_empty() {
            return Ok(None);
        }
        let standbys = Self {
            world: world.clone(),
            plan: plan.clone(),
            tail: world.tail(&format!("{}-standby", spec.group), &topics)?,
            topics,
            held: BTreeMap::new(),
            wanted: BTreeSet::new(),
            owned: BTreeMap::new(),
            asked_at: None,
            looked_at: Duration::ZERO,
            resting_until: Duration::ZERO,
        };
        Ok(Some(Arc::new(Mutex::new(standbys))))
    }

    /// A worker was given a partition: what stood by for it is its own now.
    pub(crate) fn take(&mut self, worker: usize, partition: Partition) -> Result<Tables<W>, PortError> {
        self.owned.insert(partition, worker);
        self.wanted.remove(&partition);
        self.asked_at = None;
        let tables = self.drop_standby(partition)?.unwrap_or_default();
        let (next, end) = tables.first().map(|table| (table.next, table.end)).unzip();
        tracing::debug!(%partition, ?next, ?end, "a standby was taken over");
        Ok(tables)
    }

    /// A worker gave a partition up: it is stood by for, unless the group says soon that others do.
    pub(crate) fn give(&mut self, worker: usize, partition: Partition, tables: Tables<W>) {
        if self.owned.get(&partition).is_some_and(|owner| *owner != worker) {
            // It was lost before this worker knew, and another one waits for its stores.
            return;
        }
        self.owned.remove(&partition);
        self.wanted.insert(partition);
        self.asked_at = Some(self.world.elapsed());
        self.held.insert(partition, Standby { tables, following: 0 });
    }

    /// A worker left the group, with all it had.
    pub(crate) fn forget(&mut self, worker: usize) {
        self.owned.retain(|_, owner| *owner != worker);
    }

    fn drop_standby(&mut self, partition: Partition) -> Result<Option<Tables<W>>, PortError> {
        let Some(standby) = self.held.remove(&partition) else { return Ok(None) };
        for topic in 0..self.topics.len() {
            self.tail.remove(topic, partition)?;
        }
        Ok(Some(standby.tables))
    }

    /// Does a bounded piece of work without waiting; answers whether there was any. What fails is begun anew some time later:
    /// nobody depends on it.
    pub(crate) fn step(&mut self) -> bool {
        let now = self.world.elapsed();
        if now < self.resting_until {
            return false;
        }
        self.work(now).unwrap_or_else(|error| {
            if error.action() != Action::Retry {
                tracing::warn!(%error, "the standbys are begun anew");
                self.held.clear();
                self.resting_until = now + FAILURE_WAIT;
            }
            false
        })
    }

    fn work(&mut self, now: Duration) -> Result<bool, PortError> {
        self.ask(now)?;
        let opened = self.open()?;
        let read = self.read(now)?;
        let stored = self.write_behind(now)?;
        self.look_for_ends(now)?;
        Ok(opened || read || stored)
    }

    /// Learns from the group what to stand by for.
    fn ask(&mut self, now: Duration) -> Result<(), PortError> {
        if self.asked_at.is_some_and(|at| now.saturating_sub(at) < ROSTER_INTERVAL) {
            return Ok(());
        }
        self.asked_at = Some(now);
        let spec = &self.plan.graph.spec;
        let members = match self.world.members(&spec.group) {
            // What it was is what it is, for as long as nobody knows better.
            Err(error) if error.action() == Action::Retry => {
                tracing::debug!(%error, "who stands by for what stays as it was");
                return Ok(());
            }
            members => members?,
        };
        self.wanted = match members {
            Some(members) => {
                let here: BTreeSet<_> = members
                    .iter()
                    .filter(|member| member.is_here)
                    .map(|member| member.process.as_str())
                    .collect();
                let all = standbys(&members, self.plan.settings.standbys);
                let is_ours = |processes: &Vec<&str>| processes.iter().any(|process| here.contains(process));
                all.into_iter()
                    .filter(|(_, processes)| is_ours(processes))
                    .map(|(partition, _)| partition)
                    .collect()
            }
            // A group that does not tell has a standby in every process.
            None => (0..self.width()?).map(Partition::new).collect(),
        };
        self.wanted.retain(|partition| !self.owned.contains_key(partition));
        let unwanted: Vec<_> = self.held.keys().filter(|held| !self.wanted.contains(held)).copied().collect();
        unwanted.into_iter().try_for_each(|partition| self.drop_standby(partition).map(drop))
    }

    fn width(&self) -> Result<u32, PortError> {
        let found = self.world.describe_topics(self.topics.get(..1).unwrap_or_default())?;
        Ok(found.into_iter().flatten().next().map_or(0, |topic| topic.partitions))
    }

    fn open(&mut self) -> Result<bool, PortError> {
        let mut opened = false;
        for partition in self.wanted.clone() {
            match self.follow(partition) {
                Ok(began) => opened |= began,
                // Its store is another's on this machine, or its changelog has records in doubt.
                Err(error) if error.action() == Action::Retry => {
                    tracing::debug!(%partition, %error, "a standby waits");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(opened)
    }

    /// Opens what is not open yet of a partition, and begins to read where it was left.
    fn follow(&mut self, partition: Partition) -> Result<bool, PortError> {
        let Self { world, plan, tail, topics, held, .. } = self;
        let standby = held.entry(partition).or_insert_with(|| Standby { tables: Vec::new(), following: 0 });
        if standby.following == topics.len() {
            return Ok(false);
        }
        for (place, topic) in topics.iter().enumerate().skip(standby.tables.len()) {
            standby.tables.push(PartitionTable::new(open_layer(world, plan, (place, topic), partition)?));
        }
        for (topic, table) in standby.tables.iter_mut().enumerate().skip(standby.following) {
            (table.next, table.end) = begin(tail, topic, partition, &mut table.layer)?;
            table.replayed = 0;
            standby.following = topic + 1;
            tracing::debug!(topic, %partition, next = %table.next, end = %table.end, "a standby follows");
        }
        Ok(true)
    }

    fn read(&mut self, now: Duration) -> Result<bool, PortError> {
        let segment_bytes = self.plan.settings.store_bytes_max;
        if self.plan.settings.memory.is_full() && self.make_room()? {
            return Ok(true);
        }
        let held = &mut self.held;
        let count = self.tail.poll(Duration::ZERO, BATCH_RECORDS_MAX, |record| {
            let standby = held.get_mut(&record.partition);
            let table = standby.and_then(|standby| standby.tables.get_mut(record.topic));
            if let (Some(table), Some(key)) = (table, record.key) {
                table.layer.replay(key, record.value, record.timestamp);
                table.replayed += 1;
            }
            ControlFlow::Continue(())
        })?;
        for (partition, standby) in held {
            for (topic, table) in standby.tables.iter_mut().enumerate().take(standby.following) {
                table.read_to(self.tail.position(topic, *partition)?, now, segment_bytes);
            }
        }
        Ok(count > 0)
    }

    /// Brings the stores forward before more is read.
    fn make_room(&mut self) -> Result<bool, PortError> {
        let (batch_bytes, mut wrote) = (self.plan.settings.store_batch_bytes, false);
        for table in self.held.values_mut().flat_map(|standby| &mut standby.tables) {
            table.layer.begin_writing()?;
            wrote |= table.layer.store_some(batch_bytes)?;
        }
        Ok(wrote)
    }

    fn write_behind(&mut self, now: Duration) -> Result<bool, PortError> {
        let (settings, mut wrote) = (&self.plan.settings, false);
        for table in self.held.values_mut().flat_map(|standby| &mut standby.tables) {
            if table.layer.is_store_due(now, settings.store_interval, settings.store_bytes_max) {
                table.layer.begin_writing()?;
            }
            wrote |= table.layer.store_some(settings.store_batch_bytes)?;
        }
        Ok(wrote)
    }

    /// Learns how far behind the standbys are.
    fn look_for_ends(&mut self, now: Duration) -> Result<(), PortError> {
        if now.saturating_sub(self.looked_at) < ENDS_INTERVAL {
            return Ok(());
        }
        self.looked_at = now;
        for (partition, standby) in &mut self.held {
            for (topic, table) in standby.tables.iter_mut().enumerate().take(standby.following) {
                table.end = self.tail.end(topic, *partition)?.unwrap_or(table.end);
            }
        }
        Ok(())
    }

    /// Hands what was read to the stores, before they are closed.
    fn settle(&mut self) -> Result<(), PortError> {
        let batch_bytes = self.plan.settings.store_batch_bytes;
        let mut tables = self.held.values_mut().flat_map(|standby| &mut standby.tables);
        tables.try_for_each(|table| table.layer.store_all(batch_bytes))
    }

    pub(crate) fn publish(&self, status: &Status) {
        let of = |(partition, standby): (&Partition, &Standby<W>)| StandbyStatus {
            partition: *partition,
            is_following: standby.following == self.topics.len(),
            lag: standby.tables.iter().map(|table| table.next.until(table.end)).sum(),
        };
        status.publish_standbys(self.held.iter().map(of).collect());
    }
}

/// Feeds standbys until told to stop.
pub(crate) fn feed<W: World>(shared: &Mutex<Standbys<W>>, stop: &Stop, status: &Status) {
    while !stop.is_set() {
        let came_up = {
            let mut standbys = locked(shared);
            let came_up = standbys.step();
            standbys.publish(status);
            came_up
        };
        if !came_up {
            thread::sleep(IDLE_WAIT);
        }
    }
    if let Err(error) = locked(shared).settle() {
        tracing::warn!(%error, "a standby's store lacks what came last; it is read from the changelog again");
    }
}
