use std::collections::BTreeMap;

use millstream_model::{Offset, Partition};

/// Which input offsets are done with, and which of those the group has yet to be told.
///
/// **Invariant:** a position only moves forward until its partition is forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetLedger {
    next: BTreeMap<(usize, Partition), Offset>,
    uncommitted: BTreeMap<(usize, Partition), Offset>,
}

impl OffsetLedger {
    /// Notes that the record at `offset` of an input's partition was processed.
    ///
    /// Answers `false`, and notes nothing, for a record that was processed before.
    pub fn processed(&mut self, input: usize, partition: Partition, offset: Offset) -> bool {
        let place = (input, partition);
        if self.next.get(&place).is_some_and(|next| offset < *next) {
            return false;
        }
        self.next.insert(place, offset.next());
        self.uncommitted.insert(place, offset.next());
        true
    }

    /// The positions to commit, as `(input, partition, next offset)`.
    pub fn uncommitted(&self) -> Vec<(usize, Partition, Offset)> {
        self.uncommitted.iter().map(|((input, partition), next)| (*input, *partition, *next)).collect()
    }

    /// Whether there is nothing to commit.
    pub fn is_settled(&self) -> bool {
        self.uncommitted.is_empty()
    }

    /// Notes that all of [`OffsetLedger::uncommitted`] is committed.
    pub fn committed(&mut self) {
        self.uncommitted.clear();
    }

    /// Forgets partitions that are no longer owned.
    pub fn forget(&mut self, partitions: &[Partition]) {
        self.next.retain(|(_, partition), _| !partitions.contains(partition));
        self.uncommitted.retain(|(_, partition), _| !partitions.contains(partition));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P0: Partition = Partition::new(0);
    const P1: Partition = Partition::new(1);

    #[test]
    fn commits_name_the_next_offset_of_each_partition() {
        let mut ledger = OffsetLedger::default();
        for offset in 5..9 {
            assert!(ledger.processed(0, P0, Offset(offset)));
        }
        assert!(ledger.processed(1, P1, Offset(0)));
        assert_eq!(ledger.uncommitted(), [(0, P0, Offset(9)), (1, P1, Offset(1))]);
        ledger.committed();
        assert!(ledger.is_settled());
    }

    #[test]
    fn a_record_polled_again_is_known() {
        let mut ledger = OffsetLedger::default();
        assert!(ledger.processed(0, P0, Offset(3)));
        ledger.committed();
        assert!(!ledger.processed(0, P0, Offset(3)));
        assert!(!ledger.processed(0, P0, Offset(1)));
        assert!(ledger.is_settled());
    }

    #[test]
    fn a_partition_taken_away_is_not_committed() {
        let mut ledger = OffsetLedger::default();
        ledger.processed(0, P0, Offset(1));
        ledger.processed(0, P1, Offset(1));
        ledger.forget(&[P0]);
        assert_eq!(ledger.uncommitted(), [(0, P1, Offset(2))]);
        assert!(ledger.processed(0, P0, Offset(0)), "a later owner may have committed less");
    }
}
