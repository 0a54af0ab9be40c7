use std::collections::{BTreeMap, BTreeSet};

use crate::{Fault, Millis};

#[cfg(test)]
mod tests;

/// The longest timeout that a transaction may ask for: 15 minutes.
const TIMEOUT_MS_MAX: i32 = 900_000;

/// The last epoch of a producer id; the next takes a new id.
const EPOCH_MAX: i16 = i16::MAX - 1;

/// A producer id with an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The producer's id.
    pub producer: i64,
    /// Its epoch: older ones are fenced.
    pub epoch: i16,
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxnPhase {
    /// Nothing is in it.
    Empty,
    /// Records or offsets are in it.
    Ongoing,
    /// Its end is decided and being written.
    Ending {
        /// How it ends.
        commit: bool,
    },
    /// Its end is written.
    Ended {
        /// How it ended.
        commit: bool,
    },
}

impl TxnPhase {
    /// The name that administrators read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::Ending { commit: true } => "PrepareCommit",
            Self::Ending { commit: false } => "PrepareAbort",
            Self::Ended { commit: true } => "CompleteCommit",
            Self::Ended { commit: false } => "CompleteAbort",
        }
    }
}

/// What a transaction may touch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A partition of a topic.
    Partition(String, i32),
    /// The offsets of a group.
    Group(String),
}

/// What is known of one transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Its producer.
    pub grant: Grant,
    /// Its producer before that, which may still ask for the next epoch.
    pub last: Option<Grant>,
    /// A transaction is taken back when it is open for this long.
    pub timeout_ms: i32,
    /// Where it stands.
    pub phase: TxnPhase,
    /// What it has touched.
    pub parts: BTreeSet<Part>,
    /// When it began.
    pub begun: Millis,
}

/// An end that is to be written: a marker to each partition, and what became of each group's offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Whose.
    pub id: String,
    /// The producer, with the epoch that the markers carry.
    pub grant: Grant,
    /// How it ends.
    pub commit: bool,
    /// Where it is to be written.
    pub parts: BTreeSet<Part>,
}

/// The coordinator of transactions.
///
/// After each change the caller writes what [`Transactions::get`] tells of the id where it survives, before it answers. An
/// [`Ending`] is to be written out and then reported by [`Transactions::ended`].
///
/// **Invariant:** once an end is decided it never changes. **Invariant:** of an id one producer at most can write.
#[derive(Clone, Debug, Default)]
pub struct Transactions {
    known: BTreeMap<String, Transaction>,
    next_producer: i64,
}

impl Transactions {
    /// What was known before a restart, and the first producer id that was never given.
    pub fn recall(known: BTreeMap<String, Transaction>, next_producer: i64) -> Self {
        let used = known.values().map(|transaction| transaction.grant.producer + 1).max().unwrap_or(0);
        Self { known, next_producer: next_producer.max(used) }
    }

    /// The first producer id that was never given.
    pub fn next_producer(&self) -> i64 {
        self.next_producer
    }

    /// What is known of an id.
    pub fn get(&self, id: &str) -> Option<&Transaction> {
        self.known.get(id)
    }

    /// All ids.
    pub fn all(&self) -> impl Iterator<Item = (&String, &Transaction)> {
        self.known.iter()
    }

    /// A producer id for one that only wants its batches in order.
    pub fn grant(&mut self) -> Grant {
        let producer = self.next_producer;
        self.next_producer += 1;
        Grant { producer, epoch: 0 }
    }

    /// Gives an id's producer a new epoch, which fences those before it.
    ///
    /// Where a transaction is open, answers its end instead: write it, then call this again.
    ///
    /// # Errors
    /// [`Fault::InvalidTimeout`]; [`Fault::ConcurrentTransactions`] while an end is being written;
    /// [`Fault::ProducerFenced`] when `claim`, what the producer believes to be, is neither the present nor the last.
    pub fn init(
        &mut self,
        id: &str,
        timeout_ms: i32,
        claim: Option<Grant>,
    ) -> Result<Result<Grant, Ending>, Fault> {
        if !(1..=TIMEOUT_MS_MAX).contains(&timeout_ms) {
            return Err(Fault::InvalidTimeout);
        }
        let Some(known) = self.known.get(id) else {
            let grant = self.grant();
            self.known.insert(id.to_owned(), Transaction::new(grant, timeout_ms));
            return Ok(Ok(grant));
        };
        if claim.is_some_and(|claim| claim != known.grant && Some(claim) != known.last) {
            return Err(Fault::ProducerFenced);
        }
        if claim.is_some() && claim == known.last && known.phase == TxnPhase::Empty {
            // It asks again, since the answer was lost.
            return Ok(Ok(known.grant));
        }
        match known.phase {
            TxnPhase::Ending { .. } => return Err(Fault::ConcurrentTransactions),
            TxnPhase::Ongoing => return Ok(Err(self.fence(id))),
            TxnPhase::Empty | TxnPhase::Ended { .. } => {}
        }
        let last = known.grant;
        let grant =
            if last.epoch >= EPOCH_MAX { self.grant() } else { Grant { epoch: last.epoch + 1, ..last } };
        let renewed = Transaction { last: claim.map(|_| last), ..Transaction::new(grant, timeout_ms) };
        self.known.insert(id.to_owned(), renewed);
        Ok(Ok(grant))
    }

