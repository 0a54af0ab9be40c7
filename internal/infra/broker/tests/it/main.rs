//! What clients may rely on, asked through librdkafka: of the embedded broker, and of a real Kafka, the one that
//! `KAFKA_BROKERS` names or else one started for this alone. Both must answer alike.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    reason = "tests"
)]

mod administration;
mod frames;
mod groups;
mod records;
mod restart;
mod stage;
mod transactions;

use std::time::Instant;

use stage::Stage;

#[test]
fn the_embedded_broker_keeps_the_contract() {
    run(&Stage::embedded());
}

#[test]
fn a_real_kafka_keeps_the_contract() {
    run(&Stage::kafka());
}

fn run(stage: &Stage) {
    for (name, scenario) in [
        ("topics and their settings", administration::run as fn(&Stage)),
        ("records", records::run),
        ("groups", groups::run),
        ("transactions", transactions::run),
    ] {
        let begun = Instant::now();
        scenario(stage);
        println!("scenario: {name}: {:.1} s", begun.elapsed().as_secs_f64());
    }
}
