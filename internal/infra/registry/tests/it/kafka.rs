//! On a real Kafka: the one that `KAFKA_BROKERS` names, or else one started for these tests alone.

use std::env;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, id};
use std::thread;

use millstream_avro_codec::Registry as Client;
use millstream_kafka_log::{KafkaLog, KafkaWorld, NoTables};
use millstream_registry::{Registry, Settings};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::asked::Asked;

/// A Kafka on ports of its own, stopped and removed with this.
struct OwnKafka {
    home: TempDir,
    port: u16,
}

impl OwnKafka {
    fn up() -> Self {
        let own = Self { home: TempDir::new().unwrap(), port: free_pair() };
        assert!(own.script("up"), "Kafka did not come up; run `make prepare`, or name one by KAFKA_BROKERS");
        own
    }

    fn script(&self, deed: &str) -> bool {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).map(PathBuf::from).unwrap();
        let mut command = Command::new(repository.join("docker/local/kafka.sh"));
        command
            .arg(deed)
            .env("MILLSTREAM_STACK_HOME", self.home.path())
            .env("KAFKA_PORT", self.port.to_string());
        command.env("MILLSTREAM_JARS", repository.join(".stack/jars")).status().unwrap().success()
    }
}

impl Drop for OwnKafka {
    fn drop(&mut self) {
        self.script("down");
    }
}

/// A port that is free, as is the next one.
fn free_pair() -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}

fn world(brokers: &str) -> KafkaWorld<NoTables> {
    let swift = [("producer.linger.ms", "0"), ("producer.message.timeout.ms", "3000")];
    let swift = swift.map(|(name, value)| (name.to_owned(), value.to_owned()));
    KafkaWorld::without_tables(KafkaLog::new(brokers).with_properties(swift.into()).unwrap())
}

fn settings(name: &str) -> Settings {
    Settings { topic: format!("schemas-{}-{name}", id()), ..Settings::at("127.0.0.1:0") }
}

#[test]
fn schemas_live_in_kafka() {
    let own = env::var("KAFKA_BROKERS").is_err().then(OwnKafka::up);
    let brokers = own
        .as_ref()
        .map_or_else(|| env::var("KAFKA_BROKERS").unwrap(), |own| format!("127.0.0.1:{}", own.port));
    let world = world(&brokers);
    a_restart_finds_everything_again(&world);
    two_instances_agree(&world);
    the_clients_of_this_repository_work(&world);
    if let Some(own) = &own {
        an_outage_passes(&world, own);
    }
}

fn a_restart_finds_everything_again(world: &KafkaWorld<NoTables>) {
    let settings = settings("restart");
    let asked = Asked::with(world, &settings);
    asked.register("s", r#""int""#);
    asked.register("s", r#""long""#);
    asked.told("PUT", "/config/s", &json!({ "compatibility": "FULL" }));
    asked.told("DELETE", "/subjects/s/versions/1", &Value::Null);
    let all = asked.get("/schemas?deleted=true");
    drop(asked);
    let again = Asked::with(world, &settings);
    assert_eq!(again.get("/schemas?deleted=true"), all);
    assert_eq!(again.get("/config/s"), json!({ "compatibilityLevel": "FULL" }));
    assert_eq!(again.register("t", r#""string""#), 3);
}

fn two_instances_agree(world: &KafkaWorld<NoTables>) {
    let settings = settings("two");
    let both = [Asked::with(world, &settings), Asked::with(world, &settings)];
    let answered: Vec<(u64, String)> = thread::scope(|scope| {
        let ask = |asked: &Asked, number: usize| {
            let schema =
                |turn: usize| format!(r#"{{"type":"fixed","name":"F{}","size":1}}"#, turn * (number + 1));
            let register = |turn| (asked.register(&format!("s{number}_{turn}"), &schema(turn)), schema(turn));
            (0..15).map(register).collect::<Vec<_>>()
        };
        let threads: Vec<_> =
            both.iter().enumerate().map(|(at, asked)| scope.spawn(move || ask(asked, at))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    for asked in &both {
        // A write reads to the journal's end first.
        asked.told("PUT", "/config", &json!({ "compatibility": "FULL" }));
        for (id, schema) in &answered {
            assert_eq!(asked.get(&format!("/schemas/ids/{id}"))["schema"], json!(schema));
        }
    }
    assert_eq!(both[0].get("/schemas"), both[1].get("/schemas"));
}

fn the_clients_of_this_repository_work(world: &KafkaWorld<NoTables>) {
    let registry = Registry::start(world, &settings("client")).unwrap();
    let client = Client::new(&format!("http://{}", registry.address())).unwrap();
    assert_eq!(client.latest("s-value").unwrap(), None);
    let id = client.register("s-value", r#"{"type":"record","name":"R","fields":[]}"#).unwrap();
    assert_eq!(client.latest("s-value").unwrap().map(|latest| (latest.id, latest.version)), Some((id, 1)));
    let refused =
        client.register("s-value", r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#);
    assert!(refused.unwrap_err().to_string().contains("not compatible"));
    assert!(client.schema(id).is_ok());
    assert!(client.schema(id + 1).map(drop).unwrap_err().to_string().contains("knows no schema"));
}

fn an_outage_passes(world: &KafkaWorld<NoTables>, own: &OwnKafka) {
    let asked = Asked::with(world, &settings("outage"));
    let int = asked.register("s", r#""int""#);
    assert!(own.script("down"));
    let ask = || asked.refused("POST", "/subjects/s/versions", &json!({ "schema": "\"long\"" }));
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..80).map(|_| scope.spawn(ask)).collect();
        let read = asked.get(&format!("/schemas/ids/{int}"));
        assert_eq!(read["schema"], "\"int\"", "what was read is still told, however many wait to write");
        for answer in waiting {
            assert_eq!(answer.join().unwrap(), (500, 50001));
        }
    });
    assert!(own.script("up"));
    let path = "/subjects/s/versions";
    let mut answers = (0..20).map(|_| asked.ask("POST", path, &json!({ "schema": "\"long\"" })));
    assert!(answers.any(|(status, _)| status == 200), "it writes again once Kafka is back");
    assert_eq!(asked.get(path), json!([1, 2]));
    assert!(asked.registry.health().is_ok());
}
