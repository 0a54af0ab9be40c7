use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use millstream_model::{Offset, Partition};
use millstream_ports::{Action, CalledOff, PortError, Rejection, SendRecord, Tag, Tally};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::KafkaLog;
use crate::failure::port_error;
use crate::group::ending::Ending;
use crate::group::taking::{Taken, Taking, until_answered};
use crate::outlet::KafkaOutlet;

/// Transactional ids that take turns.
const IDS_MAX: usize = 2;

/// What is attempted at the end of a transaction.
const COMMITS: &str = "commit the transaction";

/// How long one attempt to abort may take. Between two, reports of what was dropped are taken in.
const ABORT_WAIT: Duration = Duration::from_millis(200);

/// The writer of a member under exactly-once: what it sends between two commits is one transaction.
///
/// A transactional id is the group's name and one of the member's partitions. Whoever is assigned partitions first takes the
/// ids of all of them over: that ends what their last owners left open, and fences off those who do not know yet that they
/// are owners no more. So nothing has to be configured or kept on disk, and a crashed process's transaction ends as soon as
/// its partitions have another owner. It is done beside the worker's own thread, which goes on with what it has.
///
/// Two transactional ids take turns where it has two. Brokers write the end of a transaction to its partitions after they have
/// said that it is committed, and refuse the next of the same id until then; librdkafka (2.12) asks again 20 ms later.
pub(super) struct Transactor {
    log: KafkaLog,
    group: String,
    /// The partitions that are this member's, taken over or about to be.
    owned: BTreeSet<Partition>,
    takings: VecDeque<Taking>,
    /// By the partition that they have their ids from; the first is the one that sends.
    outlets: VecDeque<(Partition, KafkaOutlet)>,
    is_open: bool,
    is_fenced: bool,
    /// The commit that has begun.
    ending: Option<Ending>,
    /// One that is to begin once all that was sent is acknowledged.
    wanted: Option<(TopicPartitionList, ConsumerGroupMetadata)>,
    /// What earlier producers of this member have sent.
    before: Tally,
    /// Whether nobody waits for the brokers any more.
    called_off: CalledOff,
}

impl Transactor {
    pub(super) fn new(log: &KafkaLog, group: &str) -> Self {
        Self {
            log: log.clone(),
            group: group.to_owned(),
            owned: BTreeSet::new(),
            takings: VecDeque::new(),
            outlets: VecDeque::new(),
            is_open: false,
            is_fenced: false,
            ending: None,
            wanted: None,
            before: Tally::default(),
            called_off: Arc::new(|| false),
        }
    }

    pub(super) fn heed(&mut self, is_called_off: CalledOff) {
        self.called_off = is_called_off;
    }

    pub(super) fn is_fenced(&self) -> bool {
        self.is_fenced
    }

    /// Begins to take over the ids of these partitions.
    pub(super) fn take_over(&mut self, partitions: &[Partition]) -> Result<(), PortError> {
        self.owned.extend(partitions);
        if !partitions.is_empty() {
            let keeps = IDS_MAX.saturating_sub(self.outlets.len());
            self.takings.push_back(Taking::begin(&self.log, &self.group, partitions, keeps)?);
        }
        Ok(())
    }

    /// Gives up these partitions; where one of them was what it sent by, another takes its place.
    pub(super) fn release(&mut self, partitions: &[Partition]) {
        self.owned.retain(|owned| !partitions.contains(owned));
        self.takings.iter_mut().for_each(|taking| taking.give_up(partitions));
        let sending = self.outlets.front().map(|(id, _)| *id);
        let goes = |id: &Partition| self.is_fenced || partitions.contains(id);
        let (gone, kept) = self.outlets.drain(..).partition::<VecDeque<_>, _>(|(id, _)| goes(id));
        self.outlets = kept;
        for (_, outlet) in &gone {
            let tally = millstream_ports::Outlet::tally(outlet);
            self.before.delivered += tally.delivered;
            self.before.failed += tally.failed;
        }
        if sending != self.outlets.front().map(|(id, _)| *id) {
            (self.is_open, self.is_fenced) = (false, false);
            (self.ending, self.wanted) = (None, None);
        }
    }

