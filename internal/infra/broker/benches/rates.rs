//! How fast records go in and come out, and how soon one that is sent is read: of the embedded broker, and of each broker that
//! is named, in one run.
//!
//! `cargo bench -p millstream-broker --bench rates -- 127.0.0.1:9092`
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a bench")]

use std::env;
use std::time::{Duration, Instant};

use millstream_broker::{Broker, BrokerSettings};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use tempfile::TempDir;

const RECORDS: u32 = 1_000_000;
const VALUE: usize = 200;
const PARTITIONS: i32 = 4;
/// Brokers take turns.
const ROUNDS: usize = 3;
const ROUND_TRIPS: usize = 2_000;
const WAIT: Duration = Duration::from_mins(2);

fn main() {
    let data = TempDir::new().unwrap();
    let broker = Broker::start(BrokerSettings::new(data.path(), ([127, 0, 0, 1], 0).into())).unwrap();
    let others = env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    println!(
        "{RECORDS} records of {VALUE} bytes in {PARTITIONS} partitions, {ROUND_TRIPS} round trips one after another"
    );
    println!("| broker | sent/s | read/s | p50 ms | p99 ms | max ms |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let embedded = ("embedded".to_owned(), broker.address().to_string());
    let all: Vec<_> =
        [embedded].into_iter().chain(others.map(|brokers| (brokers.clone(), brokers))).collect();
    for _ in 0..ROUNDS {
        for (name, brokers) in &all {
            measure(name, brokers);
        }
    }
}

fn measure(name: &str, brokers: &str) {
    let topic =
        format!("rates-{}-{:?}", std::process::id(), Instant::now()).replace([' ', '{', '}', ':', ','], "");
    make(brokers, &topic);
    let sent = send(brokers, &topic);
    let read = read(brokers, &topic);
    let trips = round_trips(brokers, &topic);
    let at = |part: usize| {
        trips.get((trips.len() * part / 1_000).min(trips.len() - 1)).unwrap().as_secs_f64() * 1e3
    };
    println!("| {name} | {sent:.0} | {read:.0} | {:.2} | {:.2} | {:.2} |", at(500), at(990), at(1_000));
}

fn config(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "none").set("enable.auto.commit", "false");
    config
}

fn make(brokers: &str, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = config(brokers).create().unwrap();
    let topic = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
    let made = pollster::block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
    assert!(made.iter().all(Result::is_ok));
}

fn send(brokers: &str, topic: &str) -> f64 {
    let mut config = config(brokers);
    config.set("linger.ms", "5").set("queue.buffering.max.messages", "1000000").set("acks", "all");
    let producer: BaseProducer = config.create().unwrap();
    let value = vec![b'x'; VALUE];
    let begun = Instant::now();
    for number in 0..RECORDS {
        let partition = i32::try_from(number).unwrap() % PARTITIONS;
        loop {
            let record = BaseRecord::<(), _>::to(topic).partition(partition).payload(&value);
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                    producer.poll(Duration::from_millis(5));
                }
                Err((other, _)) => unreachable!("{other}"),
            }
        }
    }
    producer.flush(WAIT).unwrap();
    f64::from(RECORDS) / begun.elapsed().as_secs_f64()
}

fn reader(brokers: &str, topic: &str, from: Offset, partitions: i32) -> BaseConsumer {
    let mut config = config(brokers);
    let reader: BaseConsumer = config.set("fetch.wait.max.ms", "500").create().unwrap();
    let mut places = TopicPartitionList::new();
    for partition in 0..partitions {
        places.add_partition_offset(topic, partition, from).unwrap();
    }
    reader.assign(&places).unwrap();
    reader
}

fn read(brokers: &str, topic: &str) -> f64 {
    let reader = reader(brokers, topic, Offset::Beginning, PARTITIONS);
    let begun = Instant::now();
    let mut seen = 0;
    while seen < RECORDS {
        seen += u32::from(reader.poll(WAIT).is_some_and(|record| record.is_ok()));
    }
    f64::from(RECORDS) / begun.elapsed().as_secs_f64()
}

/// Sends one record, waits until it is read, and sends the next; answers the times in their order.
fn round_trips(brokers: &str, topic: &str) -> Vec<Duration> {
    let reader = reader(brokers, topic, Offset::End, 1);
    while reader.poll(Duration::from_secs(1)).is_some() {}
    let mut config = config(brokers);
    let producer: BaseProducer = config.set("linger.ms", "0").create().unwrap();
    let mut trips = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let begun = Instant::now();
        producer
            .send(BaseRecord::<(), _>::to(topic).partition(0).payload("trip"))
            .map_err(|(error, _)| error)
            .unwrap();
        while reader.poll(WAIT).is_none() {}
        trips.push(begun.elapsed());
        producer.poll(Duration::ZERO);
    }
    // The first may find its connection not yet there.
    let mut trips = trips.split_off(20);
    trips.sort_unstable();
    trips
}
