use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millstream_model::{Headers, Offset, Partition, Timestamp, TopicName};
use millstream_ports::{
    Delivery, GroupMember, PortError, TableId, TopicDescription, TopicSpec, Topics, World,
};
use millstream_topology::Partitioner;

use crate::faults::Faults;
use crate::group::Group;
use crate::inside::Inside;
use crate::member::SimGroup;
use crate::outlet::SimOutlet;
use crate::store::SimStore;
use crate::tail::SimTail;
use crate::topic::{Journal, SimRecord, Topic};

/// A world in memory, as one process sees it. Clones are the same process; [`Sim::process`] makes another.
///
/// Topics, groups and tables are shared by all processes, and live as long as any handle does.
#[derive(Clone)]
pub struct Sim {
    shared: Arc<Shared>,
    process: usize,
    /// Which machine's disk its tables are on.
    disk: usize,
}

struct Shared {
    inside: Mutex<Inside>,
    changed: Condvar,
}

impl Default for Sim {
    fn default() -> Self {
        Self::new()
    }
}

impl Sim {
    /// A world whose clock stands still. Nothing in it ever waits.
    pub fn new() -> Self {
        Self::with_clock(false)
    }

    /// A world whose clock is the machine's, and where polls wait: for code that runs on threads.
    pub fn live() -> Self {
        Self::with_clock(true)
    }

    fn with_clock(is_live: bool) -> Self {
        let (inside, changed) = (Mutex::new(Inside::new(is_live)), Condvar::new());
        Self { shared: Arc::new(Shared { inside, changed }), process: 0, disk: 0 }
    }

    /// Another process in the same world.
    #[must_use]
    pub fn process(&self) -> Self {
        let process = self.with(|inside, _| {
            inside.processes += 1;
            inside.processes
        });
        Self { shared: self.shared.clone(), process, disk: self.disk }
    }

    /// Another process, on a machine of its own: disk `disk` is its tables', and later that of whoever is put there.
    #[must_use]
    pub fn process_on(&self, disk: usize) -> Self {
        Self { disk, ..self.process() }
    }

    fn locked(&self) -> MutexGuard<'_, Inside> {
        // Nothing that can panic runs while it is held.
        self.shared.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn with<T>(&self, deed: impl FnOnce(&mut Inside, usize) -> T) -> T {
        let result = deed(&mut self.locked(), self.process);
        self.shared.changed.notify_all();
        result
    }

