use std::collections::BTreeMap;

/// A topic and the number of a partition.
pub type Place = (String, i32);

/// An offset that a group has committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The next offset to be read.
    pub offset: i64,
    /// The leader's epoch at the record before, or -1.
    pub leader_epoch: i32,
    /// What the consumer noted with it.
    pub metadata: String,
}

/// What a group has committed, and what open transactions would commit.
///
/// **Invariant:** what a transaction has staged is not among the committed until it is settled with a commit.
#[derive(Clone, Debug, Default)]
pub struct Offsets {
    committed: BTreeMap<Place, Committed>,
    staged: BTreeMap<i64, BTreeMap<Place, Committed>>,
}

impl Offsets {
    /// Commits one.
    pub fn commit(&mut self, place: Place, committed: Committed) {
        self.committed.insert(place, committed);
    }

    /// Keeps one until its producer's transaction ends.
    pub fn stage(&mut self, producer: i64, place: Place, committed: Committed) {
        self.staged.entry(producer).or_default().insert(place, committed);
    }

    /// Ends a producer's transaction; answers what came to be committed by it.
    pub fn settle(&mut self, producer: i64, commit: bool) -> Vec<(Place, Committed)> {
        let staged = self.staged.remove(&producer).unwrap_or_default();
        if !commit {
            return Vec::new();
        }
        self.committed.extend(staged.clone());
        staged.into_iter().collect()
    }

    /// What is committed at a place.
    pub fn get(&self, place: &Place) -> Option<&Committed> {
        self.committed.get(place)
    }

    /// Whether a transaction has yet to decide about a place.
    pub fn is_unstable(&self, place: &Place) -> bool {
        self.staged.values().any(|staged| staged.contains_key(place))
    }

    /// All that is committed.
    pub fn all(&self) -> impl Iterator<Item = (&Place, &Committed)> {
        self.committed.iter()
    }

    /// All that is staged, with its producer.
    pub fn staged(&self) -> impl Iterator<Item = (i64, &Place, &Committed)> {
        self.staged
            .iter()
            .flat_map(|(producer, places)| places.iter().map(|(place, at)| (*producer, place, at)))
    }

    /// Forgets a place; answers whether anything was committed there.
    pub fn forget(&mut self, place: &Place) -> bool {
        for staged in self.staged.values_mut() {
            staged.remove(place);
        }
        self.committed.remove(place).is_some()
    }

    /// Whether there is nothing, neither committed nor staged.
    pub fn is_empty(&self) -> bool {
        self.committed.is_empty() && self.staged.values().all(BTreeMap::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> Committed {
        Committed { offset, leader_epoch: -1, metadata: String::new() }
    }

    #[test]
    fn a_transaction_decides_about_what_it_staged_and_nothing_else() {
        let (place, other) = (("t".to_owned(), 0), ("t".to_owned(), 1));
        for commit in [true, false] {
            let mut offsets = Offsets::default();
            offsets.commit(place.clone(), at(1));
            offsets.stage(7, place.clone(), at(5));
            offsets.stage(8, other.clone(), at(9));
            assert_eq!((offsets.get(&place), offsets.is_unstable(&place)), (Some(&at(1)), true));
            let settled = offsets.settle(7, commit);
            assert_eq!(settled.len(), usize::from(commit));
            assert_eq!(offsets.get(&place), Some(&at(if commit { 5 } else { 1 })));
            assert!(!offsets.is_unstable(&place) && offsets.is_unstable(&other));
            assert_eq!(offsets.settle(7, commit), [], "it is settled once");
        }
    }
}
