use std::collections::BTreeSet;

use millstream_model::Offset;

/// How far the inputs of one owned partition are done, and which of that the group has yet to be told.
///
/// Records may be done out of order, where some wait and others go on; what is committed is the first that is not done.
///
/// **Invariant:** an input's position only moves forward, but for [`OffsetLedger::roll_back`]; no position is told beyond a
/// record that was taken and is not done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetLedger {
    inputs: Vec<Position>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Position {
    /// Behind the last record that was taken.
    next: Offset,
    /// Records that were taken, and wait.
    waiting: BTreeSet<Offset>,
    /// What the group was told last; zero where it was told nothing by this owner.
    committed: Offset,
    /// What it is being told.
    marked: Option<Offset>,
}

impl Position {
    /// All before it is done.
    fn done(&self) -> Offset {
        self.waiting.first().copied().unwrap_or(self.next)
    }
}

impl OffsetLedger {
    /// A ledger for a group with `inputs` inputs, of which nothing is known.
    pub fn new(inputs: usize) -> Self {
        Self { inputs: vec![Position::default(); inputs] }
    }

    /// Whether the record at `offset` was taken before, and is being polled again.
    pub fn knows(&self, input: usize, offset: Offset) -> bool {
        self.inputs.get(input).is_some_and(|position| offset < position.next)
    }

    /// The first offset of an input that is not known to be done, with all before it; zero where nothing is known.
    pub fn done_to(&self, input: usize) -> Offset {
        self.inputs.get(input).map_or(Offset::ZERO, Position::done)
    }

    /// The first offset of an input that this owner has not told the group of; zero where it has told nothing.
    pub fn committed_to(&self, input: usize) -> Offset {
        self.inputs.get(input).map_or(Offset::ZERO, |position| position.committed)
    }

    /// Notes that the record at `offset` of an input was taken, and is not done yet.
    pub fn taken(&mut self, input: usize, offset: Offset) {
        if let Some(position) = self.inputs.get_mut(input) {
            position.next = position.next.max(offset.next());
            position.waiting.insert(offset);
        }
    }

    /// Notes that the record at `offset` of an input is done. One that was done before changes nothing.
    pub fn processed(&mut self, input: usize, offset: Offset) {
        if let Some(position) = self.inputs.get_mut(input) {
            position.next = position.next.max(offset.next());
            position.waiting.remove(&offset);
        }
    }

    /// What to commit, as `(input, next offset)`.
    pub fn uncommitted(&self) -> impl Iterator<Item = (usize, Offset)> + '_ {
        let positions = self.inputs.iter().enumerate();
        positions
            .filter(|(_, position)| position.done() != position.committed)
            .map(|(input, position)| (input, position.done()))
    }

    /// Marks all of [`OffsetLedger::uncommitted`] for a commit that begins. What is done afterwards is of the next one.
    pub fn mark(&mut self) {
        for position in &mut self.inputs {
            position.marked = Some(position.done()).filter(|done| *done != position.committed);
        }
    }

    /// What is marked, as `(input, next offset)`.
    pub fn marked(&self) -> impl Iterator<Item = (usize, Offset)> + '_ {
        let positions = self.inputs.iter().enumerate();
        positions.filter_map(|(input, position)| Some((input, position.marked?)))
    }

    /// Notes that what is marked is committed.
    pub fn committed(&mut self) {
        for position in &mut self.inputs {
            position.committed = position.marked.take().unwrap_or(position.committed);
        }
    }

    /// Forgets what was taken since the last commit: it is taken back, and will be polled again.
    pub fn roll_back(&mut self) {
        for position in &mut self.inputs {
            position.next = position.committed;
            position.waiting.clear();
            position.marked = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(ledger: &mut OffsetLedger) {
        ledger.mark();
        ledger.committed();
    }

    #[test]
    fn what_is_done_while_a_commit_is_under_way_is_of_the_next() {
        let mut ledger = OffsetLedger::new(2);
        ledger.processed(0, Offset(4));
        ledger.mark();
        ledger.processed(0, Offset(5));
        ledger.processed(1, Offset(0));
        assert_eq!(ledger.marked().collect::<Vec<_>>(), [(0, Offset(5))]);
        assert_eq!(ledger.committed_to(0), Offset::ZERO, "it is under way");
        ledger.committed();
        assert_eq!(ledger.marked().count(), 0);
        assert_eq!((ledger.committed_to(0), ledger.committed_to(1)), (Offset(5), Offset::ZERO));
        assert_eq!(ledger.uncommitted().collect::<Vec<_>>(), [(0, Offset(6)), (1, Offset(1))]);
        ledger.mark();
        ledger.roll_back();
        ledger.committed();
        assert!(!ledger.knows(0, Offset(5)), "what was marked is taken back too");
        assert_eq!(ledger.committed_to(0), Offset(5));
    }

    #[test]
    fn commits_name_the_next_offset_of_each_input() {
        let mut ledger = OffsetLedger::new(2);
        for offset in 5..9 {
            ledger.processed(0, Offset(offset));
        }
        ledger.processed(1, Offset(0));
        assert_eq!(ledger.uncommitted().collect::<Vec<_>>(), [(0, Offset(9)), (1, Offset(1))]);
        commit(&mut ledger);
        assert_eq!(ledger.uncommitted().count(), 0);
    }

    #[test]
    fn a_record_polled_again_is_known_and_moves_nothing_back() {
        let mut ledger = OffsetLedger::new(1);
        assert!(!ledger.knows(0, Offset(3)));
        ledger.processed(0, Offset(3));
        commit(&mut ledger);
        assert!(ledger.knows(0, Offset(3)) && ledger.knows(0, Offset(1)) && !ledger.knows(0, Offset(4)));
        ledger.processed(0, Offset(1));
        assert_eq!(ledger.uncommitted().count(), 0);
    }

    #[test]
    fn what_is_taken_back_is_unknown_again_and_what_was_committed_is_not() {
        let mut ledger = OffsetLedger::new(2);
        ledger.processed(0, Offset(4));
        commit(&mut ledger);
        ledger.processed(0, Offset(6));
        ledger.processed(1, Offset(2));
        ledger.roll_back();
        assert_eq!(ledger.uncommitted().count(), 0);
        assert!(ledger.knows(0, Offset(4)) && !ledger.knows(0, Offset(5)) && !ledger.knows(1, Offset(0)));
    }

    #[test]
    fn nothing_is_committed_beyond_a_record_that_waits() {
        let mut ledger = OffsetLedger::new(1);
        ledger.taken(0, Offset(3));
        ledger.processed(0, Offset(4));
        ledger.taken(0, Offset(5));
        assert!(ledger.knows(0, Offset(3)) && ledger.knows(0, Offset(5)));
        assert_eq!(ledger.uncommitted().collect::<Vec<_>>(), [(0, Offset(3))]);
        commit(&mut ledger);
        assert_eq!(ledger.uncommitted().count(), 0);
        ledger.processed(0, Offset(3));
        assert_eq!(ledger.uncommitted().collect::<Vec<_>>(), [(0, Offset(5))]);
        ledger.roll_back();
        assert!(!ledger.knows(0, Offset(3)), "what was not committed is polled again");
        assert_eq!(ledger.uncommitted().count(), 0);
    }
}
