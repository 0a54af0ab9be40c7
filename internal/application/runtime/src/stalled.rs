use std::error::Error;
use std::time::Duration;

use millstream_model::{Headers, Offset, Partition, RecordView, Timestamp};
use millstream_ports::CodecError;

use crate::graph::StepError;

/// Time between the first two attempts; it doubles from attempt to attempt.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The longest time between two attempts.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// A good record that can't be read now, since what its codec asks does not answer. Its worker reads no other until it can.
pub(crate) struct Stalled {
    topic: usize,
    pub(crate) partition: Partition,
    offset: Offset,
    timestamp: Timestamp,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Headers,
    /// What does not answer.
    pub(crate) reason: String,
    due: Duration,
    wait: Duration,
}

impl Stalled {
    pub(crate) fn new(record: &RecordView<'_>, reason: String, now: Duration) -> Self {
        Self {
            topic: record.topic,
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: Headers::copy_of(record.headers),
            reason,
            due: now + FIRST_WAIT,
            wait: FIRST_WAIT,
        }
    }

    pub(crate) fn view(&self) -> RecordView<'_> {
        RecordView {
            topic: self.topic,
            partition: self.partition,
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &self.headers,
        }
    }

    pub(crate) fn is_due(&self, now: Duration) -> bool {
        now >= self.due
    }

    /// The same after another attempt in vain.
    pub(crate) fn again(self, reason: String, now: Duration) -> Self {
        let wait = (self.wait * 2).min(WAIT_MAX);
        Self { reason, due: now + wait, wait, ..self }
    }
}

/// Why a step may succeed later with the same record: a codec said so, in a callback or before it.
pub(crate) fn may_pass(error: &StepError) -> Option<String> {
    match error {
        StepError::Decode(error) => error.may_pass().then(|| error.to_string()),
        StepError::Callback(error) => {
            let mut cause: Option<&(dyn Error + 'static)> = Some(error.as_ref());
            while let Some(error) = cause {
                if error.downcast_ref::<CodecError>().is_some_and(CodecError::may_pass) {
                    return Some(error.to_string());
                }
                cause = error.source();
            }
            None
        }
    }
}
