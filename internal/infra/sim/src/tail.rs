use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use millstream_model::{Offset, Partition, RecordView, TopicName};
use millstream_ports::{PortError, Start, Tail};

use crate::inside::Inside;
use crate::topic::SimRecord;
use crate::world::Sim;

/// Reads partitions by position, in no group.
pub struct SimTail {
    sim: Sim,
    reader: Reader,
    /// Ends that were told first while records before them were in doubt.
    awaited: BTreeMap<(usize, Partition), Offset>,
}

/// Positions by topic and partition, and the reading from there.
pub(crate) struct Reader {
    pub(crate) topics: Vec<TopicName>,
    pub(crate) next: BTreeMap<(usize, Partition), Offset>,
    turns: usize,
}

/// A record that was found for a reader.
pub(crate) struct Found {
    pub(crate) place: (usize, Partition),
    pub(crate) offset: Offset,
    record: std::sync::Arc<SimRecord>,
}

impl Found {
    pub(crate) fn lend<T>(&self, each: impl FnOnce(RecordView<'_>) -> T) -> T {
        each(RecordView {
            topic: self.place.0,
            partition: self.place.1,
            offset: self.offset,
            timestamp: self.record.timestamp,
            key: self.record.key.as_deref(),
            value: self.record.value.as_deref(),
            headers: &self.record.headers,
        })
    }
}

impl Reader {
    pub(crate) fn new(topics: &[TopicName]) -> Self {
        Self { topics: topics.to_vec(), next: BTreeMap::new(), turns: 0 }
    }

    pub(crate) fn topic(&self, topic: usize) -> Result<&TopicName, PortError> {
        self.topics.get(topic).ok_or_else(|| PortError::stop(format!("there is no topic number {topic}")))
    }

    /// Up to `max` records that are there. Partitions take turns in being first. Positions move over what readers do not
    /// see, but not over what is found.
    pub(crate) fn find(&mut self, inside: &mut Inside, max: usize) -> Vec<Found> {
        self.find_beside(inside, max, &BTreeSet::new())
    }

    /// As [`Reader::find`], but nothing of some places.
    pub(crate) fn find_beside(
        &mut self,
        inside: &mut Inside,
        max: usize,
        held: &BTreeSet<(usize, Partition)>,
    ) -> Vec<Found> {
        let max =
            if inside.hits(|faults| faults.short_polls) { 1 + inside.chance.below(max.min(8)) } else { max };
        self.turns = self.turns.wrapping_add(1);
        let places = self.next.len();
        let first = self.turns.checked_rem(places).unwrap_or(0);
        let mut found = Vec::new();
        for index in (first..places).chain(0..first) {
            let Some((place, next)) = self.next.iter_mut().nth(index) else { continue };
            let Some(topic) = self.topics.get(place.0).filter(|_| !held.contains(place)) else { continue };
            let Ok(journal) = inside.journal(topic, place.1) else { continue };
            let (mut from, before) = (*next, found.len());
            while found.len() < max {
                match journal.next(from, &inside.transactions) {
                    Ok((offset, record)) => {
                        found.push(Found { place: *place, offset, record });
                        from = offset.next();
                    }
                    Err(end) => {
                        if found.len() == before {
                            *next = end;
                        }
                        break;
                    }
                }
            }
        }
        found
    }

    /// Hands records over, and moves the positions behind them.
    pub(crate) fn hand_over(
        &mut self,
        found: &[Found],
        mut each: impl FnMut(RecordView<'_>) -> ControlFlow<()>,
    ) -> usize {
        let mut count = 0;
        for one in found {
            count += 1;
            self.next.insert(one.place, one.offset.next());
            if one.lend(&mut each).is_break() {
                break;
            }
        }
        count
    }
}

impl SimTail {
    pub(crate) fn new(sim: &Sim, topics: &[TopicName]) -> Self {
        Self { sim: sim.clone(), reader: Reader::new(topics), awaited: BTreeMap::new() }
    }
}

impl Tail for SimTail {
    fn add(
        &mut self,
        topic: usize,
        partition: Partition,
        start: Start,
    ) -> Result<(Offset, Offset), PortError> {
        let name = self.reader.topic(topic)?.clone();
        let awaited = &mut self.awaited;
        let (first, end) = self.sim.with(|inside, process| {
            inside.check_alive(process)?;
            inside.write_markers();
            let journal = inside.journal(&name, partition)?;
            let end = *awaited.entry((topic, partition)).or_insert(journal.end());
            if journal.stable_end() < end {
                return Err(PortError::retry(format!("records of {name}/{partition} are in doubt")));
            }
            let first = match start {
                Start::Earliest => Offset::ZERO,
                Start::Latest => end,
                Start::At(offset) => offset,
            };
            Ok((first, end))
        })?;
        self.awaited.remove(&(topic, partition));
        self.reader.next.insert((topic, partition), first);
        Ok((first, end))
    }

    fn remove(&mut self, topic: usize, partition: Partition) -> Result<(), PortError> {
        self.awaited.remove(&(topic, partition));
        self.reader.next.remove(&(topic, partition));
        Ok(())
    }

    fn end(&mut self, topic: usize, partition: Partition) -> Result<Option<Offset>, PortError> {
        let name = self.reader.topic(topic)?.clone();
        self.sim.with(|inside, process| {
            inside.check_alive(process)?;
            Ok(Some(inside.journal(&name, partition)?.end()))
        })
    }

    fn poll<F>(&mut self, wait: Duration, max: usize, each: F) -> Result<usize, PortError>
    where
        F: FnMut(RecordView<'_>) -> ControlFlow<()>,
    {
        let reader = &mut self.reader;
        let found = self.sim.wait_for(wait, |inside, process| {
            inside.check_alive(process)?;
            inside.write_markers();
            let found = reader.find(inside, max);
            Ok(Some(found).filter(|found| !found.is_empty()))
        })?;
        Ok(self.reader.hand_over(&found.unwrap_or_default(), each))
    }

    fn position(&self, topic: usize, partition: Partition) -> Result<Offset, PortError> {
        let next = self.reader.next.get(&(topic, partition)).copied();
        next.ok_or_else(|| PortError::stop(format!("partition {partition} is not being read")))
    }
}
