//! Tables over HTTP: a group's own, which each instance answers for whoever has the key, and a view, a read-only copy of it that
//! any program may keep.
//!
//! `cargo run --example 09_views_over_http` plays in memory; with `KAFKA_BROKERS=localhost:9092` on Kafka. It asks itself,
//! and ends.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

#[path = "stage/stage.rs"]
mod stage;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use millstream::http::{
    Access, Exporter, KeyForm, Owners, Peers, Routes, ServedTable, ServedView, Server, Site, Tables, ToJson,
};
use millstream::{
    Codec, DecimalText, Emitter, GroupGraph, Meter, Output, Partitioner, Processor, Running, Table,
    TopicName, Utf8, View, World,
};
use serde_json::{Value, json};
use stage::{Failure, until};

fn main() -> Result<(), Failure> {
    match stage::kafka() {
        Some(world) => run(&world),
        None => run(&stage::memory()),
    }
}

fn run<W: World>(world: &W) -> Result<(), Failure> {
    let (words, group) = (stage::topic(world, "spoken")?, stage::own("speech"));
    let counts = Table::new(DecimalText);
    let kept = counts.clone();
    let graph = GroupGraph::define(&group)
        .input(&words, Utf8, Utf8, move |context, _: &str, _: &str| {
            let count = context.get(&kept)?.unwrap_or(0) + 1;
            Ok(context.set(&kept, &count)?)
        })
        .persist(&counts)
        .build()?;
    let running = Processor::new(world.clone(), graph).start()?;

    // The address is known before there is anything to answer: the group's other instances are told of it.
    let (listening, access) = (Server::listen("127.0.0.1:0")?, Access::default());
    let address = listening.address();
    let tables = Tables::new(Peers::new(&access)?);
    let owners =
        Owners::open(world, running.status().spec(), running.status(), &format!("http://{address}"))?;
    tables.serve(ServedTable {
        name: "counts".to_owned(),
        client: running.table(),
        owners: Arc::new(owners),
        partitioner: Partitioner::default(),
        key: KeyForm::Text,
        value: number(),
    });
    // The view follows the table's topic by itself; it may be in another program, on another machine.
    let view = View::open(world, "http", &TopicName::new(format!("{group}-table"))?, Utf8, DecimalText)?;
    tables.serve_view(ServedView {
        name: "copy".to_owned(),
        client: view.client(),
        key: KeyForm::Text,
        value: number(),
    });
    let server = listening.answer(Site::new(routes(&running)).access(access).tables(&tables))?;

    let mut emitter = Emitter::open(world, "speaker", Output::new(&words, Utf8, Utf8))?;
    for word in ["lamp", "oak", "lamp"] {
        emitter.emit(&word, &"")?;
    }
    emitter.flush()?;
    view.wait_until(Duration::from_mins(1), |view| view.get(&"lamp", |count| count == Some(2)))?;
    until(|| Ok(get(address, "/readyz")?.0 == 200))?;

    for path in
        ["/v1/tables/counts/entries/lamp", "/v1/tables/copy/entries/lamp", "/v1/tables/copy/entries/rug"]
    {
        let (status, found) = get(address, path)?;
        println!(
            "GET {path}: {status} {}",
            found.get("value").or(found.get("message")).unwrap_or(&Value::Null)
        );
    }
    println!("GET /v1/tables/counts/count: {}", get(address, "/v1/tables/counts/count")?.1["count"]);
    drop(server);
    Ok(running.stop()?)
}

/// Counts as JSON.
fn number() -> ToJson {
    Arc::new(|bytes| DecimalText.decode(bytes).map(|count| json!(count)).map_err(|error| error.to_string()))
}

/// What is asked by whoever watches the program: figures, and whether it works.
fn routes(running: &Running) -> Routes {
    let (exporter, healthy, ready) =
        (Exporter::new(vec![running.status() as Arc<dyn Meter>]), running.status(), running.status());
    Routes {
        metrics: Arc::new(move || exporter.render()),
        healthy: Arc::new(move || healthy.snapshot().failure.map_or(Ok(()), Err)),
        ready: Arc::new(move || ready.ready()),
    }
}

/// Status and answer of a request; nothing where the answer is no JSON.
fn get(address: SocketAddr, path: &str) -> Result<(u16, Value), Failure> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
    Ok((status, serde_json::from_str(body).unwrap_or_default()))
}
