//! A view over HTTP: a read-only copy of a table that this process answers for by itself, as a group's table is asked.

use std::sync::Arc;

use millstream_http_api::{Access, KeyForm, Peers, ServedView, Server, Site, Tables};
use millstream_model::{Headers, Partition, Timestamp, TopicName};
use millstream_ports::{Start, Tail as _, Utf8, World};
use millstream_runtime::View;
use millstream_sim::{Sim, SimRecord};
use serde_json::{Value, json};

use crate::instance::{CLIENT, routes, until};

const PARTITIONS: u32 = 4;

struct Copied {
    sim: Sim,
    server: Server,
    _view: View<Sim, Utf8, Utf8>,
}

impl Copied {
    /// A server with a view of `prices`, in which `count` articles are.
    fn of(count: usize) -> Self {
        let sim = Sim::live();
        sim.create("prices", PARTITIONS);
        (0..count).for_each(|number| sim.write("prices", key(number).as_bytes(), Some(b"7")));
        let view = View::open(&sim, "shelf", &TopicName::new("prices").unwrap(), Utf8, Utf8).unwrap();
        let tables = Tables::new(Peers::new(&Access::default()).unwrap());
        tables.serve_view(ServedView {
            name: "prices".to_owned(),
            client: view.client(),
            key: KeyForm::Text,
            value: Arc::new(|bytes| Ok(json!(String::from_utf8_lossy(bytes)))),
        });
        let server = Server::open("127.0.0.1:0", Site::new(routes()).tables(&tables)).unwrap();
        Self { sim, server, _view: view }
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let url = format!("http://{}/v1/tables{path}", self.server.address());
        let answer = CLIENT.get(url).send().unwrap();
        (answer.status().as_u16(), answer.json().unwrap())
    }

    fn keys(&self, parameters: &str) -> (Vec<String>, Value) {
        let (status, page) = self.get(&format!("/prices/entries?{parameters}"));
        assert_eq!(status, 200, "{page}");
        let keys = page["entries"].as_array().unwrap().iter();
        (keys.map(|entry| entry["key"].as_str().unwrap().to_owned()).collect(), page["cursor"].clone())
    }

    fn put(&self, partition: u32, key: &str, value: &str) {
        let (key, value) = (Some(key.into()), Some(value.into()));
        let record = SimRecord { key, value, headers: Headers::default(), timestamp: Timestamp(0) };
        self.sim.write_record_to("prices", Partition::new(partition), record);
    }

    /// Waits until an answer knows that there is nothing behind it.
    fn in_step(&self) {
        until("the copy is known to have all", || {
            self.get("/prices/count").1["staleness"]["lag_records"] == json!(0)
        });
    }
}

fn key(number: usize) -> String {
    format!("a{number:03}")
}

#[test]
fn keys_spans_and_counts_are_told_as_of_a_groups_table() {
    let copied = Copied::of(100);
    copied.in_step();
    let (_, list) = copied.get("");
    assert_eq!(
        list["tables"],
        json!([{"name": "prices", "role": "view", "partitions": 4, "keys": "text", "owners": {}}])
    );
    let (status, found) = copied.get("/prices/entries/a042");
    assert_eq!((status, &found["value"], &found["role"]), (200, &json!("7"), &json!("view")), "{found}");
    assert_eq!(
        (&found["staleness"]["behind_ms"], &found["staleness"]["committed"]),
        (&json!(0), &json!(true))
    );
    assert_eq!(copied.get("/prices/entries/b").1["error"], json!("no_such_key"));
    let all: Vec<_> = (0..100).map(key).collect();
    let (mut walked, mut cursor) = (Vec::new(), String::new());
    while walked.len() < 100 {
        let (keys, next) = copied.keys(&format!("limit=9{cursor}"));
        walked.extend(keys);
        cursor = format!("&cursor={}", next.as_str().unwrap_or_default());
    }
    assert_eq!(walked, all);
    assert_eq!(copied.keys("prefix=a01").0, all[10..20]);
    assert_eq!(copied.keys("from=a050&to=a061").0, all[50..61]);
    let counts: Vec<_> = (0..PARTITIONS)
        .map(|partition| copied.get(&format!("/prices/count?partitions={partition}")).1["count"].as_u64())
        .collect();
    assert!(counts.iter().all(|count| *count > Some(0)), "{counts:?}");
    assert_eq!(counts.into_iter().flatten().sum::<u64>(), 100);
    assert_eq!(copied.get("/prices/count?prefix=a00").1["count"], json!(10));
    for (path, status, error) in [
        ("/other/count", 404, "no_such_table"),
        ("/prices/entries/a?partition=4", 400, "bad_request"),
        ("/prices/entries/a?min_offset=0&input=facts", 400, "bad_request"),
        ("/prices/entries?limit=0", 400, "bad_request"),
    ] {
        let (found, body) = copied.get(path);
        assert_eq!((found, &body["error"]), (status, &json!(error)), "{path}: {body}");
    }
}

#[test]
fn a_key_is_found_wherever_its_writer_has_put_it() {
    let copied = Copied::of(0);
    for partition in 0..PARTITIONS {
        let name = format!("by-hand-{partition}");
        copied.put(partition, &name, "1");
    }
    for partition in 0..PARTITIONS {
        let path = format!("/prices/entries/by-hand-{partition}");
        until("it is in the copy", || copied.get(&path).0 == 200);
        assert_eq!(copied.get(&path).1["partition"], json!(partition));
        let elsewhere = format!("{path}?partition={}", (partition + 1) % PARTITIONS);
        assert_eq!(copied.get(&elsewhere).0, 404, "a partition that is named is the one that is asked");
    }
}

#[test]
fn who_knows_a_records_offset_waits_for_it() {
    let copied = Copied::of(20);
    copied.in_step();
    let path = "/prices/entries/late?partition=2&min_offset=";
    let mut tail = copied.sim.tail("end", &[TopicName::new("prices").unwrap()]).unwrap();
    let (_, end) = tail.add(0, Partition::new(2), Start::Latest).unwrap();
    let (status, behind) = copied.get(&format!("{path}{}&timeout_ms=20", end.0));
    assert_eq!(
        (status, &behind["error"], &behind["processed_before"]),
        (504, &json!("behind"), &json!(end.0))
    );
    let answer = std::thread::scope(|scope| {
        let asked = scope.spawn(|| copied.get(&format!("{path}{}&timeout_ms=60000", end.0)));
        copied.put(2, "late", "9");
        asked.join().unwrap()
    });
    assert_eq!((answer.0, &answer.1["value"]), (200, &json!("9")), "{}", answer.1);
    let known = answer.1["staleness"]["processed_before"]["prices"].as_i64().unwrap();
    assert!(known > end.0, "{}", answer.1);
    until("the age is told again", || {
        copied.get("/prices/entries/late").1["staleness"]["behind_ms"] == json!(0)
    });
}