    /// Looks for something, and in a live world waits for it.
    pub(crate) fn wait_for<T>(
        &self,
        wait: Duration,
        mut look: impl FnMut(&mut Inside, usize) -> Result<Option<T>, PortError>,
    ) -> Result<Option<T>, PortError> {
        let deadline = Instant::now() + wait;
        let mut inside = self.locked();
        loop {
            let found = look(&mut inside, self.process)?;
            let left = deadline.saturating_duration_since(Instant::now());
            if found.is_some() || left.is_zero() || !inside.is_live() {
                return Ok(found);
            }
            inside = self.shared.changed.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Moves the clock. A live world's can't be moved.
    pub fn advance(&self, time: Duration) {
        self.with(|inside, _| inside.advance(time));
    }

    /// Sets what goes wrong from now on; the default ends it.
    pub fn set_faults(&self, faults: Faults) {
        self.with(|inside, _| inside.set_faults(faults));
    }

    /// Ends this process: whatever it tries from now on fails, and has no effect.
    pub fn crash(&self) {
        self.with(Inside::crash);
    }

    /// Whether this process has crashed.
    pub fn has_crashed(&self) -> bool {
        self.with(|inside, process| inside.has_crashed(process))
    }

    /// Makes a group give up its oldest member but `skip`, as when that is not heard of for too long.
    pub fn expire_member(&self, group: &str, skip: usize) {
        self.with(|inside, _| {
            let group = inside.groups.entry(group.to_owned()).or_default();
            if let Some(member) = group.members().get(skip) {
                group.remove(*member);
            }
        });
    }

    /// Makes a group divide its partitions anew.
    pub fn rebalance(&self, group: &str) {
        self.with(|inside, _| inside.groups.entry(group.to_owned()).or_default().shake());
    }

    /// Makes a topic, compacted as far as anybody asks.
    ///
    /// # Panics
    /// When `name` is not a topic's.
    pub fn create(&self, name: &str, partitions: u32) {
        let settings = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
        self.make(&topic(name), partitions, settings);
    }

    fn make(&self, name: &TopicName, partitions: u32, settings: BTreeMap<String, String>) {
        self.with(|inside, _| {
            inside.topics.entry(name.clone()).or_insert_with(|| Topic {
                partitions: (0..partitions).map(|_| Journal::default()).collect(),
                settings,
            });
        });
    }

    /// Writes a record to the partition that its key's murmur2 hash chooses, at the world's time.
    ///
    /// # Panics
    /// When there is no such topic.
    pub fn write(&self, name: &str, key: &[u8], value: Option<&[u8]>) {
        let (key, value) = (Some(key.to_vec()), value.map(<[u8]>::to_vec));
        let timestamp = self.now();
        self.write_record(name, SimRecord { key, value, headers: Headers::default(), timestamp });
    }

    /// Writes a record to the partition that its key's murmur2 hash chooses; without a key, to the first.
    ///
    /// # Panics
    /// When there is no such topic.
    pub fn write_record(&self, name: &str, record: SimRecord) {
        let width =
            self.with(|inside, _| inside.topics.get(&topic(name)).map_or(0, |topic| topic.partitions.len()));
        let width = u32::try_from(width).unwrap_or(u32::MAX);
        let partition = record.key.as_ref().map_or(0, |key| Partitioner::default().partition(key, width));
        self.write_record_to(name, Partition::new(partition), record);
    }

    /// Writes a record to a partition, whatever its key's hash says.
    ///
    /// # Panics
    /// When there is no such topic or partition.
    #[expect(clippy::panic, reason = "a test's own mistake")]
    pub fn write_record_to(&self, name: &str, partition: Partition, record: SimRecord) {
        let written = self.with(|inside, _| inside.append(&topic(name), partition, record, None));
        if let Err(error) = written {
            panic!("{error}");
        }
    }

    /// The records of a topic that readers see, partition by partition.
    pub fn read(&self, name: &str) -> Vec<SimRecord> {
        self.read_with_places(name).into_iter().map(|(_, _, record)| record).collect()
    }

    /// As [`Sim::read`], with each record's partition and offset.
    pub fn read_with_places(&self, name: &str) -> Vec<(Partition, Offset, SimRecord)> {
        let name = topic(name);
        self.with(|inside, _| {
            let mut all = Vec::new();
            let partitions = inside.topics.get(&name).map_or(&[][..], |topic| &topic.partitions);
            for (partition, journal) in (0..).map(Partition::new).zip(partitions) {
                let mut from = Offset::ZERO;
                while let Ok((offset, record)) = journal.next(from, &inside.transactions) {
                    all.push((partition, offset, SimRecord::clone(&record)));
                    from = offset.next();
                }
            }
            all
        })
    }

    /// What a group has committed for a partition of a topic.
    pub fn committed(&self, group: &str, name: &str, partition: Partition) -> Option<Offset> {
        let place = (topic(name), partition);
        self.with(|inside, _| inside.groups.get(group)?.committed.get(&place).copied())
    }

    /// Makes a group forget all it has committed.
    pub fn forget_committed(&self, group: &str) {
        self.with(|inside, _| {
            if let Some(group) = inside.groups.get_mut(group) {
                group.committed.clear();
            }
        });
    }

    /// Where a partition ends.
    pub fn end(&self, name: &str, partition: Partition) -> Option<Offset> {
        let name = topic(name);
        self.with(|inside, _| inside.journal(&name, partition).ok().map(Journal::end))
    }

    /// Which disk its tables are on; 0 unless it was made by [`Sim::process_on`].
    pub fn disk(&self) -> usize {
        self.disk
    }

    fn on_disk(&self, id: &TableId) -> TableId {
        let owner = if self.disk == 0 { id.owner.clone() } else { format!("{}@{}", id.owner, self.disk) };
        TableId { owner, ..id.clone() }
    }

    /// What a table's partition holds on this process's disk.
    pub fn stored(&self, id: &TableId) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let id = &self.on_disk(id);
        self.with(|inside, _| inside.tables.get(id).map(|table| table.entries.clone()).unwrap_or_default())
    }
}

/// A topic's name as a test writes it.
#[expect(clippy::panic, reason = "a test's own mistake")]
fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap_or_else(|error| panic!("{error}"))
}

