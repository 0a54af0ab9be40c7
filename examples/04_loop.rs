//! A loop: a group sends records to itself under other keys, since a callback changes its own key's entry alone.
//!
//! `cargo run --example 04_loop` plays in memory; with `KAFKA_BROKERS=localhost:9092` on Kafka.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

#[path = "stage/stage.rs"]
mod stage;

use millstream::{DecimalText, Emitter, GroupGraph, Loop, Output, Processor, Table, Utf8, World};
use stage::{Failure, until};

fn main() -> Result<(), Failure> {
    match stage::kafka() {
        Some(world) => run(&world),
        None => run(&stage::memory()),
    }
}

fn run<W: World>(world: &W) -> Result<(), Failure> {
    let greetings = stage::topic(world, "greetings")?;

    // Ada's greeting comes under her key; how often bob was greeted is kept under his, maybe by another instance.
    let (received, greeted) = (Table::new(DecimalText), Loop::new(Utf8, Utf8));
    let (kept, sent) = (received.clone(), greeted.clone());
    let graph = GroupGraph::define(stage::own("greeting"))
        .input(&greetings, Utf8, Utf8, move |context, from: &str, to: &str| {
            Ok(context.loopback(&sent, &to, &from)?)
        })
        .loopback(&greeted, move |context, to: &str, from: &str| {
            let count = context.get(&kept)?.unwrap_or(0) + 1;
            context.set(&kept, &count)?;
            println!("{to} was greeted by {from}, greeting number {count}");
            Ok(())
        })
        .persist(&received)
        .build()?;
    let running = Processor::new(world.clone(), graph).start()?;

    let mut emitter = Emitter::open(world, "people", Output::new(&greetings, Utf8, Utf8))?;
    for (from, to) in [("ada", "bob"), ("bob", "ada"), ("ada", "bob")] {
        emitter.emit(&from, &to)?;
    }
    emitter.flush()?;
    let table = running.table();
    until(|| Ok(table.get(b"bob")? == Some(b"2".to_vec()) && table.get(b"ada")?.is_some()))?;
    Ok(running.stop()?)
}
