use millstream_model::{Headers, RecordView};

pub use letter::{DeadLetter, LetterFilter};
pub use letters::{DeadLetters, Replayed, Replays};

use crate::processor::ProcessorError;

mod letter;
mod letters;
mod marks;

/// Headers of a dead letter, after those the record came with.
pub mod header {
    /// The topic the record came from.
    pub const TOPIC: &str = "__millstream.errors.topic";
    /// Its partition there, in decimal.
    pub const PARTITION: &str = "__millstream.errors.partition";
    /// Its offset there, in decimal.
    pub const OFFSET: &str = "__millstream.errors.offset";
    /// The group that could not process it.
    pub const GROUP: &str = "__millstream.errors.group";
    /// Where it failed: `decode` or `callback`; `produce` for a record that was emitted and refused, `join` and `lookup` for an
    /// entry of another group's table, `timer` and `visitor` for a key of the group's own.
    pub const STAGE: &str = "__millstream.errors.stage";
    /// What was wrong.
    pub const MESSAGE: &str = "__millstream.errors.message";
    /// How many bytes the value had that the letter could not take, in decimal.
    pub const VALUE_BYTES: &str = "__millstream.errors.value-bytes";
    /// Of a record that was a dead letter and was replayed: the letter's own `topic/partition@offset`.
    pub const REPLAYED_FROM: &str = "__millstream.replayed-from";
    /// What the names of all headers of a dead letter begin with.
    pub const PREFIX: &str = "__millstream.errors.";
}

/// The stage at which an emitted record is refused.
pub(crate) const PRODUCE: &str = "produce";

/// Where and why a record failed.
pub(crate) struct Place<'a> {
    pub(crate) group: &'a str,
    pub(crate) topic: &'a str,
    pub(crate) stage: &'static str,
    pub(crate) reason: &'a str,
}

impl Place<'_> {
    pub(crate) fn headers(&self, record: &RecordView<'_>) -> Headers {
        let mut headers = Headers::copy_of(record.headers);
        headers.push(header::TOPIC, self.topic);
        headers.push(header::PARTITION, record.partition.to_string());
        headers.push(header::OFFSET, record.offset.to_string());
        headers.push(header::GROUP, self.group);
        headers.push(header::STAGE, self.stage);
        headers.push(header::MESSAGE, self.reason);
        headers
    }

    pub(crate) fn failure(&self, record: &RecordView<'_>) -> ProcessorError {
        ProcessorError::Record {
            group: self.group.to_owned(),
            topic: self.topic.to_owned(),
            partition: record.partition,
            offset: record.offset,
            stage: self.stage,
            reason: self.reason.to_owned(),
        }
    }
}
