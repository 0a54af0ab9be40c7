use std::collections::BTreeMap;

use millstream_model::{Offset, Partition, TopicName};

use crate::PortError;

/// What the log knows of consumer groups, asked from outside them.
pub trait Groups {
    /// Every group that has members or committed positions, by name, with how many members it has. A member that was killed
    /// counts until its session is over.
    ///
    /// # Errors
    /// When the brokers can't be reached.
    fn groups(&self) -> Result<BTreeMap<String, usize>, PortError>;

    /// Where a group reads on in a topic: the partitions that it has committed, each with the next offset.
    ///
    /// # Errors
    /// When the brokers can't be reached.
    fn positions(&self, group: &str, topic: &TopicName) -> Result<Vec<(Partition, Offset)>, PortError>;

    /// Sets where a group without members reads on.
    ///
    /// # Errors
    /// When it has members, or the brokers can't be reached.
    fn place(
        &self,
        group: &str,
        topic: &TopicName,
        positions: &[(Partition, Offset)],
    ) -> Result<(), PortError>;
}
