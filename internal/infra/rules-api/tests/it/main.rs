//! The API as clients see it: requests by hand over TCP, to a server in memory.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_ports::{DelimitedRows, KafkaRows, NoRows};
use millstream_rule_engine::{Formats, Server, ServerSettings};
use millstream_rules_api::{Access, ApiError, ApiSettings, RulesApi};
use millstream_runtime::Settings;
use millstream_sim::Sim;
use serde_json::{Value, json};

const EVENTS: &str = "CREATE STREAM events (id STRING KEY, kind STRING, amount INT) WITH (KAFKA_TOPIC='events', PARTITIONS=2, KEY_FORMAT='KAFKA', VALUE_FORMAT='DELIMITED');";

fn api(access: Access) -> RulesApi {
    let formats = Formats::default()
        .with("DELIMITED", Arc::new(DelimitedRows))
        .with("KAFKA", Arc::new(KafkaRows))
        .with("NONE", Arc::new(NoRows));
    let rules =
        Settings { workers: 1, commit_interval: Some(Duration::from_millis(10)), ..Settings::default() };
    // Short enough to be waited for to its end.
    let answer_wait = Duration::from_secs(5);
    let settings = ServerSettings { rules, answer_wait, ..ServerSettings::default() };
    let server = Server::start(Sim::live(), formats, settings).unwrap();
    let address = "127.0.0.1:0".to_owned();
    RulesApi::start(Arc::new(server), &ApiSettings { address, access, ..ApiSettings::default() }).unwrap()
}

