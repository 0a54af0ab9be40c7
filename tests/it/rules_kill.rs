//! A rule server that is killed in mid-join, at moments that chance chooses, and started again: what its rules have told in
//! the end equals a model, record by record.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use crate::outside::{Seen, read_all};
use crate::stack::{Background, Stack, until};

const KILLS: usize = 6;
const PREFIX: &str = "rules_kill_";

/// A join of two streams, a table beside it, and what both come to.
const RULES: &str = "
SET 'processing.guarantee'='exactly_once_v2';
CREATE STREAM orders (id STRING KEY, item STRING, amount BIGINT)
  WITH (KAFKA_TOPIC='rk_orders', VALUE_FORMAT='JSON', PARTITIONS=3);
CREATE STREAM payments (id STRING KEY, paid BIGINT)
  WITH (KAFKA_TOPIC='rk_payments', VALUE_FORMAT='JSON', PARTITIONS=3);
CREATE TABLE items (item STRING PRIMARY KEY, kind STRING)
  WITH (KAFKA_TOPIC='rk_items', VALUE_FORMAT='JSON', PARTITIONS=3);
CREATE STREAM matched WITH (KAFKA_TOPIC='rk_matched') AS
  SELECT o.id AS id, o.item AS item, o.amount AS amount, p.paid AS paid
  FROM orders o JOIN payments p WITHIN 1 DAY GRACE PERIOD 1 DAY ON o.id = p.id;
CREATE STREAM named WITH (KAFKA_TOPIC='rk_named') AS
  SELECT m.item AS item, i.kind AS kind, m.amount AS amount, m.paid AS paid
  FROM matched m JOIN items i ON m.item = i.item;
CREATE TABLE kinds WITH (KAFKA_TOPIC='rk_kinds') AS
  SELECT kind, COUNT(*) AS joins, SUM(amount) AS amounts, SUM(paid) AS payments FROM named GROUP BY kind;
CREATE TABLE pages WITH (KAFKA_TOPIC='rk_pages') AS
  SELECT item, COUNT(*) AS orders FROM orders WINDOW TUMBLING (SIZE 7 DAYS) GROUP BY item;
";

/// Numbers that follow from a seed, which is told.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64, Steele, Lea and Flood 2014.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// What was written, and what must come of it.
#[derive(Default)]
struct Model {
    orders: u64,
    /// Each pair of an order and a payment: its item, amount and what was paid.
    matched: BTreeMap<(String, String), usize>,
    /// By kind: pairs, amounts and payments.
    kinds: BTreeMap<String, (i64, i64, i64)>,
    /// Orders by item.
    pages: BTreeMap<String, i64>,
}

struct Source {
    producer: BaseProducer,
    chance: Chance,
    model: Model,
}

const ITEMS: u64 = 20;
const KINDS: u64 = 3;

impl Source {
    fn send(&self, topic: &str, key: &str, value: &Value) {
        let payload = value.to_string();
        self.producer
            .send(BaseRecord::to(topic).key(key).payload(&payload))
            .map_err(|(error, _)| error)
            .unwrap();
    }

    /// An order with no, one or two payments, some of which come before it.
    fn order(&mut self) {
        let id = format!("o{}", self.model.orders);
        let item = self.chance.below(ITEMS);
        let (name, amount) = (format!("i{item}"), 1 + i64::try_from(self.chance.below(9)).unwrap());
        let payments: Vec<_> =
            (0..self.chance.below(3)).map(|number| 100 * amount + i64::try_from(number).unwrap()).collect();
        let early = usize::try_from(self.chance.below(3)).unwrap().min(payments.len());
        for paid in &payments[..early] {
            self.send("rk_payments", &id, &json!({ "PAID": paid }));
        }
        self.send("rk_orders", &id, &json!({ "ITEM": name, "AMOUNT": amount }));
        for paid in &payments[early..] {
            self.send("rk_payments", &id, &json!({ "PAID": paid }));
        }
        let model = &mut self.model;
        model.orders += 1;
        *model.pages.entry(name.clone()).or_default() += 1;
        for paid in payments {
            *model.matched.entry((id.clone(), format!("{name} {amount} {paid}"))).or_default() += 1;
            let kind = model.kinds.entry(format!("kind{}", item % KINDS)).or_default();
            *kind = (kind.0 + 1, kind.1 + amount, kind.2 + paid);
        }
    }

    fn flow(&mut self, batches: u64) {
        for _ in 0..batches {
            (0..15).for_each(|_| self.order());
            self.producer.poll(Duration::ZERO);
            thread::sleep(Duration::from_millis(10));
        }
    }
}

