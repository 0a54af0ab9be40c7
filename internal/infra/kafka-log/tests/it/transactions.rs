//! Readers by position, at ends that are markers of transactions, records that were taken back, and records in doubt.

use std::ops::ControlFlow;
use std::time::Duration;

use millstream_kafka_log::KafkaTail;
use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{Delivery, Start, Tail, World};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::broker::{Broker, unique, until};

const WAIT: Duration = Duration::from_millis(50);
const ANSWER_WAIT: Duration = Duration::from_secs(30);
const P0: Partition = Partition::new(0);

struct Writer<'a> {
    producer: BaseProducer,
    topic: &'a TopicName,
}

impl<'a> Writer<'a> {
    fn new(broker: &Broker, topic: &'a TopicName) -> Self {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", broker.brokers())
            .set("transactional.id", unique("writer"))
            .create()
            .unwrap();
        producer.init_transactions(ANSWER_WAIT).unwrap();
        Self { producer, topic }
    }

    fn begin(&self, values: &[&str]) {
        self.producer.begin_transaction().unwrap();
        for value in values {
            let record = BaseRecord::<(), _>::to(self.topic.as_str()).partition(0).payload(*value);
            self.producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        self.producer.flush(ANSWER_WAIT).unwrap();
    }

    fn commit(&self, values: &[&str]) {
        self.begin(values);
        self.producer.commit_transaction(ANSWER_WAIT).unwrap();
    }

    fn abort(&self, values: &[&str]) {
        self.begin(values);
        self.producer.abort_transaction(ANSWER_WAIT).unwrap();
    }
}

pub fn run(broker: &Broker) {
    let topic = broker.topic("transactions", 1, &[]);
    let writer = Writer::new(broker, &topic);
    writer.commit(&["a", "b"]);
    reads_to_its_end(broker, &topic, 0, &["a", "b"], 3);
    writer.abort(&["never", "so"]);
    reads_to_its_end(broker, &topic, 0, &["a", "b"], 6);
    writer.commit(&["c"]);
    // In doubt: the end is before it, until its transaction is decided.
    writer.begin(&["d"]);
    reads_to_its_end(broker, &topic, 0, &["a", "b", "c"], 8);
    writer.producer.commit_transaction(ANSWER_WAIT).unwrap();
    reads_to_its_end(broker, &topic, 8, &["d"], 10);
    an_end_is_found_again(broker, &topic);
    a_member_catches_up(broker, &topic);
}

fn read(tail: &mut KafkaTail, seen: &mut Vec<String>) {
    tail.poll(WAIT, 100, |record| {
        seen.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
        ControlFlow::Continue(())
    })
    .unwrap();
}

/// What recovery does: read from `first` until the position is the end that was told.
fn reads_to_its_end(broker: &Broker, topic: &TopicName, first: i64, expected: &[&str], end: i64) {
    let mut tail = broker.world(&[]).tail("ends", std::slice::from_ref(topic)).unwrap();
    // A transaction is decided a moment before its marker is written, and only the marker moves the end.
    until("the marker is written", || {
        let bounds = tail.add(0, P0, Start::At(Offset(first))).unwrap();
        let is_there = bounds == (Offset(first), Offset(end));
        if !is_there {
            tail.remove(0, P0).unwrap();
        }
        is_there
    });
    let mut seen = Vec::new();
    until("the end is reached", || {
        read(&mut tail, &mut seen);
        tail.position(0, P0).unwrap() >= Offset(end)
    });
    assert_eq!(seen, expected);
    assert_eq!(tail.position(0, P0).unwrap(), Offset(end));
}

/// A partition that is removed and added tells its end anew, also when no record is left before it.
fn an_end_is_found_again(broker: &Broker, topic: &TopicName) {
    let mut tail = broker.world(&[]).tail("again", std::slice::from_ref(topic)).unwrap();
    for _ in 0..3 {
        let (first, end) = tail.add(0, P0, Start::At(Offset(9))).unwrap();
        assert_eq!((first, end), (Offset(9), Offset(10)));
        let mut seen = Vec::new();
        until("the end is reached", || {
            read(&mut tail, &mut seen);
            tail.position(0, P0).unwrap() == end
        });
        assert!(seen.is_empty(), "only a marker is left: {seen:?}");
        tail.remove(0, P0).unwrap();
    }
}

/// The last marker is nothing to lag behind.
fn a_member_catches_up(broker: &Broker, topic: &TopicName) {
    use millstream_ports::{GroupLog, Polled};
    let world = broker.world(&[]);
    let mut member = world
        .join_group(&unique("catches-up"), 0, std::slice::from_ref(topic), Delivery::AtLeastOnce)
        .unwrap();
    let mut count = 0;
    until("all is read, and no lag is left", || {
        match member.poll(WAIT, 100, |_| ControlFlow::Continue(())).unwrap() {
            Polled::Assigned(partitions) => {
                member.accept(&partitions).unwrap();
                member.start(P0).unwrap();
            }
            Polled::Records(records) => count += records,
            other => panic!("{other:?}"),
        }
        member.lag(0, P0) == Some(0)
    });
    assert_eq!(count, 4);
}
