//! Instances of the program on an embedded broker.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use millstream_broker::{Broker, BrokerSettings};
use millstream_kafka_log::KafkaLog;
use millstream_model::TopicName;
use millstream_ports::TopicSpec;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

const PARTITIONS: u32 = 4;
const RECORDS: usize = 4_000;
const PATIENCE: Duration = Duration::from_mins(1);

/// An instance, killed with this.
struct Instance {
    child: Child,
    log: PathBuf,
}

impl Instance {
    fn start(brokers: &str, folder: &Path, name: &str, standbys: u32) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_chaos"));
        command.args(["member", "--brokers", brokers, "--protocol", "classic", "--session-ms", "3000"]);
        command.args(["--standbys", &standbys.to_string(), "--folder"]).arg(folder.join(name));
        command.env("RUST_LOG", "warn,millstream_runtime=debug").env("NO_COLOR", "1");
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        Self { child, log }
    }

    fn lines(&self, of: &str) -> Vec<String> {
        let text = fs::read_to_string(&self.log).unwrap();
        text.lines().filter(|line| line.contains(of)).map(ToOwned::to_owned).collect()
    }

    /// Records read before each partition that became ready so far.
    fn replayed(&self) -> Vec<u64> {
        let number = |line: &String| line.split_once("replayed=")?.1.split(' ').next()?.parse().ok();
        self.lines("partition ready").iter().map(|line| number(line).expect(line)).collect()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn broker(folder: &Path) -> (Broker, String) {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let broker = Broker::start(BrokerSettings::new(folder, (Ipv4Addr::LOCALHOST, port).into())).unwrap();
    let brokers = format!("127.0.0.1:{port}");
    let log = KafkaLog::new(&brokers);
    for topic in ["chaos_in", "chaos_out"] {
        let (name, settings) = (TopicName::new(topic).unwrap(), BTreeMap::new());
        let spec = TopicSpec { name, partitions: PARTITIONS, replication: Some(1), settings };
        log.create_topic(&spec).unwrap();
    }
    (broker, brokers)
}

/// Each key once, so that each record is one of the changelog.
fn write(brokers: &str) {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
    for number in 0..RECORDS {
        let key = number.to_string();
        producer.send(BaseRecord::to("chaos_in").key(&key).payload("x")).expect("room for all");
    }
    producer.flush(PATIENCE).unwrap();
}

fn await_outputs(brokers: &str) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "audit").set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer = config.create().unwrap();
    consumer.subscribe(&["chaos_out"]).unwrap();
    let mut count = 0;
    await_that("all is counted", || {
        while let Some(Ok(_)) = consumer.poll(Duration::from_millis(50)) {
            count += 1;
        }
        count >= RECORDS
    });
}

/// Of two instances one is killed; how many records the other one read for what it then was given.
fn replayed_after_a_kill(standbys: u32) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let (broker, brokers) = broker(&folder.path().join("broker"));
    let first = Instance::start(&brokers, folder.path(), "first", standbys);
    await_that("the first has all", || first.replayed().len() == PARTITIONS as usize);
    let second = Instance::start(&brokers, folder.path(), "second", standbys);
    let half = PARTITIONS as usize / 2;
    await_that("the second has its half", || second.replayed().len() == half);
    if standbys > 0 {
        await_that("the second stands by", || second.lines("a standby follows").len() >= half);
    }
    write(&brokers);
    await_outputs(&brokers);
    drop(first);
    await_that("the second has all", || second.replayed().len() == PARTITIONS as usize);
    let replayed = second.replayed().iter().skip(half).sum();
    drop(second);
    broker.stop();
    replayed
}

#[test]
fn a_standby_takes_over_from_a_killed_instance_with_next_to_nothing_to_read() {
    let all = RECORDS as u64 / 2;
    let without = replayed_after_a_kill(0);
    assert!(without > all / 2, "without one the tables are read: {without} records");
    let with = replayed_after_a_kill(1);
    assert!(with <= all / 20, "with one {with} records were read");
}
