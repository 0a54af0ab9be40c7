//! What a member's commits have in common, however its records are sent.

use std::sync::mpsc::TryRecvError;

use millstream_model::{Offset, Partition};
use millstream_ports::PortError;
use rdkafka::TopicPartitionList;
use rdkafka::error::KafkaError;

use crate::group::KafkaGroup;

impl KafkaGroup {
    /// Positions as the client takes them.
    pub(super) fn positions(
        &self,
        positions: &[(usize, Partition, Offset)],
    ) -> Result<TopicPartitionList, PortError> {
        if let Some((_, foreign, _)) =
            positions.iter().find(|(_, partition, _)| !self.owned.contains(partition))
        {
            let said =
                format!("group '{}' can't commit for partition {foreign}: it is not assigned", self.name);
            return Err(PortError::retry(said));
        }
        let mut list = TopicPartitionList::new();
        for (topic, partition, next) in positions {
            let name = self.inputs.get(*topic).ok_or_else(|| {
                PortError::stop(format!("group '{}' has no input number {topic}", self.name))
            })?;
            list.add_partition_offset(name.as_str(), partition.as_i32(), rdkafka::Offset::Offset(next.0))
                .map_err(self.refused("commit"))?;
        }
        Ok(list)
    }

    /// Whether the commit of positions that was begun is done.
    pub(super) fn has_answer(&mut self) -> Result<bool, PortError> {
        let Some(answer) = &self.committing else { return Ok(true) };
        let outcome = match answer.try_recv() {
            Err(TryRecvError::Empty) => return Ok(false),
            Err(TryRecvError::Disconnected) => Err(KafkaError::Canceled),
            Ok(outcome) => outcome,
        };
        self.committing = None;
        outcome.map(|()| true).map_err(self.refused("commit"))
    }

    /// Does what follows a commit.
    pub(super) fn after_commit(&self) {
        self.shared.complaints.settle();
    }
}
