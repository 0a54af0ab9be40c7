//! The filter and the group table on a real Kafka: messages a second, CPU a message, and peak memory of our contestant; and how
//! long a message takes through the table.
//!
//! `make bench` starts the broker and runs this. The contestant is a process of its own, so that only its work is counted;
//! its whole life is, from start to the last output. `KINDS` names those that are wanted: bulk, latency.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::zombie_processes,
    missing_docs,
    reason = "a benchmark, not shipped"
)]

mod latency;
#[path = "../../examples/peer_contestant/product.rs"]
mod product;

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use millstream::{AvroBorrowed, Codec, JsonBorrowed, KafkaLog, TopicName, TopicSpec};
use product::{Product, ProductShape};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

const PARTITIONS: u32 = 4;
const KEYS: u64 = 200_000;
const NEEDLE: &str = "lamp";
/// As Linux counts processor time.
const TICKS_PER_SECOND: f64 = 100.0;

fn main() {
    let Ok(contestant) = env::var("CONTESTANT") else {
        println!("this benchmark wants a broker and a contestant; run it by 'make bench'");
        return;
    };
    let brokers = env::var("BROKERS").unwrap();
    let kinds = env::var("KINDS").unwrap_or_else(|_| "bulk,latency".to_owned());
    if kinds.contains("bulk") {
        bulk(&contestant, &brokers);
    }
    if kinds.contains("latency") {
        latency::run(&contestant, &brokers);
    }
}

/// Works an input off that is there already.
fn bulk(contestant: &str, brokers: &str) {
    let messages: u64 = env::var("MESSAGES").map_or(1_000_000, |count| count.parse().unwrap());
    println!("{:12} {:>12} {:>12} {:>10}", "workload", "messages/s", "CPU us/msg", "peak MB");
    for (workload, format) in [("filter", "json"), ("filter", "avro"), ("table", "json")] {
        let input = format!("bench-{workload}-{format}");
        let output = format!("{input}-out");
        create(brokers, &[&input, &output]);
        let matching = load(brokers, &input, format, messages);
        let wanted = if workload == "filter" { matching } else { messages };
        let mut child = start(contestant, brokers, &input, &output, workload, format);
        let figures = watch(brokers, &output, wanted, &child);
        end(&mut child);
        println!(
            "{:12} {:>12.0} {:>12.2} {:>10.0}",
            format!("{workload}-{format}"),
            messages as f64 / figures.seconds,
            figures.cpu_seconds * 1e6 / messages as f64,
            figures.peak_megabytes
        );
    }
}

fn end(child: &mut Child) {
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    child.wait().unwrap();
}

fn create(brokers: &str, names: &[&str]) {
    for name in names {
        let spec = TopicSpec {
            name: TopicName::new(name).unwrap(),
            partitions: PARTITIONS,
            replication: Some(1),
            settings: BTreeMap::new(),
        };
        KafkaLog::new(brokers).create_topic(&spec).unwrap();
    }
}

/// A product of fourteen fields as JSON; half of the names match.
fn document(index: u64) -> String {
    let noun = ["lamp", "desk lamp", "chair", "kettle"][(index % 4) as usize];
    format!(
        r#"{{"product_id":"p{index:07}","name":"oak {noun} {}","description":"a thing of some use about the house, sold by the piece and packed with care","price":{{"amount":{}.5,"currency":"EUR"}},"category":"category-{}","brand":"brand-{}","stock":{{"available":{},"reserved":3}},"sku":"SKU-{index:07}","tags":["home","sale"],"images":[{{"url":"https://img.example/{index}/1.jpg","alt":"front"}}],"specifications":{{"colour":"grey","weight":"2 kg"}},"created_at":"2025-06-15T12:00:00Z","updated_at":"2025-06-15T12:00:00Z","store_id":"store-{}"}}"#,
        index % 997,
        index % 5000,
        index % 50,
        index % 101,
        index % 300,
        index % 30
    )
}

/// Writes the input; answers how many of its records match.
fn load(brokers: &str, topic: &str, format: &str, messages: u64) -> u64 {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "20")
        .set("enable.idempotence", "true")
        .create()
        .unwrap();
    let avro = AvroBorrowed::<ProductShape>::fixed(7, product::SCHEMA).unwrap();
    let mut matching = 0;
    for message in 0..messages {
        let index = message % KEYS;
        let text = document(index);
        let parsed: Product<'_> = JsonBorrowed::<ProductShape>::new().decode(text.as_bytes()).unwrap();
        matching += u64::from(parsed.name.contains(NEEDLE));
        let mut value = Vec::new();
        if format == "avro" {
            avro.encode(&parsed, &mut value).unwrap();
        } else {
            value.extend_from_slice(text.as_bytes());
        }
        let key = format!("p{index:07}");
        let mut record = BaseRecord::to(topic).key(&key).payload(&value);
        while let Err((_, back)) = producer.send(record) {
            producer.poll(Duration::from_millis(10));
            record = back;
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_mins(2)).unwrap();
    matching
}

fn start(contestant: &str, brokers: &str, input: &str, output: &str, workload: &str, format: &str) -> Child {
    let state = env::temp_dir().join(format!("millstream-bench-{}", std::process::id())).join(input);
    let variables = [
        ("BROKERS", brokers),
        ("GROUP", input),
        ("INPUT", input),
        ("OUTPUT", output),
        ("WORKLOAD", workload),
        ("FORMAT", format),
    ];
    let mut command = Command::new(contestant);
    command
        .envs(variables)
        .env("FILTER", NEEDLE)
        .env("STATE_DIR", state)
        .env("THREADS", "2")
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

struct Figures {
    seconds: f64,
    cpu_seconds: f64,
    peak_megabytes: f64,
}

/// Reads the output as it comes; the time runs from the first record to the last.
fn watch(brokers: &str, output: &str, wanted: u64, child: &Child) -> Figures {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", brokers).set("group.id", "bench").create().unwrap();
    read_from_beginning(&consumer, output);
    let (mut seen, mut first) = (0, None);
    let patience = Instant::now();
    while seen < wanted {
        assert!(patience.elapsed() < Duration::from_mins(5), "only {seen} of {wanted} outputs came");
        if let Some(message) = consumer.poll(Duration::from_millis(100)) {
            message.unwrap();
            first.get_or_insert_with(Instant::now);
            seen += 1;
        }
    }
    let (cpu_seconds, peak_megabytes) = spent(child);
    let seconds = first.map_or(1.0, |first| first.elapsed().as_secs_f64()).max(0.001);
    Figures { seconds, cpu_seconds, peak_megabytes }
}

fn read_from_beginning(consumer: &BaseConsumer, topic: &str) {
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS.cast_signed() {
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
}

/// Seconds of processor time of a process so far, and its peak memory.
fn spent(child: &Child) -> (f64, f64) {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = fields[11..13].iter().map(|ticks| ticks.parse::<f64>().unwrap()).sum();
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: f64 = peak.split_whitespace().next().unwrap().parse().unwrap();
    (ticks / TICKS_PER_SECOND, kilobytes / 1024.0)
}
