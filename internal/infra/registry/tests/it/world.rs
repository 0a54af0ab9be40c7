//! Topics in memory, as a world without groups and tables.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use millstream_model::{Headers, Offset, Partition, RecordView, Timestamp, TopicName};
use millstream_ports::{
    Delivery, GroupLog, KeyRange, Outlet, Polled, PortError, SendRecord, Start, TableId, TableStore, Tag,
    Tail, Tally, TopicDescription, TopicSpec, World,
};

/// A record as it lies in a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub offset: Offset,
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
    pub headers: Headers,
}

#[derive(Default)]
pub struct Inside {
    pub topics: BTreeMap<TopicName, (TopicSpec, Vec<Kept>)>,
    /// What the next settling of any outlet fails with, though the records are kept.
    pub fault: Option<String>,
}

/// A log of one partition a topic; clones share it.
#[derive(Clone, Default)]
pub struct Memory {
    inside: Arc<Mutex<Inside>>,
    changed: Arc<Condvar>,
}

impl Memory {
    pub fn locked(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    /// What the journal has, as texts.
    pub fn journal(&self) -> Vec<(String, Option<String>)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let inside = self.locked();
        let records = inside.topics.values().flat_map(|(_, records)| records);
        records.map(|kept| (text(&kept.key), kept.value.as_deref().map(text))).collect()
    }

    /// Appends a record that no registry of ours wrote.
    pub fn write(&self, topic: &str, key: &str, value: Option<&str>) {
        let record = Kept {
            offset: Offset::ZERO,
            key: key.as_bytes().to_vec(),
            value: value.map(|value| value.as_bytes().to_vec()),
            headers: Headers::default(),
        };
        self.append(&TopicName::new(topic).unwrap(), record);
    }

    fn append(&self, topic: &TopicName, mut record: Kept) -> Offset {
        let mut inside = self.locked();
        let records = &mut inside.topics.get_mut(topic).unwrap().1;
        record.offset = records.last().map_or(Offset::ZERO, |last| last.offset.next());
        let offset = record.offset;
        records.push(record);
        self.changed.notify_all();
        offset
    }

    /// Leaves the newest of each key, as compaction does in time, without the tombstones.
    pub fn compact(&self) {
        for (_, records) in self.locked().topics.values_mut() {
            let newest: BTreeMap<_, _> = records.iter().map(|kept| (kept.key.clone(), kept.offset)).collect();
            records.retain(|kept| newest[&kept.key] == kept.offset && kept.value.is_some());
        }
    }
}

pub struct MemoryTail {
    world: Memory,
    topic: TopicName,
    next: Offset,
}

impl Tail for MemoryTail {
    fn add(&mut self, _: usize, _: Partition, start: Start) -> Result<(Offset, Offset), PortError> {
        assert_eq!(start, Start::Earliest);
        let end =
            self.world.locked().topics[&self.topic].1.last().map_or(Offset::ZERO, |last| last.offset.next());
        Ok((self.next, end))
    }

    fn remove(&mut self, _: usize, _: Partition) -> Result<(), PortError> {
        Ok(())
    }

    fn poll<F>(&mut self, wait: Duration, max: usize, mut each: F) -> Result<usize, PortError>
    where
        F: FnMut(RecordView<'_>) -> ControlFlow<()>,
    {
        let deadline = Instant::now() + wait;
        let mut inside = self.world.locked();
        loop {
            let due = inside.topics[&self.topic].1.iter().filter(|kept| kept.offset >= self.next);
            let due: Vec<_> = due.take(max).cloned().collect();
            let left = deadline.saturating_duration_since(Instant::now());
            if due.is_empty() && !left.is_zero() {
                inside = self.world.changed.wait_timeout(inside, left).unwrap().0;
                continue;
            }
            drop(inside);
            for kept in &due {
                self.next = kept.offset.next();
                let view = RecordView {
                    topic: 0,
                    partition: Partition::new(0),
                    offset: kept.offset,
                    timestamp: Timestamp(0),
                    key: Some(&kept.key),
                    value: kept.value.as_deref(),
                    headers: &kept.headers,
                };
                assert!(each(view).is_continue());
            }
            return Ok(due.len());
        }
    }

    fn position(&self, _: usize, _: Partition) -> Result<Offset, PortError> {
        Ok(self.next)
    }
}

pub struct MemoryOutlet {
    world: Memory,
    last: Option<Offset>,
    sent: u64,
}

impl Outlet for MemoryOutlet {
    fn send(&mut self, record: &SendRecord<'_>) -> Result<(), PortError> {
        let kept = Kept {
            offset: Offset::ZERO,
            key: record.key.unwrap().to_vec(),
            value: record.value.map(<[u8]>::to_vec),
            headers: Headers::copy_of(record.headers),
        };
        self.last = Some(self.world.append(record.topic, kept));
        self.sent += 1;
        Ok(())
    }

