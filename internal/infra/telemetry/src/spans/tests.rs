use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use super::*;

/// A collector that answers each post with `status`, and hands out the bodies.
fn collector(status: &'static str) -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let (out, bodies) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let out = out.clone();
            thread::spawn(move || {
                while let Some(body) = take(stream.as_ref().unwrap(), status) {
                    let _ = out.send(body);
                }
            });
        }
    });
    (address, bodies)
}

fn take(stream: &TcpStream, status: &str) -> Option<Value> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    assert!(line.starts_with("POST /v1/traces "), "{line}");
    while line.trim() != "" {
        line.clear();
        reader.read_line(&mut line).unwrap();
        if let Some(said) = line.to_lowercase().strip_prefix("content-length:") {
            length = said.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\n{{}}").unwrap();
    Some(serde_json::from_slice(&body).unwrap())
}

fn started(endpoint: &str, ratio: f64) -> Spans {
    let (service, endpoint) = ("shop".to_owned(), endpoint.to_owned());
    Spans::start(&SpanSettings { service, endpoint, ratio }).unwrap()
}

const WORK: SpanWork<'_> =
    SpanWork { topic: "products", partition: Some(3), offset: Some(7), group: Some("stream"), failure: None };

fn figure(spans: &Spans, name: &str) -> f64 {
    let mut out = Vec::new();
    spans.samples(&mut out);
    out.iter().find(|sample| sample.name == name).unwrap().value
}

#[test]
fn a_span_is_told_with_its_place_and_what_it_was_about() {
    let (endpoint, bodies) = collector("200 OK");
    let spans = started(&endpoint, 1.0);
    let root = spans.begin(None);
    spans.end(&root, &SpanWork { group: None, offset: None, ..WORK });
    let child = spans.begin(Some(root.place));
    spans.end(&child, &SpanWork { failure: Some("no such lamp"), ..WORK });
    drop(spans);
    let body = bodies.recv().unwrap();
    let resource = &body["resourceSpans"][0];
    assert_eq!(resource["resource"]["attributes"][0]["value"]["stringValue"], "shop");
    let told = &resource["scopeSpans"][0]["spans"];
    let (first, second) = (&told[0], &told[1]);
    assert_eq!(first["traceId"], format!("{:032x}", root.place.trace));
    assert_eq!((&first["traceId"], &first["spanId"]), (&second["traceId"], &second["parentSpanId"]));
    assert!(first.get("parentSpanId").is_none());
    assert_eq!((first["kind"].as_u64(), second["kind"].as_u64()), (Some(4), Some(5)));
    assert_eq!((&first["name"], &second["name"]), (&"send products".into(), &"process products".into()));
    assert_eq!(second["status"], serde_json::json!({"code": 2, "message": "no such lamp"}));
    let attributes: BTreeMap<_, _> = second["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["key"].as_str().unwrap(), one["value"].to_string()))
        .collect();
    for (key, value) in [
        ("messaging.destination.name", "{\"stringValue\":\"products\"}"),
        ("messaging.destination.partition.id", "{\"stringValue\":\"3\"}"),
        ("messaging.kafka.offset", "{\"intValue\":\"7\"}"),
        ("messaging.consumer.group.name", "{\"stringValue\":\"stream\"}"),
        ("millstream.outcome", "{\"stringValue\":\"error\"}"),
    ] {
        assert_eq!(attributes[key], value, "{key}");
    }
}

#[test]
fn what_is_not_sampled_is_carried_on_and_not_told() {
    let (endpoint, bodies) = collector("200 OK");
    let spans = started(&endpoint, 0.0);
    let root = spans.begin(None);
    assert!(!root.place.is_sampled);
    let next = spans.begin(Some(root.place));
    assert_eq!((next.place.trace, next.place.is_sampled), (root.place.trace, false));
    spans.end(&root, &WORK);
    spans.end(&next, &WORK);
    // Another's decision holds, whatever the ratio here.
    let theirs = spans.begin(Some(TraceParent { is_sampled: true, ..root.place }));
    spans.end(&theirs, &WORK);
    drop(spans);
    let told = bodies.iter().next().unwrap();
    assert_eq!(told["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().len(), 1);
}

#[test]
fn a_collector_that_refuses_or_is_gone_costs_spans_and_nothing_else() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (refusing, _bodies) = collector("503 Service Unavailable");
    for endpoint in [format!("http://{gone}"), refusing] {
        let spans = started(&endpoint, 1.0);
        for _ in 0..24_000 {
            spans.end(&spans.begin(None), &WORK);
        }
        let begun = Instant::now();
        while figure(&spans, "millstream_spans_dropped_total") < 8_000.0 {
            assert!(begun.elapsed() < Duration::from_mins(1), "nothing was dropped");
            thread::yield_now();
        }
        assert!(figure(&spans, "millstream_spans_told_total") < 1.0);
    }
}

#[test]
fn settings_that_do_not_fit_are_named() {
    for (endpoint, ratio, said) in [
        ("localhost:4318", 1.0, "'localhost:4318' is no OTLP endpoint"),
        ("http://localhost:4318", 1.5, "from 0 to 1, not 1.5"),
        ("http://localhost:4318", f64::NAN, "from 0 to 1, not NaN"),
    ] {
        let settings = SpanSettings { service: "x".to_owned(), endpoint: endpoint.to_owned(), ratio };
        let error = Spans::start(&settings).err().unwrap().to_string();
        assert!(error.contains(said), "{error}");
    }
}
