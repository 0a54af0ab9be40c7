//! The program's schema registry, as a script meets it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use reqwest::blocking::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

/// The program at work.
struct Dev {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Dev {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dev"));
        let mut child = command.args(arguments).env_clear().stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn up(data: &TempDir) -> Self {
        let data = data.path().to_str().unwrap();
        Self::start(&["up", "--data", data, "--kafka-port", "0", "--registry-port", "0"])
    }

    /// What it tells others to set `name` to.
    fn told(&mut self, name: &str) -> String {
        let start = format!("export {name}=");
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "it ended without telling {name}");
            if let Some(value) = line.strip_prefix(&start) {
                return value.trim().to_owned();
            }
        }
    }

    /// Ctrl-C, and the end.
    fn interrupt(mut self) {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success() && self.child.wait().unwrap().success());
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It has ended already where it was interrupted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

fn register(url: &str, subject: &str, schema: &str) -> Value {
    let request = client().post(format!("{url}/subjects/{subject}/versions"));
    let request =
        request.header("content-type", "application/json").body(json!({ "schema": schema }).to_string());
    serde_json::from_str(&request.send().unwrap().text().unwrap()).unwrap()
}

fn schemas(url: &str) -> String {
    client().get(format!("{url}/schemas")).send().unwrap().text().unwrap()
}

#[test]
fn schemas_are_served_beside_the_broker_and_by_themselves_and_found_again() {
    let data = TempDir::new().unwrap();
    let mut first = Dev::up(&data);
    let (brokers, url) = (first.told("KAFKA_BROKERS"), first.told("SCHEMA_REGISTRY_URL"));
    assert_eq!(register(&url, "a-value", "\"int\""), json!({ "id": 1 }));
    let mut alone = Dev::start(&["registry", "--brokers", &brokers, "--listen", "127.0.0.1:0"]);
    let other = alone.told("SCHEMA_REGISTRY_URL");
    assert_eq!(register(&other, "b-value", "\"long\""), json!({ "id": 2 }));
    assert_eq!(register(&url, "c-value", "\"float\""), json!({ "id": 3 }), "each knows of the other's");
    let all = schemas(&url);
    alone.interrupt();
    first.interrupt();
    let mut second = Dev::up(&data);
    assert_eq!(schemas(&second.told("SCHEMA_REGISTRY_URL")), all);
    second.interrupt();
}

#[test]
fn an_address_that_is_open_to_others_needs_leave() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dev"));
    let output = command.args(["registry", "--listen", "0.0.0.0:0"]).env_clear().output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.contains("0.0.0.0:0") && said.contains("open to the network"), "{said}");
}
