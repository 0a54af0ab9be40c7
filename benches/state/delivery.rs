use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::process::id;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use millstream::{
    DecimalText, Delivery, GroupGraph, KafkaWorld, Output, Partition, Processor, Settings, SledTable,
    SledTables, Table, TopicName, TopicSpec, Utf8, World,
};
use millstream_model::NoHeaders;
use millstream_ports::{Outlet, SendRecord, Start, Tag, Tail};

use crate::recovery::{cpu_seconds, log};

const PARTITIONS: u32 = 4;
const KEYS: usize = 200_000;
const MESSAGES: usize = 500_000;
const PACED: usize = 20_000;
const PACE_PER_SECOND: usize = 2_000;

type Kafka = KafkaWorld<SledTable>;

/// Counts each key's records, as fast as they come and then at a pace, and tells what that costs and how long it takes.
pub(crate) fn run(delivery: &str, interval_ms: u64) {
    let delivery = match delivery {
        "at-least-once" => Delivery::AtLeastOnce,
        "exactly-once" => Delivery::ExactlyOnce,
        other => panic!("no delivery is called {other}"),
    };
    let (folder, group) = (tempfile::tempdir().unwrap(), format!("delivery-{}", id()));
    let tables = SledTables::at(folder.path());
    let world = KafkaWorld::new(log(), move |id| tables.open(id));
    let [input, output] = ["in", "out"].map(|name| topic(&world, format!("{group}-{name}")));
    write(&world, &input, MESSAGES, None);
    let (before, begun) = (cpu_seconds(), Instant::now());
    let commit_interval = Duration::from_millis(interval_ms);
    let settings =
        Settings { delivery, commit_interval: Some(commit_interval), workers: 2, ..Settings::default() };
    let running = Processor::new(world.clone(), graph(&group)).settings(settings).start().unwrap();
    let status = running.status();
    let done = || status.snapshot().records_in.iter().map(|(_, count)| count).sum::<u64>();
    while done() < MESSAGES as u64 {
        thread::sleep(Duration::from_millis(10));
    }
    let micros = (cpu_seconds() - before) * 1e6 / MESSAGES as f64;
    let rate = MESSAGES as f64 / begun.elapsed().as_secs_f64();
    println!("{delivery:?}, a commit each {interval_ms} ms: {rate:.0} messages/s, {micros:.1} CPU µs each");
    thread::sleep(commit_interval * 3);
    let reader = thread::spawn({
        let world = world.clone();
        move || latencies(&world, &output)
    });
    thread::sleep(Duration::from_secs(2));
    write(&world, &input, PACED, Some(PACE_PER_SECOND));
    // In the first second the writer comes to its brokers.
    let mut latencies = reader.join().unwrap().split_off(PACE_PER_SECOND);
    latencies.sort_unstable();
    let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize];
    println!("at {PACE_PER_SECOND} messages/s: {} ms in the middle, {} ms at 99 %", at(0.5), at(0.99));
    running.stop().unwrap();
}

fn graph(group: &str) -> GroupGraph {
    let (table, out) = (Table::new(DecimalText), Output::new(format!("{group}-out"), Utf8, DecimalText));
    let (kept, told) = (table.clone(), out.clone());
    GroupGraph::define(group)
        .input(format!("{group}-in"), Utf8, Utf8, move |context, key: &str, _: &str| {
            let count = context.get(&kept)?.unwrap_or(0) + 1;
            context.set(&kept, &count)?;
            Ok(context.emit(&told, &key, &count)?)
        })
        .persist(&table)
        .output(&out)
        .build()
        .unwrap()
}

fn topic(world: &Kafka, name: String) -> TopicName {
    let name = TopicName::new(name).unwrap();
    let spec = TopicSpec {
        name: name.clone(),
        partitions: PARTITIONS,
        replication: None,
        settings: BTreeMap::new(),
    };
    world.create_topic(&spec).unwrap();
    name
}

fn write(world: &Kafka, topic: &TopicName, count: usize, pace: Option<usize>) {
    let (mut outlet, begun) = (world.outlet("write").unwrap(), Instant::now());
    for number in 0..count {
        let due = pace.map(|pace| Duration::from_millis((number * 1_000 / pace) as u64));
        while due.is_some_and(|due| begun.elapsed() < due) {
            thread::sleep(Duration::from_micros(200));
        }
        let key = format!("key-{:06}", number.wrapping_mul(7_919) % KEYS);
        let partition = Some(Partition::new(number as u32 % PARTITIONS));
        let (key, value) = (Some(key.as_bytes()), Some(&[b'v'; 100][..]));
        let record =
            SendRecord { topic, partition, key, value, headers: &NoHeaders, timestamp: None, tag: Tag::NONE };
        outlet.send(&record).unwrap();
    }
    outlet.settle().unwrap();
}

/// How long after its input was stamped each output can be read, in milliseconds.
fn latencies(world: &Kafka, output: &TopicName) -> Vec<i64> {
    let mut tail = world.tail("latencies", std::slice::from_ref(output)).unwrap();
    for partition in (0..PARTITIONS).map(Partition::new) {
        while tail.add(0, partition, Start::Latest).is_err() {
            thread::sleep(Duration::from_millis(10));
        }
    }
    let mut all = Vec::with_capacity(PACED);
    while all.len() < PACED {
        tail.poll(Duration::from_millis(50), PACED, |record| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
            all.push(now - record.timestamp.0);
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    all
}
