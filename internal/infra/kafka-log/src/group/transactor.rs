use std::time::{Duration, Instant};

use millstream_model::{Offset, Partition};
use millstream_ports::{Action, PortError, SendRecord, Tag, Tally};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

use crate::KafkaLog;
use crate::failure::port_error;
use crate::outlet::KafkaOutlet;

/// How long one request about a transaction may take before it is made anew.
const ANSWER_WAIT: Duration = Duration::from_secs(15);

/// How long one attempt to abort may take. Between two, reports of what was dropped are taken in.
const ABORT_WAIT: Duration = Duration::from_millis(200);

/// How long the brokers may be away before a transaction is given up for good.
const PATIENCE: Duration = Duration::from_mins(2);

/// The writer of a member under exactly-once: what it sends between two commits is one transaction.
///
/// A transactional id is the group's name and the member's lowest partition. Whoever is assigned partitions first takes the
/// ids of all of them over: that ends what their last owners left open, and fences off those who do not know yet that they
/// are owners no more. So nothing has to be configured or kept on disk, and a crashed process's transaction ends as soon as
/// its partitions have another owner.
pub(super) struct Transactor {
    log: KafkaLog,
    group: String,
    outlet: Option<KafkaOutlet>,
    is_open: bool,
    is_fenced: bool,
    /// What earlier producers of this member have sent.
    before: Tally,
}

impl Transactor {
    pub(super) fn new(log: &KafkaLog, group: &str) -> Self {
        let before = Tally::default();
        Self {
            log: log.clone(),
            group: group.to_owned(),
            outlet: None,
            is_open: false,
            is_fenced: false,
            before,
        }
    }

    pub(super) fn is_fenced(&self) -> bool {
        self.is_fenced
    }

    /// Takes over the ids of these partitions, and sends by that of the lowest from now on.
    pub(super) fn take_over(&mut self, partitions: &[Partition]) -> Result<(), PortError> {
        self.put_down();
        let id = |partition: &Partition| format!("{}-{partition}", self.group);
        // All connect at once, and are then taken over one after another.
        let open = |partition| KafkaOutlet::open_transactional(&self.log, &id(partition));
        let mut outlets = partitions.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        for outlet in &outlets {
            let taken = until_answered(|| outlet.init_transactions(ANSWER_WAIT));
            // Without them the member owns partitions that it can't process; it has been patient.
            taken.map_err(|error| {
                let attempt = self.attempt("take over its partitions' transactions");
                PortError::stop(port_error(attempt, &error).to_string())
            })?;
        }
        let lowest = (0..).zip(partitions).min_by_key(|(_, partition)| **partition).map(|(place, _)| place);
        self.outlet = lowest.map(|place: usize| outlets.swap_remove(place));
        Ok(())
    }

    fn put_down(&mut self) {
        if let Some(outlet) = self.outlet.take() {
            let tally = millstream_ports::Outlet::tally(&outlet);
            self.before.delivered += tally.delivered;
            self.before.failed += tally.failed;
        }
        (self.is_open, self.is_fenced) = (false, false);
    }

    fn attempt(&self, deed: &str) -> String {
        format!("group '{}' could not {deed}", self.group)
    }

    fn outlet(&mut self) -> Result<&mut KafkaOutlet, PortError> {
        let group = &self.group;
        self.outlet.as_mut().ok_or_else(|| {
            PortError::stop(format!("a member of group '{group}' without partitions can't send"))
        })
    }

    pub(super) fn tend(&mut self) {
        if let Some(outlet) = &mut self.outlet {
            outlet.tend();
        }
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
        let Some(outlet) = &mut self.outlet else { return Ok(()) };
        let settled = millstream_ports::Outlet::settle(outlet);
        settled.map_err(|error| self.weigh(error))
    }

    /// Commits the transaction, and these positions with it.
    pub(super) fn commit(
        &mut self,
        positions: &TopicPartitionList,
        member: &ConsumerGroupMetadata,
    ) -> Result<(), PortError> {
        self.begin()?;
        let outlet = self.outlet()?;
        let added = until_answered(|| outlet.send_offsets(positions, member, ANSWER_WAIT));
        added.map_err(|error| self.judge("add its positions to the transaction", &error))?;
        let outlet = self.outlet()?;
        let committed = until_answered(|| outlet.commit_transaction(ANSWER_WAIT));
        committed.map_err(|error| self.judge("commit the transaction", &error))?;
        self.is_open = false;
        Ok(())
    }

    pub(super) fn has_begun(&self) -> bool {
        self.is_open
    }

    /// Ends the transaction with nothing done.
    pub(super) fn abort(&mut self) -> Result<(), PortError> {
        let Some(outlet) = &mut self.outlet else { return Ok(()) };
        if !std::mem::take(&mut self.is_open) || self.is_fenced {
            return Ok(());
        }
        let aborted = until_answered(|| outlet.abort_transaction(ABORT_WAIT));
        outlet.forget_failure();
        match aborted.map_err(|error| self.judge("abort the transaction", &error)) {
            // Whoever fenced this member off has ended its transaction.
            Err(_) if self.is_fenced => Ok(()),
            outcome => outcome,
        }
    }

    pub(super) fn tally(&self) -> Tally {
        let now = self.outlet.as_ref().map(millstream_ports::Outlet::tally).unwrap_or_default();
        Tally { delivered: self.before.delivered + now.delivered, failed: self.before.failed + now.failed }
    }

    pub(super) fn acknowledged(&self, tag: Tag) -> Option<Offset> {
        millstream_ports::Outlet::acknowledged(self.outlet.as_ref()?, tag)
    }

    /// A failed delivery undoes its transaction, and no more than that unless the producer itself is at its end.
    fn weigh(&mut self, error: PortError) -> PortError {
        match self.outlet.as_ref().and_then(KafkaOutlet::fatal_error) {
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
        let fatal = self.outlet.as_ref().and_then(KafkaOutlet::fatal_error);
        let attempt = self.attempt(deed);
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

/// Makes a request again while the brokers do not answer it; the client takes it up where it was.
fn until_answered(mut request: impl FnMut() -> Result<(), KafkaError>) -> Result<(), KafkaError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match request() {
            Err(KafkaError::Transaction(error))
                if error.is_retriable() && !error.txn_requires_abort() && Instant::now() < deadline =>
            {
                tracing::debug!(%error, "the transaction waits");
            }
            answer => return answer,
        }
    }
}
