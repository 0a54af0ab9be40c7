use millstream_model::Offset;

/// How far the inputs of one owned partition are done, and which of that the group has yet to be told.
///
/// **Invariant:** an input's position only moves forward.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetLedger {
    inputs: Vec<Position>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    next: Offset,
    uncommitted: bool,
}

impl OffsetLedger {
    /// A ledger for a group with `inputs` inputs, of which nothing is known.
    pub fn new(inputs: usize) -> Self {
        Self { inputs: vec![Position::default(); inputs] }
    }

    /// Whether the record at `offset` was processed before, and is being polled again.
    pub fn knows(&self, input: usize, offset: Offset) -> bool {
        self.inputs.get(input).is_some_and(|position| offset < position.next)
    }

    /// Notes that the record at `offset` of an input was processed. A record known already changes nothing.
    pub fn processed(&mut self, input: usize, offset: Offset) {
        if let Some(position) = self.inputs.get_mut(input).filter(|position| position.next <= offset) {
            *position = Position { next: offset.next(), uncommitted: true };
        }
    }

    /// What to commit, as `(input, next offset)`.
    pub fn uncommitted(&self) -> impl Iterator<Item = (usize, Offset)> + '_ {
        let positions = self.inputs.iter().enumerate().filter(|(_, position)| position.uncommitted);
        positions.map(|(input, position)| (input, position.next))
    }

    /// Notes that all of [`OffsetLedger::uncommitted`] is committed.
    pub fn committed(&mut self) {
        for position in &mut self.inputs {
            position.uncommitted = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_name_the_next_offset_of_each_input() {
        let mut ledger = OffsetLedger::new(2);
        for offset in 5..9 {
            ledger.processed(0, Offset(offset));
        }
        ledger.processed(1, Offset(0));
        assert_eq!(ledger.uncommitted().collect::<Vec<_>>(), [(0, Offset(9)), (1, Offset(1))]);
        ledger.committed();
        assert_eq!(ledger.uncommitted().count(), 0);
    }

    #[test]
    fn a_record_polled_again_is_known_and_moves_nothing_back() {
        let mut ledger = OffsetLedger::new(1);
        assert!(!ledger.knows(0, Offset(3)));
        ledger.processed(0, Offset(3));
        ledger.committed();
        assert!(ledger.knows(0, Offset(3)) && ledger.knows(0, Offset(1)) && !ledger.knows(0, Offset(4)));
        ledger.processed(0, Offset(1));
        assert_eq!(ledger.uncommitted().count(), 0);
    }
}
