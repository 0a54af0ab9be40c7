//! Records of every kind, in order, at their offsets and times.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, Timestamp};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

use crate::stage::{Stage, WAIT, poll, send, text, until};

pub fn run(stage: &Stage) {
    records_come_as_they_were_sent_in_every_compression(stage);
    acks_of_every_kind_are_honoured(stage);
    times_are_the_sender_s_or_the_broker_s(stage);
    offsets_are_found_by_time(stage);
    a_batch_that_is_too_large_is_refused(stage);
    a_compacted_topic_wants_keys(stage);
    a_reader_beyond_the_end_begins_anew(stage);
    readers_that_wait_are_told_soon(stage);
    many_records_keep_their_order(stage);
}

fn records_come_as_they_were_sent_in_every_compression(stage: &Stage) {
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let topic = stage.topic(&format!("codec-{codec}"), 1, &[]);
        let producer = stage.producer(&[("compression.codec", codec), ("linger.ms", "100")]);
        let headers = || {
            let headers = OwnedHeaders::new().insert(Header { key: "b", value: Some("1") });
            let headers = headers.insert(Header { key: "a", value: None::<&str> });
            headers.insert(Header { key: "b", value: Some("") })
        };
        let long = "long ".repeat(2_000);
        let sent =
            [(Some("key"), Some("value")), (None, Some(&*long)), (Some("gone"), None), (Some(""), Some(""))];
        for (key, value) in sent {
            let mut record = BaseRecord::to(&topic).partition(0).headers(headers());
            (record.key, record.payload) = (key, value);
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(WAIT).unwrap();
        let reader = stage.reader(&topic, 1, "read_committed");
        let mut seen = 0;
        until("all came", || {
            if let Some(record) = poll(&reader) {
                let (key, value) = sent[seen];
                assert_eq!(record.offset(), i64::try_from(seen).unwrap());
                assert_eq!(
                    (record.key(), record.payload()),
                    (key.map(str::as_bytes), value.map(str::as_bytes))
                );
                let headers: Vec<_> =
                    record.headers().unwrap().iter().map(|header| (header.key, header.value)).collect();
                assert_eq!(headers, [("b", Some(&b"1"[..])), ("a", None), ("b", Some(&b""[..]))], "{codec}");
                seen += 1;
            }
            seen == sent.len()
        });
    }
}

fn acks_of_every_kind_are_honoured(stage: &Stage) {
    let topic = stage.topic("acks", 1, &[]);
    for (count, acks) in (1..).zip(["0", "1", "all"]) {
        let producer = stage.producer(&[("acks", acks)]);
        send(&producer, &topic, acks);
        producer.flush(WAIT).unwrap();
        // With acks 0 nobody says when it is there.
        assert_eq!(stage.values(&topic, "read_committed", count).last().unwrap(), acks);
    }
}

/// Sends a record of a time, and reads it.
fn time_of(stage: &Stage, topic: &str, sent: i64) -> Timestamp {
    let producer = stage.producer(&[]);
    let record = BaseRecord::<(), _>::to(topic).partition(0).payload("x").timestamp(sent);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(WAIT).unwrap();
    let reader = stage.reader(topic, 1, "read_committed");
    let mut time = None;
    until("it came", || {
        time = poll(&reader).map(|record| record.timestamp());
        time.is_some()
    });
    time.unwrap()
}

fn times_are_the_sender_s_or_the_broker_s(stage: &Stage) {
    let create = stage.topic("create-time", 1, &[]);
    assert_eq!(time_of(stage, &create, 1_000), Timestamp::CreateTime(1_000));
    let append = stage.topic("append-time", 1, &[("message.timestamp.type", "LogAppendTime")]);
    match time_of(stage, &append, 1_000) {
        Timestamp::LogAppendTime(time) => assert!(time > 1_700_000_000_000, "{time}"),
        other => panic!("{other:?}"),
    }
}

fn offsets_are_found_by_time(stage: &Stage) {
    let topic = stage.topic("by-time", 1, &[]);
    let producer = stage.producer(&[]);
    for timestamp in [1_000, 3_000, 2_000, 5_000, 4_000] {
        let record = BaseRecord::<(), _>::to(&topic).partition(0).payload("x").timestamp(timestamp);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(WAIT).unwrap();
    }
    let consumer: BaseConsumer = stage.config(&[("group.id", "none")]).create().unwrap();
    let find = |timestamp| {
        let mut asked = TopicPartitionList::new();
        asked.add_partition_offset(&topic, 0, Offset::Offset(timestamp)).unwrap();
        consumer.offsets_for_times(asked, WAIT).unwrap().elements()[0].offset()
    };
    let cases = [(0, 0), (1_000, 0), (1_001, 1), (2_500, 1), (3_001, 3), (5_000, 3)];
    for (timestamp, offset) in cases {
        assert_eq!(find(timestamp), Offset::Offset(offset), "{timestamp}");
    }
    assert_eq!(find(5_001), Offset::End);
    assert_eq!(consumer.fetch_watermarks(&topic, 0, WAIT).unwrap(), (0, 5));
}

