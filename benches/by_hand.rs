//! What a rule costs beside the same logic written by hand on the framework: a filter, a count in tumbling windows told when
//! they close, a count told as it goes, and a join of a stream with a table; over the same topics, to topics of the same form.
//!
//! `KAFKA_BROKERS=host:port cargo bench --bench by_hand -- FORMAT [MESSAGES [QUERY]]` with FORMAT JSON or AVRO, and as QUERY
//! filter, windows, sums or join. Each is run both ways in this process, one worker each, and the processor time of a message
//! is told, its start and stop included. What both wrote is compared.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    missing_docs,
    reason = "a benchmark, not shipped"
)]

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::process::id;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use millstream::rules::{AvroRows, Engine, Formats, JsonRows, KafkaRows, NoRows};
use millstream::{
    AvroBorrowed, Bytes, Codec, DecimalText, Delivery, GroupGraph, JsonBorrowed, KafkaLog, KafkaWorld,
    Output, Partition, Processor, Registry, Running, Settings, Shape, SledTable, SledTables, Table, Timer,
    Timestamp, TopicName, TopicSpec, Utf8, When, World, value_subject,
};
use millstream_model::NoHeaders;
use millstream_ports::{Outlet, SendRecord, Start, Tag, Tail};
use serde::{Deserialize, Serialize};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Kafka = KafkaWorld<SledTable>;

const ACCOUNTS: usize = 10_000;
const BEGUN: i64 = 1_700_000_040_000;
const MINUTE: i64 = 60_000;

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct Payment<'a> {
    amount: i32,
    note: &'a str,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct Account<'a> {
    owner: &'a str,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct Window {
    begun: i64,
    payments: i64,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct Sum {
    payments: i64,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
struct Owned<'a> {
    amount: i32,
    owner: &'a str,
}

/// A record, and its Avro schema's fields, all nullable as those of rules are.
trait Row: for<'a> Shape<Of<'a>: Deserialize<'a> + Serialize> {
    const FIELDS: &'static [(&'static str, &'static str)];
}

macro_rules! row {
    ($shape:ident, $of:ty, $fields:expr) => {
        #[derive(Clone, Copy)]
        struct $shape;
        impl Shape for $shape {
            type Of<'a> = $of;
        }
        impl Row for $shape {
            const FIELDS: &'static [(&'static str, &'static str)] = $fields;
        }
    };
}

