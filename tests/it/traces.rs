//! Traces of the programs themselves: shop, stream, rules and client tell a collector of the test's own, by OTLP.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::outside::read_all;
use crate::stack::{Background, Stack, repository, until};

type Told = Arc<Mutex<Vec<Span>>>;

/// A span as the collector was told it.
#[derive(Clone, Debug)]
struct Span {
    service: String,
    name: String,
    trace: String,
    id: String,
    parent: Option<String>,
}

/// A product's trace goes on to its recommendation, and so does a prompt's.
pub fn run(stack: &Stack) {
    let (endpoint, told) = collector();
    stack.run_well("stream", "", &["topics", "create"]);
    let otel = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
    let rules = repository().join("rules/personal_recom.sql");
    let rules = Background::start_with(stack, "rules", "", &["run", rules.to_str().unwrap()], &otel);
    let stream = Background::start_with(stack, "stream", "", &["--no-repl"], &otel);
    let run = |name: &str, arguments: &[&str]| {
        let mut command = stack.program(name, "");
        command.args(arguments).envs(otel).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().unwrap().success(), "{name} {arguments:?}");
    };
    run("shop", &["--count", "300", "--seed", "7"]);
    run("client", &["--user", "late", "--once", "Oak desk lamp", "--wait", "60"]);
    // The prompt is known by now, so that products of its name make it come anew.
    run("shop", &["--count", "300", "--seed", "8"]);
    let (shop, client) = (["shop", "stream", "rules"], ["client", "rules"]);
    for (of, beginning, way) in
        [("product", "send shop_products", &shop[..]), ("prompt", "send analytic_products_find", &client[..])]
    {
        until(&format!("a {of}'s trace comes to a recommendation"), || {
            recommended(stack, &told).iter().any(|steps| {
                let mut services: Vec<_> = steps.iter().map(|span| span.service.as_str()).collect();
                services.dedup();
                services == way && steps[0].name == beginning && steps[0].parent.is_none()
            })
        });
    }
    for running in [&rules, &stream] {
        assert!(running.metric("millstream_spans_told_total") > 0.0);
        assert!(running.metric("millstream_spans_dropped_total") < 1.0);
    }
    stream.interrupt();
    rules.interrupt();
}

/// The way of each recommendation's trace, from where it began to the rule that told the recommendation.
fn recommended(stack: &Stack, told: &Told) -> Vec<Vec<Span>> {
    let spans: BTreeMap<String, Span> =
        told.lock().unwrap().iter().map(|span| (span.id.clone(), span.clone())).collect();
    read_all(stack, "personal_recom")
        .iter()
        .filter_map(|seen| way(&spans, seen.header("traceparent")?))
        .collect()
}

/// From the span that a record's header names back to the first; none while the collector lacks one of them.
fn way(spans: &BTreeMap<String, Span>, header: &str) -> Option<Vec<Span>> {
    let parts: Vec<_> = header.split('-').collect();
    let [version, trace, last, flags] = parts[..] else { panic!("no W3C trace context: {header}") };
    assert_eq!((version, flags), ("00", "01"), "{header}");
    let mut steps = vec![spans.get(last)?.clone()];
    while let Some(parent) = &steps[0].parent {
        let before = spans.get(parent)?.clone();
        steps.insert(0, before);
    }
    assert!(steps.iter().all(|span| span.trace == trace), "{steps:?} of {header}");
    Some(steps)
}

/// A collector that takes whatever comes, and its address.
fn collector() -> (String, Told) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let told = Told::default();
    let all = told.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let all = all.clone();
            thread::spawn(move || while take(stream.as_ref().unwrap(), &all).is_some() {});
        }
    });
    (endpoint, told)
}

/// Takes one post; none when the connection has ended.
fn take(mut stream: &TcpStream, all: &Told) -> Option<()> {
    let mut lines = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        lines.read_line(&mut line).ok().filter(|count| *count > 0)?;
        if let Some(said) = line.to_lowercase().strip_prefix("content-length:") {
            length = said.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).ok()?;
    all.lock().unwrap().extend(spans(&serde_json::from_slice(&body).unwrap()));
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").ok()
}

fn spans(post: &Value) -> Vec<Span> {
    let resource = &post["resourceSpans"][0];
    let service = resource["resource"]["attributes"][0]["value"]["stringValue"].as_str().unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let span = |one: &Value| Span {
        service: service.to_owned(),
        name: text(&one["name"]).unwrap(),
        trace: text(&one["traceId"]).unwrap(),
        id: text(&one["spanId"]).unwrap(),
        parent: text(&one["parentSpanId"]),
    };
    resource["scopeSpans"][0]["spans"].as_array().unwrap().iter().map(span).collect()
}
