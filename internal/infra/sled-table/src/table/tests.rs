use millstream_model::{Partition, TopicName};
use millstream_ports::TableId;

use super::*;
use crate::SledTables;

type Changes<'a> = &'a [(&'a [u8], Option<&'a [u8]>)];

fn open(folder: &Path) -> SledTable {
    let table = TopicName::new("g-table").unwrap();
    SledTables::at(folder).open(&TableId { owner: "g".into(), table, partition: Partition::new(3) }).unwrap()
}

fn put(table: &SledTable, changes: Changes<'_>) {
    table.apply(&mut changes.iter().copied(), Offset(5)).unwrap();
}

fn all(table: &SledTable, range: &KeyRange) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut seen = Vec::new();
    table
        .range(range, &mut |key, value| {
            seen.push((key.to_vec(), value.to_vec()));
            true
        })
        .unwrap();
    seen
}

#[test]
fn a_block_that_is_none_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path());
    put(&table, &[(b"k", Some(b"v"))]);
    table.database.insert("e", &[1_u8, 200]).unwrap();
    let changes: Changes<'_> = &[(b"k", None)];
    let outcomes = [
        table.get(b"k", &mut Vec::new()).err(),
        table.range(&KeyRange::all(), &mut |_, _| true).err(),
        table.count().err(),
        table.apply(&mut changes.iter().copied(), Offset(6)).err(),
    ];
    for error in outcomes.map(Option::unwrap) {
        assert_eq!(error.action(), Action::DeadLetter, "{error}");
    }
    drop(table);
    assert!(open(folder.path()).was_damaged());
}

#[test]
fn the_last_of_a_keys_changes_counts_in_whatever_order_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let table = open(folder.path());
    put(
        &table,
        &[(b"b", Some(b"1")), (b"a", Some(b"2")), (b"b", Some(b"3")), (b"c", Some(b"4")), (b"c", None)],
    );
    let expected = [(b"a".to_vec(), b"2".to_vec()), (b"b".to_vec(), b"3".to_vec())];
    assert_eq!(all(&table, &KeyRange::all()), expected);
}

/// Keys come and go until many blocks were cut, joined and removed.
#[test]
fn many_blocks_equal_a_map() {
    let folder = tempfile::tempdir().unwrap();
    let (table, mut model, mut seed) = (open(folder.path()), std::collections::BTreeMap::new(), 7_u64);
    let mut chance = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    for round in 0..200 {
        // In the later rounds most of what there is goes.
        let (keys, kept) = ([300, 5_000][round % 2], if round < 120 { 8 } else { 1 });
        let changes: std::collections::BTreeMap<_, _> = (0..80)
            .map(|_| {
                let (key, length) = (chance(keys).to_string().into_bytes(), chance(150));
                (key, (chance(10) < kept).then(|| vec![7_u8; usize::try_from(length).unwrap()]))
            })
            .collect();
        let borrowed = changes.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
        table.apply(&mut { borrowed }, Offset(1)).unwrap();
        for (key, value) in changes {
            match value {
                Some(value) => drop(model.insert(key, value)),
                None => drop(model.remove(&key)),
            }
        }
        if round % 20 == 19 {
            assert_eq!(all(&table, &KeyRange::all()), model.clone().into_iter().collect::<Vec<_>>());
            let range = KeyRange::new(*b"2", Some(b"41".to_vec()));
            let within = model.range(b"2".to_vec()..b"41".to_vec());
            let within: Vec<_> = within.map(|(key, value)| (key.clone(), value.clone())).collect();
            assert_eq!(all(&table, &range), within, "round {round}");
        }
    }
    assert_eq!(table.count().unwrap(), u64::try_from(model.len()).unwrap());
    assert!(table.database.len() < model.len(), "{} blocks of {} keys", table.database.len(), model.len());
}
