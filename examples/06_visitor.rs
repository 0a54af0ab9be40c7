//! A visitor: a callback for every key of the table, while records are processed.
//!
//! `cargo run --example 06_visitor` plays in memory; with `KAFKA_BROKERS=localhost:9092` on Kafka.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

#[path = "stage/stage.rs"]
mod stage;

use std::time::Duration;

use millstream::{DecimalText, Emitter, GroupGraph, Output, Processor, Table, Utf8, Visitor, World};
use stage::{Failure, until};

fn main() -> Result<(), Failure> {
    match stage::kafka() {
        Some(world) => run(&world),
        None => run(&stage::memory()),
    }
}

fn run<W: World>(world: &W) -> Result<(), Failure> {
    let deposits = stage::topic(world, "deposits")?;

    // The visitor is told how many percent. What it sets and emits is committed as a record's effects are.
    let (balances, interest) = (Table::new(DecimalText), Visitor::<Utf8, i64>::new("interest", Utf8));
    let (kept, raised) = (balances.clone(), balances.clone());
    let graph = GroupGraph::define(stage::own("savings"))
        .input(&deposits, Utf8, DecimalText, move |context, _: &str, cents: i64| {
            let balance = context.get(&kept)?.unwrap_or(0) + cents;
            Ok(context.set(&kept, &balance)?)
        })
        .visitor(&interest, move |context, account: &str, percent: &i64| {
            let balance = context.get(&raised)?.unwrap_or(0);
            let more = balance + balance * percent / 100;
            println!("{account} had {balance} cents and has {more}");
            Ok(context.set(&raised, &more)?)
        })
        .persist(&balances)
        .build()?;
    let running = Processor::new(world.clone(), graph).start()?;

    let mut emitter = Emitter::open(world, "savers", Output::new(&deposits, Utf8, DecimalText))?;
    for (account, cents) in [("ada", 1_000), ("bob", 2_000), ("cyd", 3_000)] {
        emitter.emit(&account, &cents)?;
    }
    emitter.flush()?;
    until(|| Ok(running.table().count()? == 3))?;

    let visited = running.visit(&interest, 2)?.wait(Duration::from_mins(1))?;
    println!("{} accounts were visited", visited.ok_or("the visit takes too long")?);
    Ok(running.stop()?)
}
