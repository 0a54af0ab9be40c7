use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::member::INPUT;
use crate::quiet::Strict;
use crate::random::Random;

/// Time between two bursts of records.
const TICK: Duration = Duration::from_millis(10);

/// How long the brokers may be away before a record is given up, which would end the run.
const PATIENCE: Duration = Duration::from_mins(5);

/// What was written: records by key. This is the model: each key's count goes from 1 to its number.
pub(crate) type Model = BTreeMap<String, u64>;

/// Writes records at a steady pace, whatever becomes of the brokers, until it is told to stop.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: JoinHandle<anyhow::Result<Model>>,
}

impl Load {
    pub(crate) fn start(brokers: &str, rate: u64, keys: u64, seed: u64) -> anyhow::Result<Self> {
        let producer: BaseProducer<Strict> = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2")
            .set("linger.ms", "5")
            .set("message.timeout.ms", PATIENCE.as_millis().to_string())
            .set("queue.buffering.max.messages", "2000000")
            .set("reconnect.backoff.max.ms", "500")
            .create_with_context(Strict::default())?;
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (stop.clone(), written.clone());
        let mut source = Source { producer, random: Random::new(seed), keys, model: Model::new(), count };
        let work = move || source.flow(rate, &stopped).map(|()| source.model);
        let thread = thread::Builder::new().name("load".to_owned()).spawn(work)?;
        Ok(Self { stop, written, thread })
    }

    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.thread.is_finished()
    }

    /// Stops, waits until every record is acknowledged, and answers what was written.
    pub(crate) fn finish(self) -> anyhow::Result<Model> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the load panicked"))?
    }
}

struct Source {
    producer: BaseProducer<Strict>,
    random: Random,
    keys: u64,
    model: Model,
    count: Arc<AtomicU64>,
}

impl Source {
    fn flow(&mut self, rate: u64, stop: &AtomicBool) -> anyhow::Result<()> {
        let (begun, mut written) = (Instant::now(), 0);
        while !stop.load(Ordering::Relaxed) {
            let due = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX).saturating_mul(rate)
                / 1_000_000;
            while written < due {
                self.write()?;
                written += 1;
            }
            self.producer.poll(TICK);
            self.check()?;
        }
        self.producer.flush(PATIENCE)?;
        self.check()
    }

    /// The run ends where the load itself loses a record: what comes after would say nothing of the group.
    fn check(&self) -> anyhow::Result<()> {
        let Some(why) = self.producer.context().given_up() else { return Ok(()) };
        let fatal = self.producer.client().fatal_error().map(|(_, said)| format!(" ({said})"));
        anyhow::bail!("the load gave a record up: {why}{}", fatal.unwrap_or_default())
    }

    fn write(&mut self) -> anyhow::Result<()> {
        let key = format!("k{}", self.random.below(self.keys));
        while let Err((error, _)) = self.producer.send(BaseRecord::to(INPUT).key(&key).payload("x")) {
            let is_full = error == KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            anyhow::ensure!(is_full, "a record could not be written: {error}");
            self.producer.poll(TICK);
        }
        *self.model.entry(key).or_default() += 1;
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}
