//! The benchmark's workloads as a plain program on the library's public API.
//!
//! It is told by its environment what to play: `WORKLOAD` (filter, table, table-eos, join, window), `FORMAT` (json, avro), `BROKERS`,
//! `GROUP`, `STATE_DIR`, `THREADS`, `INPUT`, `OUTPUT`, and by workload `FILTER` and `TABLE`. `COMMIT_MS` and
//! `LINGER_MS` are the time between commits and the producers' wait for company, where they are not the defaults. It runs until
//! SIGTERM.

mod product;

use std::env;
use std::error::Error;
use std::time::Duration;

use memchr::memmem::Finder;
use millstream::{
    AvroBorrowed, Codec, DecimalText, GroupBuilder, GroupGraph, Join, Json, JsonBorrowed, KafkaLog,
    KafkaWorld, Loop, Nullable, Output, Processor, Settings, SledTables, Table, Utf8,
};
use mimalloc::MiMalloc;
use product::{Product, ProductShape};
use serde::{Deserialize, Serialize};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Failure = Box<dyn Error + Send + Sync>;

/// The schema id that the benchmark's records carry.
const SCHEMA_ID: u32 = 7;

/// The group table of the table workload.
#[derive(Default, Deserialize, Serialize)]
struct State {
    count: u64,
    price: f64,
}

#[derive(Deserialize, Serialize)]
struct Prompt {
    user: String,
    query: String,
}

#[derive(Deserialize, Serialize)]
struct Recommendation {
    user: String,
    product_id: String,
    price: f64,
}

fn var(name: &str, otherwise: &str) -> String {
    env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}

fn main() -> Result<(), Failure> {
    let group = GroupGraph::define(var("GROUP", "contestant"));
    let graph = if var("FORMAT", "json") == "avro" {
        play(group, AvroBorrowed::<ProductShape>::fixed(SCHEMA_ID, product::SCHEMA)?)?
    } else {
        play(group, JsonBorrowed::<ProductShape>::new())?
    };
    let tables = SledTables::at(var("STATE_DIR", "state"));
    let linger = env::var("LINGER_MS").ok().map(|wait| ("producer.linger.ms".to_owned(), wait));
    let log =
        KafkaLog::new(var("BROKERS", "127.0.0.1:19092")).with_properties(linger.into_iter().collect())?;
    let world = KafkaWorld::new(log, move |id| tables.open(id));
    let how =
        if var("WORKLOAD", "filter") == "table-eos" { Settings::exactly_once() } else { Settings::default() };
    let commit_interval =
        env::var("COMMIT_MS").ok().map(|text| text.parse().map(Duration::from_millis)).transpose()?;
    let settings =
        Settings { workers: var("THREADS", "2").parse()?, replication: Some(1), commit_interval, ..how };
    let running = Processor::new(world, graph.build()?).settings(settings).start()?;
    let stop = running.stopper();
    ctrlc::set_handler(move || stop.set())?;
    Ok(running.join()?)
}

fn play<C>(group: GroupBuilder, product: C) -> Result<GroupBuilder, Failure>
where
    C: for<'a> Codec<Value<'a> = Product<'a>> + Clone,
{
    match var("WORKLOAD", "filter").as_str() {
        "filter" => Ok(filter(group, product)),
        "table" | "table-eos" => Ok(table(group, product)),
        "join" => Ok(join(group, product)),
        "window" => Ok(window(group, product)),
        other => Err(format!("workload '{other}' is not played here").into()),
    }
}

fn filter<C: for<'a> Codec<Value<'a> = Product<'a>> + Clone>(
    group: GroupBuilder,
    product: C,
) -> GroupBuilder {
    let output = Output::new(var("OUTPUT", "output"), Nullable(Utf8), product.clone());
    let (needle, out) = (Finder::new(var("FILTER", "").as_bytes()).into_owned(), output.clone());
    group
        .input(
            var("INPUT", "input"),
            Nullable(Utf8),
            product,
            move |context, _key: Option<&str>, product: Product<'_>| {
                if needle.find(product.name.as_bytes()).is_some() {
                    context.forward(&out)?;
                }
                Ok(())
            },
        )
        .output(&output)
}

fn table<C: for<'a> Codec<Value<'a> = Product<'a>>>(group: GroupBuilder, product: C) -> GroupBuilder {
    let (table, output) =
        (Table::new(Json::<State>::new()), Output::new(var("OUTPUT", "output"), Utf8, Json::<State>::new()));
    let (kept, out) = (table.clone(), output.clone());
    group
        .input(var("INPUT", "input"), Utf8, product, move |context, key: &str, product: Product<'_>| {
            let mut state = context.get(&kept)?.unwrap_or_default();
            state.count += 1;
            state.price = product.price.amount;
            context.set(&kept, &state)?;
            Ok(context.emit(&out, &key, &state)?)
        })
        .persist(&table)
        .output(&output)
}

fn join<C: for<'a> Codec<Value<'a> = Product<'a>>>(group: GroupBuilder, product: C) -> GroupBuilder {
    let products = std::sync::Arc::new(Join::new(var("TABLE", "table"), product));
    let output = Output::new(var("OUTPUT", "output"), Utf8, Json::<Recommendation>::new());
    let (joined, out) = (products.clone(), output.clone());
    group
        .input(
            var("INPUT", "input"),
            Utf8,
            Json::<Prompt>::new(),
            move |context, key: &str, prompt: Prompt| {
                let found = context
                    .join(&joined)?
                    .map(|product| (product.product_id.to_string(), product.price.amount));
                if let Some((product_id, price)) = found {
                    context.emit(&out, &key, &Recommendation { user: prompt.user, product_id, price })?;
                }
                Ok(())
            },
        )
        .join(&products)
        .output(&output)
}

fn window<C: for<'a> Codec<Value<'a> = Product<'a>>>(group: GroupBuilder, product: C) -> GroupBuilder {
    const SIZE_MS: i64 = 5 * 60 * 1000;
    let (table, again) = (Table::new(DecimalText), Loop::new(Utf8, DecimalText));
    let output = Output::new(var("OUTPUT", "output"), Utf8, DecimalText);
    let (looped, kept, out) = (again.clone(), table.clone(), output.clone());
    group
        .input(
            var("INPUT", "input"),
            Nullable(Utf8),
            product,
            move |context, _: Option<&str>, product: Product<'_>| {
                let start = context.timestamp().0.div_euclid(SIZE_MS) * SIZE_MS;
                let key = format!("{}@{start}", product.category);
                Ok(context.loopback(&looped, &key.as_str(), &1)?)
            },
        )
        .loopback(&again, move |context, key: &str, more: i64| {
            let count = context.get(&kept)?.unwrap_or(0) + more;
            context.set(&kept, &count)?;
            Ok(context.emit(&out, &key, &count)?)
        })
        .persist(&table)
        .output(&output)
}