fn open(api: &RulesApi, method: &str, path: &str, headers: &str, body: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(api.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.0\r\nhost: x\r\n{headers}content-length: {length}\r\n\r\n{body}")
        .unwrap();
    BufReader::new(stream)
}

/// The status and the body.
fn ask(api: &RulesApi, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let mut text = String::new();
    open(api, method, path, headers, body).read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn ksql(api: &RulesApi, text: &str) -> (u16, Value) {
    let (status, body) = ask(api, "POST", "/ksql", "", &json!({"ksql": text}).to_string());
    (status, serde_json::from_str(&body).unwrap())
}

fn lines(api: &RulesApi, sql: &str) -> Vec<Value> {
    let (status, body) = ask(api, "POST", "/query-stream", "", &json!({"sql": sql}).to_string());
    assert_eq!(status, 200, "{body}");
    body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn statements_are_answered_one_by_one_up_to_the_first_that_fails() {
    let api = api(Access::default());
    let (status, done) = ksql(&api, &format!("{EVENTS} SHOW STREAMS; SET 'ksql.a'='b';"));
    assert_eq!((status, done.as_array().unwrap().len()), (200, 2), "what is set is told by nothing");
    assert_eq!(done[0]["@type"], "currentStatus");
    assert_eq!(done[0]["commandStatus"]["status"], "SUCCESS");
    assert_eq!(
        done[1]["streams"][0],
        json!({"type": "STREAM", "name": "EVENTS", "topic": "events", "keyFormat": "KAFKA", "valueFormat": "DELIMITED", "isWindowed": false})
    );
    let (status, failed) =
        ksql(&api, "SHOW QUERIES; CREATE STREAM x AS SELECT nothing FROM events; SHOW STREAMS;");
    assert_eq!(
        (status, &failed["error_code"], &failed["@type"]),
        (400, &json!(40001), &json!("statement_error"))
    );
    assert_eq!(failed["entities"][0]["@type"], "queries");
    assert!(failed["statementText"].as_str().unwrap().starts_with("CREATE STREAM x"));
    assert!(failed["message"].as_str().unwrap().contains("NOTHING"));
    let (status, told) = ksql(&api, "SELECT * FROM events;");
    assert_eq!((status, &told["error_code"]), (400, &json!(40002)));
    let (status, told) = ask(&api, "POST", "/ksql", "", "{}");
    assert!(status == 400 && told.contains("40000"), "{told}");
    let asked = done[0]["commandId"].as_str().unwrap().replace('`', "%60");
    let (status, told) = ask(&api, "GET", &format!("/status/{asked}"), "", "");
    assert!(status == 200 && told.contains("SUCCESS"), "{told}");
}

#[test]
fn variables_and_properties_come_with_a_request() {
    let api = api(Access::default());
    ksql(&api, EVENTS);
    let body = json!({"ksql": "DESCRIBE ${what};", "sessionVariables": {"what": "events"}, "streamsProperties": {"auto.offset.reset": "earliest"}});
    let (status, told) = ask(&api, "POST", "/ksql", "", &body.to_string());
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(status, 200, "{told}");
    let fields = &told[0]["sourceDescription"]["fields"];
    assert_eq!(
        fields[0],
        json!({"name": "ID", "type": "KEY", "schema": {"type": "STRING", "fields": null, "memberSchema": null}})
    );
    assert_eq!(fields[2]["schema"]["type"], "INTEGER");
}

/// As ksqlDB's clients send it: with each request, under the name that its streams have.
#[test]
fn a_request_says_where_its_query_begins_and_how_often_records_take_effect() {
    let api = api(Access::default());
    ksql(&api, EVENTS);
    ksql(&api, "INSERT INTO events (id, kind, amount) VALUES ('a', 'old', 1);");
    let create = |properties: Value| {
        let text = "CREATE TABLE sums AS SELECT kind, COUNT(*) AS n FROM events GROUP BY kind;";
        let body = json!({"ksql": text, "streamsProperties": properties});
        ask(&api, "POST", "/ksql", "", &body.to_string())
    };
    let (status, told) = create(json!({"processing.guarantee": "twice"}));
    assert!(status == 400 && told.contains("exactly_once_v2"), "{told}");
    let properties =
        json!({"ksql.streams.auto.offset.reset": "latest", "processing.guarantee": "exactly_once_v2"});
    let (status, told) = create(properties);
    assert_eq!(status, 200, "{told}");
    ksql(&api, "INSERT INTO events (id, kind, amount) VALUES ('a', 'new', 1);");
    let begun = Instant::now();
    // Who asks while a transaction is open may be told to ask again.
    let asked =
        || ask(&api, "POST", "/query-stream", "", &json!({"sql": "SELECT kind FROM sums;"}).to_string());
    while !matches!(asked(), (200, told) if told.lines().count() == 2) {
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing is counted");
    }
    assert_eq!(lines(&api, "SELECT kind, n FROM sums;")[1], json!(["new", 1]));
    assert_eq!(lines(&api, "SELECT kind, n FROM sums;").len(), 2, "the heading and what came since");
}

#[test]
fn rows_are_inserted_by_lines_and_asked_in_every_layout() {
    let api = api(Access::default());
    ksql(&api, EVENTS);
    let body = "{\"target\":\"events\"}\n{\"id\":\"a\",\"KIND\":\"o'n\",\"amount\":3}\n{\"ID\":\"b\",\"amount\":4}\n{\"no\":1}\n{\"ID\":\"c\"}\n";
    let (status, told) = ask(&api, "POST", "/inserts-stream", "", body);
    let told: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(status, 200);
    assert_eq!(told[..2], [json!({"status": "ok", "seq": 0}), json!({"status": "ok", "seq": 1})]);
    assert!(told.len() == 3 && told[2]["status"] == "error" && told[2]["seq"] == 2, "{told:?}");
    let sql = "SELECT id, kind, amount FROM events WHERE amount > 0;";
    let rows = lines(&api, sql);
    assert_eq!(rows[0]["columnNames"], json!(["ID", "KIND", "AMOUNT"]));
    assert_eq!(rows[0]["columnTypes"], json!(["STRING", "STRING", "INTEGER"]));
    let mut told: Vec<_> = rows[1..].iter().map(ToString::to_string).collect();
    told.sort();
    assert_eq!(told, [r#"["a","o'n",3]"#, r#"["b",null,4]"#]);
    let one = "SELECT amount FROM events WHERE id = 'a';";
    let (_, body) =
        ask(&api, "POST", "/query-stream", "accept: application/json\r\n", &json!({"sql": one}).to_string());
    let array: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(array[1], json!([3]));
    let (_, body) = ask(&api, "POST", "/query", "", &json!({"ksql": one}).to_string());
    let objects: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(objects[0]["header"]["schema"], "`AMOUNT` INTEGER");
    assert_eq!(objects[1], json!({"row": {"columns": [3]}}));
}

/// As a client does that waits for each answer before it sends more, in pieces of a request whose length nobody knows.
#[test]
fn rows_that_are_inserted_are_answered_before_the_request_ends() {
    let api = api(Access::default());
    ksql(&api, EVENTS);
    let mut stream = TcpStream::connect(api.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    write!(stream, "POST /inserts-stream HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
    let mut send = |text: &str| write!(stream, "{:x}\r\n{text}\r\n", text.len()).unwrap();
    let mut heard = |words: &str| {
        let mut line = String::new();
        while !line.contains(words) {
            line.clear();
            assert_ne!(reader.read_line(&mut line).unwrap(), 0, "no {words}");
        }
        line
    };
    send("{\"target\":\"events\"}\n{\"id\":\"a\",");
    send("\"amount\":1}\n");
    heard("\"seq\":0");
    send("{\"id\":\"b\",\"amount\":2}\n{\"id\":\"c\",\"amount\":3}\n{\"id\":");
    heard("\"seq\":2");
    send("\"d\"}");
    send("");
    assert!(heard("\"seq\":3").contains("ok"), "the last line needs no end");
    assert_eq!(lines(&api, "SELECT id FROM events;").len(), 5);
}

#[test]
fn assertions_have_objects_and_a_code_of_their_own() {
    let api = api(Access::default());
    ksql(&api, EVENTS);
    let (_, told) = ksql(
        &api,
        "ASSERT TOPIC events WITH (PARTITIONS=2, REPLICAS=1); ASSERT NOT EXISTS SCHEMA SUBJECT 'a-value' TIMEOUT 1 MILLISECONDS;",
    );
    assert_eq!(
        (&told[0]["@type"], &told[0]["topicName"], &told[0]["exists"]),
        (&json!("assert_topic"), &json!("events"), &json!(true))
    );
    assert_eq!(
        (&told[1]["@type"], &told[1]["subject"], &told[1]["exists"]),
        (&json!("assert_schema"), &json!("a-value"), &json!(false))
    );
    assert_eq!(told[1]["id"], Value::Null);
    let (status, told) = ksql(&api, "ASSERT TOPIC nowhere TIMEOUT 1 MILLISECONDS;");
    assert_eq!((status, &told["error_code"]), (417, &json!(41700)), "{told}");
}

#[test]
fn a_request_waits_for_the_statement_that_it_comes_after() {
    let api = api(Access::default());
    let (_, done) = ksql(&api, EVENTS);
    let place = done[0]["commandSequenceNumber"].as_i64().unwrap();
    let after = |place: i64| {
        let body = json!({"ksql": "DESCRIBE events;", "commandSequenceNumber": place});
        ask(&api, "POST", "/ksql", "", &body.to_string())
    };
    assert_eq!((after(place).0, after(-1).0), (200, 200));
    let (status, told) = after(place + 1000);
    assert!(status == 503 && told.contains("50301"), "{told}");
}

#[test]
fn rows_are_told_as_they_come_until_the_query_is_closed_or_has_enough() {
    let api = api(Access::default());
    ksql(&api, EVENTS);
    let follow = |sql: &str| {
        let mut reader = open(&api, "POST", "/query-stream", "", &json!({"sql": sql}).to_string());
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        line.clear();
        reader.read_line(&mut line).unwrap();
        (serde_json::from_str::<Value>(&line).unwrap()["queryId"].as_str().unwrap().to_owned(), reader)
    };
    let (id, mut endless) = follow("SELECT id, amount FROM events EMIT CHANGES;");
    let (_, mut limited) = follow("SELECT id FROM events EMIT CHANGES LIMIT 1;");
    ksql(&api, "INSERT INTO events (id, amount) VALUES ('x', 7);");
    let mut line = String::new();
    endless.read_line(&mut line).unwrap();
    assert_eq!(line, "[\"x\",7]\n");
    let mut rest = String::new();
    limited.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "[\"x\"]\n", "it ends by itself");
    let close = |id: &str| ask(&api, "POST", "/close-query", "", &json!({"queryId": id}).to_string()).0;
    assert_eq!(close(&id), 200);
    endless.read_to_string(&mut rest).unwrap();
    assert_eq!(close(&id), 400, "it is closed already");
}

#[test]
fn a_table_that_a_query_fills_is_asked_by_key() {
    let api = api(Access::default());
    let (_, done) = ksql(
        &api,
        &format!(
            "{EVENTS} CREATE TABLE sums AS SELECT kind, SUM(amount) AS total FROM events GROUP BY kind;"
        ),
    );
    assert!(done[1]["commandStatus"]["queryId"].as_str().unwrap().starts_with("CTAS_SUMS_"));
    ksql(
        &api,
        "INSERT INTO events (id, kind, amount) VALUES ('a', 'in', 3); INSERT INTO events (id, kind, amount) VALUES ('b', 'in', 4);",
    );
    let begun = Instant::now();
    while lines(&api, "SELECT total FROM sums WHERE kind = 'in';").get(1) != Some(&json!([7])) {
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
    let (_, listed) = ksql(
        &api,
        "SHOW QUERIES; DESCRIBE sums EXTENDED; SHOW FUNCTIONS; DESCRIBE FUNCTION SUM; SHOW PROPERTIES; EXPLAIN SELECT * FROM sums;",
    );
    assert_eq!(listed[0]["queries"][0]["sinks"], json!(["SUMS"]));
    assert_eq!(listed[1]["sourceDescription"]["partitions"], 2);
    assert!(listed[3]["functions"].as_array().unwrap().len() > 1);
    assert_eq!(listed.as_array().unwrap().len(), 6);
}

#[test]
fn the_server_tells_of_itself() {
    let api = api(Access::default());
    let get = |path: &str| ask(&api, "GET", path, "", "");
    assert!(get("/info").1.contains("\"ksqlServiceId\":\"default\""));
    assert!(get("/healthcheck").1.contains("\"isHealthy\":true"));
    assert!(get("/clusterStatus").1.contains("hostAlive"));
    assert_eq!(get("/is_valid_property/ksql.streams.auto.offset.reset"), (200, "true".to_owned()));
    assert_eq!(get("/is_valid_property/color").0, 400);
    assert!(get("/v1/metadata").1.contains("\"ksql-cluster\":\"default\""));
    let (status, told) = get("/nowhere");
    assert!(status == 404 && told.contains("40400"), "{told}");
    assert_eq!(get("/ksql").0, 405);
}

#[test]
fn only_who_may_asks() {
    let access = Access { basic: Some("me:secret".to_owned()), bearer: None };
    let api = api(access);
    let (status, told) = ask(&api, "GET", "/info", "", "");
    assert!(status == 401 && told.contains("40100"), "{told}");
    assert_eq!(ask(&api, "GET", "/info", "authorization: Basic bWU6c2VjcmV0\r\n", "").0, 200);
}

#[test]
fn a_server_that_everybody_could_reach_is_not_started_unasked() {
    let formats = Formats::default();
    let server = Arc::new(Server::start(Sim::live(), formats, ServerSettings::default()).unwrap());
    let settings = ApiSettings { address: "0.0.0.0:0".to_owned(), ..ApiSettings::default() };
    assert!(matches!(RulesApi::start(server, &settings), Err(ApiError::Open(_))));
}
