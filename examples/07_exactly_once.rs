//! Exactly once: outputs, the group table and the positions of the inputs are committed together or not at all.
//!
//! Kill a processor at any point, and start it again: no payment is booked twice, and none is lost, for readers with
//! `isolation.level=read_committed`. Here it is held up in mid-flow by another one of its group, again and again; the test
//! below crashes it.
//!
//! `cargo run --example 07_exactly_once` plays in memory; with `KAFKA_BROKERS=localhost:9092` on Kafka.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

#[path = "stage/stage.rs"]
mod stage;

use std::error::Error;
use std::time::Duration;

use millstream::{
    Emitter, GroupGraph, Int64, Output, Processor, Settings, Table, TopicName, Utf8, View, World,
};
use stage::{Failure, until};

/// Payments to each account, of a cent each.
const PAYMENTS: i64 = 100;

fn accounts(group: &str, payments: &str, balances: &str) -> Result<GroupGraph, Box<dyn Error>> {
    let (table, balances) = (Table::new(Int64), Output::new(balances, Utf8, Int64));
    let (kept, told) = (table.clone(), balances.clone());
    Ok(GroupGraph::define(group)
        .input(payments, Utf8, Int64, move |context, account: &str, cents: i64| {
            let balance = context.get(&kept)?.unwrap_or(0) + cents;
            context.set(&kept, &balance)?;
            Ok(context.emit(&told, &account, &balance)?)
        })
        .persist(&table)
        .output(&balances)
        .build()?)
}

fn settings() -> Settings {
    // Outputs can be read once they are committed: a short interval is a short wait, for more work a record.
    Settings { commit_interval: Some(Duration::from_millis(20)), workers: 1, ..Settings::exactly_once() }
}

fn main() -> Result<(), Failure> {
    match stage::kafka() {
        Some(world) => run(&world),
        None => run(&stage::memory()),
    }
}

fn run<W: World>(world: &W) -> Result<(), Failure> {
    let (payments, balances) = (stage::topic(world, "payments")?, stage::topic(world, "balances")?);
    let group = stage::own("accounts");
    let start = || -> Result<_, Failure> {
        let graph = accounts(&group, &payments, &balances)?;
        Ok(Processor::new(world.clone(), graph).settings(settings()).start()?)
    };
    let (first, mut emitter) =
        (start()?, Emitter::open(world, "payers", Output::new(&payments, Utf8, Int64))?);
    for _ in 0..PAYMENTS {
        for account in ["ada", "bob", "cyd"] {
            emitter.emit(&account, &1)?;
        }
    }
    emitter.flush()?;
    // The second takes some of the first one's partitions over, in the midst of its work, and then all of them.
    let second = start()?;
    first.stop()?;

    // A view reads what is committed.
    let table = TopicName::new(format!("{group}-table"))?;
    let view = View::open(world, "auditor", &table, Utf8, Int64)?;
    let balance = |account: &str| view.get(&account, |balance| balance.unwrap_or(0));
    until(|| Ok(balance("ada")? + balance("bob")? + balance("cyd")? >= 3 * PAYMENTS))?;
    for account in ["ada", "bob", "cyd"] {
        println!("{account} has {} cents", balance(account)?);
    }
    Ok(second.stop()?)
}

#[cfg(test)]
mod tests {
    use millstream::testing::Tester;

    use super::*;

    /// Crashes between any two steps change nothing.
    #[test]
    fn no_payment_is_booked_twice() {
        let payments = Output::new("payments", Utf8, Int64);
        let balances = Output::new("balances", Utf8, Int64);
        let mut tester =
            Tester::new(accounts("accounts", "payments", "balances").unwrap()).settings(settings());
        for number in 0..30 {
            tester.send(&payments, &"ada", &10).unwrap();
            for _ in 0..number % 5 {
                tester.step().unwrap();
            }
            tester.kill();
        }
        tester.run().unwrap();
        let told = tester.take(&balances, |_, balance| balance).unwrap();
        assert!(told.iter().copied().eq((1..=30).map(|number| number * 10)), "{told:?}");
    }
}