pub fn run(stack: &Stack) {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_121);
    println!("seed {seed}");
    let file = stack.folder("rules_kill").join("rules.sql");
    std::fs::write(&file, RULES).unwrap();
    // A killed member is missed soon.
    let quick = "kafka:\n  consumer.session.timeout.ms: 1500\n  consumer.heartbeat.interval.ms: 300\n";
    std::fs::write(file.with_file_name("config.yaml"), quick).unwrap();
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", stack.brokers())
        .set("partitioner", "murmur2_random")
        .set("acks", "all")
        .create()
        .unwrap();
    let mut source = Source { producer, chance: Chance(seed), model: Model::default() };
    let mut server = start(stack, &file);
    for item in 0..ITEMS {
        source.send("rk_items", &format!("i{item}"), &json!({ "KIND": format!("kind{}", item % KINDS) }));
    }
    source.producer.flush(Duration::from_secs(30)).unwrap();
    // Joins look up what the table has when the event comes, so it has all before the first event.
    until("the table is taken in", || {
        changelog(stack, "rules-named-table") >= usize::try_from(ITEMS).unwrap()
    });
    for _ in 0..KILLS {
        let flow = 20 + source.chance.below(120);
        source.flow(flow);
        server.kill();
        let flow = source.chance.below(30);
        source.flow(flow);
        server = start(stack, &file);
    }
    source.flow(50);
    source.producer.flush(Duration::from_secs(30)).unwrap();
    compare(stack, &source.model);
    server.interrupt();
}

fn start(stack: &Stack, file: &std::path::Path) -> Background {
    let config = file.with_file_name("config.yaml");
    let arguments = ["run", file.to_str().unwrap(), "--config", config.to_str().unwrap()];
    Background::start(stack, "rules", PREFIX, &arguments)
}

/// How many keys of a topic have a value.
fn changelog(stack: &Stack, topic: &str) -> usize {
    let mut table = BTreeMap::new();
    for seen in read_all(stack, topic) {
        table.insert(seen.key, seen.value);
    }
    table.values().filter(|value| value.is_some()).count()
}

fn row(seen: &Seen) -> Value {
    serde_json::from_slice(seen.value.as_deref().unwrap()).unwrap()
}

fn number(row: &Value, name: &str) -> i64 {
    row[name].as_i64().unwrap()
}

fn compare(stack: &Stack, model: &Model) {
    let pairs: usize = model.matched.values().sum();
    until("every pair is told", || read_all(stack, "rk_matched").len() >= pairs);
    let mut told = BTreeMap::new();
    for seen in read_all(stack, "rk_matched") {
        let (row, key) = (row(&seen), String::from_utf8(seen.key.clone()).unwrap());
        let said = format!("{} {} {}", row["ITEM"].as_str().unwrap(), row["AMOUNT"], row["PAID"]);
        *told.entry((key, said)).or_default() += 1;
    }
    assert_eq!(told, model.matched, "each pair once");
    let counted = i64::try_from(pairs).unwrap();
    until("every pair is counted", || read_all(stack, "rk_kinds").len() >= pairs);
    let mut kinds = BTreeMap::<String, (i64, i64, i64)>::new();
    let mut steps = 0;
    for seen in read_all(stack, "rk_kinds") {
        let row = row(&seen);
        let now = (number(&row, "JOINS"), number(&row, "AMOUNTS"), number(&row, "PAYMENTS"));
        let before = kinds.insert(String::from_utf8(seen.key.clone()).unwrap(), now);
        assert_eq!(now.0, before.map_or(0, |before| before.0) + 1, "no change is lost, and none comes twice");
        steps += 1;
    }
    assert_eq!((steps, kinds), (counted, model.kinds.clone()));
    let orders = usize::try_from(model.orders).unwrap();
    until("every order is counted", || read_all(stack, "rk_pages").len() >= orders);
    let mut pages = BTreeMap::<Vec<u8>, i64>::new();
    for seen in read_all(stack, "rk_pages") {
        // The window's start stands behind the key. The days of the test may end in its midst, so windows are summed up.
        *pages.entry(seen.key.clone()).or_default() = number(&row(&seen), "ORDERS");
    }
    let mut by_item = BTreeMap::<String, i64>::new();
    for (key, count) in pages {
        let item = String::from_utf8(key[..key.len() - 8].to_vec()).unwrap();
        *by_item.entry(item).or_default() += count;
    }
    assert_eq!((read_all(stack, "rk_pages").len(), by_item), (orders, model.pages.clone()));
    println!("rules through {KILLS} kills: {orders} orders, {pairs} pairs, none lost, none twice");
}
