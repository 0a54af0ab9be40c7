//! What can't work is told in a sentence with the place and the remedy, and without a secret.

use std::ops::ControlFlow;
use std::time::Duration;

use millstream_kafka_log::{KafkaLog, KafkaWorld};
use millstream_model::{Offset, Partition, RecordView, TopicName};
use millstream_ports::{Action, Delivery, GroupLog, Outlet, Polled, PortError, Start, Tail, World};

use crate::broker::{Broker, record, unique, until};

pub fn run(broker: &Broker) {
    a_property_that_is_wrong_is_named(broker);
    a_record_too_large_is_refused(broker);
    a_record_too_large_undoes_its_transaction_and_no_more(broker);
    a_topic_that_is_not_there_can_not_be_read(broker);
    brokers_that_are_not_there_are_named();
}

fn tells(error: &PortError, action: Action, words: &[&str]) {
    let said = error.to_string();
    assert_eq!(error.action(), action, "{said}");
    for word in words {
        assert!(said.contains(word), "'{said}' should name '{word}'");
    }
}

fn a_property_that_is_wrong_is_named(broker: &Broker) {
    let topic = broker.topic("unread", 1, &[]);
    for name in ["no.such.property", "fetch.wait.max.ms", "security.protocol"] {
        let world = broker.world(&[(name, "hunter2")]);
        let errors = [
            world.join_group(&unique("wrong"), 0, std::slice::from_ref(&topic), Delivery::AtLeastOnce).err(),
            world.describe_topics(std::slice::from_ref(&topic)).err(),
        ];
        for error in errors {
            tells(&error.unwrap(), Action::Stop, &[name]);
        }
    }
    let world = broker.world(&[
        ("sasl.password", "hunter2"),
        ("sasl.mechanism", "none such"),
        ("security.protocol", "sasl_plaintext"),
    ]);
    let error = world.outlet("wrong").err().unwrap();
    tells(&error, Action::Stop, &["none such"]);
    assert!(!error.to_string().contains("hunter2"));
}

fn a_record_too_large_is_refused(broker: &Broker) {
    let topic = broker.topic("small", 1, &[("max.message.bytes", "2000")]);
    let mut outlet = broker.world(&[]).outlet("large").unwrap();
    let error = outlet.send(&record(&topic, &vec![b'x'; 2_000_000])).unwrap_err();
    tells(&error, Action::DeadLetter, &[topic.as_str(), "message.max.bytes"]);
    outlet.send(&record(&topic, &[b'x'; 3_000])).unwrap();
    let error = outlet.settle().unwrap_err();
    tells(&error, Action::DeadLetter, &[&format!("{topic}/0"), "max.message.bytes"]);
    assert_eq!(outlet.tally().failed, 1);
    let rejections = outlet.rejections();
    assert_eq!(rejections.iter().map(|rejection| &rejection.topic).collect::<Vec<_>>(), [&topic]);
    assert_eq!(outlet.rejections(), [], "it was told");
    outlet.send(&record(&topic, b"small")).unwrap();
    outlet.settle().unwrap();
    assert_eq!(outlet.tally().delivered, 1, "the writer goes on");
}

fn a_record_too_large_undoes_its_transaction_and_no_more(broker: &Broker) {
    let (input, topic) =
        (broker.topic("small-in", 1, &[]), broker.topic("small-tx", 1, &[("max.message.bytes", "2000")]));
    let world = broker.world(&[]);
    let inputs = std::slice::from_ref(&input);
    let mut member = world.join_group(&unique("small"), 0, inputs, Delivery::ExactlyOnce).unwrap();
    until("it is assigned", || {
        match member.poll(Duration::from_millis(50), 1, |_| ControlFlow::Continue(())).unwrap() {
            Polled::Assigned(partitions) => {
                member.accept(&partitions).unwrap();
                true
            }
            _ => false,
        }
    });
    for _ in 0..2 {
        member.send(&record(&topic, b"first")).unwrap();
        member.send(&record(&topic, &[b'x'; 3_000])).unwrap();
        let error = member.settle().unwrap_err();
        tells(&error, Action::Retry, &[&format!("{topic}/0"), "max.message.bytes"]);
        assert_eq!(member.rejections().len(), 1);
        member.abort().unwrap();
    }
    // The brokers may take the first batch after a refused one for out of order: that transaction is done again too.
    until("the next is committed", || {
        let sent = member.send(&record(&topic, b"second")).and_then(|()| member.settle());
        let Err(error) = sent.and_then(|()| member.commit(&[(0, Partition::new(0), Offset(0))])) else {
            return true;
        };
        tells(&error, Action::Retry, &[]);
        member.abort().unwrap();
        false
    });
    assert_eq!(member.rejections(), []);
    member.leave();
    let mut tail = world.tail("small", std::slice::from_ref(&topic)).unwrap();
    tail.add(0, Partition::new(0), Start::Earliest).unwrap();
    let mut seen = Vec::new();
    until("what is committed is there", || {
        let each = |record: RecordView<'_>| {
            seen.push(record.value.map(<[u8]>::to_vec).unwrap_or_default());
            ControlFlow::Continue(())
        };
        tail.poll(Duration::from_millis(50), 10, each).unwrap();
        !seen.is_empty()
    });
    assert_eq!(seen, [b"second".to_vec()], "nothing of what was taken back");
}

fn a_topic_that_is_not_there_can_not_be_read(broker: &Broker) {
    let absent = TopicName::new(unique("absent")).unwrap();
    let mut tail = broker.world(&[]).tail("absent", std::slice::from_ref(&absent)).unwrap();
    let error = tail.add(0, Partition::new(0), Start::Earliest).unwrap_err();
    tells(&error, Action::Stop, &[absent.as_str()]);
}

fn brokers_that_are_not_there_are_named() {
    let world = KafkaWorld::without_tables(KafkaLog::new("127.0.0.1:1"));
    let error = world.describe_topics(&[TopicName::new("any").unwrap()]).unwrap_err();
    tells(&error, Action::Retry, &["127.0.0.1:1", "Connection refused"]);
}