    pub(super) fn has_taken(&self, partition: Partition) -> bool {
        !self.takings.iter().any(|taking| taking.has(partition))
    }

    fn attempt(&self, deed: &str) -> String {
        format!("group '{}' could not {deed}", self.group)
    }

    fn outlet(&mut self) -> Result<&mut KafkaOutlet, PortError> {
        while self.outlets.is_empty() {
            if self.takings.is_empty() {
                self.take_again()?;
            }
            let Some(taking) = self.takings.pop_front() else { break };
            self.taken(taking.finish(&*self.called_off))?;
        }
        let group = &self.group;
        self.outlets.front_mut().map(|(_, outlet)| outlet).ok_or_else(|| {
            PortError::stop(format!("a member of group '{group}' without partitions can't send"))
        })
    }

    /// Sends by the id of another partition that it has.
    fn take_again(&mut self) -> Result<(), PortError> {
        let Some(lowest) = self.owned.first().copied() else { return Ok(()) };
        self.takings.push_back(Taking::begin(&self.log, &self.group, &[lowest], 1)?);
        Ok(())
    }

    fn taken(&mut self, taken: Taken) -> Result<(), PortError> {
        let owned = &self.owned;
        let wanted = taken?.into_iter().filter(|(id, _)| owned.contains(id));
        let room = IDS_MAX.saturating_sub(self.outlets.len());
        self.outlets.extend(wanted.take(room));
        Ok(())
    }

    fn sending(&self) -> Option<&KafkaOutlet> {
        self.outlets.front().map(|(_, outlet)| outlet)
    }

    pub(super) fn tend(&mut self) -> Result<(), PortError> {
        while let Some(taken) = self.takings.front_mut().and_then(Taking::done) {
            self.takings.pop_front();
            self.taken(taken)?;
        }
        if self.outlets.is_empty() && self.takings.is_empty() {
            self.take_again()?;
        }
        if let Some(outlet) = self.sending() {
            outlet.tend();
        }
        Ok(())
    }

    /// Sends a record in the transaction, which begins with its first.
    pub(super) fn send(&mut self, record: &SendRecord<'_>) -> Result<(), PortError> {
        self.begin()?;
        let sent = millstream_ports::Outlet::send(self.outlet()?, record);
        sent.map_err(|error| self.weigh(error))
    }

    fn begin(&mut self) -> Result<(), PortError> {
        if self.is_open {
            return Ok(());
        }
        let begun = self.outlet()?.begin_transaction();
        begun.map_err(|error| self.judge("begin a transaction", &error))?;
        self.is_open = true;
        Ok(())
    }

    pub(super) fn settle(&mut self) -> Result<(), PortError> {
        let Some((_, outlet)) = self.outlets.front_mut() else { return Ok(()) };
        let settled = millstream_ports::Outlet::settle(outlet);
        settled.map_err(|error| match error.action() {
            // Some of its records were refused, so nothing of it can be committed.
            Action::DeadLetter => PortError::retry(error.to_string()),
            _ => self.weigh(error),
        })
    }

    pub(super) fn rejections(&mut self) -> Vec<Rejection> {
        self.outlets.iter_mut().flat_map(|(_, outlet)| millstream_ports::Outlet::rejections(outlet)).collect()
    }

    /// Begins to commit the transaction, and these positions with it.
    pub(super) fn begin_commit(
        &mut self,
        positions: TopicPartitionList,
        member: ConsumerGroupMetadata,
    ) -> Result<(), PortError> {
        self.begin()?;
        self.wanted = Some((positions, member));
        self.ask_on()
    }

    /// Asks for the commit that is wanted, once all that was sent is acknowledged. Brokers take one change of a transaction at a
    /// time: while the last records' partitions are still being added to it they refuse its positions, and the client asks again
    /// 100 ms later.
    fn ask_on(&mut self) -> Result<(), PortError> {
        let outlet = self.outlet()?;
        outlet.tend();
        if !outlet.is_settled() {
            return Ok(());
        }
        let Some((positions, member)) = self.wanted.take() else { return Ok(()) };
        self.ending = self.outlet()?.begin_commit(positions, member);
        if self.ending.is_some() { Ok(()) } else { Err(self.judge(COMMITS, &KafkaError::Canceled)) }
    }

