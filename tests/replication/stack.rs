//! The running stack, as the environment says where it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::expected::Row;
use crate::outside::{Seen, read_all};

pub struct Stack;

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run this by make verify-stack"))
}

impl Stack {
    pub fn of_environment() -> Self {
        Self
    }

    pub fn brokers(&self) -> String {
        variable("KAFKA_BROKERS")
    }

    pub fn registry(&self) -> String {
        variable("SCHEMA_REGISTRY_URL")
    }

    pub fn topic(&self, name: &str) -> String {
        variable(name)
    }

    pub fn dead_letters(&self, topic: &str) -> Vec<Seen> {
        let name = variable("DEAD_LETTERS").replace("TOPIC", topic);
        if self.has_topic(&name) { read_all(self, &name) } else { Vec::new() }
    }

    fn has_topic(&self, name: &str) -> bool {
        use rdkafka::consumer::{BaseConsumer, Consumer};
        let client: BaseConsumer =
            rdkafka::ClientConfig::new().set("bootstrap.servers", self.brokers()).create().unwrap();
        let all = client.fetch_metadata(None, Duration::from_secs(30)).unwrap();
        all.topics().iter().any(|topic| topic.name() == name)
    }

    fn psql(&self, query: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docker/local/postgres.sh");
        let output =
            Command::new(script).args(["psql", "-v", "ON_ERROR_STOP=1", "-Atc", query]).output().unwrap();
        assert!(output.status.success(), "{query}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The rows of a table by their keys, each column in a form that does not depend on the database's settings. A table that
    /// is not there has none.
    pub fn rows(&self, table: &str) -> BTreeMap<String, Row> {
        let schema = variable("TABLES");
        let of_table = format!("table_schema = '{schema}' and table_name = '{table}'");
        let columns = self
            .psql(&format!("select column_name, data_type from information_schema.columns where {of_table}"));
        if columns.is_empty() {
            return BTreeMap::new();
        }
        let keys = self.psql(&format!(
            "select column_name from information_schema.key_column_usage where {of_table} order by ordinal_position"
        ));
        let parts: Vec<_> = columns.lines().map(|line| told(line.split_once('|').unwrap())).collect();
        let key: Vec<_> = keys.lines().map(|name| format!("\"{name}\"")).collect();
        let query = format!(
            "select jsonb_build_object('key', concat_ws('|', {}), 'row', jsonb_build_object({})) from \"{schema}\".\"{table}\"",
            key.join(", "),
            parts.join(", ")
        );
        self.psql(&query).lines().map(keyed).collect()
    }
}

/// A column in a form to compare: exact numbers as text, moments as milliseconds.
fn told((name, ty): (&str, &str)) -> String {
    let form = match ty {
        "numeric" => format!("\"{name}\"::text"),
        "timestamp with time zone" => format!("(extract(epoch from \"{name}\") * 1000)::bigint"),
        _ => format!("\"{name}\""),
    };
    format!("'{name}', {form}")
}

fn keyed(line: &str) -> (String, Row) {
    let Json::Object(mut both) = serde_json::from_str(line).unwrap() else { panic!("{line}") };
    let Some(Json::Object(row)) = both.remove("row") else { panic!("{line}") };
    let row = row.into_iter().filter(|(_, value)| !value.is_null()).collect();
    (both["key"].as_str().unwrap().to_owned(), row)
}

/// Waits for a condition, far longer than it should ever take; tells whether it came true.
pub fn until(mut holds: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while !holds() {
        if begun.elapsed() > Duration::from_mins(1) {
            return false;
        }
        thread::sleep(Duration::from_millis(300));
    }
    true
}
