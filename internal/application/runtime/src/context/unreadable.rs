use std::convert::Infallible;

use millstream_model::{Headers, RecordView};
use millstream_ports::CodecError;

use super::{Aside, ContextError, Names};
use crate::dead_letter::header;
use crate::effects::{Draft, Effects};
use crate::policy::Policy;

/// An entry of another group's table that does not decode.
pub(super) struct Unreadable<'a> {
    /// `join` or `lookup`.
    pub(super) edge: &'static str,
    pub(super) topic: &'a str,
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) error: CodecError,
}

impl Unreadable<'_> {
    /// Does as the edge's policy says; `Ok` shows the callback no value.
    pub(super) fn goes_by(
        self,
        policy: Option<Policy>,
        record: &RecordView<'_>,
        names: &Names,
        effects: &mut Effects,
        aside: &mut Aside,
    ) -> Result<(), ContextError> {
        match policy.filter(|_| !self.error.may_pass()) {
            Some(Policy::Skip) => aside.skipped += 1,
            Some(Policy::DeadLetter) => {
                aside.letters += 1;
                self.send(record, names, effects);
            }
            decided => {
                aside.policy = decided.or(aside.policy);
                let place = format!("a value of '{}'", self.topic);
                return Err(ContextError::Codec { place, source: self.error });
            }
        }
        Ok(())
    }

    fn send(&self, record: &RecordView<'_>, names: &Names, effects: &mut Effects) {
        let Some(destination) = names.dead_letters else { return };
        let mut headers = Headers::default();
        headers.push(header::TOPIC, self.topic);
        headers.push(header::PARTITION, record.partition.to_string());
        headers.push(header::GROUP, names.group.as_str());
        headers.push(header::STAGE, self.edge);
        headers.push(header::MESSAGE, self.error.to_string());
        let draft = Draft {
            destination,
            partition: None,
            headers: Some(&headers),
            timestamp: Some(record.timestamp),
        };
        let copy = |bytes: &[u8], out: &mut Vec<u8>| {
            out.extend_from_slice(bytes);
            Ok::<_, Infallible>(true)
        };
        let Ok(()) = effects.add(&draft, |out| copy(self.key, out), |out| copy(self.value, out));
    }
}
