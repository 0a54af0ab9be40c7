//! What the embedded broker knows after a restart, and when it may not start.

use millstream_broker::{Broker, BrokerError, BrokerSettings};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use tempfile::TempDir;

use crate::stage::{Stage, WAIT, send, until};

fn settings(data: &TempDir) -> BrokerSettings {
    BrokerSettings::new(data.path(), ([127, 0, 0, 1], 0).into())
}

#[test]
fn it_refuses_addresses_and_folders_that_it_should_not_have() {
    let data = TempDir::new().unwrap();
    let open = BrokerSettings { listen: ([0, 0, 0, 0], 0).into(), ..settings(&data) };
    assert!(matches!(Broker::start(open.clone()), Err(BrokerError::NotLoopback(_))));
    let broker = Broker::start(BrokerSettings { anywhere: true, ..open }).unwrap();
    assert!(matches!(Broker::start(settings(&data)), Err(BrokerError::InUse(_))));
    let other = TempDir::new().unwrap();
    let taken =
        BrokerSettings { listen: ([127, 0, 0, 1], broker.address().port()).into(), ..settings(&other) };
    assert!(matches!(Broker::start(taken), Err(BrokerError::Listen { .. })));
    broker.stop();
    Broker::start(settings(&data)).unwrap().stop();
    let missing = BrokerSettings::new("/proc/no-such-folder", ([127, 0, 0, 1], 0).into());
    assert!(matches!(Broker::start(missing), Err(BrokerError::Data { .. })));
}

#[test]
fn a_topic_is_made_when_a_client_names_it_if_that_is_wanted() {
    for partitions in [0, 3] {
        let data = TempDir::new().unwrap();
        let broker =
            Broker::start(BrokerSettings { new_topic_partitions: partitions, ..settings(&data) }).unwrap();
        let short = [("message.timeout.ms", "3000")];
        let producer: BaseProducer = client(&broker, &short).create().unwrap();
        producer.send(BaseRecord::to("new").payload("v").key("k")).unwrap();
        let sent = producer.flush(WAIT).is_ok() && producer.in_flight_count() == 0;
        assert!(sent, "it was sent, or given up");
        let reader: BaseConsumer = client(&broker, &[("group.id", "g")]).create().unwrap();
        let width = |topic| {
            let metadata = reader.fetch_metadata(Some(topic), WAIT).unwrap();
            metadata.topics().iter().map(|topic| topic.partitions().len()).sum::<usize>()
        };
        assert_eq!((width("new"), width("not a name")), (partitions, 0));
        assert_eq!(width("only-looked-for"), 0, "who only looks makes nothing");
        drop(reader);
        broker.stop();
    }
}

fn client(broker: &Broker, pairs: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.address().to_string());
    for (name, value) in pairs {
        config.set(*name, *value);
    }
    config
}

fn place(offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("t", 0, offset).unwrap();
    list
}

#[test]
fn topics_records_offsets_and_transactions_are_there_after_a_restart() {
    let data = TempDir::new().unwrap();
    let broker = Broker::start(settings(&data)).unwrap();
    let admin: rdkafka::admin::AdminClient<rdkafka::client::DefaultClientContext> =
        client(&broker, &[]).create().unwrap();
    let topic = rdkafka::admin::NewTopic::new("t", 2, rdkafka::admin::TopicReplication::Fixed(1));
    pollster::block_on(
        admin.create_topics([&topic.set("retention.ms", "-1")], &rdkafka::admin::AdminOptions::new()),
    )
    .unwrap();
    let open: BaseProducer = client(&broker, &[("transactional.id", "open")]).create().unwrap();
    let decided: BaseProducer = client(&broker, &[("transactional.id", "decided")]).create().unwrap();
    for (producer, value) in [(&decided, "decided"), (&open, "open")] {
        producer.init_transactions(WAIT).unwrap();
        producer.begin_transaction().unwrap();
        send(producer, "t", value);
        producer.flush(WAIT).unwrap();
    }
    decided.commit_transaction(WAIT).unwrap();
    let consumer: BaseConsumer = client(&broker, &[("group.id", "g")]).create().unwrap();
    consumer.commit(&place(Offset::Offset(1)), CommitMode::Sync).unwrap();
    drop((admin, consumer, open, decided));
    broker.stop();

    let broker = Broker::start(settings(&data)).unwrap();
    let consumer: BaseConsumer = client(&broker, &[("group.id", "g")]).create().unwrap();
    let told = consumer.committed_offsets(place(Offset::Invalid), WAIT).unwrap();
    assert_eq!(told.elements()[0].offset(), Offset::Offset(1));
    assert_eq!(consumer.fetch_watermarks("t", 0, WAIT).unwrap(), (0, 1), "up to the open transaction");
    let stage = Stage::of(&broker);
    assert_eq!(stage.values("t", "read_committed", 1), ["decided"], "the other is still open");
    // Its successor takes it back.
    let next: BaseProducer = client(&broker, &[("transactional.id", "open")]).create().unwrap();
    next.init_transactions(WAIT).unwrap();
    next.begin_transaction().unwrap();
    send(&next, "t", "next");
    next.commit_transaction(WAIT).unwrap();
    assert_eq!(stage.values("t", "read_committed", 2), ["decided", "next"]);
}

/// What a producer sends again over a restart is not there twice.
#[test]
fn an_idempotent_producer_goes_on_over_a_restart() {
    let data = TempDir::new().unwrap();
    let mut broker = Broker::start(settings(&data)).unwrap();
    let address = broker.address();
    let stage = Stage::of(&broker);
    let topic = stage.topic("idempotent", 1, &[]);
    let pairs = [("enable.idempotence", "true"), ("reconnect.backoff.max.ms", "200"), ("linger.ms", "1")];
    let producer = stage.producer(&pairs);
    let mut expected = Vec::new();
    for round in 0..4 {
        for number in 0..200 {
            let value = format!("{round}-{number}");
            let record = BaseRecord::<(), _>::to(&topic).partition(0).payload(&value);
            producer.send(record).map_err(|(error, _)| error).unwrap();
            producer.poll(std::time::Duration::ZERO);
            expected.push(value);
        }
        broker.stop();
        broker = Broker::start(BrokerSettings { listen: address, ..settings(&data) }).unwrap();
    }
    until("all is acknowledged", || producer.flush(WAIT).is_ok());
    assert_eq!(stage.values(&topic, "read_committed", expected.len()), expected);
}
