use super::*;

/// One record of a changelog: a key and what it has from then on.
type Logged = (u8, Option<u8>);

proptest! {
    /// A table that is read from its changelog comes to the changelog's end however often it is killed on the way, never
    /// says that it is further than it is, and loses no more than a segment to a kill.
    #[test]
    fn a_recovery_goes_on_where_a_kill_left_it(
        changelog in proptest::collection::vec((0..60_u8, any::<Option<u8>>()), 1..300),
        kills in proptest::collection::vec((1..80_usize, 0..30_usize), 0..8),
        segment in 100..2_000_usize,
        batch in 0..600_usize,
    ) {
        let (mut store, mut before) = (MapStore::default(), 0);
        for (reads, batches) in kills.into_iter().chain([(usize::MAX, usize::MAX)]) {
            let mut layer = layer_on(store, 1 << 20);
            let from = layer.covered().unwrap().map_or(0, |offset| usize::try_from(offset.0).unwrap());
            prop_assert!(from >= before, "it went back from {} to {}", before, from);
            before = from;
            recover(&mut layer, &changelog, (from, reads, segment), (batches, batch));
            check(&layer, &changelog);
            store = layer.store;
        }
        prop_assert_eq!(store.changelog_offset().unwrap(), Some(Offset(i64::try_from(changelog.len()).unwrap())));
        prop_assert_eq!(store.0.into_inner().unwrap().0, state(&changelog));
    }
}

fn recover(
    layer: &mut TableLayer<MapStore>,
    changelog: &[Logged],
    (from, reads, segment): (usize, usize, usize),
    (batches, batch): (usize, usize),
) {
    for (number, (key, value)) in changelog.iter().enumerate().skip(from).take(reads) {
        layer.replay(&[*key], value.map(|value| [value]).as_ref().map(|value| &value[..]), AT);
        layer.replayed(Offset(i64::try_from(number).unwrap() + 1), Duration::ZERO, segment);
    }
    for _ in 0..batches {
        layer.begin_writing().unwrap();
        if !layer.store_some(batch).unwrap() {
            break;
        }
    }
}

/// What the store has, brought forward from its offset on, is what the changelog says.
fn check(layer: &TableLayer<MapStore>, changelog: &[Logged]) {
    let (mut stored, offset) = layer.store.0.lock().unwrap().clone();
    let from = offset.map_or(0, |offset| usize::try_from(offset.0).unwrap());
    for (key, value) in &changelog[from..] {
        match value {
            Some(value) => stored.insert(vec![*key], vec![*value]),
            None => stored.remove(&vec![*key]),
        };
    }
    assert_eq!(stored, state(changelog));
}

fn state(changelog: &[Logged]) -> Map {
    let newest: BTreeMap<_, _> = changelog.iter().copied().collect();
    newest.into_iter().filter_map(|(key, value)| Some((vec![key], vec![value?]))).collect()
}

#[test]
fn segments_are_stored_one_after_another_with_an_offset_each() {
    let mut layer = layer(1 << 20);
    for number in 0..100_u8 {
        layer.replay(&[number], Some(&[number; 10]), AT);
        layer.replayed(
            Offset(i64::from(number) + 1),
            Duration::ZERO,
            10 * crate::layer::overlay::size(&[0], Some(&[0; 10])),
        );
    }
    let mut offsets = Vec::new();
    while layer.waiting_bytes() > 0 {
        layer.begin_writing().unwrap();
        while layer.store_some(1).unwrap() {}
        offsets.push(layer.store().changelog_offset().unwrap().unwrap().0);
    }
    assert_eq!(offsets, (1..=10).map(|segment| segment * 10).collect::<Vec<_>>());
}
