//! A lookup: the table of another group, whole in every instance, so that any of its keys can be asked for.
//!
//! `cargo run --example 03_lookup` plays in memory; with `KAFKA_BROKERS=localhost:9092` on Kafka.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

#[path = "stage/stage.rs"]
mod stage;

use millstream::{DecimalText, Emitter, GroupGraph, Lookup, Output, Processor, Utf8, World};
use stage::{Failure, until};

fn main() -> Result<(), Failure> {
    match stage::kafka() {
        Some(world) => run(&world),
        None => run(&stage::memory()),
    }
}

fn run<W: World>(world: &W) -> Result<(), Failure> {
    let (payments, rates) = (stage::topic(world, "payments")?, stage::table(world, "rates")?);

    let mut emitter = Emitter::open(world, "bank", Output::new(&rates, Utf8, DecimalText))?;
    for (currency, cents) in [("USD", 92), ("GBP", 117)] {
        emitter.emit(&currency, &cents)?;
    }
    emitter.flush()?;

    // A payment's key is who pays; its currency is in the value, so a join by key would not find the rate.
    let rate = Lookup::new(&rates, Utf8, DecimalText);
    let asked = rate.clone();
    let graph = GroupGraph::define(stage::own("exchange"))
        .input(&payments, Utf8, Utf8, move |context, payer: &str, payment: &str| {
            let (amount, currency) = payment.split_once(' ').ok_or("write an amount and a currency")?;
            let amount: i64 = amount.parse()?;
            context.lookup(&asked, &currency, |rate| match rate {
                Some(cents) => println!("{payer} pays {} cents for {payment}", amount * cents),
                None => println!("{payer} can't pay in {currency}"),
            })?;
            Ok(())
        })
        .lookup(&rate)
        .build()?;
    let running = Processor::new(world.clone(), graph).start()?;

    let mut emitter = Emitter::open(world, "payers", Output::new(&payments, Utf8, Utf8))?;
    for (payer, payment) in [("ada", "10 USD"), ("bob", "3 GBP"), ("cyd", "5 XXX")] {
        emitter.emit(&payer, &payment)?;
    }
    emitter.flush()?;
    until(|| Ok(running.status().snapshot().records_in.iter().map(|(_, count)| count).sum::<u64>() == 3))?;
    Ok(running.stop()?)
}
