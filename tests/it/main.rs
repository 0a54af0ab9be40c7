//! The platform and the library on a real Kafka and a real schema registry, started for these tests alone.
//!
//! One test runs the scenarios one after another, since they share the stack and its two processors' worth of machine;
//! `SCENARIO` picks those with these words in their names.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    unreachable_pub,
    deprecated,
    missing_docs,
    reason = "tests"
)]

mod crash;
mod edges;
mod exactly_once;
mod main_job;
mod outside;
mod policies;
mod recovery;
mod refusals;
mod stack;
mod terminal;

use stack::Stack;

#[test]
fn the_platform_works_on_a_real_kafka() {
    let stack = Stack::up();
    let wanted = std::env::var("SCENARIO").ok();
    for (name, scenario) in [
        ("what can't work is refused in a sentence", refusals::run as fn(&Stack)),
        ("loops, joins, views and emitters", edges::run),
        ("records that fail, by policy", policies::run),
        ("the main job", main_job::run),
        ("a kill in mid-flow", crash::run),
        ("recovery whatever partitioned the input", recovery::run),
        ("exactly once, through kills", exactly_once::run),
    ] {
        if !wanted.as_ref().is_none_or(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        println!("scenario: {name}");
        scenario(&stack);
    }
}
