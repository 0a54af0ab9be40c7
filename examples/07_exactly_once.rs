//! Exactly once: outputs, the group table and the positions of the inputs are committed together or not at all.
//!
//! `cargo run --example 07_exactly_once` asks the brokers of `KAFKA_BROKERS` for topics `payments` and `balances`, and keeps
//! accounts until it is stopped. Kill it at any point, and start it again: no payment is booked twice, and none is lost, for
//! readers with `isolation.level=read_committed`.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::time::Duration;

use millstream::{
    GroupGraph, Int64, KafkaLog, KafkaWorld, Output, Processor, Settings, SledTables, Table, TopicName,
    TopicSpec, Utf8, World,
};

fn accounts() -> Result<GroupGraph, Box<dyn Error>> {
    let (table, balances) = (Table::new(Int64), Output::new("balances", Utf8, Int64));
    let (kept, told) = (table.clone(), balances.clone());
    Ok(GroupGraph::define("accounts")
        .input("payments", Utf8, Int64, move |context, account: &str, cents: i64| {
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
    Settings { commit_interval: Some(Duration::from_millis(20)), ..Settings::exactly_once() }
}

fn main() -> Result<(), Box<dyn Error>> {
    let brokers = env::var("KAFKA_BROKERS").unwrap_or_else(|_| "localhost:9092".to_owned());
    let tables = SledTables::at("state");
    let world = KafkaWorld::new(KafkaLog::new(brokers), move |id| tables.open(id));
    for name in ["payments", "balances"] {
        let (name, settings) = (TopicName::new(name)?, BTreeMap::new());
        world.create_topic(&TopicSpec { name, partitions: 4, replication: None, settings })?;
    }
    let running = Processor::new(world, accounts()?).settings(settings()).start()?;
    let stop = running.stopper();
    ctrlc::set_handler(move || stop.set())?;
    Ok(running.join()?)
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
        let mut tester = Tester::new(accounts().unwrap()).settings(Settings { workers: 1, ..settings() });
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
