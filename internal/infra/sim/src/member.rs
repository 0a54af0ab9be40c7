use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

use millstream_model::{Offset, Partition, RecordView, TopicName};
use millstream_ports::{Delivery, GroupLog, Outlet, Polled, PortError, Rejection, SendRecord, Tag, Tally};

use crate::inside::Inside;
use crate::outlet::Sender;
use crate::tail::{Found, Reader};
use crate::transaction::Verdict;
use crate::world::Sim;

/// A member of a consumer group. Dropping it leaves the group without committing.
pub struct SimGroup {
    sim: Sim,
    group: String,
    /// Its number in the group; a member that the group gave up joins again under another.
    member: usize,
    delivery: Delivery,
    reader: Reader,
    sender: Sender,
    owned: BTreeSet<Partition>,
    started: BTreeSet<Partition>,
    /// Where reading began in this assignment.
    began: BTreeMap<(usize, Partition), Offset>,
    /// Inputs that are read up to their ends first, and those that wait for that.
    order: (Vec<usize>, Vec<usize>),
    /// The ends that the first inputs had when reading began.
    ends: BTreeMap<(usize, Partition), Offset>,
    transaction: Option<usize>,
    /// The partition by whose name it sends, and how often that name had been taken over when it was.
    name: Option<(Partition, u64)>,
    has_left: bool,
    is_paused: bool,
    begun: Option<Begun>,
}

/// A commit that was begun.
enum Begun {
    At(Vec<(TopicName, Partition, Offset)>),
    /// It is over, and nobody knows yet.
    Over(Result<(), PortError>),
}

/// What a poll found.
enum News {
    Event(Polled),
    Records(Vec<Found>),
}

impl SimGroup {
    pub(crate) fn join(
        sim: &Sim,
        group: &str,
        inputs: &[TopicName],
        delivery: Delivery,
    ) -> Result<Self, PortError> {
        let mut joined = Self {
            sim: sim.clone(),
            group: group.to_owned(),
            member: 0,
            delivery,
            reader: Reader::new(inputs),
            sender: Sender::default(),
            owned: BTreeSet::new(),
            started: BTreeSet::new(),
            began: BTreeMap::new(),
            order: Default::default(),
            ends: BTreeMap::new(),
            transaction: None,
            name: None,
            has_left: false,
            is_paused: false,
            begun: None,
        };
        sim.with(|inside, process| {
            inside.check_alive(process)?;
            joined.enter(inside, process)
        })?;
        Ok(joined)
    }

    fn enter(&mut self, inside: &mut Inside, process: usize) -> Result<(), PortError> {
        let width = |name| {
            let topic = inside.topics.get(name);
            topic
                .map(|topic| topic.partitions.len())
                .ok_or_else(|| PortError::stop(format!("there is no topic '{name}'")))
        };
        let widths = self.reader.topics.iter().map(width).collect::<Result<Vec<_>, _>>()?;
        let width = u32::try_from(widths.into_iter().min().unwrap_or(0)).unwrap_or(u32::MAX);
        self.member = inside.groups.entry(self.group.clone()).or_default().join(width, process);
        Ok(())
    }

    fn find(&mut self, inside: &mut Inside, process: usize, max: usize) -> Result<Option<News>, PortError> {
        inside.check_alive(process)?;
        if self.has_left {
            return Err(PortError::stop(format!("group '{}' was left", self.group)));
        }
        inside.write_markers();
        if !self.is_fenced(inside) {
            self.sender.deliver_some(inside, process, self.transaction)?;
        }
        self.commit_on(inside, process);
        if let Some(event) = self.event(inside, process)? {
            return Ok(Some(News::Event(event)));
        }
        self.resolve(inside);
        if inside.hits(|faults| faults.repeated_polls) {
            self.step_back(inside);
        }
        let held = self.held();
        let found = if self.is_paused { Vec::new() } else { self.reader.find_beside(inside, max, &held) };
        Ok(Some(News::Records(found))
            .filter(|news| !matches!(news, News::Records(found) if found.is_empty())))
    }

