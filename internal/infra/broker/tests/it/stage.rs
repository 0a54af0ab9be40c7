use std::env;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, id};
use std::time::{Duration, Instant};

use millstream_broker::{Broker, BrokerSettings};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tempfile::TempDir;

pub const WAIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// A broker to ask.
pub struct Stage {
    pub brokers: String,
    _own: Own,
}

enum Own {
    Nobody,
    Kafka(#[expect(dead_code, reason = "held")] Kafka),
    /// The broker goes before its data.
    Embedded(#[expect(dead_code, reason = "held")] Broker, #[expect(dead_code, reason = "held")] TempDir),
}

/// A Kafka on ports of its own, stopped and removed with this.
struct Kafka {
    home: TempDir,
    port: u16,
}

impl Stage {
    pub fn embedded() -> Self {
        let data = TempDir::new().unwrap();
        let broker = Broker::start(BrokerSettings::new(data.path(), ([127, 0, 0, 1], 0).into())).unwrap();
        Self { brokers: broker.address().to_string(), _own: Own::Embedded(broker, data) }
    }

    pub fn kafka() -> Self {
        if let Ok(brokers) = env::var("KAFKA_BROKERS") {
            return Self { brokers, _own: Own::Nobody };
        }
        let begin = |_| {
            let own = Kafka { home: TempDir::new().unwrap(), port: free_pair() };
            own.script("up").status().unwrap().success().then_some(own)
        };
        // Between the search for a free port and its use another may take it.
        let own = (0..3).find_map(begin);
        let own = own.expect("Kafka did not come up; run `make prepare`, or name one by KAFKA_BROKERS");
        Self { brokers: format!("127.0.0.1:{}", own.port), _own: Own::Kafka(own) }
    }

    /// A broker that somebody else holds.
    pub fn of(broker: &Broker) -> Self {
        Self { brokers: broker.address().to_string(), _own: Own::Nobody }
    }

    pub fn config(&self, pairs: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        for (name, value) in pairs {
            config.set(*name, *value);
        }
        config
    }

    pub fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config(&[]).create().unwrap()
    }

    /// A new topic.
    pub fn topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) -> String {
        let name = unique(name);
        let mut topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        for (name, value) in settings {
            topic = topic.set(name, value);
        }
        let made = pollster::block_on(self.admin().create_topics([&topic], &AdminOptions::new())).unwrap();
        assert!(made.iter().all(Result::is_ok), "{made:?}");
        name
    }

    pub fn producer(&self, pairs: &[(&str, &str)]) -> BaseProducer {
        self.config(&[("linger.ms", "5")]).clone_with(pairs).create().unwrap()
    }

    /// A consumer of whole partitions from their start.
    pub fn reader(&self, topic: &str, partitions: i32, isolation: &str) -> BaseConsumer {
        let config = self.config(&[
            ("group.id", "none"),
            ("isolation.level", isolation),
            ("enable.auto.commit", "false"),
        ]);
        let reader: BaseConsumer = config.create().unwrap();
        let mut places = rdkafka::TopicPartitionList::new();
        for partition in 0..partitions {
            places.add_partition_offset(topic, partition, rdkafka::Offset::Beginning).unwrap();
        }
        reader.assign(&places).unwrap();
        reader
    }

    /// Sends values to partition 0, and waits for their acknowledgement.
    pub fn send(&self, topic: &str, values: &[&str]) {
        let producer = self.producer(&[]);
        for value in values {
            send(&producer, topic, value);
        }
        producer.flush(WAIT).unwrap();
    }

    /// The values in partition 0, as a reader of this isolation sees them.
    pub fn values(&self, topic: &str, isolation: &str, count: usize) -> Vec<String> {
        let reader = self.reader(topic, 1, isolation);
        let mut values = Vec::new();
        until("the values are read", || {
            values.extend(poll(&reader).iter().map(text));
            values.len() >= count
        });
        // What should not be there would come now.
        values.extend(poll(&reader).iter().map(text));
        values
    }
}

/// More settings upon others.
pub trait CloneWith {
    fn clone_with(&self, pairs: &[(&str, &str)]) -> ClientConfig;
}

impl CloneWith for ClientConfig {
    fn clone_with(&self, pairs: &[(&str, &str)]) -> ClientConfig {
        let mut config = self.clone();
        for (name, value) in pairs {
            config.set(*name, *value);
        }
        config
    }
}

impl Kafka {
    fn script(&self, deed: &str) -> Command {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).map(PathBuf::from).unwrap();
        let mut command = Command::new(repository.join("docker/local/kafka.sh"));
        command
            .arg(deed)
            .env("MILLSTREAM_STACK_HOME", self.home.path())
            .env("MILLSTREAM_JARS", repository.join(".stack/jars"))
            .env("KAFKA_PORT", self.port.to_string());
        command
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        let _ = self.script("down").status();
    }
}

/// The first of two free ports in a row.
fn free_pair() -> u16 {
    (0..100)
        .find_map(|_| {
            let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
            TcpListener::bind(("127.0.0.1", port.checked_add(1)?)).ok().map(|_| port)
        })
        .unwrap()
}

/// A name that no other run has on the same broker.
pub fn unique(name: &str) -> String {
    format!("contract-{}-{name}", id())
}

pub fn send(producer: &BaseProducer, topic: &str, value: &str) {
    let record = BaseRecord::<(), _>::to(topic).partition(0).payload(value);
    producer.send(record).map_err(|(error, _)| error).unwrap();
}

/// What one poll brings, if it is a record.
pub fn poll(consumer: &BaseConsumer) -> Option<BorrowedMessage<'_>> {
    consumer.poll(POLL).map(Result::unwrap)
}

pub fn text(record: &impl Message) -> String {
    String::from_utf8(record.payload().unwrap().to_vec()).unwrap()
}

/// Takes steps until one answers `true`, for a minute at most.
pub fn until(what: &str, mut step: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !step() {
        assert!(begun.elapsed() < Duration::from_secs(90), "waited in vain until {what}");
    }
}
