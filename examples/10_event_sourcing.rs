//! Event sourcing: a bank keeps what happened, and what an account holds follows from that, whenever one asks.
//!
//! Events are facts, kept for ever. The table is only what they come to: a group under a new name reads them from the start,
//! and comes to the same.
//!
//! `cargo run --example 10_event_sourcing` plays in memory; with `KAFKA_BROKERS=localhost:9092` on Kafka.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

#[path = "stage/stage.rs"]
mod stage;

use millstream::{Emitter, GroupGraph, Json, Output, Processor, Settings, Table, Utf8, World};
use serde::{Deserialize, Serialize};
use stage::{Failure, until};

/// What happened to an account. Names in the past tense: it can't be undone, only followed by something else.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Event {
    AccountCreated { owner: String },
    MoneyDeposited { amount: i64 },
    MoneyWithdrawn { amount: i64 },
}

/// What all events of an account come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Account {
    owner: String,
    balance: i64,
    events: u32,
}

impl Account {
    /// The account after one more event. It looks at nothing but the two, so the same events give the same account.
    fn after(self, event: &Event) -> Self {
        let events = self.events + 1;
        match event {
            Event::AccountCreated { owner } => Self { owner: owner.clone(), balance: 0, events },
            Event::MoneyDeposited { amount } => Self { balance: self.balance + amount, events, ..self },
            Event::MoneyWithdrawn { amount } => Self { balance: self.balance - amount, events, ..self },
        }
    }
}

fn main() -> Result<(), Failure> {
    match stage::kafka() {
        Some(world) => run(&world),
        None => run(&stage::memory()),
    }
}

fn run<W: World>(world: &W) -> Result<(), Failure> {
    let events = stage::topic(world, "account-events")?;
    let mut emitter = Emitter::open(world, "teller", Output::new(&events, Utf8, Json::<Event>::new()))?;
    for event in [
        Event::AccountCreated { owner: "ada".to_owned() },
        Event::MoneyDeposited { amount: 100 },
        Event::MoneyWithdrawn { amount: 30 },
    ] {
        emitter.emit(&"account-1", &event)?;
    }
    emitter.flush()?;

    let first = balance(world, &events, "bank")?;
    println!("the balance is {first}");
    // A group that never was has committed nothing: it reads from the start.
    let replayed = balance(world, &events, "bank-replayed")?;
    println!("replayed from the start it is {replayed}");
    if first == replayed { Ok(()) } else { Err("the replay came to something else".into()) }
}

/// What the account holds when all of its events were taken in by a group of this name.
fn balance<W: World>(world: &W, events: &str, group: &str) -> Result<i64, Failure> {
    let accounts = Table::new(Json::<Account>::new());
    let kept = accounts.clone();
    let group = stage::own(group);
    let graph = GroupGraph::define(&group)
        .input(events, Utf8, Json::<Event>::new(), move |context, id: &str, event: Event| {
            let account = context.get(&kept)?.unwrap_or_default().after(&event);
            println!("{id} after {event:?}: {}", account.balance);
            Ok(context.set(&kept, &account)?)
        })
        .persist(&accounts)
        .build()?;
    // Each event once: money is not to be counted twice, not even after a crash.
    let running = Processor::new(world.clone(), graph).settings(Settings::exactly_once()).start()?;
    let table = running.table();
    let mut account = Account::default();
    until(|| {
        if let Some(bytes) = table.get(b"account-1")? {
            account = serde_json::from_slice(&bytes)?;
        }
        Ok(account.events == 3)
    })?;
    running.stop()?;
    Ok(account.balance)
}