row!(PaymentRow, Payment<'a>, &[("AMOUNT", "int"), ("NOTE", "string")]);
row!(AccountRow, Account<'a>, &[("OWNER", "string")]);
row!(WindowRow, Window, &[("BEGUN", "long"), ("PAYMENTS", "long")]);
row!(SumRow, Sum, &[("PAYMENTS", "long")]);
row!(OwnedRow, Owned<'a>, &[("AMOUNT", "int"), ("OWNER", "string")]);

/// Gives the codec of a topic's values.
trait Format: 'static {
    const NAME: &'static str;
    type Of<R: Row>: for<'a> Codec<Value<'a> = R::Of<'a>> + Clone;

    fn codec<R: Row>(registry: &Registry, topic: &str) -> Self::Of<R>;
}

struct InJson;
struct InAvro;

impl Format for InJson {
    const NAME: &'static str = "JSON";
    type Of<R: Row> = JsonBorrowed<R>;

    fn codec<R: Row>(_: &Registry, _: &str) -> JsonBorrowed<R> {
        JsonBorrowed::new()
    }
}

impl Format for InAvro {
    const NAME: &'static str = "AVRO";
    type Of<R: Row> = AvroBorrowed<R>;

    fn codec<R: Row>(registry: &Registry, topic: &str) -> AvroBorrowed<R> {
        let field = |(name, ty): &(&str, &str)| {
            format!(r#"{{"name":"{name}","type":["null","{ty}"],"default":null}}"#)
        };
        let fields = R::FIELDS.iter().map(field).collect::<Vec<_>>().join(",");
        let schema = format!(r#"{{"type":"record","name":"row","fields":[{fields}]}}"#);
        AvroBorrowed::writer(registry, &value_subject(topic), &schema).unwrap()
    }
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let messages = arguments.get(1).map_or(1_000_000, |messages| messages.parse().unwrap());
    match arguments.first().map(String::as_str) {
        Some("JSON") => Bench::<InJson>::new().run(messages, arguments.get(2)),
        Some("AVRO") => Bench::<InAvro>::new().run(messages, arguments.get(2)),
        _ => println!("say which: -- JSON [MESSAGES [QUERY]], or -- AVRO [MESSAGES [QUERY]]"),
    }
}

struct Bench<F> {
    world: Kafka,
    registry: Registry,
    /// What all names begin with, so that each run has topics of its own.
    own: String,
    format: std::marker::PhantomData<F>,
    _folder: tempfile::TempDir,
}

impl<F: Format> Bench<F> {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let brokers = std::env::var("KAFKA_BROKERS").expect("KAFKA_BROKERS says where Kafka is");
        let tables = SledTables::at(folder.path());
        let world = KafkaWorld::new(KafkaLog::new(brokers), move |id| tables.open(id));
        let own = format!("by-hand-{}", id());
        Self {
            world,
            registry: Registry::in_memory().unwrap(),
            own,
            format: std::marker::PhantomData,
            _folder: folder,
        }
    }

    fn run(&self, messages: usize, only: Option<&String>) {
        for (topic, count) in [("warm", messages / 10), ("payments", messages)] {
            self.write_payments(topic, count);
        }
        self.write_accounts();
        let queries = ["filter", "windows", "sums", "join"];
        for query in queries.into_iter().filter(|query| only.is_none_or(|only| only == query)) {
            for (payments, count) in [("warm", messages / 10), ("payments", messages)] {
                let hand = self
                    .measured(payments, query, "hand", count, |bench, out| bench.hand(query, payments, out));
                let rule = self
                    .measured(payments, query, "rule", count, |bench, out| bench.rule(query, payments, out));
                if payments == "payments" {
                    println!(
                        "{query}, {}: by hand {hand:.2}, the rule {rule:.2} CPU µs a message, {:.2} times",
                        F::NAME,
                        rule / hand
                    );
                }
            }
            let [hand, rule] =
                ["hand", "rule"].map(|way| self.written(&self.topic(&format!("payments-{query}-{way}"))));
            assert_eq!(hand, rule, "both say the same");
            println!("{query}: {} records each", hand.0);
        }
    }

    fn topic(&self, name: &str) -> TopicName {
        TopicName::new(format!("{}-{name}", self.own)).unwrap()
    }

    fn create(&self, name: &str) -> TopicName {
        let name = self.topic(name);
        let spec =
            TopicSpec { name: name.clone(), partitions: 1, replication: None, settings: BTreeMap::new() };
        self.world.create_topic(&spec).unwrap();
        name
    }

    fn measured(
        &self,
        payments: &str,
        query: &str,
        way: &str,
        count: usize,
        start: impl Fn(&Self, &TopicName) -> Running,
    ) -> f64 {
        let out = self.create(&format!("{payments}-{query}-{way}"));
        let before = cpu_seconds();
        let running = start(self, &out);
        let status = running.status();
        let wanted = count + 1 + if query == "join" { ACCOUNTS } else { 0 };
        let done = || status.snapshot().records_in.iter().map(|(_, count)| count).sum::<u64>();
        // The last record's own window stays open.
        while done() < wanted as u64 || status.snapshot().timers > 1 {
            thread::sleep(Duration::from_millis(10));
        }
        running.stop().unwrap();
        (cpu_seconds() - before) * 1e6 / count as f64
    }

    fn settings() -> Settings {
        let commit_interval = Some(Duration::from_millis(500));
        Settings { delivery: Delivery::AtLeastOnce, commit_interval, workers: 1, ..Settings::default() }
    }

    fn hand(&self, query: &str, payments: &str, out: &TopicName) -> Running {
        let group = self.topic(&format!("{payments}-{query}")).to_string();
        let graph = match query {
            "filter" => self.filter(&group, payments, out),
            "windows" => self.windows(&group, payments, out),
            "sums" => self.sums(&group, payments, out),
            _ => self.join(&group, payments, out),
        };
        Processor::new(self.world.clone(), graph).settings(Self::settings()).start().unwrap()
    }

    fn payments(&self, topic: &str) -> (TopicName, F::Of<PaymentRow>) {
        let topic = self.topic(topic);
        let codec = F::codec(&self.registry, topic.as_str());
        (topic, codec)
    }

    fn output<K: Codec, R: Row>(&self, out: &TopicName, key: K) -> Output<K, F::Of<R>> {
        Output::new(out.as_str(), key, F::codec(&self.registry, out.as_str()))
    }

    fn filter(&self, group: &str, payments: &str, out: &TopicName) -> GroupGraph {
        let ((topic, codec), out) = (self.payments(payments), self.output::<_, PaymentRow>(out, Utf8));
        let told = out.clone();
        GroupGraph::define(group)
            .input(topic.as_str(), Utf8, codec, move |context, account: &str, payment: Payment<'_>| {
                if payment.amount >= 500 { Ok(context.emit(&told, &account, &payment)?) } else { Ok(()) }
            })
            .output(&out)
            .build()
            .unwrap()
    }

    /// As rules write a window's key: the start behind it, so that by the key's bytes it is the key of its timer too.
    fn windows(&self, group: &str, payments: &str, out: &TopicName) -> GroupGraph {
        let ((topic, codec), out) = (self.payments(payments), self.output::<_, WindowRow>(out, Bytes));
        let (table, close) = (Table::new(DecimalText), Timer::new("close", Bytes));
        let (kept, counted, set, told) = (table.clone(), table.clone(), close.clone(), out.clone());
        GroupGraph::define(group)
            .input(topic.as_str(), Utf8, codec, move |context, account: &str, _: Payment<'_>| {
                let start = context.timestamp().0 / MINUTE * MINUTE;
                let key = [account.as_bytes(), &start.to_be_bytes()].concat();
                let count = context.get_at(&kept, &key)?;
                if count.is_none() {
                    context.schedule_at(&set, &key, When::EventTime(Timestamp(start + MINUTE)))?;
                }
                Ok(context.set_at(&kept, &key, &(count.unwrap_or(0) + 1))?)
            })
            .timer(&close, move |context, key: &[u8]| {
                let payments = context.get(&counted)?.unwrap_or(0);
                let begun = key.last_chunk().map_or(0, |start| i64::from_be_bytes(*start));
                context.emit(&told, &key, &Window { begun, payments })?;
                Ok(context.delete(&counted)?)
            })
            .persist(&table)
            .output(&out)
            .build()
            .unwrap()
    }

    fn sums(&self, group: &str, payments: &str, out: &TopicName) -> GroupGraph {
        let ((topic, codec), out) = (self.payments(payments), self.output::<_, SumRow>(out, Utf8));
        let table = Table::new(DecimalText);
        let (kept, told) = (table.clone(), out.clone());
        GroupGraph::define(group)
            .input(topic.as_str(), Utf8, codec, move |context, account: &str, _: Payment<'_>| {
                let payments = context.get(&kept)?.unwrap_or(0) + 1;
                context.set(&kept, &payments)?;
                Ok(context.emit(&told, &account, &Sum { payments })?)
            })
            .persist(&table)
            .output(&out)
            .build()
            .unwrap()
    }

    fn join(&self, group: &str, payments: &str, out: &TopicName) -> GroupGraph {
        let ((topic, codec), out) = (self.payments(payments), self.output::<_, OwnedRow>(out, Utf8));
        let accounts = self.topic("accounts");
        let account_codec = F::codec::<AccountRow>(&self.registry, accounts.as_str());
        let table = Table::new(account_codec.clone());
        let (kept, read, told) = (table.clone(), table.clone(), out.clone());
        GroupGraph::define(group)
            .input(topic.as_str(), Utf8, codec, move |context, account: &str, payment: Payment<'_>| {
                let amount = payment.amount;
                // What is read is borrowed from the table, and the context is wanted to emit.
                let Some(owner) = context.get(&read)?.map(|known| known.owner.to_owned()) else {
                    return Ok(());
                };
                Ok(context.emit(&told, &account, &Owned { amount, owner: &owner })?)
            })
            .input(accounts.as_str(), Utf8, account_codec, move |context, _: &str, account: Account<'_>| {
                Ok(context.set(&kept, &account)?)
            })
            .read_first(accounts.as_str())
            .persist(&table)
            .output(&out)
            .build()
            .unwrap()
    }

    fn rule(&self, query: &str, payments: &str, out: &TopicName) -> Running {
        let formats = Formats::default()
            .with("JSON", Arc::new(JsonRows::new()))
            .with("AVRO", Arc::new(AvroRows::new(&self.registry)))
            .with("KAFKA", Arc::new(KafkaRows))
            .with("NONE", Arc::new(NoRows));
        let mut engine = Engine::new(self.world.clone(), formats, Self::settings());
        let (topic, accounts, format) = (self.topic(payments), self.topic("accounts"), F::NAME);
        let sources = format!(
            "CREATE STREAM payments (account STRING KEY, amount INT, note STRING) WITH (KAFKA_TOPIC='{topic}', VALUE_FORMAT='{format}');
CREATE TABLE accounts (account STRING PRIMARY KEY, owner STRING) WITH (KAFKA_TOPIC='{accounts}', VALUE_FORMAT='{format}');"
        );
        let (kind, select) = match query {
            "filter" => ("STREAM", "account, amount, note FROM payments WHERE amount >= 500"),
            "windows" => (
                "TABLE",
                "account, WINDOWSTART AS begun, COUNT(*) AS payments FROM payments WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 0 SECONDS) GROUP BY account EMIT FINAL",
            ),
            "sums" => ("TABLE", "account, COUNT(*) AS payments FROM payments GROUP BY account"),
            _ => (
                "STREAM",
                "p.account AS account, p.amount AS amount, a.owner AS owner FROM payments p JOIN accounts a ON p.account = a.account",
            ),
        };
        let name = format!("{}_{query}_{payments}", self.own.replace('-', "_"));
        let rule = format!("CREATE {kind} {name} WITH (KAFKA_TOPIC='{out}') AS SELECT {select};");
        let mut rules = engine.plan("rule", &format!("{sources}\n{rule}")).unwrap();
        engine.deploy(rules.remove(0)).unwrap().processor
    }

    fn write_payments(&self, name: &str, count: usize) {
        let topic = self.create(name);
        let codec = F::codec::<PaymentRow>(&self.registry, topic.as_str());
        let mut outlet = self.world.outlet("write").unwrap();
        let mut value = Vec::new();
        let mut write = |time: i64, account: &str, payment: &Payment<'_>| {
            value.clear();
            codec.encode(payment, &mut value).unwrap();
            send(&mut outlet, &topic, time, account, &value);
        };
        for number in 0..count {
            let (account, note) =
                (format!("a{}", number * 31 % ACCOUNTS), format!("payment number {number}"));
            write(
                BEGUN + number as i64,
                &account,
                &Payment { amount: (number * 7_919 % 1_000) as i32, note: &note },
            );
        }
        write(BEGUN + count as i64 + 60 * MINUTE, "end", &Payment { amount: -1, note: "closes the windows" });
        outlet.settle().unwrap();
    }

    fn write_accounts(&self) {
        let topic = self.create("accounts");
        let codec = F::codec::<AccountRow>(&self.registry, topic.as_str());
        let mut outlet = self.world.outlet("write").unwrap();
        for number in 0..ACCOUNTS {
            let (owner, mut value) = (format!("owner {}", number % 777), Vec::new());
            codec.encode(&Account { owner: &owner }, &mut value).unwrap();
            send(&mut outlet, &topic, BEGUN, &format!("a{number}"), &value);
        }
        outlet.settle().unwrap();
    }

    /// How many records a topic has, and the sum of their hashes, which no order changes; schemas' ids are left out.
    fn written(&self, topic: &TopicName) -> (usize, u64) {
        let mut tail = self.world.tail("written", std::slice::from_ref(topic)).unwrap();
        while tail.add(0, Partition::new(0), Start::Earliest).is_err() {
            thread::sleep(Duration::from_millis(10));
        }
        let (mut count, mut sum, mut quiet) = (0, 0_u64, 0);
        while quiet < 10 {
            let before = count;
            tail.poll(Duration::from_millis(100), 10_000, |record| {
                let value = record.value.unwrap_or_default();
                let mut hasher = DefaultHasher::new();
                (record.key, if F::NAME == "AVRO" { &value[5..] } else { value }).hash(&mut hasher);
                sum = sum.wrapping_add(hasher.finish());
                count += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
            quiet = if count == before { quiet + 1 } else { 0 };
        }
        (count, sum)
    }
}

fn send(outlet: &mut impl Outlet, topic: &TopicName, time: i64, key: &str, value: &[u8]) {
    let record = SendRecord {
        topic,
        partition: Some(Partition::new(0)),
        key: Some(key.as_bytes()),
        value: Some(value),
        headers: &NoHeaders,
        timestamp: Some(Timestamp(time)),
        tag: Tag::NONE,
    };
    outlet.send(&record).unwrap();
}

/// The processor time that this process has had.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}
