use std::collections::BTreeMap;

use millstream_model::{Offset, Partition, TopicName};

use crate::PortError;

/// What the log knows of consumer groups, asked from outside them.
pub trait Groups {
    /// Every group that has members or committed positions, by name, with how many members it is known to have: those of KIP-848
    /// may not be, of which [`Groups::rests`] tells.
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

    /// Whether a group has no members. One that was killed counts until its session is over.
    ///
    /// Not all clients can read who is in a group, but all brokers refuse to have its position set from outside while somebody
    /// is. So one is set in `topic`, which has to exist, and should be one that the group does not read.
    ///
    /// # Errors
    /// When the brokers can't be reached, or there is no such topic.
    fn rests(&self, group: &str, topic: &TopicName) -> Result<bool, PortError>;

    /// Has the brokers forget a group without members, and where it reads on. One that they do not know is no error.
    ///
    /// # Errors
    /// When it has members, or the brokers can't be reached.
    fn forget(&self, group: &str) -> Result<(), PortError>;
}
