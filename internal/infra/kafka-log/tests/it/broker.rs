use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, id};

use millstream_broker::{Broker as Embedded, BrokerSettings};
use millstream_kafka_log::{KafkaLog, KafkaWorld, NoTables};
use millstream_model::{NoHeaders, Partition, TopicName};
use millstream_ports::{Outlet, SendRecord, Tag, TopicSpec, World};
use tempfile::TempDir;

/// A broker to test on.
pub struct Broker {
    brokers: String,
    own: Own,
}

/// Who may be stopped.
enum Own {
    Nobody,
    Kafka(OwnKafka),
    Embedded(TempDir, RefCell<Option<Embedded>>),
}

/// A Kafka on ports of its own, stopped and removed with this.
struct OwnKafka {
    home: TempDir,
    port: u16,
    secure_port: Option<u16>,
}

/// The password that the guarded listener wants.
pub const PASSWORD: &str = "correct-horse-battery";

/// A Kafka with a listener that asks who is there, and speaks TLS alone.
pub struct Guarded(OwnKafka);

impl Guarded {
    pub fn start() -> Self {
        Self(OwnKafka::start(true))
    }

    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.0.secure_port.unwrap())
    }

    /// The certificate of the authority that its own is by.
    pub fn authority(&self) -> String {
        self.0.home.path().join("conf/tls/ca.pem").display().to_string()
    }
}

impl Broker {
    /// The Kafka that `KAFKA_BROKERS` names, or else one started for these tests alone.
    pub fn kafka() -> Self {
        if let Ok(brokers) = env::var("KAFKA_BROKERS") {
            return Self { brokers, own: Own::Nobody };
        }
        let own = OwnKafka::start(false);
        Self { brokers: format!("127.0.0.1:{}", own.port), own: Own::Kafka(own) }
    }

    /// The broker that this repository brings along.
    pub fn embedded() -> Self {
        let data = TempDir::new().unwrap();
        let broker = Embedded::start(BrokerSettings::new(data.path(), ([127, 0, 0, 1], 0).into())).unwrap();
        let brokers = broker.address().to_string();
        Self { brokers, own: Own::Embedded(data, RefCell::new(Some(broker))) }
    }

    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Stops and starts it, with `meanwhile` between; answers whether it is ours to stop.
    pub fn interrupt(&self, meanwhile: impl FnOnce()) -> bool {
        match &self.own {
            Own::Nobody => return false,
            Own::Kafka(own) => {
                assert!(own.script("down").status().unwrap().success());
                meanwhile();
                assert!(own.script("up").status().unwrap().success());
            }
            Own::Embedded(data, broker) => {
                drop(broker.take());
                meanwhile();
                let settings = BrokerSettings::new(data.path(), self.brokers.parse().unwrap());
                broker.replace(Some(Embedded::start(settings).unwrap()));
            }
        }
        true
    }

    /// The cluster, with properties beside those that make tests swift.
    pub fn log(&self, properties: &[(&str, &str)]) -> KafkaLog {
        let swift = [("consumer.heartbeat.interval.ms", "100"), ("consumer.statistics.interval.ms", "100")];
        let all = swift.iter().chain(properties);
        let all = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        KafkaLog::new(&self.brokers).with_properties(all).unwrap()
    }

    pub fn world(&self, properties: &[(&str, &str)]) -> KafkaWorld<NoTables> {
        KafkaWorld::without_tables(self.log(properties))
    }

    /// A new topic.
    pub fn topic(&self, name: &str, partitions: u32, settings: &[(&str, &str)]) -> TopicName {
        let name = TopicName::new(unique(name)).unwrap();
        let settings: BTreeMap<_, _> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let spec = TopicSpec { name: name.clone(), partitions, replication: None, settings };
        self.world(&[]).create_topic(&spec).unwrap();
        name
    }
}

impl OwnKafka {
    fn start(is_guarded: bool) -> Self {
        let begin = |_| {
            let secure_port = is_guarded.then(free_pair);
            let own = Self { home: TempDir::new().unwrap(), port: free_pair(), secure_port };
            own.script("up").status().unwrap().success().then_some(own)
        };
        // Between the search for a free port and its use another may take it.
        let own = (0..3).find_map(begin);
        own.expect("Kafka did not come up; run `make prepare`, or name one by KAFKA_BROKERS")
    }

    fn script(&self, deed: &str) -> Command {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).map(PathBuf::from).unwrap();
        let mut command = Command::new(repository.join("docker/local/kafka.sh"));
        command
            .arg(deed)
            .env("MILLSTREAM_STACK_HOME", self.home.path())
            .env("MILLSTREAM_JARS", repository.join(".stack/jars"))
            .env("KAFKA_PORT", self.port.to_string())
            .env("KAFKA_SECURE_PASSWORD", PASSWORD);
        if let Some(port) = self.secure_port {
            command.env("KAFKA_SECURE_PORT", port.to_string());
        }
        command
    }
}

impl Drop for OwnKafka {
    fn drop(&mut self) {
        let _ = self.script("down").status();
    }
}

/// A name that no other run on the same Kafka has.
pub fn unique(name: &str) -> String {
    format!("log-test-{}-{name}", id())
}

/// Takes steps until one of them answers `true`; a step is a poll that waits.
pub fn until(what: &str, mut step: impl FnMut() -> bool) {
    assert!((0..1_200).any(|_| step()), "waited in vain until {what}");
}

/// Writes values from 0 to a partition.
pub fn fill(outlet: &mut impl Outlet, topic: &TopicName, count: u32) {
    for number in 0..count {
        outlet.send(&record(topic, number.to_string().as_bytes())).unwrap();
    }
}

/// A record for partition 0 with a value and nothing else.
pub fn record<'a>(topic: &'a TopicName, value: &'a [u8]) -> SendRecord<'a> {
    let partition = Some(Partition::new(0));
    SendRecord {
        topic,
        partition,
        key: None,
        value: Some(value),
        headers: &NoHeaders,
        timestamp: None,
        tag: Tag::NONE,
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