    fn event(&mut self, inside: &mut Inside, process: usize) -> Result<Option<Polled>, PortError> {
        let group = inside.groups.entry(self.group.clone()).or_default();
        if group.has(self.member) {
            return Ok(group.event(self.member));
        }
        if !self.owned.is_empty() {
            return Ok(Some(Polled::Lost(self.owned.iter().copied().collect())));
        }
        self.enter(inside, process)?;
        Ok(None)
    }

    /// Finds where to read started partitions from, once no transaction is about to move that.
    fn resolve(&mut self, inside: &Inside) {
        let Some(group) = inside.groups.get(&self.group) else { return };
        for partition in &self.started {
            for (index, topic) in self.reader.topics.iter().enumerate() {
                let place = (index, *partition);
                let in_doubt = inside.transactions.holds_position(&self.group, topic, *partition);
                if self.reader.next.contains_key(&place) || in_doubt {
                    continue;
                }
                let log = inside.journal(topic, *partition);
                // A position that a topic does not have is given up for its beginning, as auto.offset.reset says.
                let is_in_it = |at: &Offset| log.as_ref().map_or(true, |log| *at <= log.end());
                let from = group.committed.get(&(topic.clone(), *partition)).copied();
                let from = from.filter(is_in_it).unwrap_or_default();
                self.reader.next.insert(place, from);
                self.began.insert(place, from);
                let end = log.map_or(from, crate::topic::Journal::stable_end);
                self.ends.insert(place, end);
            }
        }
    }

    /// What waits until others have come to where they ended.
    fn held(&self) -> BTreeSet<(usize, Partition)> {
        let (first, later) = &self.order;
        let is_ahead = |place: &(usize, Partition)| {
            let next = self.reader.next.get(place);
            self.ends.get(place).zip(next).is_none_or(|(end, next)| next < end)
        };
        let waits = |partition: &&Partition| first.iter().any(|topic| is_ahead(&(*topic, **partition)));
        let partitions = self.started.iter().filter(waits);
        partitions.flat_map(|partition| later.iter().map(|topic| (*topic, *partition))).collect()
    }

    /// Goes back over some records that were handed over in this assignment.
    fn step_back(&mut self, inside: &mut Inside) {
        let index = inside.chance.below(self.reader.next.len());
        let Some((place, next)) = self.reader.next.iter_mut().nth(index) else { return };
        let begun = self.began.get(place).copied().unwrap_or(*next);
        let back = inside.chance.below(5);
        *next = Offset(next.0 - i64::try_from(back).unwrap_or(0)).max(begun);
    }

    /// The transaction that what is sent belongs to; it begins with the first record.
    fn transaction(&mut self, inside: &mut Inside) -> Result<Option<usize>, PortError> {
        if self.delivery == Delivery::AtLeastOnce {
            return Ok(None);
        }
        if self.name.is_none() {
            // Another of its partitions gives it a name, when the one that did has gone.
            let lowest = self.owned.first().copied();
            let lowest = lowest.ok_or_else(|| PortError::stop("a member without partitions can't send"))?;
            self.take_name(inside, lowest);
        }
        if self.is_fenced(inside) {
            return Err(PortError::retry("another owner of the partition has fenced this one off"));
        }
        if let (None, Some((name, _))) = (self.transaction, self.name) {
            inside.finish(&self.group, name);
            self.transaction = Some(inside.transactions.begin(&self.group, name));
        }
        Ok(self.transaction)
    }

    /// Takes the name of a partition over, and sends by it.
    fn take_name(&mut self, inside: &mut Inside, partition: Partition) {
        inside.fence(&self.group, partition);
        self.name = Some((partition, inside.transactions.epoch(&self.group, partition)));
    }

    fn is_fenced(&self, inside: &Inside) -> bool {
        self.name.is_some_and(|(name, epoch)| inside.transactions.epoch(&self.group, name) != epoch)
    }

    fn named(
        &self,
        positions: &[(usize, Partition, Offset)],
    ) -> Result<Vec<(TopicName, Partition, Offset)>, PortError> {
        let named = |(topic, partition, next): &(usize, Partition, Offset)| {
            Ok((self.reader.topic(*topic)?.clone(), *partition, *next))
        };
        positions.iter().map(named).collect()
    }

