//! A view: a read-only copy of a group's table in any program, here one that answers by HTTP.
//!
//! `cargo run --example 09_views_over_http` plays in memory; with `KAFKA_BROKERS=localhost:9092` on Kafka. It asks itself,
//! and ends.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

#[path = "stage/stage.rs"]
mod stage;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use millstream::{
    DecimalText, Emitter, GroupGraph, Output, Processor, Table, TopicName, Utf8, View, ViewError, World,
};
use stage::Failure;

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

    let mut emitter = Emitter::open(world, "speaker", Output::new(&words, Utf8, Utf8))?;
    for word in ["lamp", "oak", "lamp"] {
        emitter.emit(&word, &"")?;
    }
    emitter.flush()?;

    // The view follows the table's topic by itself; it may be in another program, on another machine.
    let table = TopicName::new(format!("{group}-table"))?;
    let view = View::open(world, "http", &table, Utf8, DecimalText)?;
    view.wait_until(Duration::from_mins(1), |view| view.get(&"lamp", |count| count == Some(2)))?;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::scope(|scope| -> Result<(), Failure> {
        let served = scope.spawn(|| serve(&listener, &view, 2));
        for word in ["lamp", "rug"] {
            println!("GET /counts/{word}: {}", get(address, &format!("/counts/{word}"))?);
        }
        Ok(served.join().map_err(|_| "the server panicked")??)
    })?;
    Ok(running.stop()?)
}

type Counts<W> = View<W, Utf8, DecimalText>;

/// Answers so many requests.
fn serve<W: World>(listener: &TcpListener, view: &Counts<W>, requests: usize) -> Result<(), String> {
    for stream in listener.incoming().take(requests) {
        let answered = stream.map_err(Failure::from).and_then(|stream| answer(stream, view));
        answered.map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn answer<W: World>(mut stream: TcpStream, view: &Counts<W>) -> Result<(), Failure> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    // A server that closes with something unread cuts its own answer off.
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match path.strip_prefix("/counts/") {
        Some(word) => look_up(view, word)?,
        None => ("404 Not Found", "{}".to_owned()),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")?;
    Ok(())
}

fn look_up<W: World>(view: &Counts<W>, word: &str) -> Result<(&'static str, String), ViewError> {
    view.get(&word, |count| match count {
        Some(count) => ("200 OK", format!("{{\"count\":{count}}}")),
        None => ("404 Not Found", "{\"error\":\"nobody said that\"}".to_owned()),
    })
}

fn get(address: SocketAddr, path: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    Ok(format!("{} {body}", head.split(' ').nth(1).unwrap_or_default()))
}
