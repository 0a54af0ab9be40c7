//! Windows: counts of five minutes each by the records' own time, told once when a window is over.
//!
//! A window's count is kept under a key of its own beside the record's key, and a timer by event time closes it. Both are in
//! the group table, so they go where the key goes, and survive what the table survives.
//!
//! `cargo run --example 05_windows` plays in memory; with `KAFKA_BROKERS=localhost:9092` on Kafka.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

#[path = "stage/stage.rs"]
mod stage;

use millstream::{
    DecimalText, Emitter, GroupGraph, Headers, Output, Processor, Table, Timer, Timestamp, Utf8, When, World,
};
use stage::{Failure, until};

const MINUTE_MS: i64 = 60_000;
const WINDOW_MS: i64 = 5 * MINUTE_MS;

/// When the clicks begin: the first minute of 2026, UTC.
const BEGIN_MS: i64 = 1_767_225_600_000;

fn main() -> Result<(), Failure> {
    match stage::kafka() {
        Some(world) => run(&world),
        None => run(&stage::memory()),
    }
}

fn run<W: World>(world: &W) -> Result<(), Failure> {
    let clicks = stage::topic(world, "clicks")?;

    let (counts, close) = (Table::new(DecimalText), Timer::new("close", Utf8));
    let (kept, told, set) = (counts.clone(), counts.clone(), close.clone());
    let graph = GroupGraph::define(stage::own("windows"))
        .input(&clicks, Utf8, Utf8, move |context, page: &str, _: &str| {
            let start = context.timestamp().0 / WINDOW_MS * WINDOW_MS;
            let window = format!("{page}@{start}");
            let count = context.get_at(&kept, window.as_bytes())?.unwrap_or(0) + 1;
            context.set_at(&kept, window.as_bytes(), &count)?;
            // Setting a timer again moves it; this sets it to the same time. A minute's grace is for clicks that are late.
            let end = Timestamp(start + WINDOW_MS + MINUTE_MS);
            Ok(context.schedule_at(&set, window.as_bytes(), When::EventTime(end))?)
        })
        .timer(&close, move |context, window: &str| {
            let (page, start) = window.split_once('@').ok_or("no window")?;
            let minute = (start.parse::<i64>()? - BEGIN_MS) / MINUTE_MS;
            println!("{page} from minute {minute}: {} clicks", context.get(&told)?.unwrap_or(0));
            Ok(context.delete(&told)?)
        })
        .persist(&counts)
        .build()?;
    let running = Processor::new(world.clone(), graph).start()?;

    let mut emitter = Emitter::open(world, "browser", Output::new(&clicks, Utf8, Utf8))?;
    // The click of minute 4 is late, and within grace; that of minute 20 moves time on.
    for (page, minute) in [("home", 0), ("home", 3), ("home", 5), ("home", 4), ("home", 20)] {
        let time = Some(Timestamp(BEGIN_MS + minute * MINUTE_MS));
        emitter.emit_with(&page, &"", &Headers::default(), time)?;
    }
    emitter.flush()?;
    until(|| Ok(running.status().snapshot().records_in.iter().map(|(_, count)| count).sum::<u64>() == 5))?;
    Ok(running.stop()?)
}
