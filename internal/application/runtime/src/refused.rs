use std::time::Duration;

use millstream_model::Headers;
use millstream_ports::{Action, Outlet, PortError, SendRecord};

use crate::dead_letter::{self, header};
use crate::partition::Plan;
use crate::policy::{AfterRetries, Verdict};
use crate::status::WorkerStatus;
use crate::suspects::Suspects;

/// An emitted record that is to be sent again; nothing else is sent before it.
pub(crate) struct Refusal {
    pub(crate) tried: u32,
    pub(crate) wait: Duration,
    pub(crate) due: Duration,
    /// What was wrong with it last.
    pub(crate) reason: String,
}

impl Refusal {
    /// There was no room for it: the brokers do not keep up, or are not there.
    pub(crate) fn by_full_queue() -> Self {
        let reason = "the queue to the brokers is full".to_owned();
        Self { tried: 0, wait: Duration::ZERO, due: Duration::ZERO, reason }
    }
}

/// An emitted record that the log did not take.
pub(crate) struct Refused<'a> {
    pub(crate) record: &'a SendRecord<'a>,
    pub(crate) destination: usize,
    pub(crate) error: PortError,
}

impl Refused<'_> {
    /// Does as the output's policy says. Answers whether the record is to be sent again; otherwise it is dealt with.
    ///
    /// # Errors
    /// The log's own where the record is not at fault, or the policy is to fail.
    pub(crate) fn goes_by<L: Outlet>(
        self,
        log: &mut L,
        plan: &Plan,
        before: Option<Refusal>,
        (status, suspects): (&mut WorkerStatus, &mut Suspects),
    ) -> Result<Option<Refusal>, PortError> {
        if self.error.action() != Action::DeadLetter {
            return Err(self.error);
        }
        let tried = before.map_or(0, |before| before.tried).max(suspects.tried(self.record));
        let reason = self.error.to_string();
        if status.first_of_batch() {
            tracing::warn!(topic = %self.record.topic, reason, "an emitted record was refused");
        }
        match plan.graph.rules.produce(self.destination).after(tried) {
            Verdict::Again(wait) => {
                status.retried += 1;
                return Ok(Some(Refusal { tried: tried + 1, wait, due: Duration::ZERO, reason }));
            }
            Verdict::End(AfterRetries::Fail) => return Err(PortError::stop(reason)),
            Verdict::End(AfterRetries::Skip) => status.skipped += 1,
            Verdict::End(AfterRetries::DeadLetter) => {
                status.dead_letters += 1;
                self.send_letter(log, plan, suspects, &reason)?;
            }
        }
        Ok(None)
    }

    fn send_letter<L: Outlet>(
        &self,
        log: &mut L,
        plan: &Plan,
        suspects: &mut Suspects,
        reason: &str,
    ) -> Result<(), PortError> {
        let names = &plan.graph.names;
        let Some(topic) = names.dead_letters.and_then(|place| names.destinations.get(place)) else {
            return Ok(());
        };
        let mut headers = Headers::copy_of(self.record.headers);
        headers.push(header::TOPIC, self.record.topic.as_str());
        if let Some(partition) = self.record.partition {
            headers.push(header::PARTITION, partition.to_string());
        }
        headers.push(header::GROUP, names.group.as_str());
        headers.push(header::STAGE, dead_letter::PRODUCE);
        headers.push(header::MESSAGE, reason);
        let letter = SendRecord { topic, partition: None, headers: &headers, ..*self.record };
        match suspects.send(log, plan, &letter) {
            // What is too large for its topic may be too large for this one: who it was is told at least.
            Err(error) if error.action() == Action::DeadLetter => {
                let bytes = self.record.value.map_or(0, <[u8]>::len).to_string();
                let mut headers = headers.clone();
                headers.push(header::VALUE_BYTES, bytes);
                let short = SendRecord { value: None, headers: &headers, ..letter };
                suspects.send(log, plan, &short).map_err(|error| match error.action() {
                    Action::DeadLetter => PortError::stop(error.to_string()),
                    _ => error,
                })
            }
            sent => sent,
        }
    }
}