    fn commit_inside(
        &mut self,
        inside: &mut Inside,
        process: usize,
        positions: Vec<(TopicName, Partition, Offset)>,
    ) -> Result<(), PortError> {
        let transaction = self.transaction(inside)?;
        inside.effect(process)?;
        if inside.hits(|faults| faults.refused_commits) {
            return Err(PortError::retry("the group is busy"));
        }
        let group = inside.groups.entry(self.group.clone()).or_default();
        if positions.iter().any(|(_, partition, _)| !group.is_owner(self.member, *partition)) {
            return Err(PortError::retry(format!("group '{}' has moved on", self.group)));
        }
        match transaction {
            None => {
                let positions = positions.into_iter();
                group.committed.extend(positions.map(|(topic, partition, next)| ((topic, partition), next)));
            }
            Some(number) => {
                inside.transactions.add_positions(number, positions);
                inside.decide(number, Verdict::Committed);
                self.transaction = None;
            }
        }
        // A process may die between the commit and the news of it.
        inside.effect(process)
    }

    /// Goes on with the commit that was begun, unless it is slow.
    fn commit_on(&mut self, inside: &mut Inside, process: usize) {
        if matches!(self.begun, Some(Begun::At(_))) && !inside.hits(|faults| faults.slow_commits) {
            let outcome = self.end_commit(inside, process);
            self.begun = Some(Begun::Over(outcome));
        }
    }

    /// What comes of the commit that was begun.
    fn end_commit(&mut self, inside: &mut Inside, process: usize) -> Result<(), PortError> {
        match self.begun.take() {
            None => Ok(()),
            Some(Begun::Over(outcome)) => outcome,
            Some(Begun::At(positions)) => {
                if self.transaction.is_some() {
                    self.sender.settle(inside, process, self.transaction)?;
                }
                self.commit_inside(inside, process, positions)
            }
        }
    }

    fn abort_inside(&mut self, inside: &mut Inside, process: usize) -> Result<(), PortError> {
        inside.check_alive(process)?;
        if self.delivery == Delivery::ExactlyOnce {
            self.sender.forget();
        }
        self.reader.next.clear();
        self.began.clear();
        self.ends.clear();
        let transaction = self.transaction.take();
        if self.is_fenced(inside) {
            // Its partitions are gone, whatever the group has told it so far.
            inside.groups.entry(self.group.clone()).or_default().remove(self.member);
        } else if let Some(number) = transaction {
            inside.effect(process)?;
            inside.decide(number, Verdict::Aborted);
        }
        Ok(())
    }
}

