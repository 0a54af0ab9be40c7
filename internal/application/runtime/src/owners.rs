use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use millstream_model::{NoHeaders, Partition, RecordView, TopicName};
use millstream_ports::{Outlet, PortError, SendRecord, Start, Tag, Tail, TopicSpec, World};
use millstream_topology::GroupSpec;

use crate::status::Status;
use crate::stop::Stop;

/// Time between two looks at what this process owns.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Time between two announcements of one partition: two instances that both believe to have it do not shout.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);

/// Announcements read at a time.
const BATCH_RECORDS_MAX: usize = 1_000;

type Addresses = BTreeMap<Partition, String>;

/// Which instance of a group answers for which partition, by its address.
///
/// Each instance announces the partitions it runs in the topic `<group>-owners`, compacted and with one partition: the key
/// is the partition's number, the value the address, and the newest counts. So it works on any broker and under any protocol
/// of groups. What it says may be out of date for a moment after a rebalance: it is a hint where to ask, and who is asked
/// knows for sure. Dropping it ends its thread.
pub struct Owners {
    addresses: Arc<Mutex<Addresses>>,
    own: String,
    width: u32,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Owners {
    /// Announces what `status` says that this process runs of the group under `address`, and follows what others announce.
    /// An empty `address` announces nothing.
    ///
    /// # Errors
    /// When the topic can't be created or read, the group has no table, or the system gives no thread.
    pub fn open<W: World>(
        world: &W,
        spec: &GroupSpec,
        status: Arc<Status>,
        address: &str,
    ) -> Result<Self, PortError> {
        let topic = owners_of(&spec.group)?;
        let width = width(world, spec)?;
        create(world, &topic)?;
        let mut tail = world.tail(&format!("{}-owners", spec.group), std::slice::from_ref(&topic))?;
        tail.add(0, Partition::new(0), Start::Earliest)?;
        let outlet = world.outlet(&format!("{}-owners", spec.group))?;
        let (addresses, stop, own) = (Arc::new(Mutex::default()), Stop::new(), address.to_owned());
        let crier = Crier { outlet, topic, status, own: own.clone(), announced: BTreeMap::new() };
        let (heard, stopper) = (addresses.clone(), stop.clone());
        let thread = thread::Builder::new()
            .name(format!("owners-{}", spec.group))
            .spawn(move || follow(tail, crier, &heard, &stopper))
            .map_err(|error| PortError::stop("could not start a thread").because(error))?;
        Ok(Self { addresses, own, width, stop, thread: Some(thread) })
    }

    /// The address of the instance that announced `partition` last.
    pub fn of(&self, partition: Partition) -> Option<String> {
        locked(&self.addresses).get(&partition).cloned()
    }

    /// All announcements.
    pub fn all(&self) -> BTreeMap<Partition, String> {
        locked(&self.addresses).clone()
    }

    /// The address that this instance announces.
    pub fn own(&self) -> &str {
        &self.own
    }

    /// How many partitions the group's table has.
    pub fn width(&self) -> u32 {
        self.width
    }
}

impl Drop for Owners {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The topic in which a group's instances announce what they run: `<group>-owners`.
fn owners_of(group: &str) -> Result<TopicName, PortError> {
    TopicName::new(format!("{group}-owners"))
        .map_err(|error| PortError::stop("the group's name makes no topic's").because(error))
}

fn width<W: World>(world: &W, spec: &GroupSpec) -> Result<u32, PortError> {
    let table = spec.changelog.as_ref();
    let table = table.ok_or_else(|| PortError::stop(format!("group '{}' keeps no table", spec.group)))?;
    let found = world.describe_topics(std::slice::from_ref(table))?.into_iter().flatten().next();
    found
        .map(|topic| topic.partitions)
        .ok_or_else(|| PortError::stop(format!("topic '{table}' does not exist; start the processor first")))
}

fn create<W: World>(world: &W, topic: &TopicName) -> Result<(), PortError> {
    if world.describe_topics(std::slice::from_ref(topic))?.iter().all(Option::is_none) {
        let settings = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
        world.create_topic(&TopicSpec { name: topic.clone(), partitions: 1, replication: None, settings })?;
    }
    Ok(())
}

fn follow<T: Tail, O: Outlet>(mut tail: T, mut crier: Crier<O>, heard: &Mutex<Addresses>, stop: &Stop) {
    while !stop.is_set() {
        let polled = tail.poll(LOOK_INTERVAL, BATCH_RECORDS_MAX, |record| {
            note(&mut locked(heard), &record);
            ControlFlow::Continue(())
        });
        if let Err(error) = polled.map(drop).and_then(|()| crier.announce(&locked(heard).clone())) {
            // Queries to other instances fail meanwhile, and say so; processing does not depend on it.
            tracing::warn!(%error, "could not tell or learn which instance has which partition");
            thread::sleep(ANNOUNCE_INTERVAL);
        }
    }
}

fn note(addresses: &mut Addresses, record: &RecordView<'_>) {
    let number = record.key.and_then(|key| std::str::from_utf8(key).ok()?.parse().ok()).map(Partition::new);
    let Some(partition) = number else { return };
    match record.value.and_then(|value| std::str::from_utf8(value).ok()) {
        Some(address) => addresses.insert(partition, address.to_owned()),
        None => addresses.remove(&partition),
    };
}

/// Announces what this process runs.
struct Crier<O> {
    outlet: O,
    topic: TopicName,
    status: Arc<Status>,
    own: String,
    /// What was announced and is still run here, and when.
    announced: BTreeMap<Partition, Instant>,
}

impl<O: Outlet> Crier<O> {
    fn announce(&mut self, heard: &Addresses) -> Result<(), PortError> {
        if self.own.is_empty() {
            return Ok(());
        }
        let running: BTreeSet<_> = self.status.running_partitions().into_iter().collect();
        self.announced.retain(|partition, _| running.contains(partition));
        let is_due = |partition: &&Partition| match self.announced.get(partition) {
            None => true,
            Some(at) => heard.get(partition) != Some(&self.own) && at.elapsed() >= ANNOUNCE_INTERVAL,
        };
        let due: Vec<_> = running.iter().filter(is_due).copied().collect();
        for partition in &due {
            self.outlet.send(&SendRecord {
                topic: &self.topic,
                partition: Some(Partition::new(0)),
                key: Some(partition.to_string().as_bytes()),
                value: Some(self.own.as_bytes()),
                headers: &NoHeaders,
                timestamp: None,
                tag: Tag::NONE,
            })?;
        }
        if !due.is_empty() {
            self.outlet.settle()?;
        }
        self.announced.extend(due.into_iter().map(|partition| (partition, Instant::now())));
        Ok(())
    }
}

fn locked(addresses: &Mutex<Addresses>) -> MutexGuard<'_, Addresses> {
    addresses.lock().unwrap_or_else(PoisonError::into_inner)
}
