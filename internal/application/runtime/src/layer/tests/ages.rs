use super::*;

const TTL: i64 = 100;

proptest! {
    /// Values go when their time is over, by the time of records alone, through restarts, and their deletions come to the
    /// changelog; a plain map of values and times says which.
    #[test]
    fn values_last_as_long_as_told(
        records in proptest::collection::vec((0..20_u8, 0..30_i64, -40..40_i64, 0..10_u8), 1..200),
        budget in prop_oneof![Just(1_usize), Just(1 << 20)],
    ) {
        let (mut model, mut changelog) = (BTreeMap::<u8, i64>::new(), Vec::<(u8, Option<i64>)>::new());
        let (mut layer, mut now, mut time) = (open(MapStore::default(), budget), i64::MIN, 0);
        for (number, (key, passed, late, chance)) in records.into_iter().enumerate() {
            time += passed;
            let at = time + late;
            now = now.max(at);
            layer.begin_record(Timestamp(at));
            layer.put(&[key], Some(&at.to_be_bytes()));
            layer.accept_staged();
            model.insert(key, at);
            layer.expire_some(3).unwrap();
            let restarts = chance == 0;
            if chance < 4 || restarts {
                layer.begin_leaving();
        changelog.extend(layer.leaving().map(|(key, _, time)| (key[0], time.map(|time| time.0))));
                layer.logged(Offset(i64::try_from(number).unwrap()), Duration::ZERO);
                if chance < 2 {
                    layer.store_all(200).unwrap();
                }
            }
            if restarts {
                layer = open(layer.store, budget);
                layer.begin_record(Timestamp(now));
            }
            for key in 0..20_u8 {
                let expected = model.get(&key).filter(|at| **at + TTL > now);
                let value = layer.get(&[key]).unwrap().map(<[u8]>::to_vec);
                prop_assert_eq!(value, expected.map(|at| at.to_be_bytes().to_vec()), "key {} at {}", key, now);
            }
        }
        // Later records bring the rest out.
        layer.begin_record(Timestamp(now + 3 * TTL));
        layer.begin_leaving();
        changelog.extend(layer.leaving().map(|(key, _, time)| (key[0], time.map(|time| time.0))));
        layer.logged(Offset(1_000), Duration::ZERO);
        layer.store_all(200).unwrap();
        for _ in 0..20 {
            layer.expire_some(3).unwrap();
        }
        layer.begin_leaving();
        changelog.extend(layer.leaving().map(|(key, _, time)| (key[0], time.map(|time| time.0))));
        layer.logged(Offset(1_001), Duration::ZERO);
        layer.store_all(200).unwrap();
        prop_assert_eq!(layer.store().count().unwrap(), 0);
        for (key, newest) in changelog.into_iter().collect::<BTreeMap<_, _>>() {
            prop_assert_eq!(newest, None, "the changelog still has key {}", key);
        }
    }
}

fn open(store: MapStore, budget: usize) -> TableLayer<MapStore> {
    let ttl = Duration::from_millis(u64::try_from(TTL).unwrap());
    TableLayer::new(store, MemoryBudget::of_bytes(budget).join(0), Some(ttl))
}

#[test]
fn a_changelog_has_values_as_they_are_and_their_time_beside_them() {
    let mut layer = open(MapStore::default(), 1 << 20);
    layer.begin_record(Timestamp(7));
    layer.put(b"k", Some(b"v"));
    layer.accept_staged();
    layer.begin_leaving();
    assert_eq!(layer.leaving().collect::<Vec<_>>(), [(&b"k"[..], Some(&b"v"[..]), Some(Timestamp(7)))]);
    let mut other = open(MapStore::default(), 1 << 20);
    other.replay(b"k", Some(b"v"), Timestamp(7));
    assert_eq!(other.get(b"k").unwrap(), Some(&b"v"[..]));
    other.begin_record(Timestamp(7 + TTL));
    assert_eq!(other.get(b"k").unwrap(), None);
}
