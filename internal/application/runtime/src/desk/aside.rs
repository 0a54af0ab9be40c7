use std::convert::Infallible;

use millstream_model::{Headers, RecordView};
use millstream_ports::World;

use super::Desk;
use crate::dead_letter::Place;
use crate::effects::Draft;
use crate::graph::StepError;
use crate::policy::AfterRetries;
use crate::processor::ProcessorError;

impl<W: World> Desk<W> {
    /// Ends a record that failed for good.
    pub(super) fn set_aside(
        &mut self,
        record: &RecordView<'_>,
        error: &StepError,
        end: AfterRetries,
    ) -> Result<(), ProcessorError> {
        let stage = match error {
            StepError::Decode(_) => "decode",
            StepError::Callback(_) => "callback",
        };
        self.end_at(stage, record, &error.to_string(), end)
    }

    /// As [`Desk::set_aside`], at a stage of another name.
    pub(super) fn end_at(
        &mut self,
        stage: &'static str,
        record: &RecordView<'_>,
        reason: &str,
        end: AfterRetries,
    ) -> Result<(), ProcessorError> {
        let plan = self.plan.clone();
        let (spec, names) = (&plan.graph.spec, &plan.graph.names);
        let topic = spec.inputs.get(record.topic).or(names.table.as_ref());
        let topic = topic.map_or_else(String::new, ToString::to_string);
        let place = Place { group: &spec.group, topic: &topic, stage, reason };
        self.status.measures.failed(stage, end.name());
        match end {
            AfterRetries::Fail => return Err(place.failure(record)),
            AfterRetries::Skip => self.status.skipped += 1,
            AfterRetries::DeadLetter => {
                self.status.dead_letters += 1;
                self.send_dead_letter(record, &place.headers(record));
            }
        }
        if self.status.first_of_batch() {
            tracing::warn!(topic, partition = %record.partition, offset = %record.offset, stage, policy = ?end, reason, "record set aside");
        }
        Ok(())
    }

    fn send_dead_letter(&mut self, record: &RecordView<'_>, headers: &Headers) {
        let Some(destination) = self.plan.graph.names.dead_letters else { return };
        let draft =
            Draft { destination, partition: None, headers: Some(headers), timestamp: Some(record.timestamp) };
        let copy = |bytes: Option<&[u8]>, out: &mut Vec<u8>| {
            out.extend_from_slice(bytes.unwrap_or_default());
            Ok::<_, Infallible>(bytes.is_some())
        };
        let Ok(()) = self.effects.add(&draft, |out| copy(record.key, out), |out| copy(record.value, out));
    }
}
