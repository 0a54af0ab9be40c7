//! Testing a group in memory: no broker, no threads, no waiting.
//!
//! A bank keeps a balance an account, refuses what would overdraw it, and reports every change. `cargo run --example
//! 08_testing` runs the tests below as a program; in a project they are `#[test]` functions.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::Duration;

use millstream::testing::Tester;
use millstream::{
    Delivery, GroupGraph, Int64, Output, Policies, Policy, Settings, Table, Utf8, dead_letter_header,
};

type Failure = Box<dyn Error>;

fn movements() -> Output<Utf8, Int64> {
    Output::new("movements", Utf8, Int64)
}

fn balances() -> Output<Utf8, Int64> {
    Output::new("balances", Utf8, Int64)
}

fn bank(table: &Table<Int64>) -> Result<GroupGraph, Failure> {
    let (kept, changes) = (table.clone(), balances());
    let policies = Policies { callback: Policy::DeadLetter, ..Policies::default() };
    let graph = GroupGraph::define("bank")
        .input("movements", Utf8, Int64, move |context, account: &str, cents: i64| {
            let balance = context.get(&kept)?.unwrap_or(0) + cents;
            if balance < 0 {
                return Err(format!("account {account} would be overdrawn by {} cents", -balance).into());
            }
            context.set(&kept, &balance)?;
            Ok(context.emit(&changes, &account, &balance)?)
        })
        .persist(table)
        .output(&balances())
        .policies(policies)
        .build()?;
    Ok(graph)
}

/// Inputs in; outputs, the table and the dead letters out.
fn a_withdrawal_too_large_is_refused() -> Result<(), Failure> {
    let table = Table::new(Int64);
    let mut tester = Tester::new(bank(&table)?);
    for cents in [100, -30, -90] {
        tester.send(&movements(), &"ada", &cents)?;
    }
    tester.run()?;
    assert_eq!(
        tester.take(&balances(), |account, cents| (account.to_owned(), cents))?,
        [("ada".to_owned(), 100), ("ada".to_owned(), 70)]
    );
    assert_eq!(tester.value(&table, b"ada", |cents| cents)?, Some(70));
    let refused = tester.take_records("bank-dead-letters");
    let reason = refused.first().and_then(|letter| letter.headers.last(dead_letter_header::MESSAGE));
    assert_eq!(reason, Some(&b"account ada would be overdrawn by 20 cents"[..]));
    Ok(())
}

/// Time moves when the test says so: under exactly-once nothing can be read before it is committed.
fn balances_are_read_once_they_are_committed() -> Result<(), Failure> {
    let settings =
        Settings { workers: 1, commit_interval: Some(Duration::from_hours(1)), ..Settings::exactly_once() };
    assert_eq!(settings.delivery, Delivery::ExactlyOnce);
    let mut tester = Tester::new(bank(&Table::new(Int64))?).settings(settings);
    tester.send(&movements(), &"ada", &100)?;
    while tester.step()? {}
    assert!(tester.take(&balances(), |_, cents| cents)?.is_empty());
    tester.advance(Duration::from_hours(1))?;
    assert_eq!(tester.take(&balances(), |_, cents| cents)?, [100]);
    Ok(())
}

/// A crash at any point loses nothing.
fn a_crash_loses_nothing() -> Result<(), Failure> {
    let table = Table::new(Int64);
    let mut tester = Tester::new(bank(&table)?).settings(Settings { workers: 1, ..Settings::exactly_once() });
    for account in ["ada", "bob", "cyd"] {
        tester.send(&movements(), &account, &50)?;
        tester.step()?;
        tester.kill();
    }
    tester.run()?;
    let mut all = tester.take(&balances(), |account, cents| (account.to_owned(), cents))?;
    all.sort();
    assert_eq!(all, ["ada", "bob", "cyd"].map(|account| (account.to_owned(), 50)));
    Ok(())
}

fn main() -> Result<(), Failure> {
    a_withdrawal_too_large_is_refused()?;
    balances_are_read_once_they_are_committed()?;
    a_crash_loses_nothing()?;
    println!("all three hold");
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_holds() {
        super::main().unwrap();
    }
}
