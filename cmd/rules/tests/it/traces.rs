//! One product's trace from the emitter over a group to a rule, as a collector of the test's own is told it.
#![allow(clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use millstream_ports::{DelimitedRows, KafkaRows, NoRows, Utf8};
use millstream_rule_engine::{Formats, Server, ServerSettings, Session, Statements};
use millstream_runtime::{Emitter, GroupGraph, Output, Processor, Settings, Traces};
use millstream_sim::Sim;
use millstream_telemetry::{SpanSettings, Spans};
use serde_json::Value;

use crate::LONG;

/// A collector, and each post that it takes.
fn collector() -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (out, posts) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let out = out.clone();
            thread::spawn(move || take_all(&stream.unwrap(), &out));
        }
    });
    (endpoint, posts)
}

fn take_all(stream: &TcpStream, out: &Sender<Value>) {
    let (mut lines, mut answers) = (BufReader::new(stream), stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            if lines.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(said) = line.to_lowercase().strip_prefix("content-length:") {
                length = said.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        lines.read_exact(&mut body).unwrap();
        if out.send(serde_json::from_slice(&body).unwrap()).is_err() {
            return;
        }
        answers.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
    }
}

fn traces(service: &str, endpoint: &str) -> Traces {
    let (service, endpoint) = (service.to_owned(), endpoint.to_owned());
    Traces::to(Arc::new(Spans::start(&SpanSettings { service, endpoint, ratio: 1.0 }).unwrap()))
}

fn settings(traces: Traces) -> Settings {
    let commit_interval = Some(Duration::from_millis(10));
    Settings { workers: 1, commit_interval, traces, ..Settings::default() }
}

/// Spans by the service that told them, once all three have.
fn told(posts: &Receiver<Value>) -> BTreeMap<String, Value> {
    let mut spans = BTreeMap::new();
    while spans.len() < 3 {
        let post = posts.recv_timeout(LONG).unwrap();
        let resource = post.pointer("/resourceSpans/0/resource/attributes/0/value/stringValue").unwrap();
        let all = post.pointer("/resourceSpans/0/scopeSpans/0/spans").unwrap().as_array().unwrap();
        assert_eq!(all.len(), 1, "one product, one span each: {post}");
        spans.insert(resource.as_str().unwrap().to_owned(), all.first().unwrap().clone());
    }
    spans
}

fn attribute(span: &Value, key: &str) -> String {
    let all = span.get("attributes").unwrap().as_array().unwrap();
    let found = all.iter().find(|one| one.get("key").unwrap() == key).unwrap();
    found.get("value").unwrap().as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
}

#[test]
fn a_products_trace_goes_on_from_the_shop_over_the_stream_to_the_rules() {
    let (endpoint, posts) = collector();
    let sim = Sim::live();
    for topic in ["products", "filtered", "cheap"] {
        sim.create(topic, 2);
    }
    let out = Output::new("filtered", Utf8, Utf8);
    let passed = out.clone();
    // As the stream does, what passes is sent on as it is, its headers with it.
    let graph = GroupGraph::define("stream")
        .input("products", Utf8, Utf8, move |context, _: &str, _: &str| Ok(context.forward(&passed)?))
        .output(&out)
        .build()
        .unwrap();
    let stream = Processor::new(sim.process(), graph).settings(settings(traces("stream", &endpoint)));
    let stream = stream.start().unwrap();
    let formats = Formats::default()
        .with("DELIMITED", Arc::new(DelimitedRows))
        .with("KAFKA", Arc::new(KafkaRows))
        .with("NONE", Arc::new(NoRows));
    let rules = settings(traces("rules", &endpoint));
    let server = Server::start(sim.process(), formats, ServerSettings { rules, ..ServerSettings::default() });
    let server = server.unwrap();
    for statement in [
        "CREATE STREAM filtered (id STRING KEY, name STRING, price INT) WITH (KAFKA_TOPIC='filtered', KEY_FORMAT='KAFKA', VALUE_FORMAT='DELIMITED')",
        "CREATE STREAM cheap WITH (KAFKA_TOPIC='cheap') AS SELECT id, name FROM filtered WHERE price < 10 EMIT CHANGES",
    ] {
        server.run(&mut Session::new(), statement).unwrap_or_else(|fault| panic!("{statement}: {fault}"));
    }
    let products = Output::new("products", Utf8, Utf8);
    let mut shop = Emitter::open(&sim, "shop", products).unwrap().traced(traces("shop", &endpoint));
    shop.emit(&"p1", &"lamp,7").unwrap();
    shop.flush().unwrap();
    let spans = told(&posts);
    let (shop, stream_span, rule) = (&spans["shop"], &spans["stream"], &spans["rules"]);
    for span in spans.values() {
        assert_eq!(span["traceId"], shop["traceId"], "all are of one trace: {spans:?}");
        assert_eq!(attribute(span, "millstream.outcome"), "ok");
    }
    assert!(shop.get("parentSpanId").is_none(), "the shop begins the trace");
    assert_eq!(stream_span["parentSpanId"], shop["spanId"]);
    assert_eq!(rule["parentSpanId"], stream_span["spanId"]);
    for (span, topic, group) in [(stream_span, "products", "stream"), (rule, "filtered", "rules-")] {
        assert_eq!(attribute(span, "messaging.destination.name"), topic);
        assert_eq!(attribute(span, "messaging.kafka.offset"), "0");
        assert!(["0", "1"].contains(&attribute(span, "messaging.destination.partition.id").as_str()));
        assert!(attribute(span, "messaging.consumer.group.name").contains(group));
    }
    stream.stop().unwrap();
}
