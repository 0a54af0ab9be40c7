//! An emitter writes words, and a processor counts them: the smallest whole.
//!
//! `cargo run --example 01_emitter_and_processor` plays in memory; with `KAFKA_BROKERS=localhost:9092` on Kafka.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

#[path = "stage/stage.rs"]
mod stage;

use millstream::{DecimalText, Emitter, GroupGraph, Output, Processor, Table, Utf8, World};
use stage::{Failure, until};

fn main() -> Result<(), Failure> {
    match stage::kafka() {
        Some(world) => run(&world),
        None => run(&stage::memory()),
    }
}

fn run<W: World>(world: &W) -> Result<(), Failure> {
    let words = stage::topic(world, "words")?;

    // A group has a name, inputs with codecs for key and value, and at most one table. The callback sees one record at a
    // time; those of one key come in order, and nobody else touches the key's entry meanwhile.
    let counts = Table::new(DecimalText);
    let kept = counts.clone();
    let graph = GroupGraph::define(stage::own("counter"))
        .input(&words, Utf8, Utf8, move |context, word: &str, said_by: &str| {
            let count = context.get(&kept)?.unwrap_or(0) + 1;
            context.set(&kept, &count)?;
            println!("{word} was said {count} times, now by {said_by}");
            Ok(())
        })
        .persist(&counts)
        .build()?;

    // It runs on threads of its own until it is stopped.
    let running = Processor::new(world.clone(), graph).start()?;

    // Who writes need be no group. A record is on its way when it is emitted, and safe when `flush` says so.
    let mut emitter = Emitter::open(world, "speaker", Output::new(&words, Utf8, Utf8))?;
    for (word, said_by) in [("lamp", "ada"), ("oak", "bob"), ("lamp", "bob"), ("lamp", "cyd")] {
        emitter.emit(&word, &said_by)?;
    }
    emitter.flush()?;

    // The table can be asked while it is kept. What is counted are keys that are committed.
    until(|| Ok(running.table().get(b"lamp")? == Some(b"3".to_vec()) && running.table().count()? == 2))?;
    println!("two words are in the table");
    Ok(running.stop()?)
}
