//! Transactions as they are written down, and their ends as they are carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use millstream_cluster::{Ending, Fault, Grant, Part, Transaction, Transactions, TxnPhase};
use tracing::{info, warn};

use crate::journal::{Fact, TransactionFact};
use crate::state::{State, locked};
use crate::storage::batch::{self, Head};
use crate::topics::Partition;

/// Producer ids that are set aside at a time, so that not each one is written down.
const PRODUCERS_AT_ONCE: i64 = 1_000;

/// Transactions, and what was written down of the producer ids that are given.
#[derive(Debug, Default)]
pub(crate) struct Coordinator {
    pub(crate) transactions: Transactions,
    reserved: i64,
}

const PHASES: [TxnPhase; 6] = [
    TxnPhase::Empty,
    TxnPhase::Ongoing,
    TxnPhase::Ending { commit: true },
    TxnPhase::Ending { commit: false },
    TxnPhase::Ended { commit: true },
    TxnPhase::Ended { commit: false },
];

impl Coordinator {
    /// What the journal tells.
    pub(crate) fn recall(facts: &[Fact]) -> Self {
        let (mut known, mut reserved) = (BTreeMap::new(), 0);
        for fact in facts {
            match fact {
                Fact::Transaction(fact) => {
                    known.insert(fact.id.clone(), transaction(fact));
                }
                Fact::NextProducer(next) => reserved = *next,
                _ => {}
            }
        }
        Self { transactions: Transactions::recall(known, reserved), reserved }
    }

    /// What must be written of an id and, if ids were given, of those.
    pub(crate) fn facts_of(&mut self, id: &str) -> Vec<Fact> {
        let mut facts = self.facts_of_producers();
        facts.extend(self.transactions.get(id).map(|known| Fact::Transaction(fact(id, known))));
        facts
    }

    /// What must be written before a producer id is given.
    pub(crate) fn facts_of_producers(&mut self) -> Vec<Fact> {
        if self.transactions.next_producer() <= self.reserved {
            return Vec::new();
        }
        self.reserved = self.transactions.next_producer() + PRODUCERS_AT_ONCE;
        vec![Fact::NextProducer(self.reserved)]
    }

    /// What must be written of all.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        let all = self.transactions.all().map(|(id, known)| Fact::Transaction(fact(id, known)));
        all.chain([Fact::NextProducer(self.reserved)]).collect()
    }
}

fn fact(id: &str, known: &Transaction) -> TransactionFact {
    let pair = |grant: Grant| (grant.producer, grant.epoch);
    let (mut partitions, mut groups) = (Vec::new(), Vec::new());
    for part in &known.parts {
        match part {
            Part::Partition(topic, partition) => partitions.push((topic.clone(), *partition)),
            Part::Group(group) => groups.push(group.clone()),
        }
    }
    TransactionFact {
        id: id.to_owned(),
        grant: pair(known.grant),
        last: known.last.map(pair),
        timeout_ms: known.timeout_ms,
        phase: known.phase.name().to_owned(),
        partitions,
        groups,
        begun: known.begun,
    }
}

fn transaction(fact: &TransactionFact) -> Transaction {
    let grant = |(producer, epoch): (i64, i16)| Grant { producer, epoch };
    let partitions =
        fact.partitions.iter().cloned().map(|(topic, partition)| Part::Partition(topic, partition));
    let parts: BTreeSet<_> = partitions.chain(fact.groups.iter().cloned().map(Part::Group)).collect();
    Transaction {
        grant: grant(fact.grant),
        last: fact.last.map(grant),
        timeout_ms: fact.timeout_ms,
        phase: PHASES.into_iter().find(|phase| phase.name() == fact.phase).unwrap_or(TxnPhase::Empty),
        parts,
        begun: fact.begun,
    }
}

impl State {
    /// Writes down where a transaction stands.
    fn write_transaction(&self, coordinator: &mut Coordinator, id: &str) -> io::Result<()> {
        let facts = coordinator.facts_of(id);
        locked(&self.journal).write(&facts)
    }

