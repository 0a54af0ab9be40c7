//! The adapter on the embedded broker, and on a real Kafka: the one that `KAFKA_BROKERS` names, or else one started for these
//! tests alone.
//!
//! Each test runs the scenarios one after another, since they share the broker; `SCENARIO` picks those with these words in
//! their names.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    reason = "tests"
)]

mod broker;
mod membership;
mod outage;
mod refusals;
mod security;
mod transactions;

use std::time::Instant;

use broker::Broker;
use millstream_ports::contract;

#[test]
fn promises_are_kept_on_a_real_kafka() {
    all_scenarios(&Broker::kafka());
}

#[test]
fn promises_are_kept_on_the_embedded_broker() {
    all_scenarios(&Broker::embedded());
}

fn all_scenarios(broker: &Broker) {
    let wanted = std::env::var("SCENARIO").ok();
    for (name, scenario) in [
        ("the contract of every log", keeps_the_contract as fn(&Broker)),
        ("ends that are no records", transactions::run),
        ("members that leave, are lost, or are given too little", membership::run),
        ("what can't work is refused in a sentence", refusals::run),
        ("an outage is waited out", outage::run),
    ] {
        if !wanted.as_ref().is_none_or(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        let begun = Instant::now();
        scenario(broker);
        println!("scenario: {name}: {:.1} s", begun.elapsed().as_secs_f64());
    }
}

fn keeps_the_contract(broker: &Broker) {
    contract::log(&broker.world(&[]), &broker::unique("contract-"));
}
