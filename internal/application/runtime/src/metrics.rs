use millstream_model::TopicName;
use millstream_ports::{Sample, SampleKind};

use crate::measures::Measures;
use crate::status::{PartitionStatus, Snapshot};

const RECORDS_IN: (&str, &str) = ("millstream_records_in_total", "Records processed, by input topic.");
const RECORDS_OUT: (&str, &str) = ("millstream_records_out_total", "Records sent, by destination topic.");
const SKIPPED: (&str, &str) = ("millstream_records_skipped_total", "Records passed over by policy.");
const DEAD_LETTERS: (&str, &str) =
    ("millstream_dead_letters_total", "Records sent to the dead-letter topic.");
const RETRIED: (&str, &str) =
    ("millstream_retries_total", "Retries of records, timers, keys of a visit and sends that failed.");
const DEFERRED: (&str, &str) = ("millstream_deferred_records", "Records whose completion is awaited.");
const WAITING: (&str, &str) =
    ("millstream_waiting_records", "Records that wait behind others that are deferred or retried.");
const TIMERS: (&str, &str) = ("millstream_timers", "Timers that are set.");
const COMMITS: (&str, &str) = ("millstream_commits_total", "Commits of input offsets.");
const REPAIRED: (&str, &str) = (
    "millstream_tables_repaired_total",
    "Tables' partitions whose store was damaged, and that were built anew from their changelogs.",
);
const LAG: (&str, &str) =
    ("millstream_lag_records", "Records that wait in the inputs of an owned partition.");
const RUNNING: (&str, &str) =
    ("millstream_partition_running", "1 while an owned partition is processed, 0 while it recovers.");
const REPLAYED: (&str, &str) =
    ("millstream_recovery_replayed_records", "Table records replayed since the partition was assigned.");
const REMAINING: (&str, &str) =
    ("millstream_recovery_remaining_records", "Table records still to be replayed.");
const REPLAY_RATE: (&str, &str) =
    ("millstream_recovery_records_per_second", "Table records replayed a second while a partition recovers.");
const RECOVERY_LEFT: (&str, &str) =
    ("millstream_recovery_left_seconds", "Time that the rest of a recovery takes at the rate it has.");
const FAILED: (&str, &str) = ("millstream_processor_failed", "1 once the processor can't go on.");
const TURN: (&str, &str) =
    ("millstream_turn_seconds", "The longest time that a worker has been at one turn, such as a batch.");
const STALLED: (&str, &str) =
    ("millstream_processor_stalled", "1 while a record is tried again and its partition waits for it.");

const BYTES_IN: (&str, &str) =
    ("millstream_bytes_in_total", "Bytes of the keys and values processed, by input topic.");
const BYTES_OUT: (&str, &str) =
    ("millstream_bytes_out_total", "Bytes of the keys and values sent, by destination topic.");
const AGE: (&str, &str) = (
    "millstream_record_age_seconds",
    "Time from the timestamp that a record bears until its batch was processed, by input topic.",
);
const BATCH: (&str, &str) =
    ("millstream_batch_seconds", "Time that batches of records take, what they emit handed over included.");
const COMMIT: (&str, &str) = ("millstream_commit_seconds", "Time that commits take.");
const REBALANCES: (&str, &str) =
    ("millstream_rebalances_total", "Times the consumer group gave out partitions, by worker.");
const ABORTS: (&str, &str) =
    ("millstream_transaction_aborts_total", "Transactions that were taken back and done again.");
const ERRORS: (&str, &str) =
    ("millstream_errors_total", "Records that failed, by the stage that failed and what the policy did.");
const CACHE_HITS: (&str, &str) =
    ("millstream_table_cache_hits_total", "Reads of the group table's stored entries that memory answered.");
const CACHE_MISSES: (&str, &str) =
    ("millstream_table_cache_misses_total", "Reads of the group table that went to its store.");
const STALENESS: (&str, &str) = (
    "millstream_staleness_seconds",
    "Age of the last record processed while others wait, by partition; 0 while none waits.",
);
const UNSTORED: (&str, &str) =
    ("millstream_table_unstored_bytes", "Table entries in memory that the store has yet to take.");
const STANDBY: (&str, &str) = (
    "millstream_standby_following",
    "1 while this process follows the tables of a partition that another one owns, 0 while it waits for them.",
);
const STANDBY_LAG: (&str, &str) =
    ("millstream_standby_lag_records", "Table records between a standby and the owner of its partition.");
const CACHED: (&str, &str) =
    ("millstream_table_cache_bytes", "Table entries that are kept in memory to be read again.");

