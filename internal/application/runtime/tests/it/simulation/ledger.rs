//! The group that is simulated: it enters every record of two inputs in a list a key, and each third of one input in that of
//! another key by a loop. It tells each entry and its place in the list.

use millstream_ports::Utf8;
use millstream_runtime::{Context, GroupGraph, Loop, Output, Table};

pub const GROUP: &str = "ledger";
pub const KEYS: usize = 7;
pub const PARTITIONS: u32 = 3;

pub fn key(number: usize) -> String {
    format!("k{}", number % KEYS)
}

/// Where the loop enters record `id` of key `key`.
pub fn looped_key(id: usize) -> Option<String> {
    id.is_multiple_of(3).then(|| key(id / 3))
}

fn enter(
    context: &mut Context<'_>,
    table: &Table<Utf8>,
    out: &Output<Utf8, Utf8>,
    key: &str,
    entry: &str,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let before = context.get(table)?.map(ToOwned::to_owned);
    let list = before.map_or_else(|| entry.to_owned(), |before| format!("{before},{entry}"));
    context.set(table, &list.as_str())?;
    let place = list.split(',').count();
    Ok(context.emit(out, &key, &format!("{place}:{entry}").as_str())?)
}

pub fn graph() -> GroupGraph {
    let (table, out, again) = (Table::new(Utf8), Output::new("out", Utf8, Utf8), Loop::new(Utf8, Utf8));
    let [kept, kept_b, kept_l] = [(); 3].map(|()| table.clone());
    let [told, told_b, told_l] = [(); 3].map(|()| out.clone());
    let sent = again.clone();
    GroupGraph::define(GROUP)
        .input("a", Utf8, Utf8, move |context, key: &str, id: &str| {
            if let Some(other) = looped_key(id.parse()?) {
                context.loopback(&sent, &other.as_str(), &id)?;
            }
            enter(context, &kept, &told, key, &format!("a{id}"))
        })
        .input("b", Utf8, Utf8, move |context, key: &str, id: &str| {
            enter(context, &kept_b, &told_b, key, &format!("b{id}"))
        })
        .loopback(&again, move |context, key: &str, id: &str| {
            enter(context, &kept_l, &told_l, key, &format!("l{id}"))
        })
        .persist(&table)
        .output(&out)
        .build()
        .unwrap()
}
