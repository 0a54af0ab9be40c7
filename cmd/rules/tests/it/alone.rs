//! Rules where nobody has said where a schema registry is.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use millstream_broker::{Broker, BrokerSettings};

const JSON: &str =
    "CREATE STREAM a (id STRING KEY, x INT) WITH (KAFKA_TOPIC='a', PARTITIONS=1, VALUE_FORMAT='JSON');
    CREATE STREAM b AS SELECT id, x + 1 AS y FROM a;";

fn rules(folder: &Path, brokers: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rules"));
    command.env_remove("SCHEMA_REGISTRY_URL").env("KAFKA_BROKERS", brokers).current_dir(folder);
    command
}

/// A child that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn rules_whose_formats_keep_no_schemas_run_without_a_registry() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let data = folder.path().join("broker");
    let _broker = Broker::start(BrokerSettings::new(&data, (Ipv4Addr::LOCALHOST, port).into())).unwrap();
    std::fs::write(folder.path().join("r.sql"), JSON).unwrap();
    let mut command = rules(folder.path(), &format!("127.0.0.1:{port}"));
    command.args(["run", "r.sql", "--http", "off", "--state-dir", "state"]).stdout(Stdio::piped());
    let mut running = Killed(command.spawn().unwrap());
    let said = BufReader::new(running.0.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    assert_eq!(said, "1 rule is running");
}

#[test]
fn a_rule_whose_format_keeps_schemas_is_refused_before_a_broker_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("r.sql"), JSON.replace("'JSON'", "'AVRO'")).unwrap();
    let ended = rules(folder.path(), "127.0.0.1:1").args(["run", "r.sql", "--http", "off"]).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("rule B can't be deployed: AVRO keeps its schemas in a registry"), "{said}");
    assert!(said.contains("SCHEMA_REGISTRY_URL is not set"), "{said}");
}