    fn settle(&mut self) -> Result<(), PortError> {
        let fault = self.world.locked().fault.take();
        fault.map_or(Ok(()), |fault| Err(PortError::stop(fault)))
    }

    fn tally(&self) -> Tally {
        Tally { delivered: self.sent, failed: 0 }
    }

    fn acknowledged(&self, _: Tag) -> Option<Offset> {
        self.last
    }
}

/// There are no groups and no tables here.
pub enum Nothing {}

impl Outlet for Nothing {
    fn send(&mut self, _: &SendRecord<'_>) -> Result<(), PortError> {
        match *self {}
    }

    fn settle(&mut self) -> Result<(), PortError> {
        match *self {}
    }

    fn tally(&self) -> Tally {
        match *self {}
    }

    fn acknowledged(&self, _: Tag) -> Option<Offset> {
        match *self {}
    }
}

impl GroupLog for Nothing {
    fn poll<F>(&mut self, _: Duration, _: usize, _: F) -> Result<Polled, PortError>
    where
        F: FnMut(RecordView<'_>) -> ControlFlow<()>,
    {
        match *self {}
    }

    fn accept(&mut self, _: &[Partition]) -> Result<(), PortError> {
        match *self {}
    }

    fn start(&mut self, _: Partition) -> Result<(), PortError> {
        match *self {}
    }

    fn release(&mut self, _: &[Partition]) -> Result<(), PortError> {
        match *self {}
    }

    fn commit(&mut self, _: &[(usize, Partition, Offset)]) -> Result<(), PortError> {
        match *self {}
    }

    fn abort(&mut self) -> Result<(), PortError> {
        match *self {}
    }

    fn pause(&mut self) -> Result<(), PortError> {
        match *self {}
    }

    fn resume(&mut self) -> Result<(), PortError> {
        match *self {}
    }

    fn lag(&self, _: usize, _: Partition) -> Option<u64> {
        match *self {}
    }

    fn leave(&mut self) {
        match *self {}
    }
}

impl TableStore for Nothing {
    fn get(&self, _: &[u8], _: &mut Vec<u8>) -> Result<bool, PortError> {
        match *self {}
    }

    fn apply<'a>(
        &self,
        _: &mut dyn Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        _: Offset,
    ) -> Result<(), PortError> {
        match *self {}
    }

    fn changelog_offset(&self) -> Result<Option<Offset>, PortError> {
        match *self {}
    }

    fn range(&self, _: &KeyRange, _: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), PortError> {
        match *self {}
    }

    fn count(&self) -> Result<u64, PortError> {
        match *self {}
    }

    fn clear(&self) -> Result<(), PortError> {
        match *self {}
    }

    fn flush(&self) -> Result<(), PortError> {
        match *self {}
    }
}

impl World for Memory {
    type Group = Nothing;
    type Tail = MemoryTail;
    type Outlet = MemoryOutlet;
    type Store = Nothing;

    fn join_group(&self, _: &str, _: usize, _: &[TopicName], _: Delivery) -> Result<Nothing, PortError> {
        Err(PortError::stop("there are no groups here"))
    }

    fn tail(&self, _: &str, topics: &[TopicName]) -> Result<MemoryTail, PortError> {
        Ok(MemoryTail { world: self.clone(), topic: topics[0].clone(), next: Offset::ZERO })
    }

    fn outlet(&self, _: &str) -> Result<MemoryOutlet, PortError> {
        Ok(MemoryOutlet { world: self.clone(), last: None, sent: 0 })
    }

    fn open_table(&self, _: &TableId) -> Result<Nothing, PortError> {
        Err(PortError::stop("there are no tables here"))
    }

    fn describe_topics(&self, names: &[TopicName]) -> Result<Vec<Option<TopicDescription>>, PortError> {
        let inside = self.locked();
        let describe = |name: &TopicName| {
            let (spec, _) = inside.topics.get(name)?;
            let (partitions, settings) = (spec.partitions, spec.settings.clone());
            Some(TopicDescription { name: name.clone(), partitions, replicas: 1, settings })
        };
        Ok(names.iter().map(describe).collect())
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<(), PortError> {
        self.locked().topics.entry(spec.name.clone()).or_insert_with(|| (spec.clone(), Vec::new()));
        Ok(())
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }

    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
}
