use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use millstream_model::{Offset, Partition, Timestamp, TopicName};
use millstream_ports::{PortError, TableId};

use crate::chance::Chance;
use crate::faults::Faults;
use crate::group::Group;
use crate::store::Table;
use crate::topic::{Journal, SimRecord, Topic};
use crate::transaction::{Place, Transactions, Verdict};

/// Everything in a world, behind its one lock.
pub(crate) struct Inside {
    pub(crate) topics: BTreeMap<TopicName, Topic>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) transactions: Transactions,
    pub(crate) tables: BTreeMap<TableId, Table>,
    pub(crate) faults: Faults,
    pub(crate) chance: Chance,
    clock: Clock,
    effects: u64,
    crashed: BTreeSet<usize>,
    pub(crate) processes: usize,
}

enum Clock {
    /// It stands still until it is moved.
    Virtual(Duration),
    Live(Instant),
}

impl Inside {
    pub(crate) fn new(is_live: bool) -> Self {
        Self {
            topics: BTreeMap::new(),
            groups: BTreeMap::new(),
            transactions: Transactions::default(),
            tables: BTreeMap::new(),
            faults: Faults::default(),
            chance: Chance::new(0),
            clock: if is_live { Clock::Live(Instant::now()) } else { Clock::Virtual(Duration::ZERO) },
            effects: 0,
            crashed: BTreeSet::new(),
            processes: 0,
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        match &self.clock {
            Clock::Virtual(now) => *now,
            Clock::Live(begun) => begun.elapsed(),
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.clock, Clock::Live(_))
    }

    pub(crate) fn advance(&mut self, time: Duration) {
        if let Clock::Virtual(now) = &mut self.clock {
            *now += time;
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(self.elapsed().as_millis()).unwrap_or(i64::MAX))
    }

    pub(crate) fn set_faults(&mut self, faults: Faults) {
        self.chance = Chance::new(faults.seed);
        self.faults = faults;
        self.effects = 0;
    }

    pub(crate) fn hits(&mut self, per_mille: impl Fn(&Faults) -> u32) -> bool {
        let per_mille = per_mille(&self.faults);
        self.chance.hits(per_mille)
    }

    pub(crate) fn has_crashed(&self, process: usize) -> bool {
        self.crashed.contains(&process)
    }

    /// A crashed process does nothing any more.
    pub(crate) fn check_alive(&self, process: usize) -> Result<(), PortError> {
        if self.has_crashed(process) { Err(PortError::stop("the process has crashed")) } else { Ok(()) }
    }

    /// Counts an effect that `process` is about to have; it may crash first.
    pub(crate) fn effect(&mut self, process: usize) -> Result<(), PortError> {
        self.check_alive(process)?;
        self.effects += 1;
        if self.faults.crash_at_effect == Some(self.effects) {
            self.crash(process);
        }
        self.check_alive(process)
    }

    /// A process ends with no farewell; its stores lose what they had not made safe, or some of it.
    pub(crate) fn crash(&mut self, process: usize) {
        self.crashed.insert(process);
        for table in self.tables.values_mut().filter(|table| table.owner == Some(process)) {
            table.lose_last(&mut self.chance);
        }
    }

    pub(crate) fn journal(&self, topic: &TopicName, partition: Partition) -> Result<&Journal, PortError> {
        let found = self.topics.get(topic).and_then(|topic| topic.partitions.get(partition.index()));
        found.ok_or_else(|| absent(topic, partition))
    }

    pub(crate) fn append(
        &mut self,
        topic: &TopicName,
        partition: Partition,
        record: SimRecord,
        transaction: Option<usize>,
    ) -> Result<Offset, PortError> {
        let found = self.topics.get_mut(topic).and_then(|topic| topic.partitions.get_mut(partition.index()));
        let journal = found.ok_or_else(|| absent(topic, partition))?;
        if let Some(number) = transaction {
            self.transactions.add_place(number, Place::Journal(topic.clone(), partition));
        }
        Ok(journal.append(record, transaction))
    }

    /// Decides a transaction. Its markers are written at once, or later where they are late.
    pub(crate) fn decide(&mut self, number: usize, verdict: Verdict) {
        self.transactions.decide(number, verdict);
        self.write_markers();
    }

    /// Writes markers that are due, but for those that are late once more.
    pub(crate) fn write_markers(&mut self) {
        for (number, place) in std::mem::take(&mut self.transactions.unmarked) {
            if self.hits(|faults| faults.late_markers) {
                self.transactions.unmarked.push((number, place));
            } else {
                self.mark(number, &place);
            }
        }
    }

    fn mark(&mut self, number: usize, place: &Place) {
        match place {
            Place::Journal(topic, partition) => {
                let topic = self.topics.get_mut(topic);
                if let Some(journal) = topic.and_then(|topic| topic.partitions.get_mut(partition.index())) {
                    journal.mark(number);
                }
            }
            Place::Group(group) => {
                if self.transactions.verdict(number) == Verdict::Committed {
                    let committed = &mut self.groups.entry(group.clone()).or_default().committed;
                    for (topic, partition, next) in self.transactions.positions(number) {
                        committed.insert((topic.clone(), *partition), *next);
                    }
                }
            }
        }
    }

    /// Ends what the last member with this lowest partition left open, as a new producer of the same name does: when it
    /// returns, the old one can do nothing more, and nothing it decided is on its way any more.
    pub(crate) fn fence(&mut self, group: &str, lowest: Partition) {
        self.transactions.take_over(group, lowest);
        for number in self.transactions.left_open(group, lowest) {
            self.transactions.decide(number, Verdict::Aborted);
        }
        self.finish(group, lowest);
    }

    /// Writes what is due of a name's transactions: it has one at a time.
    pub(crate) fn finish(&mut self, group: &str, lowest: Partition) {
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.transactions.unmarked)
            .into_iter()
            .partition(|(number, _)| self.transactions.is_of(*number, group, lowest));
        self.transactions.unmarked = later;
        for (number, place) in due {
            self.mark(number, &place);
        }
    }
}

fn absent(topic: &TopicName, partition: Partition) -> PortError {
    PortError::stop(format!("there is no partition {partition} of topic '{topic}'"))
}