    /// Does something with a transaction, and writes down what came of it before anybody hears of it.
    pub(crate) fn transact<T>(
        &self,
        id: &str,
        deed: impl FnOnce(&mut Transactions) -> Result<T, Fault>,
    ) -> Result<Result<T, Fault>, io::Error> {
        let mut coordinator = locked(&self.coordinator);
        let before = coordinator.transactions.get(id).cloned();
        let done = deed(&mut coordinator.transactions);
        if coordinator.transactions.get(id) != before.as_ref() {
            self.write_transaction(&mut coordinator, id)?;
        }
        if let Some(deadline) = coordinator.transactions.next_deadline() {
            self.alarm.set(deadline);
        }
        Ok(done)
    }

    /// A producer id for one without transactions.
    pub(crate) fn grant(&self) -> io::Result<Grant> {
        let mut coordinator = locked(&self.coordinator);
        let grant = coordinator.transactions.grant();
        let facts = coordinator.facts_of_producers();
        locked(&self.journal).write(&facts)?;
        Ok(grant)
    }

    /// Carries out an end that was decided and written down: markers first, then offsets, and then it is over.
    ///
    /// What was carried out before a crash is not done again.
    pub(crate) fn carry_out(&self, ending: &Ending) -> io::Result<()> {
        for part in &ending.parts {
            match part {
                Part::Partition(topic, number) => {
                    if let Some(partition) = self.topics.partition(topic, *number) {
                        self.mark(&partition, ending)?;
                    }
                }
                Part::Group(group) => self.settle(group, ending)?,
            }
        }
        self.transact(&ending.id, |transactions| {
            transactions.ended(&ending.id);
            Ok(())
        })?
        .map_err(io::Error::other)
    }

    /// Whether an end is still to be written: another may have done so, and the next transaction may have begun.
    fn is_being_ended(&self, ending: &Ending) -> bool {
        let coordinator = locked(&self.coordinator);
        let known = coordinator.transactions.get(&ending.id);
        known.is_some_and(|known| {
            known.grant == ending.grant && known.phase == TxnPhase::Ending { commit: ending.commit }
        })
    }

    /// Carries out what was decided and could not be written at once.
    pub(crate) fn carry_out_what_is_left(&self) -> io::Result<()> {
        let left = locked(&self.coordinator).transactions.unwritten();
        left.iter().try_for_each(|ending| self.carry_out(ending))
    }

    fn mark(&self, partition: &Partition, ending: &Ending) -> io::Result<()> {
        let Grant { producer, epoch } = ending.grant;
        {
            let mut log = partition.log();
            let due = log.producers().open(producer).is_some() && self.is_being_ended(ending);
            if !due || log.producers().check_marker(producer, epoch).is_err() {
                return Ok(());
            }
            let mut marker = batch::marker(producer, epoch, ending.commit, self.clock.timestamp());
            let head = Head::read(&marker).map_err(io::Error::other)?;
            log.append(&head, &mut marker, self.clock.now())?;
        }
        partition.waiters.ring();
        Ok(())
    }

    fn settle(&self, group: &str, ending: &Ending) -> io::Result<()> {
        let (producer, commit) = (ending.grant.producer, ending.commit);
        let mut groups = self.groups.lock();
        if !self.is_being_ended(ending) {
            return Ok(());
        }
        let fact = Fact::Settled { group: group.to_owned(), producer, commit };
        locked(&self.journal).write(&[fact])?;
        if let Some(entry) = groups.all.get_mut(group) {
            entry.offsets.settle(producer, commit);
        }
        Ok(())
    }

    /// Ends transactions that have been open for too long; answers when to look again.
    pub(crate) fn expire_transactions(&self) -> Option<u64> {
        let (endings, next) = {
            let mut coordinator = locked(&self.coordinator);
            let endings = coordinator.transactions.expire(self.clock.now());
            for ending in &endings {
                if let Err(error) = self.write_transaction(&mut coordinator, &ending.id) {
                    warn!(id = ending.id, %error, "can't write down the end of a transaction");
                }
            }
            (endings, coordinator.transactions.next_deadline())
        };
        for ending in endings {
            info!(id = ending.id, "a transaction was open for too long, and is taken back");
            if let Err(error) = self.carry_out(&ending) {
                warn!(id = ending.id, %error, "can't end a transaction");
            }
        }
        next
    }
}
