//! Seeded runs in which everything that can go wrong does, held against what should have come out.
//!
//! `MILLSTREAM_SIM_SEED=n` replays the run of one seed and tells each thing that happened in it; `MILLSTREAM_SIM_SEEDS=n`
//! says how many seeds are tried.

mod checks;
mod driver;
mod ledger;

use std::env;

use driver::Run;
use millstream_runtime::Delivery;

/// Seeds that each kind of delivery is tried with.
const SEEDS: u64 = 2_000;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

fn try_seeds(delivery: Delivery) {
    if let Some(seed) = number("MILLSTREAM_SIM_SEED") {
        Run::new(seed, delivery, true).play().unwrap_or_else(|said| panic!("{said}"));
        return;
    }
    for seed in 0..number("MILLSTREAM_SIM_SEEDS").unwrap_or(SEEDS) {
        if let Err(said) = Run::new(seed, delivery, false).play() {
            panic!("{delivery:?}, seed {seed}: {said}\nreplay it with MILLSTREAM_SIM_SEED={seed}");
        }
    }
}

#[test]
fn at_least_once_loses_nothing() {
    try_seeds(Delivery::AtLeastOnce);
}

#[test]
fn exactly_once_loses_and_repeats_nothing() {
    try_seeds(Delivery::ExactlyOnce);
}
