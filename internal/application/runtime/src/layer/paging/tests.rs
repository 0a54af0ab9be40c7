use std::collections::BTreeMap;
use std::time::Duration;

use millstream_model::Offset;
use millstream_ports::KeyRange;
use proptest::prelude::*;

use crate::layer::TableAccess as _;
use crate::layer::TableLayer;
use crate::layer::tests::{MapStore, layer};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a table may go through between two pages.
#[derive(Clone, Debug)]
enum Turn {
    Put(Vec<u8>, Option<u8>),
    Leave,
    Commit,
    BeginWriting,
    StoreSome,
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(0xff_u8)], 0..4)
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        6 => (key(), proptest::option::weighted(0.7, any::<u8>())).prop_map(|(key, value)| Turn::Put(key, value)),
        2 => Just(Turn::Leave),
        1 => Just(Turn::Commit),
        1 => Just(Turn::BeginWriting),
        1 => Just(Turn::StoreSome),
    ]
}

fn range() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        key().prop_map(|prefix| KeyRange::prefix(&prefix)),
        (key(), proptest::option::of(key())).prop_map(|(from, to)| KeyRange::new(from, to)),
    ]
}

fn put(model: &mut Model, key: &[u8], value: Option<&[u8]>) {
    match value {
        Some(value) => model.insert(key.to_vec(), value.to_vec()),
        None => model.remove(key),
    };
}

/// All of a span, page by page.
fn walked(
    layer: &mut TableLayer<MapStore>,
    range: &KeyRange,
    limit: usize,
    fresh: bool,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (mut rest, mut all) = (range.clone(), Vec::new());
    loop {
        let page = layer.page(&rest, limit, fresh).unwrap();
        assert!(page.entries.len() <= limit);
        assert!(page.entries.len() == limit || !page.has_more, "a page that is not full is the last");
        all.extend(page.entries);
        if !page.has_more {
            return all;
        }
        rest = all.iter().next_back().map(|(last, _)| range.clone().after(last)).unwrap();
    }
}

proptest! {
    #[test]
    fn pages_equal_a_plain_maps_whatever_waits_for_the_store(
        turns in proptest::collection::vec(turn(), 0..60),
        range in range(),
        limit in 1_usize..5,
    ) {
        let mut layer = layer(1 << 10);
        let (mut fresh, mut committed, mut leaving, mut offset) = (Model::new(), Model::new(), None, 0);
        for turn in turns {
            match turn {
                Turn::Put(key, value) => {
                    let value = value.map(|byte| vec![byte]);
                    layer.put(&key, value.as_deref());
                    layer.accept_staged();
                    put(&mut fresh, &key, value.as_deref());
                }
                Turn::Leave => {
                    layer.begin_leaving();
                    leaving = Some(fresh.clone());
                }
                Turn::Commit => {
                    let Some(left) = leaving.take() else { continue };
                    offset += 1;
                    layer.logged(Offset(offset), Duration::ZERO);
                    committed = left;
                }
                Turn::BeginWriting => layer.begin_writing().unwrap(),
                Turn::StoreSome => drop(layer.store_some(70).unwrap()),
            }
        }
        for (model, is_fresh) in [(&fresh, true), (&committed, false)] {
            let within = model.iter().filter(|(key, _)| range.contains(key));
            let wanted: Vec<_> = within.map(|(key, value)| (key.clone(), value.clone())).collect();
            prop_assert_eq!(walked(&mut layer, &range, limit, is_fresh), wanted);
        }
        for key in fresh.keys().chain(committed.keys()) {
            let found = layer.committed(key).unwrap();
            prop_assert_eq!(found.as_ref(), committed.get(key));
        }
    }
}
