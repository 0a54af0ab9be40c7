//! The platform and the library on the embedded broker and registry, and on a real Kafka with a real schema registry, started
//! for these tests alone.
//!
//! The scenarios of a stack run one after another, since they share it; `SCENARIO` picks those with these words in their
//! names.
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
mod dev;
mod edges;
mod exactly_once;
mod main_job;
mod outside;
mod policies;
mod queries;
mod recovery;
mod refusals;
mod rules_kill;
mod stack;
mod terminal;
mod traces;

use stack::Stack;

type Scenario = (&'static str, fn(&Stack));

/// What is held to a real Kafka as well.
const MAIN: [Scenario; 3] = [
    ("the main job", main_job::run),
    ("exactly once, through kills", exactly_once::run),
    ("rules that are killed in mid-join", rules_kill::run),
];

const REST: [Scenario; 8] = [
    ("every rule that is shipped starts", main_job::every_rule),
    ("what can't work is refused in a sentence", refusals::run),
    ("loops, joins, views and emitters", edges::run),
    ("records that fail, by policy", policies::run),
    ("any instance answers for any key", queries::run),
    ("a server of rules that is killed in mid-join", rules_kill::serve),
    ("a kill in mid-flow", crash::run),
    ("recovery whatever partitioned the input", recovery::run),
];

#[test]
fn the_platform_works_on_a_real_kafka() {
    run(&Stack::real(), &MAIN);
}

#[test]
fn the_platform_works_on_the_embedded_stack() {
    let stack = Stack::embedded();
    run(&stack, &MAIN);
    run(&stack, &REST);
}

#[test]
fn a_trace_goes_from_a_product_to_its_recommendation() {
    traces::run(&Stack::embedded());
}

#[test]
fn the_demo_is_up_at_once_and_finds_its_data_again() {
    dev::demo();
}

fn run(stack: &Stack, scenarios: &[Scenario]) {
    let wanted = std::env::var("SCENARIO").ok();
    for (name, scenario) in scenarios {
        if !wanted.as_ref().is_none_or(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        println!("scenario: {name}");
        scenario(stack);
    }
}
