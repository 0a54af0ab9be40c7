use std::collections::BTreeMap;
use std::time::Duration;

use millstream_kafka_log::{KafkaLog, KafkaWorld};
use millstream_ports::{DecimalText, Utf8};
use millstream_runtime::{GroupGraph, Output, Processor, Settings, Table};
use millstream_sled_table::SledTables;

use crate::settings::Member;

pub(crate) const GROUP: &str = "chaos";
pub(crate) const INPUT: &str = "chaos_in";
pub(crate) const OUTPUT: &str = "chaos_out";
pub(crate) const TABLE: &str = "chaos-table";

/// Counts each key's records, and tells each count.
fn graph() -> anyhow::Result<GroupGraph> {
    let (table, out) = (Table::new(DecimalText), Output::new(OUTPUT, Utf8, DecimalText));
    let (kept, emitted) = (table.clone(), out.clone());
    let graph = GroupGraph::define(GROUP)
        .input(INPUT, Utf8, Utf8, move |context, key: &str, _: &str| {
            let count = context.get(&kept)?.unwrap_or(0) + 1;
            context.set(&kept, &count)?;
            Ok(context.emit(&emitted, &key, &count)?)
        })
        .persist(&table)
        .output(&out)
        .build()?;
    Ok(graph)
}

fn settings(member: &Member) -> Settings {
    Settings {
        workers: 1,
        standbys: member.standbys,
        store_interval: Duration::from_secs(1),
        ..Settings::exactly_once()
    }
}

/// Runs until it is told to end.
pub(crate) fn run(member: &Member) -> anyhow::Result<()> {
    let properties: BTreeMap<_, _> = [
        ("consumer.session.timeout.ms", member.session_ms.to_string()),
        ("consumer.heartbeat.interval.ms", (member.session_ms / 10).max(100).to_string()),
        ("group.protocol", member.protocol.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let log = KafkaLog::new(&member.brokers).with_properties(properties)?;
    let log = member.name.iter().fold(log, KafkaLog::with_instance_id);
    let tables = SledTables::at(&member.folder);
    let world = KafkaWorld::new(log, move |id| tables.open(id));
    let running = Processor::new(world, graph()?).settings(settings(member)).start()?;
    let stop = running.stopper();
    ctrlc::set_handler(move || stop.set())?;
    Ok(running.join()?)
}
