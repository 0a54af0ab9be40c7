//! A join: the table of another group is read beside the input, partition by partition.
//!
//! `cargo run --example 02_join` plays in memory; with `KAFKA_BROKERS=localhost:9092` on Kafka.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

#[path = "stage/stage.rs"]
mod stage;

use millstream::{DecimalText, Emitter, GroupGraph, Join, Output, Processor, Utf8, World};
use stage::{Failure, until};

fn main() -> Result<(), Failure> {
    match stage::kafka() {
        Some(world) => run(&world),
        None => run(&stage::memory()),
    }
}

fn run<W: World>(world: &W) -> Result<(), Failure> {
    // Both have as many partitions and are keyed alike, by product: so the price of an order is where the order is.
    let (orders, prices) = (stage::topic(world, "orders")?, stage::table(world, "prices")?);

    let mut emitter = Emitter::open(world, "pricing", Output::new(&prices, Utf8, DecimalText))?;
    for (product, cents) in [("lamp", 4_900), ("desk", 20_849)] {
        emitter.emit(&product, &cents)?;
    }
    emitter.flush()?;

    // What was in the table when the processor started is there before the first order is looked at.
    let price = Join::new(&prices, DecimalText);
    let joined = price.clone();
    let graph = GroupGraph::define(stage::own("billing"))
        .input(&orders, Utf8, DecimalText, move |context, product: &str, pieces: i64| {
            match context.join(&joined)? {
                Some(cents) => println!("{pieces} x {product} cost {} cents", pieces * cents),
                None => println!("{product} has no price"),
            }
            Ok(())
        })
        .join(&price)
        .build()?;
    let running = Processor::new(world.clone(), graph).start()?;

    let mut emitter = Emitter::open(world, "buyer", Output::new(&orders, Utf8, DecimalText))?;
    for (product, pieces) in [("lamp", 2), ("desk", 1), ("rug", 1)] {
        emitter.emit(&product, &pieces)?;
    }
    emitter.flush()?;
    until(|| Ok(running.status().snapshot().records_in.iter().map(|(_, count)| count).sum::<u64>() == 3))?;
    Ok(running.stop()?)
}
