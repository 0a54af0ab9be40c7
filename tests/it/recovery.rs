use std::collections::BTreeMap;
use std::time::Duration;

use millstream::{
    DecimalText, GroupGraph, KafkaLog, KafkaWorld, Output, Processor, Running, Settings, SledTables, Table,
    TopicName, TopicSpec, Utf8,
};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::outside::read_all;
use crate::stack::{Stack, until};

const KEYS: usize = 300;

/// A table comes back whole from its changelog, whichever hash the input's writer partitioned by.
pub fn run(stack: &Stack) {
    for (name, partitioner) in [("murmur2", "murmur2"), ("fnv1a", "fnv1a"), ("crc32", "consistent")] {
        let log = KafkaLog::new(stack.brokers());
        for topic in ["in", "out"] {
            let name = TopicName::new(format!("{name}_{topic}")).unwrap();
            log.create_topic(&TopicSpec {
                name,
                partitions: 4,
                replication: None,
                settings: BTreeMap::new(),
            })
            .unwrap();
        }
        let before = start(stack, name, "before");
        send(stack, name, partitioner);
        wait_counts(stack, name, 1);
        before.stop().unwrap();
        // Another folder: everything has to come from the changelog.
        let after = start(stack, name, "after");
        // A member may be ready before another has its part, so all partitions are waited for.
        let is_whole = || {
            let snapshot = after.status().snapshot();
            snapshot.partitions.len() == 4 && snapshot.is_running()
        };
        until("the table is recovered", is_whole);
        assert_eq!(after.table().count().unwrap(), KEYS as u64, "{name}");
        send(stack, name, partitioner);
        wait_counts(stack, name, 2);
        after.stop().unwrap();
    }
}

fn start(stack: &Stack, name: &str, folder: &str) -> Running {
    let (table, out) = (Table::new(DecimalText), Output::new(format!("{name}_out"), Utf8, DecimalText));
    let (kept, emitted) = (table.clone(), out.clone());
    let graph = GroupGraph::define(format!("{name}_counts"))
        .input(format!("{name}_in"), Utf8, Utf8, move |context, key: &str, _: &str| {
            let count = context.get(&kept)?.unwrap_or(0) + 1;
            context.set(&kept, &count)?;
            Ok(context.emit(&emitted, &key, &count)?)
        })
        .persist(&table)
        .output(&out)
        .build()
        .unwrap();
    let tables = SledTables::at(stack.folder(&format!("tables_{name}_{folder}")));
    let world = KafkaWorld::new(KafkaLog::new(stack.brokers()), move |id| tables.open(id));
    let settings =
        Settings { workers: 2, commit_interval: Some(Duration::from_millis(100)), ..Settings::default() };
    Processor::new(world, graph).settings(settings).start().unwrap()
}

fn send(stack: &Stack, name: &str, partitioner: &str) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", stack.brokers())
        .set("partitioner", partitioner)
        .create()
        .unwrap();
    let topic = format!("{name}_in");
    for key in 0..KEYS {
        let key = format!("key-{key}");
        producer.send(BaseRecord::to(&topic).key(&key).payload("x")).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(Duration::from_secs(30)).unwrap();
}

/// Waits until every key has been counted up to `count`, and sees that no key ever went back.
fn wait_counts(stack: &Stack, name: &str, count: u64) {
    until(&format!("{name}: every key is counted {count} times"), || {
        let mut highest = BTreeMap::new();
        for seen in read_all(stack, &format!("{name}_out")) {
            let value: u64 = String::from_utf8(seen.value.unwrap()).unwrap().parse().unwrap();
            let last = highest.insert(seen.key, value).unwrap_or(0);
            assert!(value > last, "{name}: a count went from {last} to {value}");
        }
        highest.len() == KEYS && highest.values().all(|value| *value == count)
    });
}
