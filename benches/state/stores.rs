use std::path::Path;
use std::time::Instant;

use millstream::{FjallTables, Offset, Partition, SledTables, TopicName};
use millstream_ports::{TableId, TableStore};

use crate::recovery::cpu_seconds;
use crate::{bytes_in, key, memory_mb};

const KEYS: usize = 1_000_000;
const ROUND: usize = 100_000;
const VALUE_BYTES: usize = 100;

pub(crate) fn run(store: &str, batch: usize, sorted: bool) {
    let folder = tempfile::tempdir().unwrap();
    let id = TableId {
        owner: "bench".into(),
        table: TopicName::new("bench-table").unwrap(),
        partition: Partition::new(0),
    };
    match store {
        "sled" => measure(|| SledTables::at(folder.path()).open(&id).unwrap(), folder.path(), batch, sorted),
        "fjall" => {
            measure(|| FjallTables::at(folder.path()).open(&id).unwrap(), folder.path(), batch, sorted);
        }
        other => panic!("no store is called {other}"),
    }
}

fn measure<S: TableStore>(open: impl Fn() -> S, folder: &Path, batch: usize, sorted: bool) {
    let store = open();
    for (round, value) in [("new keys", 0), ("updates", 1), ("updates again", 2)] {
        let begun = Begun::now();
        write(&store, batch, sorted, value);
        tell(round, begun, folder);
    }
    let begun = Begun::now();
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

/// A moment, and what the process had used of its processors by then.
struct Begun(Instant, f64);

impl Begun {
    fn now() -> Self {
        Self(Instant::now(), cpu_seconds())
    }
}

fn tell(what: &str, begun: Begun, folder: &Path) {
    let rate = KEYS as f64 / begun.0.elapsed().as_secs_f64();
    let micros = (cpu_seconds() - begun.1) * 1e6 / KEYS as f64;
    println!(
        "{what:14} {rate:>9.0}/s, {micros:.1} CPU µs each  {} MB in memory, {} MB on disk",
        memory_mb("VmRSS:"),
        bytes_in(folder) >> 20
    );
}
