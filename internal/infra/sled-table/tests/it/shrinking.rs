//! A store that is written faster than its disk takes it, and whose file gets shorter meanwhile.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use millstream_model::Offset;
use millstream_ports::TableStore;

use crate::open;

/// Tables at once, as in a process of many rules: sled has few threads to write with, and all databases share them.
const TABLES: u64 = 4;
const ROUNDS: u64 = 15;
const KEYS: u64 = 200;

/// sled cuts its file off by one of the threads that write to it. Where all of these wait for whoever waits for the file to be
/// cut off, nothing goes on: that must not come about.
#[test]
fn a_table_that_grows_and_shrinks_by_large_values_never_stops_taking_batches() {
    let folder = tempfile::tempdir().unwrap();
    let (told, came) = mpsc::channel();
    for table in 0..TABLES {
        let (told, folder) = (told.clone(), folder.path().join(table.to_string()));
        thread::spawn(move || {
            let table = open(folder.to_str().unwrap());
            for round in 0..ROUNDS {
                grow_and_shrink(&table, round);
            }
            told.send(()).unwrap();
        });
    }
    for _ in 0..TABLES {
        came.recv_timeout(Duration::from_mins(3)).expect("a table takes no more batches");
    }
}

fn grow_and_shrink(table: &impl TableStore, round: u64) {
    let value = vec![u8::try_from(round).unwrap(); 60_000];
    let next = Offset(i64::try_from(round).unwrap());
    for change in [Some(&*value), None] {
        for key in 0..KEYS {
            table.apply(&mut std::iter::once((key.to_be_bytes().as_slice(), change)), next).unwrap();
        }
    }
}
