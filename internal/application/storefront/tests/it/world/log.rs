use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::time::Duration;

use millstream_model::{Offset, Partition, RecordView, Timestamp, TopicName};
use millstream_ports::{GroupLog, Outlet, Polled, PortError, SendRecord, Start, Tag, Tail, Tally};

use super::{Kept, Memory};

/// Positions by topic and partition, and the reading from there.
struct Reader {
    world: Memory,
    topics: Vec<TopicName>,
    next: BTreeMap<(usize, Partition), Offset>,
}

impl Reader {
    fn new(world: &Memory, topics: &[TopicName]) -> Self {
        Self { world: world.clone(), topics: topics.to_vec(), next: BTreeMap::new() }
    }

    fn end(&self, topic: usize, partition: Partition) -> Offset {
        Offset(
            i64::try_from(self.world.locked().topics[&self.topics[topic]][partition.index()].len()).unwrap(),
        )
    }

    fn due(&self, max: usize) -> Vec<(usize, Partition, Offset, Kept)> {
        let inside = self.world.locked();
        let mut due = Vec::new();
        for ((topic, partition), next) in &self.next {
            let records = &inside.topics[&self.topics[*topic]][partition.index()];
            let from = usize::try_from(next.0).unwrap();
            for (at, kept) in records.iter().enumerate().skip(from).take(max) {
                due.push((*topic, *partition, Offset(i64::try_from(at).unwrap()), kept.clone()));
            }
        }
        due.truncate(max);
        due
    }

    fn poll(
        &mut self,
        wait: Duration,
        max: usize,
        mut each: impl FnMut(RecordView<'_>) -> ControlFlow<()>,
    ) -> usize {
        let mut due = self.due(max);
        if due.is_empty() && !wait.is_zero() {
            self.world.pause(wait);
            due = self.due(max);
        }
        let mut count = 0;
        for (topic, partition, offset, kept) in &due {
            count += 1;
            self.next.insert((*topic, *partition), offset.next());
            let view = RecordView {
                topic: *topic,
                partition: *partition,
                offset: *offset,
                timestamp: Timestamp(0),
                key: kept.key.as_deref(),
                value: kept.value.as_deref(),
                headers: &kept.headers,
            };
            if each(view).is_break() {
                break;
            }
        }
        count
    }
}

/// A group's member, or a writer in none.
pub struct MemoryLog {
    reader: Reader,
    group: String,
    /// Partitions that are still to be assigned.
    coming: Option<Vec<Partition>>,
    is_first: bool,
    acknowledged: HashMap<Tag, Offset>,
    sent: u64,
}

impl MemoryLog {
    pub fn outside(world: &Memory, name: &str) -> Self {
        let (reader, group) = (Reader::new(world, &[]), name.to_owned());
        Self { reader, group, coming: None, is_first: false, acknowledged: HashMap::new(), sent: 0 }
    }

    pub fn join(world: &Memory, group: &str, inputs: &[TopicName]) -> Self {
        let is_first = world.locked().members.insert(group.to_owned());
        let width = world.locked().topics[&inputs[0]].len();
        let all = (0..width).map(|index| Partition::new(u32::try_from(index).unwrap())).collect();
        let log = Self::outside(world, group);
        Self { reader: Reader::new(world, inputs), coming: is_first.then_some(all), is_first, ..log }
    }
}

impl Outlet for MemoryLog {
    fn send(&mut self, record: &SendRecord<'_>) -> Result<(), PortError> {
        let offset = self.reader.world.append(record);
        self.sent += 1;
        self.acknowledged.insert(record.tag, offset);
        Ok(())
    }

    fn settle(&mut self) -> Result<(), PortError> {
        Ok(())
    }

    fn tally(&self) -> Tally {
        Tally { delivered: self.sent, failed: 0 }
    }

    fn acknowledged(&self, tag: Tag) -> Option<Offset> {
        self.acknowledged.get(&tag).copied()
    }
}

impl GroupLog for MemoryLog {
    fn poll<F>(&mut self, wait: Duration, max: usize, each: F) -> Result<Polled, PortError>
    where
        F: FnMut(RecordView<'_>) -> ControlFlow<()>,
    {
        match self.coming.take() {
            Some(partitions) => Ok(Polled::Assigned(partitions)),
            None => Ok(Polled::Records(self.reader.poll(wait, max, each))),
        }
    }

    fn accept(&mut self, _: &[Partition]) -> Result<(), PortError> {
        Ok(())
    }

    fn start(&mut self, partition: Partition) -> Result<(), PortError> {
        for (index, topic) in self.reader.topics.iter().enumerate() {
            let place = (self.group.clone(), topic.clone(), partition);
            let next = self.reader.world.locked().committed.get(&place).copied().unwrap_or_default();
            self.reader.next.insert((index, partition), next);
        }
        Ok(())
    }

    fn release(&mut self, _: &[Partition]) -> Result<(), PortError> {
        Ok(())
    }

    fn commit(&mut self, positions: &[(usize, Partition, Offset)]) -> Result<(), PortError> {
        for (topic, partition, next) in positions {
            let place = (self.group.clone(), self.reader.topics[*topic].clone(), *partition);
            self.reader.world.locked().committed.insert(place, *next);
        }
        self.reader.world.tell();
        Ok(())
    }

    fn lag(&self, topic: usize, partition: Partition) -> Option<u64> {
        let next = self.reader.next.get(&(topic, partition))?;
        Some(next.until(self.reader.end(topic, partition)))
    }

    fn leave(&mut self) {
        if self.is_first {
            self.reader.world.locked().members.remove(&self.group);
        }
    }
}

/// A reader by position.
pub struct MemoryTail(Reader);

impl MemoryTail {
    pub fn new(world: &Memory, topics: &[TopicName]) -> Self {
        Self(Reader::new(world, topics))
    }
}

impl Tail for MemoryTail {
    fn add(
        &mut self,
        topic: usize,
        partition: Partition,
        start: Start,
    ) -> Result<(Offset, Offset), PortError> {
        let end = self.0.end(topic, partition);
        let first = match start {
            Start::Earliest => Offset::ZERO,
            Start::Latest => end,
            Start::At(offset) => offset,
        };
        self.0.next.insert((topic, partition), first);
        Ok((first, end))
    }

    fn remove(&mut self, topic: usize, partition: Partition) -> Result<(), PortError> {
        self.0.next.remove(&(topic, partition));
        Ok(())
    }

    fn poll<F>(&mut self, wait: Duration, max: usize, each: F) -> Result<usize, PortError>
    where
        F: FnMut(RecordView<'_>) -> ControlFlow<()>,
    {
        Ok(self.0.poll(wait, max, each))
    }

    fn position(&self, topic: usize, partition: Partition) -> Result<Offset, PortError> {
        let next = self.0.next.get(&(topic, partition)).copied();
        next.ok_or_else(|| PortError::stop("it is not being read"))
    }
}