impl GroupLog for SimGroup {
    fn poll<F>(&mut self, wait: Duration, max: usize, each: F) -> Result<Polled, PortError>
    where
        F: FnMut(RecordView<'_>) -> ControlFlow<()>,
    {
        let sim = self.sim.clone();
        match sim.wait_for(wait, |inside, process| self.find(inside, process, max))? {
            Some(News::Event(event)) => Ok(event),
            Some(News::Records(found)) => Ok(Polled::Records(self.reader.hand_over(&found, each))),
            None => Ok(Polled::Records(0)),
        }
    }

    fn accept(&mut self, partitions: &[Partition]) -> Result<(), PortError> {
        self.owned.extend(partitions);
        let (exactly_once, sim) = (self.delivery == Delivery::ExactlyOnce, self.sim.clone());
        sim.with(|inside, process| {
            inside.check_alive(process)?;
            for partition in partitions.iter().filter(|_| exactly_once) {
                inside.fence(&self.group, *partition);
            }
            if let (true, None, Some(lowest)) = (exactly_once, self.name, partitions.first()) {
                self.take_name(inside, *lowest);
            }
            Ok(())
        })
    }

    fn committed(&self, topic: usize, partition: Partition) -> Result<Option<Offset>, PortError> {
        let Some(name) = self.reader.topics.get(topic) else { return Ok(None) };
        Ok(self.sim.committed(&self.group, name.as_str(), partition))
    }

    fn read_first(&mut self, first: &[usize], later: &[usize]) {
        self.order = (first.to_vec(), later.to_vec());
    }

    fn start(&mut self, partition: Partition) -> Result<(), PortError> {
        if !self.owned.contains(&partition) {
            return Err(PortError::stop(format!("partition {partition} is not assigned")));
        }
        self.started.insert(partition);
        Ok(())
    }

    fn release(&mut self, partitions: &[Partition]) -> Result<(), PortError> {
        self.owned.retain(|owned| !partitions.contains(owned));
        self.started.retain(|started| !partitions.contains(started));
        self.reader.next.retain(|(_, partition), _| !partitions.contains(partition));
        self.began.retain(|(_, partition), _| !partitions.contains(partition));
        self.ends.retain(|(_, partition), _| !partitions.contains(partition));
        self.name.take_if(|(name, _)| partitions.contains(name));
        self.sim.with(|inside, process| {
            inside.check_alive(process)?;
            inside.groups.entry(self.group.clone()).or_default().released(self.member, partitions);
            Ok(())
        })
    }

    fn commit(&mut self, positions: &[(usize, Partition, Offset)]) -> Result<(), PortError> {
        if self.begun.is_none() {
            self.begin_commit(positions)?;
        }
        let sim = self.sim.clone();
        sim.with(|inside, process| self.end_commit(inside, process))
    }

    fn begin_commit(&mut self, positions: &[(usize, Partition, Offset)]) -> Result<(), PortError> {
        let is_empty = positions.is_empty() && self.transaction.is_none();
        self.begun = if is_empty { None } else { Some(Begun::At(self.named(positions)?)) };
        Ok(())
    }

    fn has_committed(&mut self) -> Result<bool, PortError> {
        let sim = self.sim.clone();
        sim.with(|inside, process| {
            inside.check_alive(process)?;
            self.commit_on(inside, process);
            if matches!(self.begun, Some(Begun::At(_))) {
                return Ok(false);
            }
            self.end_commit(inside, process).map(|()| true)
        })
    }

    fn abort(&mut self) -> Result<(), PortError> {
        let sim = self.sim.clone();
        sim.with(|inside, process| self.abort_inside(inside, process))
    }

    fn pause(&mut self) -> Result<(), PortError> {
        self.is_paused = true;
        Ok(())
    }

    fn resume(&mut self) -> Result<(), PortError> {
        self.is_paused = false;
        Ok(())
    }

    fn lag(&self, topic: usize, partition: Partition) -> Option<u64> {
        let next = self.reader.next.get(&(topic, partition))?;
        let name = self.reader.topic(topic).ok()?;
        self.sim.with(|inside, _| Some(next.until(inside.journal(name, partition).ok()?.stable_end())))
    }

    fn leave(&mut self) {
        if !std::mem::replace(&mut self.has_left, true) {
            self.sim.with(|inside, _| {
                inside.groups.entry(self.group.clone()).or_default().remove(self.member);
            });
        }
    }
}

impl Drop for SimGroup {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Outlet for SimGroup {
    fn send(&mut self, record: &SendRecord<'_>) -> Result<(), PortError> {
        let sim = self.sim.clone();
        sim.with(|inside, process| {
            let transaction = self.transaction(inside)?;
            self.sender.send(inside, process, record, transaction)
        })
    }

    fn settle(&mut self) -> Result<(), PortError> {
        let sim = self.sim.clone();
        sim.with(|inside, process| self.sender.settle(inside, process, self.transaction))
    }

    fn draw_line(&mut self) {
        self.sender.draw_line();
    }

    fn has_settled(&mut self) -> Result<bool, PortError> {
        let sim = self.sim.clone();
        sim.with(|inside, process| self.sender.has_settled(inside, process))
    }

    fn rejections(&mut self) -> Vec<Rejection> {
        self.sender.rejections()
    }

    fn tally(&self) -> Tally {
        self.sender.tally()
    }

    fn acknowledged(&self, tag: Tag) -> Option<Offset> {
        self.sender.acknowledged(tag)
    }
}
