//! What the stores of tables do by themselves: new keys, updates, reads, memory and disk.
//!
//! `cargo bench --bench state -- STORE BATCH ORDER` with STORE sled or fjall, BATCH entries a batch, and ORDER random or
//! sorted: whether each 100,000 entries come in the order of their keys, as the runtime writes them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    missing_docs,
    reason = "a benchmark, not shipped"
)]

use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use millstream::{FjallTables, Offset, Partition, SledTables, TopicName};
use millstream_ports::{TableId, TableStore};

const KEYS: usize = 1_000_000;
const ROUND: usize = 100_000;
const VALUE_BYTES: usize = 100;

fn main() {
    let arguments: Vec<_> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [store, batch, order] = arguments.as_slice() else {
        println!("say which: -- sled|fjall BATCH random|sorted");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let id = TableId {
        owner: "bench".into(),
        table: TopicName::new("bench-table").unwrap(),
        partition: Partition::new(0),
    };
    let (batch, sorted) = (batch.parse().unwrap(), order == "sorted");
    match store.as_str() {
        "sled" => measure(|| SledTables::at(folder.path()).open(&id).unwrap(), folder.path(), batch, sorted),
        "fjall" => {
            measure(|| FjallTables::at(folder.path()).open(&id).unwrap(), folder.path(), batch, sorted);
        }
        other => panic!("no store is called {other}"),
    }
}

fn key(number: usize) -> [u8; 10] {
    // Spread as hashes are.
    let spread = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut key = [0; 10];
    key[..8].copy_from_slice(&spread.to_be_bytes());
    key
}

fn measure<S: TableStore>(open: impl Fn() -> S, folder: &Path, batch: usize, sorted: bool) {
    let store = open();
    for (round, value) in [("new keys", 0), ("updates", 1), ("updates again", 2)] {
        let begun = Instant::now();
        write(&store, batch, sorted, value);
        tell(round, begun, folder);
    }
    let begun = Instant::now();
    let mut out = Vec::new();
    for number in 0..KEYS {
        out.clear();
        assert!(store.get(&key(number.wrapping_mul(7_919) % KEYS), &mut out).unwrap());
    }
    tell("reads", begun, folder);
    let begun = Instant::now();
    store.flush().unwrap();
    drop(store);
    println!("close {:.2} s", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    let store = open();
    println!("open {:.2} s", begun.elapsed().as_secs_f64());
    assert_eq!(store.count().unwrap(), KEYS as u64);
}

fn write<S: TableStore>(store: &S, batch: usize, sorted: bool, fill: u8) {
    let value = [fill; VALUE_BYTES];
    for round in 0..KEYS / ROUND {
        let mut keys: Vec<_> = (round * ROUND..(round + 1) * ROUND).map(key).collect();
        if sorted {
            keys.sort_unstable();
        }
        for (number, keys) in keys.chunks(batch).enumerate() {
            let next = Offset((round * ROUND + number * batch) as i64);
            store.apply(&mut keys.iter().map(|key| (&key[..], Some(&value[..]))), next).unwrap();
        }
    }
}

fn tell(what: &str, begun: Instant, folder: &Path) {
    let rate = KEYS as f64 / begun.elapsed().as_secs_f64();
    println!(
        "{what:14} {rate:>9.0}/s  {} MB in memory, {} MB on disk",
        resident_mb(),
        bytes_in(folder) >> 20
    );
}

fn resident_mb() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() >> 10
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(data) if data.is_dir() => bytes_in(&entry.path()),
            Ok(data) => data.len(),
            Err(_) => 0,
        })
        .sum()
}
