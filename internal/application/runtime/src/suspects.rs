use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use millstream_model::TopicName;
use millstream_ports::{Action, Outlet, PortError, Rejection, SendRecord};

use crate::partition::Plan;
use crate::policy::{AfterRetries, Policy, Verdict};

/// Records given up, none of which comes again: what makes them makes others each time.
const STRANGERS_MAX: usize = 50;

/// How long a record waits for room in the queue, before the worker looks after other things.
const PATIENCE: Duration = Duration::from_millis(500);

/// What the brokers refused for what it is, and how the records at fault are found among those that came with them.
///
/// Brokers refuse batches, and tell it after all was sent. So what was done since the last commit is taken back and done
/// again, and each record for a topic of which one was refused is now sent by itself. At least once that is all: whichever
/// is refused again goes by its policy. In a transaction even one refusal undoes all, so what is refused by itself is
/// remembered by its content, and not sent when it comes again. After a commit of records all of it is forgotten.
#[derive(Default)]
pub(crate) struct Suspects {
    topics: BTreeSet<TopicName>,
    /// Refused in a transaction when sent by themselves.
    records: HashMap<u64, Suspect>,
    hasher: RandomState,
    /// How long to wait before all is done again, where that is due.
    due: Option<Duration>,
    has_met_any: bool,
}

struct Suspect {
    tried: u32,
    is_given_up: bool,
    reason: String,
}

impl Suspects {
    /// Takes in what was refused beside others. Answers how long to wait until all is done again, if it is to be.
    ///
    /// # Errors
    /// When the policy of an output is to fail, or a table's changelog refused an entry: a table without it would be another.
    pub(crate) fn hear(
        &mut self,
        rejections: Vec<Rejection>,
        plan: &Plan,
    ) -> Result<Option<Duration>, PortError> {
        for rejection in rejections {
            let Some(policy) = policy(plan, &rejection.topic) else {
                return Err(PortError::stop(rejection.reason));
            };
            if policy.after(0) == Verdict::End(AfterRetries::Fail) {
                return Err(PortError::stop(rejection.reason));
            }
            tracing::warn!(topic = %rejection.topic, reason = rejection.reason, "records were refused; they are sent one by one");
            self.topics.insert(rejection.topic);
            self.due.get_or_insert(Duration::ZERO);
        }
        let due = self.due.take();
        if due.is_some() && self.records.len() > STRANGERS_MAX && !std::mem::take(&mut self.has_met_any) {
            let said = "emitted records are refused, and others are made each time their input is processed";
            let reason =
                self.records.values().next().map(|suspect| suspect.reason.as_str()).unwrap_or_default();
            return Err(PortError::stop(format!("{said}: {reason}")));
        }
        Ok(due)
    }

    /// All that was sent is safe.
    pub(crate) fn clear(&mut self) {
        if !self.topics.is_empty() {
            (self.topics, self.records, self.due) = Default::default();
        }
    }

    /// How often a record was tried again.
    pub(crate) fn tried(&self, record: &SendRecord<'_>) -> u32 {
        if self.records.is_empty() {
            0
        } else {
            self.records.get(&self.name(record)).map_or(0, |known| known.tried)
        }
    }

    /// Sends a record: by itself, where others for its topic were refused.
    ///
    /// # Errors
    /// [`Action::DeadLetter`] when it is the one at fault; otherwise the log's own.
    pub(crate) fn offer<L: Outlet>(
        &mut self,
        log: &mut L,
        plan: &Plan,
        record: &SendRecord<'_>,
    ) -> Result<bool, PortError> {
        if !self.topics.contains(record.topic) {
            return log.offer(record, PATIENCE);
        }
        let name = self.name(record);
        if let Some(known) = self.records.get(&name).filter(|known| known.is_given_up) {
            self.has_met_any = true;
            return Err(PortError::new(Action::DeadLetter, known.reason.clone()));
        }
        if let Err(error) = log.settle() {
            return Err(self.others(log, plan, error));
        }
        log.send(record)?;
        let Err(error) = log.settle() else { return Ok(true) };
        let rejections = log.rejections();
        let Some(own) = rejections.into_iter().find(|rejection| rejection.topic == *record.topic) else {
            return Err(error);
        };
        if error.action() == Action::DeadLetter {
            return Err(PortError::new(Action::DeadLetter, own.reason));
        }
        self.note(name, own.reason, policy(plan, record.topic).unwrap_or(Policy::Fail))?;
        Err(error)
    }

    /// As [`Suspects::offer`], for as long as there is no room.
    pub(crate) fn send<L: Outlet>(
        &mut self,
        log: &mut L,
        plan: &Plan,
        record: &SendRecord<'_>,
    ) -> Result<(), PortError> {
        while !self.offer(log, plan, record)? {}
        Ok(())
    }

    /// What was sent before the record at hand was refused.
    fn others<L: Outlet>(&mut self, log: &mut L, plan: &Plan, error: PortError) -> PortError {
        match self.hear(log.rejections(), plan) {
            Ok(Some(wait)) => {
                self.due = Some(wait);
                PortError::retry(error.to_string())
            }
            Ok(None) => error,
            Err(fatal) => fatal,
        }
    }

    /// Remembers the record that has undone its transaction.
    fn note(&mut self, name: u64, reason: String, policy: Policy) -> Result<(), PortError> {
        let tried = self.records.get(&name).map_or(0, |known| known.tried);
        let (tried, wait, is_given_up) = match policy.after(tried) {
            Verdict::End(AfterRetries::Fail) => return Err(PortError::stop(reason)),
            Verdict::End(AfterRetries::Skip | AfterRetries::DeadLetter) => (tried, Duration::ZERO, true),
            Verdict::Again(wait) => (tried + 1, wait, false),
        };
        self.due = Some(wait);
        self.records.insert(name, Suspect { tried, is_given_up, reason });
        Ok(())
    }

    fn name(&self, record: &SendRecord<'_>) -> u64 {
        let place = (record.topic.as_str(), record.partition, record.timestamp.map(|time| time.0));
        self.hasher.hash_one((place, record.key, record.value))
    }
}

/// What becomes of records that a topic refuses. A dead letter may always be told without its value.
fn policy(plan: &Plan, topic: &TopicName) -> Option<Policy> {
    let names = &plan.graph.names;
    let destination = names.destinations.iter().position(|known| known == topic)?;
    let is_letters = names.dead_letters == Some(destination);
    Some(if is_letters { Policy::DeadLetter } else { plan.graph.rules.produce(destination) })
}