impl Topics for Sim {
    fn list_topics(&self) -> Result<Vec<TopicDescription>, PortError> {
        let names = self.with(|inside, process| {
            inside.check_alive(process)?;
            Ok::<_, PortError>(inside.topics.keys().cloned().collect::<Vec<_>>())
        })?;
        Ok(self.describe_topics(&names)?.into_iter().flatten().collect())
    }

    fn delete_topic(&self, name: &TopicName) -> Result<(), PortError> {
        self.with(|inside, process| {
            inside.check_alive(process)?;
            inside.topics.remove(name);
            // As a group coordinator does: the next topic of that name counts anew.
            inside
                .groups
                .values_mut()
                .for_each(|group| group.committed.retain(|(topic, _), _| topic != name));
            Ok(())
        })
    }
}

impl World for Sim {
    type Group = SimGroup;
    type Tail = SimTail;
    type Outlet = SimOutlet;
    type Store = SimStore;

    fn join_group(
        &self,
        group: &str,
        _instance: usize,
        inputs: &[TopicName],
        delivery: Delivery,
    ) -> Result<SimGroup, PortError> {
        SimGroup::join(self, group, inputs, delivery)
    }

    fn members(&self, group: &str) -> Result<Option<Vec<GroupMember>>, PortError> {
        self.with(|inside, process| {
            inside.check_alive(process)?;
            let roster = inside.groups.get(group).and_then(Group::roster);
            let roster = roster.ok_or_else(|| PortError::retry("the group is dividing its partitions"))?;
            let member = |(of, partitions): (usize, Vec<Partition>)| GroupMember {
                process: of.to_string(),
                is_here: of == process,
                partitions,
            };
            Ok(Some(roster.into_iter().map(member).collect()))
        })
    }

    fn tail(&self, _name: &str, topics: &[TopicName]) -> Result<SimTail, PortError> {
        Ok(SimTail::new(self, topics))
    }

    fn outlet(&self, _name: &str) -> Result<SimOutlet, PortError> {
        Ok(SimOutlet::new(self))
    }

    fn open_table(&self, id: &TableId) -> Result<SimStore, PortError> {
        SimStore::open(self, &self.on_disk(id))
    }

    fn describe_topics(&self, names: &[TopicName]) -> Result<Vec<Option<TopicDescription>>, PortError> {
        self.with(|inside, process| {
            inside.check_alive(process)?;
            let describe = |name: &TopicName| {
                let topic = inside.topics.get(name)?;
                let partitions = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
                let settings = topic.settings.clone();
                Some(TopicDescription { name: name.clone(), partitions, replicas: 1, settings })
            };
            Ok(names.iter().map(describe).collect())
        })
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<(), PortError> {
        self.with(|inside, process| inside.check_alive(process))?;
        self.make(&spec.name, spec.partitions, spec.settings.clone());
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.locked().now()
    }

    fn elapsed(&self) -> Duration {
        self.locked().elapsed()
    }
}
