//! What tables cost: stores by themselves, and the recovery of a million keys from a changelog.
//!
//! `cargo bench --bench state -- store STORE BATCH ORDER` with STORE sled or fjall, BATCH entries a batch, and ORDER random or
//! sorted: whether each 100,000 entries come in the order of their keys, as the runtime writes them.
//!
//! `KAFKA_BROKERS=host:port cargo bench --bench state -- recovery STORE` fills a changelog and recovers it: on an empty
//! folder, after a kill, and after a clean stop.
//!
//! `KAFKA_BROKERS=host:port cargo bench --bench state -- delivery DELIVERY MS` counts 500,000 messages by key, at-least-once or
//! exactly-once with a commit each MS milliseconds, and then 2,000 a second.
//!
//! `RUST_LOG` says what is logged, and `KAFKA_PROPERTIES` what the clients are told beside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    missing_docs,
    reason = "a benchmark, not shipped"
)]

mod delivery;
mod recovery;
mod stores;

use std::path::Path;
use std::{env, fs};

fn main() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let arguments: Vec<_> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["store", store, batch, order] => stores::run(store, batch.parse().unwrap(), *order == "sorted"),
        ["delivery", delivery, interval_ms] => delivery::run(delivery, interval_ms.parse().unwrap()),
        ["recovery", store] => recovery::run(store),
        ["member", store, folder] => recovery::member(store, folder),
        _ => println!(
            "say which: -- store sled|fjall BATCH random|sorted, -- delivery at-least-once|exactly-once MS, or -- recovery sled|fjall"
        ),
    }
}

/// A figure of this process, in megabytes.
fn memory_mb(what: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
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

/// Spread as hashes are.
fn key(number: usize) -> [u8; 10] {
    let spread = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut key = [0; 10];
    key[..8].copy_from_slice(&spread.to_be_bytes());
    key
}
