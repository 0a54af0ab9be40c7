//! The whole table, read while it changes.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream_ports::{DecimalText, KeyRange, Utf8};
use millstream_runtime::{GroupGraph, Processor, Running, Settings, Table};
use millstream_sim::Sim;

const PARTITIONS: u32 = 3;
const WORDS: usize = 5_000;

fn counter(sim: &Sim) -> Running {
    let table = Table::new(DecimalText);
    let kept = table.clone();
    let graph = GroupGraph::define("counter")
        .input("words", Utf8, Utf8, move |context, _: &str, _: &str| {
            let count = context.get(&kept)?.unwrap_or(0) + 1;
            Ok(context.set(&kept, &count)?)
        })
        .persist(&table)
        .build()
        .unwrap();
    let settings = Settings {
        workers: 2,
        commit_interval: Some(Duration::from_millis(5)),
        store_interval: Duration::from_millis(20),
        ..Settings::default()
    };
    Processor::new(sim.clone(), graph).settings(settings).start().unwrap()
}

fn write(sim: &Sim, count: usize) {
    for number in 0..count {
        sim.write("words", format!("w{}", number * 7 % WORDS).as_bytes(), Some(b"x"));
    }
}

/// The records of each partition, in order.
fn written(sim: &Sim) -> BTreeMap<usize, Vec<Vec<u8>>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for (partition, _, record) in sim.read_with_places("words") {
        all.entry(partition.index()).or_default().push(record.key.unwrap());
    }
    all
}

fn counts(keys: &[Vec<u8>]) -> BTreeMap<&[u8], i64> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key.as_slice()).or_default() += 1;
    }
    counts
}

#[test]
fn a_snapshot_is_each_partition_between_two_of_its_records_and_a_range_is_in_order() {
    let sim = Sim::live();
    sim.create("words", PARTITIONS);
    write(&sim, 3 * WORDS);
    let running = counter(&sim);
    let (status, table) = (running.status(), running.table());
    let done = || status.snapshot().records_in.iter().map(|(_, count)| count).sum::<u64>();
    while done() < WORDS as u64 {
        std::thread::yield_now();
    }
    let mut moved = false;
    for _ in 0..5 {
        let mut snapshot = table.snapshot(KeyRange::all()).unwrap();
        let first = snapshot.next().unwrap().unwrap();
        // It is not over yet when more comes.
        write(&sim, WORDS);
        let mut taken = BTreeMap::from([first]);
        for entry in snapshot {
            let (key, value) = entry.unwrap();
            assert_eq!(taken.insert(key, value), None, "each key comes once");
        }
        for keys in written(&sim).into_values() {
            let own: BTreeMap<_, _> =
                keys.iter().filter_map(|key| Some((key, number(taken.get(key)?)))).collect();
            let cut = usize::try_from(own.values().sum::<i64>()).unwrap();
            let expected = counts(&keys[..cut]);
            assert_eq!(
                own.into_iter().map(|(key, count)| (key.as_slice(), count)).collect::<BTreeMap<_, _>>(),
                expected
            );
            moved |= cut < keys.len();
        }
    }
    assert!(moved, "nothing came while snapshots were read");
    let total = (3 + 5) * WORDS as u64;
    while done() < total {
        std::thread::yield_now();
    }
    let found = table.range(&KeyRange::prefix(b"w12"), 70).unwrap();
    let mut expected: Vec<_> =
        (0..WORDS).map(|word| format!("w{word}")).filter(|key| key.starts_with("w12")).collect();
    expected.sort();
    let keys: Vec<_> = found.iter().map(|(key, _)| String::from_utf8(key.clone()).unwrap()).collect();
    assert_eq!(keys, expected[..70]);
    assert!(found.iter().all(|(_, value)| value == b"8"), "each word came eight times");
    running.stop().unwrap();
    assert!(table.snapshot(KeyRange::all()).is_err(), "there is nobody left to ask");
}

fn number(bytes: &[u8]) -> i64 {
    std::str::from_utf8(bytes).unwrap().parse().unwrap()
}