    /// Decides to take a transaction back, with an epoch that fences its producer.
    fn fence(&mut self, id: &str) -> Ending {
        if let Some(known) = self.known.get_mut(id) {
            known.grant.epoch = known.grant.epoch.saturating_add(1);
        }
        self.decide(id, false)
    }

    fn decide(&mut self, id: &str, commit: bool) -> Ending {
        let mut ending = Ending {
            id: id.to_owned(),
            grant: Grant { producer: -1, epoch: -1 },
            commit,
            parts: BTreeSet::new(),
        };
        if let Some(known) = self.known.get_mut(id) {
            known.phase = TxnPhase::Ending { commit };
            ending.grant = known.grant;
            ending.parts.clone_from(&known.parts);
        }
        ending
    }

    fn of_producer(&mut self, id: &str, grant: Grant) -> Result<&mut Transaction, Fault> {
        let known = self.known.get_mut(id).filter(|known| known.grant.producer == grant.producer);
        let known = known.ok_or(Fault::InvalidMapping)?;
        if known.grant.epoch == grant.epoch { Ok(known) } else { Err(Fault::ProducerFenced) }
    }

    /// Takes parts into a transaction, beginning it if need be; answers whether anything changed.
    ///
    /// # Errors
    /// When the producer is not the id's or is fenced, or while an end is being written.
    pub fn add(
        &mut self,
        now: Millis,
        id: &str,
        grant: Grant,
        parts: impl IntoIterator<Item = Part>,
    ) -> Result<bool, Fault> {
        let known = self.of_producer(id, grant)?;
        match known.phase {
            TxnPhase::Ending { .. } => return Err(Fault::ConcurrentTransactions),
            TxnPhase::Empty | TxnPhase::Ended { .. } => {
                known.parts.clear();
                known.begun = now;
            }
            TxnPhase::Ongoing => {}
        }
        let before = (known.phase, known.parts.len());
        known.phase = TxnPhase::Ongoing;
        known.parts.extend(parts);
        Ok(before != (known.phase, known.parts.len()))
    }

    /// Whether a producer's open transaction holds a part.
    ///
    /// # Errors
    /// [`Fault::InvalidTxnState`] when it does not; when the producer is not the id's or is fenced.
    pub fn holds(&mut self, id: &str, grant: Grant, part: &Part) -> Result<(), Fault> {
        let known = self.of_producer(id, grant)?;
        let holds = known.phase == TxnPhase::Ongoing && known.parts.contains(part);
        if holds { Ok(()) } else { Err(Fault::InvalidTxnState) }
    }

    /// Decides a transaction's end; nothing where it has ended so already.
    ///
    /// # Errors
    /// When the producer is not the id's or is fenced, nothing is in the transaction, or it ended the other way.
    pub fn end(&mut self, id: &str, grant: Grant, commit: bool) -> Result<Option<Ending>, Fault> {
        match self.of_producer(id, grant)?.phase {
            TxnPhase::Ongoing => Ok(Some(self.decide(id, commit))),
            TxnPhase::Ended { commit: ended } if ended == commit => Ok(None),
            TxnPhase::Ending { commit: ending } if ending == commit => Err(Fault::ConcurrentTransactions),
            _ => Err(Fault::InvalidTxnState),
        }
    }

    /// Notes that an end was written everywhere.
    pub fn ended(&mut self, id: &str) {
        let Some(known) = self.known.get_mut(id) else { return };
        if let TxnPhase::Ending { commit } = known.phase {
            known.phase = TxnPhase::Ended { commit };
            known.parts.clear();
        }
    }

    /// Ends that were decided and, for all that is known, not written.
    pub fn unwritten(&self) -> Vec<Ending> {
        let ending = |(id, known): (&String, &Transaction)| {
            let TxnPhase::Ending { commit } = known.phase else { return None };
            Some(Ending { id: id.clone(), grant: known.grant, commit, parts: known.parts.clone() })
        };
        self.known.iter().filter_map(ending).collect()
    }

    /// Decides to take those back that have been open for too long, fencing their producers.
    pub fn expire(&mut self, now: Millis) -> Vec<Ending> {
        let over =
            self.known.iter().filter(|(_, known)| known.deadline().is_some_and(|deadline| deadline <= now));
        let over: Vec<_> = over.map(|(id, _)| id.clone()).collect();
        over.iter().map(|id| self.fence(id)).collect()
    }

    /// When [`Transactions::expire`] may have something to do.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.known.values().filter_map(Transaction::deadline).min()
    }
}

impl Transaction {
    fn new(grant: Grant, timeout_ms: i32) -> Self {
        let (phase, parts) = (TxnPhase::Empty, BTreeSet::new());
        Self { grant, last: None, timeout_ms, phase, parts, begun: 0 }
    }

    fn deadline(&self) -> Option<Millis> {
        let timeout = Millis::try_from(self.timeout_ms).unwrap_or(0);
        (self.phase == TxnPhase::Ongoing).then(|| self.begun + timeout)
    }
}
