//! Where partitions are and end, and whether they are still those that the replica follows.

use millstream_model::{Offset, Partition};
use millstream_ports::{Action, GroupLog, PortError, Replica, Start, Tail};

use crate::batch::Batch;
use crate::replicator::Replicator;

/// The topic's second place in the tail, by which only its ends are looked for.
const ENDS: usize = 1;

impl<G: GroupLog, T: Tail, R: Replica> Replicator<G, T, R> {
    pub(crate) fn check(
        &self,
        partition: Partition,
        at: Offset,
        first: Offset,
        end: Offset,
    ) -> Result<(), PortError> {
        let topic = &self.plan.topic;
        if at > end {
            return Err(self.made_anew(partition, at, &format!("which ends at {end}")));
        }
        if first > at {
            let lost = at.until(first);
            tracing::warn!(%topic, %partition, lost, "records were deleted before they were replicated");
        }
        Ok(())
    }

    pub(crate) fn made_anew(&self, partition: Partition, at: Offset, seen: &str) -> PortError {
        let topic = &self.plan.topic;
        PortError::stop(format!(
            "the table is at offset {at} of {topic}/{partition}, {seen}: the topic was made anew; \
             empty the table, and delete the topic's rows from millstream_positions"
        ))
    }

    /// Markers of transactions count as read, though no record comes of them; records count once they are written.
    pub(crate) fn note_positions(&self) {
        let mut now = self.figures.now();
        for (partition, (at, end)) in &mut now.partitions {
            let Ok(next) = self.tail.position(0, *partition) else { continue };
            *end = (*end).max(next);
            if self.is_written(*partition) {
                *at = next;
            } else if let Some(Some(written)) = self.positions.get(partition) {
                *at = *written;
            }
        }
    }

    /// Whether all that was read of a partition is in the replica.
    fn is_written(&self, partition: Partition) -> bool {
        let is_of = |batch: &Batch| batch.next.contains_key(&partition);
        !is_of(&self.batch) && !self.writing.as_ref().is_some_and(|writing| is_of(&writing.batch))
    }

    /// Where the partitions end by now; what can't be found out stays as it was, and is not asked for long.
    pub(crate) fn note_ends(&mut self) {
        for partition in self.positions.keys() {
            let found = self.tail.add(ENDS, *partition, Start::Latest);
            let removed = self.tail.remove(ENDS, *partition);
            let end = match (found, removed) {
                (Ok((_, end)), Ok(())) => end,
                (Err(error), _) | (_, Err(error)) => {
                    self.trouble = self.trouble_of(&error);
                    return;
                }
            };
            if let Some(known) = self.figures.now().partitions.get_mut(partition) {
                known.1 = end;
            }
        }
        self.trouble = None;
        self.note_positions();
    }

    /// An outage is no trouble of the topic's; a topic that is gone, or that may not be read any more, is. Told once.
    fn trouble_of(&self, error: &PortError) -> Option<String> {
        if error.action() == Action::Retry {
            return self.trouble.clone();
        }
        if self.trouble.is_none() {
            tracing::warn!(topic = %self.plan.topic, %error, "the topic can't be looked at");
        }
        Some(error.to_string())
    }
}
