use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{Meter, Sample, SampleKind};

/// What a replicator tells of itself while it works.
pub struct Figures {
    topic: TopicName,
    now: Mutex<Now>,
}

#[derive(Clone, Default)]
pub(crate) struct Now {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) commits: u64,
    pub(crate) commit_time: Duration,
    pub(crate) commit_failures: u64,
    pub(crate) dead_letters: u64,
    pub(crate) rebalances: u64,
    /// Why it waits, while it does.
    pub(crate) waits: Option<String>,
    pub(crate) failure: Option<String>,
    /// Where each partition is, and where it ends as far as is known.
    pub(crate) partitions: BTreeMap<Partition, (Offset, Offset)>,
    /// Whether the group has given out partitions, and all of them are being read.
    pub(crate) is_reading: bool,
}

impl Figures {
    pub(crate) fn new(topic: TopicName) -> Self {
        Self { topic, now: Mutex::default() }
    }

    pub(crate) fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The topic it follows.
    pub fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// Whether it works at all.
    ///
    /// # Errors
    /// The reason it ended.
    pub fn healthy(&self) -> Result<(), String> {
        self.now().failure.clone().map_or(Ok(()), Err)
    }

    /// Whether it replicates now.
    ///
    /// # Errors
    /// What it waits for.
    pub fn ready(&self) -> Result<(), String> {
        let now = self.now();
        match (&now.failure, &now.waits) {
            (Some(reason), _) | (None, Some(reason)) => Err(reason.clone()),
            (None, None) if now.is_reading => Ok(()),
            (None, None) => Err("waits for partitions".to_owned()),
        }
    }

    /// Records that lie between its partitions' positions and ends; `None` until it reads.
    pub fn lag(&self) -> Option<u64> {
        let now = self.now();
        now.is_reading.then(|| now.partitions.values().map(|(at, end)| at.until(*end)).sum())
    }

    /// How many records were taken in.
    pub fn records(&self) -> u64 {
        self.now().records
    }
}

impl Meter for Figures {
    fn samples(&self, out: &mut Vec<Sample>) {
        let now = self.now().clone();
        let topic = ("topic", self.topic.to_string());
        let mut add = |name, help, kind, value| {
            out.push(Sample { name, help, kind, labels: vec![topic.clone()], value });
        };
        for (name, help, count) in [
            ("millstream_sink_records_in_total", "Records taken in for replication.", now.records),
            ("millstream_sink_bytes_in_total", "Bytes of their keys and values.", now.bytes),
            ("millstream_sink_commits_total", "Transactions that wrote rows and positions.", now.commits),
            (
                "millstream_sink_commit_failures_total",
                "Transactions that failed and were done again.",
                now.commit_failures,
            ),
            ("millstream_sink_dead_letters_total", "Records that no table can hold.", now.dead_letters),
            (
                "millstream_sink_rebalances_total",
                "Times the group gave out or took away partitions.",
                now.rebalances,
            ),
        ] {
            add(name, help, SampleKind::Counter, float(count));
        }
        let seconds = now.commit_time.as_secs_f64();
        add(
            "millstream_sink_commit_seconds_total",
            "Time spent in transactions.",
            SampleKind::Counter,
            seconds,
        );
        let flag = |is: bool| f64::from(u8::from(is));
        let waits = "1 while it waits: the database, the registry or the topic is not there.";
        add("millstream_sink_waiting", waits, SampleKind::Gauge, flag(now.waits.is_some()));
        let failed = "1 once replication of the topic can't go on.";
        add("millstream_sink_failed", failed, SampleKind::Gauge, flag(now.failure.is_some()));
        for (partition, (at, end)) in &now.partitions {
            out.push(Sample {
                name: "millstream_sink_lag_records",
                help: "Records that wait in an owned partition.",
                kind: SampleKind::Gauge,
                labels: vec![topic.clone(), ("partition", partition.to_string())],
                value: float(at.until(*end)),
            });
        }
    }
}

/// Exact up to 2^53, far beyond what a process counts.
#[expect(clippy::cast_precision_loss, reason = "Prometheus' values are floats")]
fn float(count: u64) -> f64 {
    count as f64
}
