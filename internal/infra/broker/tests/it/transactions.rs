//! Transactions committed, aborted, fenced and timed out, as readers of both isolations see them.

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::stage::{Stage, WAIT, poll, send, text, unique, until};

const BOTH: [&str; 2] = ["read_committed", "read_uncommitted"];

pub fn run(stage: &Stage) {
    what_was_committed_is_read_and_what_was_aborted_is_not(stage);
    an_open_transaction_holds_committed_readers_back(stage);
    a_newer_producer_fences_the_older(stage);
    one_that_is_open_for_too_long_is_taken_back(stage);
    offsets_are_committed_with_the_records(stage);
    a_member_of_the_past_commits_nothing(stage);
    many_producers_at_once(stage);
}

fn begin(stage: &Stage, id: &str, pairs: &[(&str, &str)]) -> BaseProducer {
    let all: Vec<_> = [("transactional.id", id)].iter().chain(pairs).copied().collect();
    let producer = stage.producer(&all);
    producer.init_transactions(WAIT).unwrap();
    producer.begin_transaction().unwrap();
    producer
}

fn send_all(producer: &BaseProducer, topic: &str, values: &[&str]) {
    for value in values {
        send(producer, topic, value);
    }
    producer.flush(WAIT).unwrap();
}

fn what_was_committed_is_read_and_what_was_aborted_is_not(stage: &Stage) {
    let topic = stage.topic("decided", 1, &[]);
    let producer = begin(stage, &unique("decided"), &[]);
    send_all(&producer, &topic, &["a", "b"]);
    producer.commit_transaction(WAIT).unwrap();
    producer.begin_transaction().unwrap();
    send_all(&producer, &topic, &["never", "so"]);
    producer.abort_transaction(WAIT).unwrap();
    producer.begin_transaction().unwrap();
    send_all(&producer, &topic, &["c"]);
    producer.commit_transaction(WAIT).unwrap();
    stage.send(&topic, &["d"]);
    assert_eq!(stage.values(&topic, "read_committed", 4), ["a", "b", "c", "d"]);
    assert_eq!(stage.values(&topic, "read_uncommitted", 6), ["a", "b", "never", "so", "c", "d"]);
    // Six records and three markers before the last.
    let consumer: BaseConsumer = stage.config(&[("group.id", "none")]).create().unwrap();
    assert_eq!(consumer.fetch_watermarks(&topic, 0, WAIT).unwrap(), (0, 9));
}

fn an_open_transaction_holds_committed_readers_back(stage: &Stage) {
    let topic = stage.topic("held", 1, &[]);
    stage.send(&topic, &["before"]);
    let producer = begin(stage, &unique("held"), &[]);
    send_all(&producer, &topic, &["open"]);
    stage.send(&topic, &["after"]);
    assert_eq!(stage.values(&topic, "read_uncommitted", 3), ["before", "open", "after"]);
    let reader = stage.reader(&topic, 1, "read_committed");
    let mut seen = Vec::new();
    for _ in 0..20 {
        seen.extend(poll(&reader).iter().map(text));
    }
    assert_eq!(seen, ["before"]);
    producer.commit_transaction(WAIT).unwrap();
    until("the rest comes", || {
        seen.extend(poll(&reader).iter().map(text));
        seen.len() == 3
    });
    assert_eq!(seen, ["before", "open", "after"]);
}

fn code(error: &KafkaError) -> Option<Code> {
    match error {
        KafkaError::Transaction(error) => Some(error.code()),
        other => other.rdkafka_error_code(),
    }
}

fn a_newer_producer_fences_the_older(stage: &Stage) {
    let (topic, id) = (stage.topic("fenced", 1, &[]), unique("fenced"));
    let old = begin(stage, &id, &[]);
    send_all(&old, &topic, &["old"]);
    let new = begin(stage, &id, &[]);
    let refused = old.commit_transaction(WAIT).unwrap_err();
    let code = code(&refused);
    assert!(matches!(code, Some(Code::Fenced | Code::ProducerFenced | Code::Fatal)), "{refused:?}");
    send_all(&new, &topic, &["new"]);
    new.commit_transaction(WAIT).unwrap();
    assert_eq!(stage.values(&topic, "read_committed", 1), ["new"]);
    assert_eq!(stage.values(&topic, "read_uncommitted", 2), ["old", "new"]);
}

fn one_that_is_open_for_too_long_is_taken_back(stage: &Stage) {
    let topic = stage.topic("late", 1, &[]);
    let producer = begin(stage, &unique("late"), &[("transaction.timeout.ms", "1500")]);
    send_all(&producer, &topic, &["late"]);
    stage.send(&topic, &["after"]);
    assert_eq!(stage.values(&topic, "read_committed", 1), ["after"], "readers go on");
    let refused = producer.commit_transaction(WAIT).unwrap_err();
    assert!(code(&refused).is_some(), "{refused:?}");
    assert_eq!(stage.values(&topic, "read_committed", 1), ["after"]);
}

