use std::collections::BTreeMap;

use millstream_model::Offset;

use crate::{KeyRange, TableStore};

/// Puts a store that `open` gives through what [`TableStore`] promises. `open` gives the same table each time.
pub fn table_store<S: TableStore>(mut open: impl FnMut() -> S) {
    a_new_store_is_empty(&open());
    a_batch_and_its_offset_land_together(&open());
    survives_reopening(&open());
    scans_by_prefix_in_order(&open());
    reads_ranges_in_order(&open());
    equals_a_map_after_many_batches(&open());
    clearing_leaves_nothing(&open());
}

fn put<S: TableStore>(store: &S, entries: &[(&[u8], Option<&[u8]>)], next: i64) {
    store.apply(&mut entries.iter().copied(), Offset(next)).unwrap();
}

fn value<S: TableStore>(store: &S, key: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    store.get(key, &mut out).unwrap().then_some(out)
}

fn all<S: TableStore>(store: &S, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut seen = Vec::new();
    store
        .scan(prefix, &mut |key, value| {
            seen.push((key.to_vec(), value.to_vec()));
            true
        })
        .unwrap();
    seen
}

fn a_new_store_is_empty<S: TableStore>(store: &S) {
    assert_eq!(store.changelog_offset().unwrap(), None);
    assert_eq!(store.count().unwrap(), 0);
    assert_eq!(value(store, b"a"), None);
    assert_eq!(all(store, b""), []);
}

fn a_batch_and_its_offset_land_together<S: TableStore>(store: &S) {
    put(store, &[(b"a", Some(b"1")), (b"b", Some(b"2")), (b"", Some(b"the empty key"))], 3);
    put(store, &[(b"b", None), (b"c", Some(b"")), (b"gone", None)], 7);
    assert_eq!(store.changelog_offset().unwrap(), Some(Offset(7)));
    assert_eq!(value(store, b"a").as_deref(), Some(&b"1"[..]));
    assert_eq!(value(store, b"b"), None);
    assert_eq!(value(store, b"c").as_deref(), Some(&b""[..]), "an empty value is not a tombstone");
    assert_eq!(value(store, b"").as_deref(), Some(&b"the empty key"[..]));
    put(store, &[], 9);
    assert_eq!(store.changelog_offset().unwrap(), Some(Offset(9)), "an empty batch still moves the offset");
    store.flush().unwrap();
}

fn survives_reopening<S: TableStore>(store: &S) {
    assert_eq!(store.changelog_offset().unwrap(), Some(Offset(9)));
    assert_eq!(store.count().unwrap(), 3, "the offset is not an entry");
    assert_eq!(value(store, b"a").as_deref(), Some(&b"1"[..]));
}

fn scans_by_prefix_in_order<S: TableStore>(store: &S) {
    put(store, &[(b"p/2", Some(b"y")), (b"p/1", Some(b"x")), (b"q", Some(b"z")), (b"p", Some(b"w"))], 20);
    let keys: Vec<_> = all(store, b"p").into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [b"p".to_vec(), b"p/1".to_vec(), b"p/2".to_vec()]);
    let mut first = None;
    store
        .scan(b"p/", &mut |key, _| {
            first = Some(key.to_vec());
            false
        })
        .unwrap();
    assert_eq!(first.as_deref(), Some(&b"p/1"[..]), "a scan ends when told to");
}

fn reads_ranges_in_order<S: TableStore>(store: &S) {
    store.clear().unwrap();
    let keys: &[&[u8]] = &[b"", b"\0", b"a", b"a\0", b"a\xff", b"a\xff\xff", b"b", b"\xff", b"\xff\xff"];
    let entries: Vec<_> = keys.iter().map(|key| (*key, Some(*key))).collect();
    put(store, &entries, 30);
    for from in keys {
        for to in keys.iter().map(|key| Some(key.to_vec())).chain([None]) {
            let range = KeyRange::new(*from, to);
            let expected: Vec<_> =
                keys.iter().filter(|key| range.contains(key)).map(|key| key.to_vec()).collect();
            let mut seen = Vec::new();
            store
                .range(&range, &mut |key, value| {
                    assert_eq!(key, value);
                    seen.push(key.to_vec());
                    true
                })
                .unwrap();
            assert_eq!(seen, expected, "{range:?}");
        }
    }
}

fn equals_a_map_after_many_batches<S: TableStore>(store: &S) {
    store.clear().unwrap();
    let mut model = BTreeMap::new();
    let mut seed = 7_u64;
    for batch in 0..50_i64 {
        let mut entries = BTreeMap::new();
        for _ in 0..40 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = format!("k{}", (seed >> 33) % 200).into_bytes();
            entries.insert(key, (seed >> 60 > 4).then(|| seed.to_be_bytes().to_vec()));
        }
        let borrowed = entries.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
        store.apply(&mut borrowed.into_iter(), Offset(batch)).unwrap();
        for (key, value) in entries {
            match value {
                Some(value) => model.insert(key, value),
                None => model.remove(&key),
            };
        }
    }
    assert_eq!(all(store, b""), model.clone().into_iter().collect::<Vec<_>>());
    assert_eq!(store.count().unwrap(), model.len() as u64);
}

fn clearing_leaves_nothing<S: TableStore>(store: &S) {
    store.clear().unwrap();
    a_new_store_is_empty(store);
}
