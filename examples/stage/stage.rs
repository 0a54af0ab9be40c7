//! Where the examples play: on Kafka, at the brokers that `KAFKA_BROKERS` names, or all in memory where it names none.
//!
//! Topics and groups get names of their own in each run, so that an example finds nothing of the last one.
#![allow(dead_code, unreachable_pub, reason = "a part of every example, none of which needs all of it")]

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use millstream::testing::Sim;
use millstream::{KafkaLog, KafkaWorld, SledTable, SledTables, TopicName, TopicSpec, World};

pub type Failure = Box<dyn Error>;

/// Kafka, with tables in a folder that is new in each run; none where no broker is named.
pub fn kafka() -> Option<KafkaWorld<SledTable>> {
    let brokers = env::var("KAFKA_BROKERS").ok()?;
    let tables = SledTables::at(env::temp_dir().join(own("millstream-example")));
    Some(KafkaWorld::new(KafkaLog::new(brokers), move |id| tables.open(id)))
}

/// Brokers and tables in memory, gone with the program.
pub fn memory() -> Sim {
    Sim::live()
}

/// A name that no other run has.
pub fn own(name: &str) -> String {
    format!("{name}-{}", process::id())
}

/// Makes a topic of two partitions, and gives its name.
pub fn topic(world: &impl World, name: &str) -> Result<String, Failure> {
    make(world, name, "delete")
}

/// Makes a topic that keeps the newest record of each key: a table for others to join or look up.
pub fn table(world: &impl World, name: &str) -> Result<String, Failure> {
    make(world, name, "compact")
}

fn make(world: &impl World, name: &str, policy: &str) -> Result<String, Failure> {
    let name = own(name);
    let settings = BTreeMap::from([("cleanup.policy".to_owned(), policy.to_owned())]);
    world.create_topic(&TopicSpec {
        name: TopicName::new(&name)?,
        partitions: 2,
        replication: None,
        settings,
    })?;
    Ok(name)
}

/// Waits for something to come true; far longer than it should ever take.
pub fn until(mut holds: impl FnMut() -> Result<bool, Failure>) -> Result<(), Failure> {
    let begun = Instant::now();
    while !holds()? {
        if begun.elapsed() > Duration::from_mins(1) {
            return Err("waited in vain".into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
