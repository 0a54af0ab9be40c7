//! What can't work is told in a sentence with the place and the remedy, and without a secret.

use millstream_kafka_log::{KafkaLog, KafkaWorld};
use millstream_model::{Partition, TopicName};
use millstream_ports::{Action, Delivery, Outlet, PortError, Start, Tail, World};

use crate::broker::{Broker, record, unique};

pub fn run(broker: &Broker) {
    a_property_that_is_wrong_is_named(broker);
    a_record_too_large_is_refused(broker);
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
    tells(&error, Action::Stop, &[&format!("{topic}/0"), "max.message.bytes"]);
    assert_eq!(outlet.tally().failed, 1);
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
