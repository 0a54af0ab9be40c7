use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_model::Value;
use millstream_ports::{DelimitedRows, KafkaRows, NoRows};
use millstream_sim::Sim;

use super::*;

mod book;
mod lacking;
mod queries;
mod sharing;
mod statements;

/// Long enough for any machine.
const LONG: Duration = Duration::from_secs(30);

fn formats() -> Formats {
    Formats::default()
        .with("DELIMITED", Arc::new(DelimitedRows))
        .with("KAFKA", Arc::new(KafkaRows))
        .with("NONE", Arc::new(NoRows))
}

fn server(world: &Sim) -> Server<Sim> {
    let rules =
        Settings { workers: 1, commit_interval: Some(Duration::from_millis(10)), ..Settings::default() };
    let topics_interval = Duration::from_millis(50);
    let settings = ServerSettings { rules, topics_interval, ..ServerSettings::default() };
    Server::start(world.clone(), formats(), settings).unwrap()
}

fn run(server: &Server<Sim>, text: &str) -> Result<Answer, Fault> {
    server.run(&mut Session::new(), text)
}

fn done(server: &Server<Sim>, text: &str) -> Told {
    match run(server, text) {
        Ok(Answer::Done(told)) => told,
        Ok(_) => panic!("{text} was answered with something else"),
        Err(fault) => panic!("{text}: {fault}"),
    }
}

fn refused(server: &Server<Sim>, text: &str) -> String {
    run(server, text).err().unwrap_or_else(|| panic!("{text} was not refused")).to_string()
}

/// The rows of a query that ends.
fn rows(server: &Server<Sim>, text: &str) -> Vec<Vec<Value>> {
    match run(server, text) {
        Ok(Answer::Rows { rows, .. }) => rows.into_iter().map(|row| row.values).collect(),
        Ok(_) => panic!("{text} was answered with something else"),
        Err(fault) => panic!("{text}: {fault}"),
    }
}

fn queries(server: &Server<Sim>) -> Vec<ListedQuery> {
    match run(server, "SHOW QUERIES") {
        Ok(Answer::Queries(queries)) => queries,
        _ => panic!("queries are not listed"),
    }
}

fn until(mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG, "it does not come to be so");
        thread::sleep(Duration::from_millis(5));
    }
}

const EVENTS: &str = "CREATE STREAM events (id STRING KEY, kind STRING, amount INT)
    WITH (KAFKA_TOPIC='events', PARTITIONS=3, KEY_FORMAT='KAFKA', VALUE_FORMAT='DELIMITED')";

const SUMS: &str = "CREATE TABLE sums AS SELECT kind, SUM(amount) AS total FROM events GROUP BY kind";
