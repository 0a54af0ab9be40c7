//! Topics, groups and tables in memory. A group has one member: the first gets every partition, later ones none.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use millstream_model::{Headers, NoHeaders, Offset, Partition, Timestamp, TopicName};
use millstream_ports::{PortError, SendRecord, TableId, Tag, TopicDescription, TopicSpec, World};

pub use log::{MemoryLog, MemoryTail};
pub use store::MemoryStore;

mod log;
mod store;

/// A record as it lies in a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Headers,
}

#[derive(Default)]
pub struct Inside {
    pub topics: BTreeMap<TopicName, Vec<Vec<Kept>>>,
    pub committed: HashMap<(String, TopicName, Partition), Offset>,
    pub members: HashSet<String>,
    pub tables: HashMap<TableId, Arc<Mutex<store::Entries>>>,
    pub open: HashSet<TableId>,
}

#[derive(Clone, Default)]
pub struct Memory {
    inside: Arc<Mutex<Inside>>,
    changed: Arc<Condvar>,
}

pub fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

impl Memory {
    pub fn locked(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    pub fn create(&self, name: &str, partitions: usize) {
        self.locked().topics.insert(topic(name), vec![Vec::new(); partitions]);
    }

    /// Appends to the first partition.
    pub fn write(&self, name: &str, key: &str, value: Option<&[u8]>) {
        let (topic, key) = (topic(name), Some(key.as_bytes()));
        self.append(&SendRecord {
            topic: &topic,
            partition: Some(Partition::new(0)),
            key,
            value,
            headers: &NoHeaders,
            timestamp: None,
            tag: Tag::NONE,
        });
    }

    pub fn append(&self, record: &SendRecord<'_>) -> Offset {
        let kept = Kept {
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: Headers::copy_of(record.headers),
        };
        let mut inside = self.locked();
        let partition = record.partition.unwrap_or_default().index();
        let records = &mut inside.topics.get_mut(record.topic).expect("the topic exists")[partition];
        records.push(kept);
        let offset = Offset(i64::try_from(records.len()).unwrap() - 1);
        self.changed.notify_all();
        offset
    }

    /// Every record of a topic, partition by partition.
    pub fn read(&self, name: &str) -> Vec<Kept> {
        self.locked().topics.get(&topic(name)).into_iter().flatten().flatten().cloned().collect()
    }

    pub fn until(&self, holds: impl Fn(&Inside) -> bool) {
        let inside = self.locked();
        let wait = Duration::from_mins(1);
        let (held, late) = self.changed.wait_timeout_while(inside, wait, |inside| !holds(inside)).unwrap();
        drop(held);
        assert!(!late.timed_out(), "waited in vain");
    }

    /// Waits for a change, or the time.
    pub fn pause(&self, wait: Duration) {
        let _ = self.changed.wait_timeout(self.locked(), wait).unwrap();
    }

    pub fn tell(&self) {
        self.changed.notify_all();
    }
}

impl World for Memory {
    type Group = MemoryLog;
    type Tail = MemoryTail;
    type Outlet = MemoryLog;
    type Store = MemoryStore;

    fn join_group(&self, group: &str, _: usize, inputs: &[TopicName]) -> Result<MemoryLog, PortError> {
        Ok(MemoryLog::join(self, group, inputs))
    }

    fn tail(&self, _: &str, topics: &[TopicName]) -> Result<MemoryTail, PortError> {
        Ok(MemoryTail::new(self, topics))
    }

    fn outlet(&self, name: &str) -> Result<MemoryLog, PortError> {
        Ok(MemoryLog::outside(self, name))
    }

    fn open_table(&self, id: &TableId) -> Result<MemoryStore, PortError> {
        MemoryStore::open(self, id)
    }

    fn describe_topics(&self, names: &[TopicName]) -> Result<Vec<Option<TopicDescription>>, PortError> {
        let inside = self.locked();
        let describe = |name: &TopicName| {
            let partitions = u32::try_from(inside.topics.get(name)?.len()).unwrap();
            // Any setting that a group may ask for is as it should be.
            let settings = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
            Some(TopicDescription { name: name.clone(), partitions, settings })
        };
        Ok(names.iter().map(describe).collect())
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<(), PortError> {
        self.create(spec.name.as_str(), spec.partitions as usize);
        Ok(())
    }

    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
}
