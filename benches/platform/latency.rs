//! From the sending of a message to a reader of committed records, through the group table at a steady rate.
//!
//! A message is sent when it is due, however late the others are, so that a pause counts for each that it held up.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::BaseConsumer;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message};

use crate::{create, document, end, read_from_beginning, spent, start};

/// What is not counted: start, and the first commits.
const WARM_UP: Duration = Duration::from_secs(5);

pub(crate) fn run(contestant: &str, brokers: &str) {
    let rate: u64 = env::var("RATE").map_or(2_000, |rate| rate.parse().unwrap());
    let seconds: u64 = env::var("SECONDS").map_or(20, |seconds| seconds.parse().unwrap());
    let workloads = env::var("LATENCY_OF").unwrap_or_else(|_| "table,table-eos".to_owned());
    println!(
        "{:12} {:>8} {:>8} {:>8} {:>8} {:>12} {:>10}",
        "latency, ms", "p50", "p90", "p99", "p99.9", "CPU us/msg", "peak MB"
    );
    for workload in workloads.split(',') {
        let input = format!("latency-{workload}-{}", std::process::id());
        let output = format!("{input}-out");
        create(brokers, &[&input, &output]);
        let mut child = start(contestant, brokers, &input, &output, workload, "json");
        let times = Arc::new(Times::new(rate * (WARM_UP.as_secs() + seconds)));
        let reader = {
            let (brokers, times) = (brokers.to_owned(), times.clone());
            thread::spawn(move || read(&brokers, &output, &times))
        };
        send(brokers, &input, rate, &times);
        let mut took = reader.join().unwrap();
        let (cpu_seconds, peak_megabytes) = spent(&child);
        end(&mut child);
        took.drain(..took.len().min((rate * WARM_UP.as_secs()) as usize));
        took.sort_by(f64::total_cmp);
        let at = |thousandths: usize| took[(took.len() - 1) * thousandths / 1000];
        println!(
            "{workload:12} {:>8.1} {:>8.1} {:>8.1} {:>8.1} {:>12.1} {peak_megabytes:>10.0}",
            at(500),
            at(900),
            at(990),
            at(999),
            cpu_seconds * 1e6 / times.due.len() as f64,
        );
    }
}

/// When each message was due, in microseconds from the beginning.
struct Times {
    begin: Instant,
    due: Vec<AtomicU64>,
}

impl Times {
    fn new(count: u64) -> Self {
        Self { begin: Instant::now(), due: (0..count).map(|_| AtomicU64::new(0)).collect() }
    }
}

fn send(brokers: &str, topic: &str, rate: u64, times: &Times) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "0")
        .set("partitioner", "murmur2_random")
        .create()
        .unwrap();
    // The contestant's first rebalance is over.
    thread::sleep(Duration::from_secs(3));
    let begin = Instant::now();
    for (message, due) in times.due.iter().enumerate() {
        let wanted = begin + Duration::from_micros(message as u64 * 1_000_000 / rate);
        if let Some(wait) = wanted.checked_duration_since(Instant::now()) {
            thread::sleep(wait);
        }
        due.store(wanted.duration_since(times.begin).as_micros() as u64, Ordering::Relaxed);
        let (key, value) = (format!("L{message}"), document(message as u64));
        producer.send(BaseRecord::to(topic).key(&key).payload(&value)).map_err(|(error, _)| error).unwrap();
        producer.poll(Duration::ZERO);
    }
    producer.flush(Duration::from_mins(1)).unwrap();
}

/// Milliseconds that each message took, in the order in which they came.
fn read(brokers: &str, topic: &str, times: &Times) -> Vec<f64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "latency")
        .set("fetch.wait.max.ms", "5")
        .create()
        .unwrap();
    read_from_beginning(&consumer, topic);
    let (mut took, mut heard) = (Vec::new(), Instant::now());
    let mut seen = vec![false; times.due.len()];
    while took.len() < seen.len() {
        assert!(
            heard.elapsed() < Duration::from_mins(1),
            "only {} of {} outputs came",
            took.len(),
            seen.len()
        );
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message.unwrap();
        let now = times.begin.elapsed().as_micros() as f64;
        let key = std::str::from_utf8(message.key().unwrap()).unwrap();
        let index: usize = key.trim_start_matches('L').parse().unwrap();
        heard = Instant::now();
        if !std::mem::replace(&mut seen[index], true) {
            took.push((now - times.due[index].load(Ordering::Relaxed) as f64) / 1e3);
        }
    }
    took
}
