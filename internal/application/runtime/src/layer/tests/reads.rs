use super::*;

#[derive(Clone, Debug)]
enum Deed {
    Put(u8, Option<u8>),
    Accept,
    Reject,
    Leave,
    Log,
    RollBack,
    Store,
    BeginWriting,
    StoreSome,
    Replay(u8, Option<u8>),
    Neighbour(usize),
    BeginCut,
    ReadCut(usize, usize),
    EndCut(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (0..40_u8, any::<Option<u8>>()).prop_map(|(key, value)| Deed::Put(key, value)),
        4 => Just(Deed::Accept),
        1 => Just(Deed::Reject),
        2 => Just(Deed::Leave),
        2 => Just(Deed::Log),
        1 => Just(Deed::RollBack),
        1 => Just(Deed::Store),
        2 => Just(Deed::BeginWriting),
        3 => Just(Deed::StoreSome),
        1 => (0..40_u8, any::<Option<u8>>()).prop_map(|(key, value)| Deed::Replay(key, value)),
        1 => (0..3_000_usize).prop_map(Deed::Neighbour),
        1 => Just(Deed::BeginCut),
        2 => (0..4_usize, 1..20_usize).prop_map(|(place, count)| Deed::ReadCut(place, count)),
        1 => (0..4_usize).prop_map(Deed::EndCut),
    ]
}

type Model = BTreeMap<u8, u8>;

/// A layer beside a plain map that has had the same done to it.
struct Pair {
    layer: TableLayer<MapStore>,
    neighbour: crate::memory::Share,
    committed: Model,
    accepted: Model,
    /// What the commit under way has.
    leaving: Option<Model>,
    staged: BTreeMap<u8, Option<u8>>,
    /// Cuts by number: what the table was, and what has been read.
    cuts: Vec<(u64, Model, Model)>,
}

fn bytes(value: Option<u8>) -> Option<Vec<u8>> {
    value.map(|value| vec![value])
}

fn change(map: &mut Model, key: u8, value: Option<u8>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

impl Pair {
    fn new(budget: usize) -> Self {
        let budget = MemoryBudget::of_bytes(budget);
        let layer = TableLayer::new(MapStore::default(), budget.join(0), None);
        let maps = (Model::new(), Model::new());
        let neighbour = budget.join(0);
        Self {
            layer,
            neighbour,
            committed: maps.0,
            accepted: maps.1,
            leaving: None,
            staged: BTreeMap::new(),
            cuts: Vec::new(),
        }
    }

    /// A commit begins, or one that was put off begins again.
    fn leave(&mut self) {
        self.layer.begin_leaving();
        self.leaving = Some(self.accepted.clone());
    }

    /// The commit under way has come to the changelog.
    fn log(&mut self) {
        if self.leaving.is_none() {
            self.leave();
        }
        self.layer.logged(Offset(1), Duration::ZERO);
        self.committed = self.leaving.take().unwrap();
    }

    fn deed(&mut self, deed: &Deed, batch: usize) {
        match *deed {
            Deed::Put(key, value) => {
                self.layer.put(&[key], bytes(value).as_deref());
                self.staged.insert(key, value);
            }
            Deed::Accept => {
                self.layer.accept_staged();
                for (key, value) in std::mem::take(&mut self.staged) {
                    change(&mut self.accepted, key, value);
                }
            }
            Deed::Reject => {
                self.layer.reject_staged();
                self.staged.clear();
            }
            Deed::Leave => self.leave(),
            Deed::Log => self.log(),
            Deed::RollBack => {
                self.layer.roll_back();
                (self.accepted, self.leaving, self.cuts) = (self.committed.clone(), None, Vec::new());
                self.staged.clear();
            }
            Deed::Store => self.layer.store_all(batch).unwrap(),
            Deed::BeginWriting => self.layer.begin_writing().unwrap(),
            Deed::StoreSome => drop(self.layer.store_some(batch).unwrap()),
            Deed::Replay(key, value) => {
                // The changelog has nothing of what is not committed, and nobody reads cuts of what is being recovered.
                self.log();
                self.log();
                self.cuts.drain(..).for_each(|(number, ..)| self.layer.end_cut(number));
                self.layer.replay(&[key], bytes(value).as_deref(), AT);
                self.layer.replayed(Offset(2), Duration::ZERO, batch);
                change(&mut self.accepted, key, value);
                self.committed = self.accepted.clone();
            }
            Deed::Neighbour(waiting) => self.neighbour.set_waiting(waiting),
            Deed::BeginCut => {
                self.cuts.push((self.layer.begin_cut(), self.accepted.clone(), Model::new()));
            }
            Deed::ReadCut(place, count) => self.read_cut(place, count),
            Deed::EndCut(place) if place < self.cuts.len() => {
                let (number, ..) = self.cuts.remove(place);
                self.layer.end_cut(number);
            }
            Deed::EndCut(_) => {}
        }
    }

    /// Reads a cut on by some keys, and all of its rest must be as the table was.
    fn read_cut(&mut self, place: usize, count: usize) {
        let Some((number, expected, seen)) = self.cuts.get_mut(place) else { return };
        let last = seen.last_key_value().map(|(key, _)| *key);
        let range = last.map_or_else(KeyRange::all, |last| KeyRange::all().after(&[last]));
        let mut left = count;
        let read = self.layer.read_cut(*number, &range, &mut |key, value| {
            if left > 0 {
                seen.insert(key[0], value[0]);
                left -= 1;
            }
            left > 0
        });
        read.unwrap();
        let end = seen.last_key_value().map_or(0, |(key, _)| *key);
        let so_far = |map: &Model| map.range(..=end).map(|(key, value)| (*key, *value)).collect::<Vec<_>>();
        if left > 0 {
            assert_eq!(seen, expected, "a cut read to its end");
        }
        assert_eq!(so_far(seen), if seen.is_empty() { Vec::new() } else { so_far(expected) });
    }

    fn check(&mut self) {
        let mut all = self.accepted.clone();
        self.staged.iter().for_each(|(key, value)| change(&mut all, *key, *value));
        for key in 0..40_u8 {
            let value = self.layer.get(&[key]).unwrap().map(<[u8]>::to_vec);
            assert_eq!(value, bytes(all.get(&key).copied()), "key {key}");
        }
        for range in
            [KeyRange::all(), KeyRange::new([10], Some(vec![30])), KeyRange::new([30], Some(vec![10]))]
        {
            let expected: Vec<_> = all.iter().filter(|(key, _)| range.contains(&[**key])).collect();
            let mut seen = Vec::new();
            self.layer
                .range(&range, &mut |key, value| {
                    seen.push((key[0], value[0]));
                    seen.len() < 15
                })
                .unwrap();
            let expected: Vec<_> = expected.into_iter().map(|(key, value)| (*key, *value)).take(15).collect();
            assert_eq!(seen, expected, "{range:?}");
        }
    }
}

proptest! {
    /// Whatever is evicted, stored and overwritten, reads, ranges and cuts give what a plain map gives.
    #[test]
    fn reads_equal_a_map(
        deeds in proptest::collection::vec(deed(), 0..200),
        budget in prop_oneof![Just(1_usize), Just(3_000), Just(1 << 20)],
        batch in prop_oneof![Just(0_usize), Just(200), Just(1 << 20)],
        is_ranged in any::<bool>(),
    ) {
        let mut pair = Pair::new(budget);
        for deed in &deeds {
            pair.deed(deed, batch);
            if is_ranged {
                pair.check();
            }
        }
        pair.check();
    }
}