/// A processor's figures as samples.
pub(crate) fn samples(group: &str, now: &Snapshot, out: &mut Vec<Sample>) {
    let group = ("group", group.to_owned());
    let mut add = |(name, help), kind, mut labels: Vec<(&'static str, String)>, value| {
        labels.insert(0, group.clone());
        out.push(Sample { name, help, kind, labels, value });
    };
    for (topic, count) in &now.records_in {
        add(RECORDS_IN, SampleKind::Counter, vec![("topic", topic.to_string())], float(*count));
    }
    for (topic, count) in &now.records_out {
        add(RECORDS_OUT, SampleKind::Counter, vec![("topic", topic.to_string())], float(*count));
    }
    let counters = [
        (SKIPPED, now.skipped),
        (DEAD_LETTERS, now.dead_letters),
        (RETRIED, now.retried),
        (COMMITS, now.commits),
        (REPAIRED, now.tables_repaired),
    ];
    for (name, count) in counters {
        add(name, SampleKind::Counter, Vec::new(), float(count));
    }
    for (name, count) in [(DEFERRED, now.deferred), (WAITING, now.waiting), (TIMERS, now.timers)] {
        add(name, SampleKind::Gauge, Vec::new(), float(count));
    }
    add(FAILED, SampleKind::Gauge, Vec::new(), f64::from(u8::from(now.failure.is_some())));
    add(STALLED, SampleKind::Gauge, Vec::new(), f64::from(u8::from(now.stalled.is_some())));
    if let Some(turn) = now.turn {
        add(TURN, SampleKind::Gauge, Vec::new(), turn.as_secs_f64());
    }
    measures(now, &mut add);
    for partition in &now.partitions {
        for (name, value) in gauges(partition) {
            add(name, SampleKind::Gauge, vec![("partition", partition.partition.to_string())], value);
        }
    }
}

type Add<'a> = dyn FnMut((&'static str, &'static str), SampleKind, Vec<(&'static str, String)>, f64) + 'a;

fn measures(now: &Snapshot, add: &mut Add<'_>) {
    let Measures { bytes_in, bytes_out, ages, errors, cache, partitions, .. } = &now.measures;
    let topic = |topic: &TopicName| vec![("topic", topic.to_string())];
    for ((name, _), bytes) in now.records_in.iter().zip(bytes_in) {
        add(BYTES_IN, SampleKind::Counter, topic(name), float(*bytes));
    }
    for ((name, _), bytes) in now.records_out.iter().zip(bytes_out) {
        add(BYTES_OUT, SampleKind::Counter, topic(name), float(*bytes));
    }
    for ((name, _), ages) in now.records_in.iter().zip(ages) {
        add(AGE, SampleKind::Histogram(ages.buckets()), topic(name), ages.sum().as_secs_f64());
    }
    for (name, took) in [(BATCH, &now.measures.batches), (COMMIT, &now.measures.commits)] {
        add(name, SampleKind::Histogram(took.buckets()), Vec::new(), took.sum().as_secs_f64());
    }
    for ((stage, policy), count) in errors {
        let labels = vec![("stage", (*stage).to_owned()), ("policy", (*policy).to_owned())];
        add(ERRORS, SampleKind::Counter, labels, float(*count));
    }
    let counters = [
        (REBALANCES, now.measures.rebalances),
        (ABORTS, now.measures.aborts),
        (CACHE_HITS, cache.0),
        (CACHE_MISSES, cache.1),
    ];
    for (name, count) in counters {
        add(name, SampleKind::Counter, Vec::new(), float(count));
    }
    for standby in &now.standbys {
        let labels = || vec![("partition", standby.partition.to_string())];
        add(STANDBY, SampleKind::Gauge, labels(), f64::from(u8::from(standby.is_following)));
        add(STANDBY_LAG, SampleKind::Gauge, labels(), float(standby.lag));
    }
    for (partition, measured) in partitions {
        let labels = || vec![("partition", partition.to_string())];
        if let Some(behind) = measured.behind {
            add(STALENESS, SampleKind::Gauge, labels(), behind.as_secs_f64());
        }
        add(UNSTORED, SampleKind::Gauge, labels(), float(measured.unstored_bytes));
        add(CACHED, SampleKind::Gauge, labels(), float(measured.cache_bytes));
    }
}

fn gauges(partition: &PartitionStatus) -> impl Iterator<Item = ((&'static str, &'static str), f64)> {
    let known = [
        (RUNNING, f64::from(u8::from(partition.is_running))),
        (REPLAYED, float(partition.replayed)),
        (REMAINING, float(partition.remaining)),
    ];
    let rate = partition.replay_rate().map(|rate| (REPLAY_RATE, float(rate)));
    let left = partition.recovery_left().map(|left| (RECOVERY_LEFT, left.as_secs_f64()));
    known.into_iter().chain(partition.lag.map(|lag| (LAG, float(lag)))).chain(rate).chain(left)
}

/// Exact up to 2^53, far beyond what a process counts.
#[expect(clippy::cast_precision_loss, reason = "Prometheus' values are floats")]
fn float(count: u64) -> f64 {
    count as f64
}
