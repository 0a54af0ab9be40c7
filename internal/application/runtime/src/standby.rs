use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use millstream_model::{Partition, TopicName};
use millstream_ports::{Action, PortError, Tail, World};
use millstream_topology::standbys;

use crate::partition::{PartitionTable, Plan};
use crate::recovery::{begin, open_layer};
use crate::standby::shelf::{Inside, Standby};
pub(crate) use crate::standby::shelf::{SharedShelf, Shelf};
use crate::status::{StandbyStatus, Status};
use crate::stop::Stop;

mod shelf;

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

/// The tables of partitions that other processes own, kept close behind them, so that whoever gets such a partition has next
/// to nothing to read. One thread feeds them, and all workers of a process share its [`Shelf`].
///
/// **Invariant:** a partition's tables are here or with the worker that owns it, never in both places: they are handed over
/// whole, and nothing is copied.
pub(crate) struct Standbys<W: World> {
    world: W,
    plan: Arc<Plan>,
    tail: W::Tail,
    /// Numbered as a partition's tables are: the changelog first where there is one, then the joins.
    topics: Vec<TopicName>,
    shelf: SharedShelf<W>,
    looked_at: Duration,
    resting_until: Duration,
}

impl<W: World> Standbys<W> {
    /// `None` where no standbys are wanted, or there are no tables to keep.
    pub(crate) fn new(world: &W, plan: &Arc<Plan>) -> Result<Option<Self>, PortError> {
        let spec = &plan.graph.spec;
        let topics: Vec<_> = spec.changelog.iter().chain(&spec.joins).cloned().collect();
        if plan.settings.standbys == 0 || topics.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            world: world.clone(),
            plan: plan.clone(),
            tail: world.tail(&format!("{}-standby", spec.group), &topics)?,
            topics,
            shelf: Arc::new(Shelf::new(world)),
            looked_at: Duration::ZERO,
            resting_until: Duration::ZERO,
        }))
    }

    /// Where workers take tables from.
    pub(crate) fn shelf(&self) -> SharedShelf<W> {
        self.shelf.clone()
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
                self.shelf.clear();
                self.resting_until = now + FAILURE_WAIT;
            }
            false
        })
    }

    fn work(&mut self, now: Duration) -> Result<bool, PortError> {
        self.ask(now)?;
        self.leave_gone()?;
        let opened = self.open()?;
        let read = self.read(now)?;
        let stored = self.write_behind(now)?;
        self.look_for_ends(now)?;
        Ok(opened || read || stored)
    }

    /// Reads no more of what went.
    fn leave_gone(&mut self) -> Result<(), PortError> {
        let gone = self.shelf.locked().gone.clone();
        for partition in &gone {
            for topic in 0..self.topics.len() {
                self.tail.remove(topic, *partition)?;
            }
        }
        // One that went meanwhile is none of these: it is not followed before it has left.
        self.shelf.locked().gone.retain(|partition| !gone.contains(partition));
        Ok(())
    }

    /// Learns from the group what to stand by for.
    fn ask(&mut self, now: Duration) -> Result<(), PortError> {
        let moves = {
            let mut inside = self.shelf.locked();
            if inside.asked_at.is_some_and(|at| now.saturating_sub(at) < ROSTER_INTERVAL) {
                return Ok(());
            }
            inside.asked_at = Some(now);
            inside.moves
        };
        let wanted = match self.find_wanted() {
            // What it was is what it is, for as long as nobody knows better.
            Err(error) if error.action() == Action::Retry => {
                tracing::debug!(%error, "who stands by for what stays as it was");
                return Ok(());
            }
            wanted => wanted?,
        };
        let mut inside = self.shelf.locked();
        if inside.moves != moves {
            return Ok(());
        }
        inside.wanted = wanted;
        let Inside { wanted, owned, held, .. } = &mut *inside;
        wanted.retain(|partition| !owned.contains_key(partition));
        let unwanted: Vec<_> = held.keys().filter(|held| !wanted.contains(held)).copied().collect();
        let dropped: Vec<_> =
            unwanted.into_iter().filter_map(|partition| inside.drop_standby(partition)).collect();
        drop(inside);
        // Stores take their time to close.
        drop(dropped);
        Ok(())
    }

    fn find_wanted(&self) -> Result<BTreeSet<Partition>, PortError> {
        let Some(members) = self.world.members(&self.plan.graph.spec.group)? else {
            // A group that does not tell has a standby in every process.
            return Ok((0..self.width()?).map(Partition::new).collect());
        };
        let here: BTreeSet<_> =
            members.iter().filter(|member| member.is_here).map(|member| member.process.as_str()).collect();
        let all = standbys(&members, self.plan.settings.standbys);
        let is_ours = |processes: &Vec<&str>| processes.iter().any(|process| here.contains(process));
        let ours = all.into_iter().filter(|(_, processes)| is_ours(processes));
        Ok(ours.map(|(partition, _)| partition).collect())
    }

    fn width(&self) -> Result<u32, PortError> {
        let found = self.world.describe_topics(self.topics.get(..1).unwrap_or_default())?;
        Ok(found.into_iter().flatten().next().map_or(0, |topic| topic.partitions))
    }

    fn open(&mut self) -> Result<bool, PortError> {
        let unopened: Vec<_> = {
            let inside = self.shelf.locked();
            let follows = |partition: &&Partition| {
                inside.held.get(partition).is_some_and(|standby| standby.following == self.topics.len())
            };
            inside.wanted.iter().filter(|partition| !follows(partition)).copied().collect()
        };
        let mut opened = false;
        for partition in unopened {
            let Some(mut standby) = self.shelf.take_out(partition) else { continue };
            let followed = self.follow(partition, &mut standby);
            self.shelf.put_back(partition, standby);
            match followed {
                Ok(()) => opened = true,
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
    fn follow(&mut self, partition: Partition, standby: &mut Standby<W>) -> Result<(), PortError> {
        let Self { world, plan, tail, topics, .. } = self;
        for (place, topic) in topics.iter().enumerate().skip(standby.tables.len()) {
            standby.tables.push(PartitionTable::new(open_layer(world, plan, (place, topic), partition)?));
        }
        for (topic, table) in standby.tables.iter_mut().enumerate().skip(standby.following) {
            (table.next, table.end) = begin(tail, topic, partition, &mut table.layer)?;
            table.replayed = 0;
            standby.following = topic + 1;
            tracing::debug!(topic, %partition, next = %table.next, end = %table.end, "a standby follows");
        }
        Ok(())
    }

    fn read(&mut self, now: Duration) -> Result<bool, PortError> {
        let segment_bytes = self.plan.settings.store_bytes_max;
        if self.plan.settings.memory.is_full() && self.make_room()? {
            return Ok(true);
        }
        let mut inside = self.shelf.locked();
        let held = &mut inside.held;
        let count = self.tail.poll(Duration::ZERO, BATCH_RECORDS_MAX, |record| {
            // One that went and came back is read from where it is now, not from where it was.
            let standby = held.get_mut(&record.partition).filter(|standby| record.topic < standby.following);
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

    /// Does something with each partition's tables; answers whether any of it was work.
    fn each(
        &mut self,
        mut deed: impl FnMut(&mut PartitionTable<W::Store>) -> Result<bool, PortError>,
    ) -> Result<bool, PortError> {
        let mut worked = false;
        for partition in self.shelf.held() {
            let Some(mut standby) = self.shelf.take_out(partition) else { continue };
            let mut did = Ok(false);
            for table in &mut standby.tables {
                did = did.and_then(|before| Ok(deed(table)? || before));
            }
            self.shelf.put_back(partition, standby);
            worked |= did?;
        }
        Ok(worked)
    }

    /// Brings the stores forward before more is read.
    fn make_room(&mut self) -> Result<bool, PortError> {
        let batch_bytes = self.plan.settings.store_batch_bytes;
        self.each(|table| {
            table.layer.begin_writing()?;
            table.layer.store_some(batch_bytes)
        })
    }

    fn write_behind(&mut self, now: Duration) -> Result<bool, PortError> {
        let plan = self.plan.clone();
        let settings = &plan.settings;
        self.each(|table| {
            if table.layer.is_store_due(now, settings.store_interval, settings.store_bytes_max) {
                table.layer.begin_writing()?;
            }
            table.layer.store_some(settings.store_batch_bytes)
        })
    }

    /// Learns how far behind the standbys are.
    fn look_for_ends(&mut self, now: Duration) -> Result<(), PortError> {
        if now.saturating_sub(self.looked_at) < ENDS_INTERVAL {
            return Ok(());
        }
        self.looked_at = now;
        let followed: Vec<_> = {
            let inside = self.shelf.locked();
            let places = |(partition, standby): (&Partition, &Standby<W>)| {
                let partition = *partition;
                (0..standby.following).map(move |topic| (partition, topic)).collect::<Vec<_>>()
            };
            inside.held.iter().flat_map(places).collect()
        };
        for (partition, topic) in followed {
            let Some(end) = self.tail.end(topic, partition)? else { continue };
            let mut inside = self.shelf.locked();
            let standby = inside.held.get_mut(&partition).filter(|standby| topic < standby.following);
            if let Some(table) = standby.and_then(|standby| standby.tables.get_mut(topic)) {
                table.end = end;
            }
        }
        Ok(())
    }

    /// Hands what was read to the stores, before they are closed.
    fn settle(&mut self) -> Result<(), PortError> {
        let batch_bytes = self.plan.settings.store_batch_bytes;
        self.each(|table| table.layer.store_all(batch_bytes).map(|()| true)).map(drop)
    }

    pub(crate) fn publish(&self, status: &Status) {
        let of = |(partition, standby): (&Partition, &Standby<W>)| StandbyStatus {
            partition: *partition,
            is_following: standby.following == self.topics.len(),
            lag: standby.tables.iter().map(|table| table.next.until(table.end)).sum(),
        };
        status.publish_standbys(self.shelf.locked().held.iter().map(of).collect());
    }
}

/// Feeds standbys until told to stop.
pub(crate) fn feed<W: World>(mut standbys: Standbys<W>, stop: &Stop, status: &Status) {
    while !stop.is_set() {
        let came_up = standbys.step();
        standbys.publish(status);
        if !came_up {
            thread::sleep(IDLE_WAIT);
        }
    }
    if let Err(error) = standbys.settle() {
        tracing::warn!(%error, "a standby's store lacks what came last; it is read from the changelog again");
    }
}
