//! Processes of one group that are killed in mid-flow, or held up until others have replaced them, again and again: nothing
//! is lost, and nothing comes twice.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use millstream::{
    DecimalText, GroupGraph, KafkaLog, KafkaWorld, Output, Processor, Settings, SledTables, Table, TopicName,
    TopicSpec, Utf8,
};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::outside::read_all;
use crate::stack::{Stack, until};

const KEYS: usize = 50;
const PARTITIONS: u32 = 4;
const KILLS: usize = 8;
const BROKERS: &str = "MILLSTREAM_TEST_BROKERS";
const FOLDER: &str = "MILLSTREAM_TEST_FOLDER";

/// Not a test of its own: a process that is killed. It counts each key's records, and tells each count.
#[test]
fn member_that_is_killed() {
    let (Ok(brokers), Ok(folder)) = (env::var(BROKERS), env::var(FOLDER)) else { return };
    let (table, out) = (Table::new(DecimalText), Output::new("once_out", Utf8, DecimalText));
    let (kept, emitted) = (table.clone(), out.clone());
    let graph = GroupGraph::define("once")
        .input("once_in", Utf8, Utf8, move |context, key: &str, _: &str| {
            let count = context.get(&kept)?.unwrap_or(0) + 1;
            context.set(&kept, &count)?;
            Ok(context.emit(&emitted, &key, &count)?)
        })
        .persist(&table)
        .output(&out)
        .build()
        .unwrap();
    let tables = SledTables::at(folder);
    // A killed member is missed soon.
    let properties = [("consumer.session.timeout.ms", "1500"), ("consumer.heartbeat.interval.ms", "300")];
    let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let log = KafkaLog::new(brokers).with_properties(properties).unwrap();
    let world = KafkaWorld::new(log, move |id| tables.open(id));
    let settings = Settings {
        workers: 2,
        commit_interval: Some(Duration::from_millis(20)),
        store_interval: Duration::from_millis(300),
        ..Settings::exactly_once()
    };
    Processor::new(world, graph).settings(settings).start().unwrap().join().unwrap();
}

fn start(stack: &Stack, folder: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "exactly_once::member_that_is_killed", "--nocapture"])
        .env(BROKERS, stack.brokers())
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn signal(member: &Child, signal: &str) {
    let told = Command::new("kill").args([signal, &member.id().to_string()]).status().unwrap();
    assert!(told.success());
}

/// Writes to every key in turn, and does not wait.
struct Source {
    producer: BaseProducer,
    written: usize,
}

impl Source {
    fn write(&mut self, count: usize) {
        for _ in 0..count {
            let key = format!("k{}", self.written % KEYS);
            let record = BaseRecord::to("once_in").key(&key).payload("x");
            self.producer.send(record).map_err(|(error, _)| error).unwrap();
            self.written += 1;
        }
        self.producer.poll(Duration::ZERO);
    }

    /// Writes at a steady pace for a while.
    fn flow(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.write(20);
            thread::sleep(Duration::from_millis(10));
        }
    }
}

pub fn run(stack: &Stack) {
    let log = KafkaLog::new(stack.brokers());
    for topic in ["once_in", "once_out"] {
        let (name, settings) = (TopicName::new(topic).unwrap(), BTreeMap::new());
        log.create_topic(&TopicSpec { name, partitions: PARTITIONS, replication: None, settings }).unwrap();
    }
    let producer = ClientConfig::new()
        .set("bootstrap.servers", stack.brokers())
        .set("partitioner", "murmur2")
        .create()
        .unwrap();
    let mut source = Source { producer, written: 0 };
    let folders = [stack.folder("once_a"), stack.folder("once_b")];
    let mut members: Vec<_> = folders.iter().map(|folder| start(stack, folder)).collect();
    for kill in 0..KILLS {
        // From the midst of a transaction to the midst of a rebalance.
        source.flow(Duration::from_millis([900, 2_300, 400, 3_100][kill % 4]));
        let place = kill % members.len();
        if kill % 4 == 2 {
            // Longer than the group waits for it: it comes to in the midst of a transaction that is not its own any more.
            signal(&members[place], "-STOP");
            source.flow(Duration::from_secs(4));
            signal(&members[place], "-CONT");
            source.flow(Duration::from_secs(2));
            assert!(members[place].try_wait().unwrap().is_none(), "it comes to the group again, and goes on");
            continue;
        }
        members[place].kill().unwrap();
        members[place].wait().unwrap();
        if kill % 3 != 2 {
            source.flow(Duration::from_millis(700));
        }
        members[place] = start(stack, &folders[place]);
    }
    source.flow(Duration::from_secs(1));
    source.producer.flush(Duration::from_secs(30)).unwrap();
    compare(stack, source.written);
    for mut member in members {
        member.kill().unwrap();
        member.wait().unwrap();
    }
}

/// Counts what was lost and what came twice, as a reader of committed records sees it.
fn compare(stack: &Stack, written: usize) {
    let expected = |key: usize| (written + KEYS - 1 - key) / KEYS;
    until("every record is counted", || read_all(stack, "once_out").len() >= written);
    let mut told = BTreeMap::<Vec<u8>, Vec<usize>>::new();
    for seen in read_all(stack, "once_out") {
        let count = String::from_utf8(seen.value.unwrap()).unwrap().parse().unwrap();
        told.entry(seen.key).or_default().push(count);
    }
    let (mut lost, mut duplicated) = (0, 0);
    for key in 0..KEYS {
        let counts = told.remove(format!("k{key}").as_bytes()).unwrap_or_default();
        let distinct: std::collections::BTreeSet<_> = counts.iter().copied().collect();
        lost += (1..=expected(key)).filter(|count| !distinct.contains(count)).count();
        duplicated += counts.len() - distinct.len();
        assert!(counts.is_sorted(), "k{key} is told out of order: {counts:?}");
    }
    println!(
        "exactly once: {written} records, {KILLS} times killed or held up, {lost} lost, {duplicated} duplicated"
    );
    assert_eq!((lost, duplicated, told.len()), (0, 0, 0));
    let mut table = BTreeMap::new();
    for seen in read_all(stack, "once-table") {
        table.insert(seen.key, String::from_utf8(seen.value.unwrap()).unwrap().parse().unwrap());
    }
    let model: BTreeMap<_, _> =
        (0..KEYS).map(|key| (format!("k{key}").into_bytes(), expected(key))).collect();
    assert_eq!(table, model, "the changelog says the same");
}
