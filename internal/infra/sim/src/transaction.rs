use std::collections::{BTreeMap, BTreeSet};

use millstream_model::{Offset, Partition, TopicName};

/// What has become of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Open,
    Committed,
    Aborted,
}

/// Every transaction there ever was, by number.
#[derive(Default)]
pub(crate) struct Transactions {
    all: Vec<Transaction>,
    /// Markers that are still to be written, in the order of the verdicts.
    pub(crate) unmarked: Vec<(usize, Place)>,
    /// How often each name was taken over; whoever has an older number is fenced off.
    epochs: BTreeMap<(String, Partition), u64>,
}

struct Transaction {
    /// Who may end it: the group, and the lowest partition of the member that began it.
    id: (String, Partition),
    verdict: Verdict,
    places: BTreeSet<Place>,
    positions: Vec<(TopicName, Partition, Offset)>,
}

/// Where the end of a transaction has to be noted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Journal(TopicName, Partition),
    /// The positions of a group.
    Group(String),
}

impl Transactions {
    /// Takes a name over, from whoever has it.
    pub(crate) fn take_over(&mut self, group: &str, lowest: Partition) {
        *self.epochs.entry((group.to_owned(), lowest)).or_default() += 1;
    }

    pub(crate) fn epoch(&self, group: &str, lowest: Partition) -> u64 {
        self.epochs.get(&(group.to_owned(), lowest)).copied().unwrap_or_default()
    }

    pub(crate) fn begin(&mut self, group: &str, lowest: Partition) -> usize {
        let id = (group.to_owned(), lowest);
        let (places, positions) = (BTreeSet::new(), Vec::new());
        self.all.push(Transaction { id, verdict: Verdict::Open, places, positions });
        self.all.len() - 1
    }

    pub(crate) fn verdict(&self, number: usize) -> Verdict {
        self.all.get(number).map_or(Verdict::Aborted, |transaction| transaction.verdict)
    }

    pub(crate) fn add_place(&mut self, number: usize, place: Place) {
        if let Some(transaction) = self.all.get_mut(number) {
            transaction.places.insert(place);
        }
    }

    /// Adds the positions that are committed with it.
    pub(crate) fn add_positions(&mut self, number: usize, positions: Vec<(TopicName, Partition, Offset)>) {
        if let Some(transaction) = self.all.get_mut(number) {
            transaction.places.insert(Place::Group(transaction.id.0.clone()));
            transaction.positions = positions;
        }
    }

    /// Decides an open one, whose markers are then due.
    pub(crate) fn decide(&mut self, number: usize, verdict: Verdict) {
        let Some(transaction) = self.all.get_mut(number) else { return };
        if transaction.verdict == Verdict::Open {
            transaction.verdict = verdict;
            self.unmarked.extend(transaction.places.iter().map(|place| (number, place.clone())));
        }
    }

    /// Those that the member of `group` with this lowest partition has left open.
    pub(crate) fn left_open(&self, group: &str, lowest: Partition) -> Vec<usize> {
        let all = self.all.iter().enumerate();
        all.filter(|(_, one)| one.verdict == Verdict::Open && one.id.0 == group && one.id.1 == lowest)
            .map(|(number, _)| number)
            .collect()
    }

    /// The numbers of the decided ones of a member whose markers are still due.
    pub(crate) fn is_of(&self, number: usize, group: &str, lowest: Partition) -> bool {
        self.all.get(number).is_some_and(|one| one.id.0 == group && one.id.1 == lowest)
    }

    pub(crate) fn positions(&self, number: usize) -> &[(TopicName, Partition, Offset)] {
        self.all.get(number).map_or(&[], |transaction| &transaction.positions)
    }

    /// Whether a position of a group is in doubt: a transaction has it, and the group was not told how that ended.
    pub(crate) fn holds_position(&self, group: &str, topic: &TopicName, partition: Partition) -> bool {
        let has = |number: usize| {
            self.positions(number).iter().any(|(name, at, _)| name == topic && *at == partition)
        };
        self.unmarked
            .iter()
            .any(|(number, place)| matches!(place, Place::Group(name) if name == group) && has(*number))
    }
}