fn committed(stage: &Stage, group: &str, topic: &str) -> Option<i64> {
    let consumer: BaseConsumer = stage.config(&[("group.id", group)]).create().unwrap();
    let mut asked = TopicPartitionList::new();
    asked.add_partition(topic, 0);
    match consumer.committed_offsets(asked, WAIT).unwrap().elements()[0].offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

fn member(stage: &Stage, group: &str, topic: &str) -> BaseConsumer {
    let config = [
        ("group.id", group),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
        ("heartbeat.interval.ms", "200"),
    ];
    let member: BaseConsumer = stage.config(&config).create().unwrap();
    member.subscribe(&[topic]).unwrap();
    until("it reads", || poll(&member).is_some());
    member
}

fn place(topic: &str, offset: i64) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(offset)).unwrap();
    list
}

fn offsets_are_committed_with_the_records(stage: &Stage) {
    let (input, output) = (stage.topic("input", 1, &[]), stage.topic("output", 1, &[]));
    let group = unique("with-records");
    stage.send(&input, &["1", "2", "3"]);
    let member = member(stage, &group, &input);
    let producer = begin(stage, &unique("with-records"), &[]);
    for (value, offset, commit) in [("one", 1, true), ("two", 2, false), ("three", 3, true)] {
        send_all(&producer, &output, &[value]);
        let metadata = member.group_metadata().unwrap();
        producer.send_offsets_to_transaction(&place(&input, offset), &metadata, WAIT).unwrap();
        if commit {
            producer.commit_transaction(WAIT).unwrap();
        } else {
            producer.abort_transaction(WAIT).unwrap();
        }
        let expected = if commit { offset } else { offset - 1 };
        until("the decision is carried out", || committed(stage, &group, &input) == Some(expected));
        producer.begin_transaction().unwrap();
    }
    assert_eq!(stage.values(&output, "read_committed", 2), ["one", "three"]);
    member.commit(&place(&input, 2), CommitMode::Sync).unwrap();
    assert_eq!(committed(stage, &group, &input), Some(2));
}

/// One that was taken for dead, and whose partitions another has (KIP-447).
fn a_member_of_the_past_commits_nothing(stage: &Stage) {
    let (input, output) = (stage.topic("past", 1, &[]), stage.topic("past-output", 1, &[]));
    let group = unique("past");
    stage.send(&input, &["1"]);
    let old = member(stage, &group, &input);
    let metadata = old.group_metadata().unwrap();
    drop(old);
    let _new = member(stage, &group, &input);
    let producer = begin(stage, &unique("past"), &[]);
    send_all(&producer, &output, &["of the past"]);
    let refused = producer.send_offsets_to_transaction(&place(&input, 1), &metadata, WAIT).unwrap_err();
    let code = code(&refused);
    assert!(matches!(code, Some(Code::UnknownMemberId | Code::IllegalGeneration)), "{refused:?}");
    producer.abort_transaction(WAIT).unwrap();
    assert_eq!(committed(stage, &group, &input), None);
}

/// Transactions of several producers in one partition, every third of them aborted.
fn many_producers_at_once(stage: &Stage) {
    let topic = stage.topic("several", 1, &[]);
    let producers: Vec<_> =
        (0..4).map(|number| begin(stage, &unique(&format!("several-{number}")), &[])).collect();
    let (mut expected, mut all) = (Vec::new(), 0);
    for round in 0..15 {
        for (number, producer) in producers.iter().enumerate() {
            let values: Vec<_> = (0..3).map(|each| format!("{number}-{round}-{each}")).collect();
            let values: Vec<_> = values.iter().map(String::as_str).collect();
            send_all(producer, &topic, &values);
            all += values.len();
            if (round + number) % 3 != 0 {
                expected.extend(values.into_iter().map(str::to_owned));
            }
        }
        // Their ends come in another order than their beginnings.
        for (number, producer) in producers.iter().enumerate().rev() {
            if (round + number) % 3 == 0 {
                producer.abort_transaction(WAIT).unwrap();
            } else {
                producer.commit_transaction(WAIT).unwrap();
            }
            producer.begin_transaction().unwrap();
        }
    }
    let [committed, uncommitted] = BOTH;
    assert_eq!(stage.values(&topic, committed, expected.len()), expected);
    assert_eq!(stage.values(&topic, uncommitted, all).len(), all);
}