/// Tells what became of records.
struct Reports(std::sync::mpsc::Sender<Result<i64, Code>>);

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &rdkafka::message::DeliveryResult<'_>, (): ()) {
        let told = result.as_ref().map(Message::offset);
        let told = told.map_err(|(error, _)| error.rdkafka_error_code().unwrap());
        self.0.send(told).unwrap();
    }
}

fn send_one(stage: &Stage, topic: &str, key: Option<&str>, value: &str) -> Result<i64, Code> {
    let (reports, told) = std::sync::mpsc::channel();
    let producer: BaseProducer<Reports> =
        stage.config(&[("message.max.bytes", "5000000")]).create_with_context(Reports(reports)).unwrap();
    let mut record = BaseRecord::<str, str>::to(topic).partition(0).payload(value);
    record.key = key;
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(WAIT).unwrap();
    told.recv().unwrap()
}

fn a_batch_that_is_too_large_is_refused(stage: &Stage) {
    let topic = stage.topic("small", 1, &[("max.message.bytes", "1000")]);
    assert_eq!(send_one(stage, &topic, None, "fits"), Ok(0));
    assert_eq!(send_one(stage, &topic, None, &"x".repeat(2_000)), Err(Code::MessageSizeTooLarge));
    assert_eq!(send_one(stage, &topic, None, "fits too"), Ok(1));
    let large = stage.topic("large", 1, &[("max.message.bytes", "4000000")]);
    assert_eq!(send_one(stage, &large, None, &"x".repeat(3_000_000)), Ok(0));
    assert_eq!(
        stage.values(&large, "read_committed", 1)[0].len(),
        3_000_000,
        "larger than a reader asks for"
    );
}

fn a_compacted_topic_wants_keys(stage: &Stage) {
    let topic = stage.topic("keyed", 1, &[("cleanup.policy", "compact")]);
    assert_eq!(send_one(stage, &topic, None, "no key"), Err(Code::InvalidRecord));
    assert_eq!(send_one(stage, &topic, Some("k"), "a key"), Ok(0));
}

fn a_reader_beyond_the_end_begins_anew(stage: &Stage) {
    let topic = stage.topic("beyond", 1, &[]);
    stage.send(&topic, &["a", "b"]);
    for (reset, first) in [("earliest", Some("a")), ("error", None)] {
        let config = [("group.id", "none"), ("auto.offset.reset", reset), ("enable.auto.commit", "false")];
        let reader: BaseConsumer = stage.config(&config).create().unwrap();
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(&topic, 0, Offset::Offset(77)).unwrap();
        reader.assign(&place).unwrap();
        let mut told = None;
        until("something comes", || {
            told = reader.poll(Duration::from_millis(50)).map(|polled| polled.map(|record| text(&record)));
            told.is_some()
        });
        match told.unwrap() {
            Ok(value) => assert_eq!(Some(&*value), first),
            Err(KafkaError::MessageConsumption(code)) => {
                assert!(matches!(code, Code::AutoOffsetReset | Code::OffsetOutOfRange), "{code:?}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// A reader whose broker may hold its question for half a minute has its record long before that.
fn readers_that_wait_are_told_soon(stage: &Stage) {
    let topic = stage.topic("waiting", 1, &[]);
    let reader = stage.reader(&topic, 1, "read_committed");
    (0..10).for_each(|_| assert!(poll(&reader).is_none()));
    let producer = stage.producer(&[("linger.ms", "0")]);
    for number in 0..50 {
        send(&producer, &topic, &number.to_string());
        producer.flush(WAIT).unwrap();
        let mut value = None;
        until("it came", || {
            value = poll(&reader).map(|record| text(&record));
            value.is_some()
        });
        assert_eq!(value.unwrap(), number.to_string());
    }
}

const COUNT: usize = 60_000;

fn many_records_keep_their_order(stage: &Stage) {
    let topic = stage.topic("many", 3, &[("segment.bytes", "1048576")]);
    let producer = stage.producer(&[("enable.idempotence", "true"), ("compression.codec", "lz4")]);
    for number in 0..COUNT {
        let value = format!("{number} {}", "x".repeat(number % 200));
        let partition = i32::try_from(number % 3).unwrap();
        until("there is room", || {
            producer.poll(Duration::ZERO);
            let record = BaseRecord::<(), _>::to(&topic).partition(partition).payload(&value);
            producer.send(record).is_ok()
        });
    }
    producer.flush(WAIT).unwrap();
    let reader = stage.reader(&topic, 3, "read_committed");
    let mut next = [0, 1, 2];
    let mut seen = 0;
    until("all came", || {
        while let Some(record) = poll(&reader) {
            let place = usize::try_from(record.partition()).unwrap();
            let number: usize = text(&record).split(' ').next().unwrap().parse().unwrap();
            assert_eq!(number, next[place]);
            assert_eq!(usize::try_from(record.offset()).unwrap(), number / 3);
            next[place] += 3;
            seen += 1;
        }
        seen == COUNT
    });
}
