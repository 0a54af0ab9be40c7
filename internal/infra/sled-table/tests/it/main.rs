//! What a kill leaves behind.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    missing_docs,
    reason = "tests"
)]

mod damage;
mod shrinking;

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{TableId, TableStore};
use millstream_sled_table::{SledTable, SledTables};

const KEYS: u32 = 200;
const FOLDER: &str = "MILLSTREAM_TEST_KILLED_TABLE";

fn open(folder: &str) -> SledTable {
    let id = TableId {
        owner: "g".into(),
        table: TopicName::new("g-table").unwrap(),
        partition: Partition::new(0),
    };
    SledTables::at(folder).open(&id).unwrap()
}

/// Not a test of its own: the process that is killed. Each batch writes its number to every key.
#[test]
fn writer_that_is_killed() {
    let Ok(folder) = env::var(FOLDER) else { return };
    let table = open(&folder);
    let first = table.changelog_offset().unwrap().map_or(0, |offset| offset.0);
    for number in first + 1.. {
        let value = number.to_be_bytes();
        let keys: Vec<_> = (0..KEYS).map(u32::to_be_bytes).collect();
        table.apply(&mut keys.iter().map(|key| (&key[..], Some(&value[..]))), Offset(number)).unwrap();
        if number % 10 == 0 {
            println!("\nbatch {number}");
        }
    }
}

#[test]
fn a_batch_survives_a_kill_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let mut last = 0;
    for round in 1..=6 {
        kill_after(path, last + round * 30);
        let table = open(path);
        let offset = table.changelog_offset().unwrap().map_or(0, |offset| offset.0);
        assert!(offset >= last, "round {round}: went back from {last} to {offset}");
        let mut seen = 0;
        table
            .scan(b"", &mut |key, value| {
                assert_eq!(value, offset.to_be_bytes(), "round {round}: key {key:?} is of another batch");
                seen += 1;
                true
            })
            .unwrap();
        assert!(seen == KEYS || offset == 0, "round {round}: {seen} keys at batch {offset}");
        table.flush().unwrap();
        last = offset;
    }
    assert!(last > 0, "no batch ever reached the disk");
}

/// Runs the writer until it has applied some batch, then kills it.
fn kill_after(folder: &str, batch: i64) {
    let mut writer = Command::new(env::current_exe().unwrap())
        .args(["--exact", "writer_that_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines().map_while(Result::ok);
    let numbers =
        lines.filter_map(|line| line.strip_prefix("batch ").and_then(|number| number.parse::<i64>().ok()));
    let reached = numbers.into_iter().any(|number| number >= batch);
    writer.kill().unwrap();
    writer.wait().unwrap();
    assert!(reached, "the writer ended before batch {batch}");
}