    /// Whether a commit has begun, and nobody was told what came of it.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.is_some() || self.wanted.is_some()
    }

    /// Whether the commit that was begun is done.
    pub(super) fn has_committed(&mut self) -> Result<bool, PortError> {
        if self.wanted.is_some() {
            self.ask_on()?;
        }
        if self.wanted.is_some() {
            return Ok(false);
        }
        let (Some(ending), Some((_, outlet))) = (&self.ending, self.outlets.front_mut()) else {
            return Ok(true);
        };
        outlet.tend();
        let outcome = ending.outcome();
        if outcome.is_none() && !ending.is_stuck() {
            return Ok(false);
        }
        // What became of its records is known to the client, and told by the way.
        outlet.tend();
        self.ending = None;
        match outcome {
            Some(Ok(())) => {
                self.is_open = false;
                self.settle()?;
                self.outlets.rotate_left(1.min(self.outlets.len()));
                Ok(true)
            }
            Some(Err((deed, error))) => Err(self.judge(deed, &error)),
            None => {
                outlet.give_up();
                Err(self.judge(COMMITS, &KafkaError::Canceled))
            }
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.is_open
    }

    /// Ends the transaction with nothing done.
    pub(super) fn abort(&mut self) -> Result<(), PortError> {
        self.wanted = None;
        let Some((_, outlet)) = self.outlets.front_mut() else { return Ok(()) };
        if !std::mem::take(&mut self.is_open) || self.is_fenced {
            return Ok(());
        }
        let called_off = &self.called_off;
        let aborted = until_answered(|| !called_off(), || outlet.abort_transaction(ABORT_WAIT));
        outlet.forget_failure();
        match aborted.map_err(|error| self.judge("abort the transaction", &error)) {
            // Whoever fenced this member off has ended its transaction.
            Err(_) if self.is_fenced => Ok(()),
            outcome => outcome,
        }
    }

    pub(super) fn tally(&self) -> Tally {
        let tallies = self.outlets.iter().map(|(_, outlet)| millstream_ports::Outlet::tally(outlet));
        tallies.fold(self.before, |sum, of_one| Tally {
            delivered: sum.delivered + of_one.delivered,
            failed: sum.failed + of_one.failed,
        })
    }

    pub(super) fn acknowledged(&self, tag: Tag) -> Option<Offset> {
        let known = |(_, outlet): &(_, KafkaOutlet)| millstream_ports::Outlet::acknowledged(outlet, tag);
        self.outlets.iter().filter_map(known).max()
    }

    /// A failed delivery undoes its transaction, and no more than that unless the producer itself is at its end.
    fn weigh(&mut self, error: PortError) -> PortError {
        match self.sending().and_then(KafkaOutlet::fatal_error) {
            Some(code) if is_fence(code) => {
                self.is_fenced = true;
                PortError::retry(error.to_string())
            }
            Some(_) => error,
            // The record was not taken, so the transaction knows nothing of it.
            None if error.action() == Action::DeadLetter => error,
            None => PortError::retry(error.to_string()),
        }
    }

    fn judge(&mut self, deed: &str, error: &KafkaError) -> PortError {
        let fatal = self.sending().and_then(KafkaOutlet::fatal_error);
        let attempt = self.attempt(deed);
        if self.sending().is_some_and(KafkaOutlet::is_stuck) {
            // As if another member had fenced it off: the next producer of the same id will.
            self.is_fenced = true;
            return PortError::retry(format!(
                "{attempt}: its client does not answer; another takes its place"
            ));
        }
        let abortable = match error {
            KafkaError::Transaction(error) => error.txn_requires_abort() || error.is_retriable(),
            _ => false,
        };
        if fatal.or(error.rdkafka_error_code()).is_some_and(is_fence) {
            self.is_fenced = true;
            return PortError::retry(format!("{attempt}: another member has its partitions"));
        }
        let told = port_error(attempt, error);
        if abortable && fatal.is_none() {
            PortError::retry(told.to_string())
        } else {
            PortError::stop(told.to_string())
        }
    }
}

fn is_fence(code: Code) -> bool {
    matches!(code, Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
}
