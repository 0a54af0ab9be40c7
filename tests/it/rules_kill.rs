//! Rules that are killed in mid-join, at moments that chance chooses, and started again: what they have told in the end
//! equals a model, record by record. They run from a file, or by a server that is told them by HTTP.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};

use crate::outside::{Seen, read_all};
use crate::stack::{Background, Stack, until};

const KILLS: usize = 6;

/// How the rules run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From a file, by `rules run`.
    File,
    /// By `rules serve`, which is told them by HTTP, and one of them anew between kills.
    Server,
}

impl Way {
    /// What the topics' names begin with.
    fn prefix(self) -> &'static str {
        if self == Self::File { "rk" } else { "rs" }
    }

    fn topic(self, name: &str) -> String {
        format!("{}_{name}", self.prefix())
    }
}

/// A join of two streams, a table beside it, and what both come to.
const RULES: &str = "
SET 'processing.guarantee'='exactly_once_v2';
CREATE STREAM orders (id STRING KEY, item STRING, amount BIGINT)
  WITH (KAFKA_TOPIC='{rk}_orders', VALUE_FORMAT='JSON', PARTITIONS=3);
CREATE STREAM payments (id STRING KEY, paid BIGINT)
  WITH (KAFKA_TOPIC='{rk}_payments', VALUE_FORMAT='JSON', PARTITIONS=3);
CREATE TABLE items (item STRING PRIMARY KEY, kind STRING)
  WITH (KAFKA_TOPIC='{rk}_items', VALUE_FORMAT='JSON', PARTITIONS=3);
CREATE STREAM matched WITH (KAFKA_TOPIC='{rk}_matched') AS
  SELECT o.id AS id, o.item AS item, o.amount AS amount, p.paid AS paid
  FROM orders o JOIN payments p WITHIN 1 DAY GRACE PERIOD 1 DAY ON o.id = p.id;
CREATE STREAM named WITH (KAFKA_TOPIC='{rk}_named') AS
  SELECT m.item AS item, i.kind AS kind, m.amount AS amount, m.paid AS paid
  FROM matched m JOIN items i ON m.item = i.item;
CREATE TABLE kinds WITH (KAFKA_TOPIC='{rk}_kinds') AS
  SELECT kind, COUNT(*) AS joins, SUM(amount) AS amounts, SUM(paid) AS payments FROM named GROUP BY kind;
CREATE TABLE pages WITH (KAFKA_TOPIC='{rk}_pages') AS
  SELECT item, COUNT(*) AS orders FROM orders WINDOW TUMBLING (SIZE 7 DAYS) GROUP BY item;
";

/// The counts with a column more, which leaves what is kept as it is but for a condition that all meet.
const REPLACED: &str = "
CREATE OR REPLACE TABLE kinds WITH (KAFKA_TOPIC='{rk}_kinds') AS
  SELECT kind, COUNT(*) AS joins, SUM(amount) AS amounts, SUM(paid) AS payments, SUM(amount) + SUM(paid) AS turnover
  FROM named WHERE amount > 0 GROUP BY kind;
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
    way: Way,
    producer: BaseProducer,
    chance: Chance,
    model: Model,
}

const ITEMS: u64 = 20;
const KINDS: u64 = 3;

impl Source {
    fn send(&self, topic: &str, key: &str, value: &Value) {
        let (topic, payload) = (self.way.topic(topic), value.to_string());
        self.producer
            .send(BaseRecord::to(&topic).key(key).payload(&payload))
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
            self.send("payments", &id, &json!({ "PAID": paid }));
        }
        self.send("orders", &id, &json!({ "ITEM": name, "AMOUNT": amount }));
        for paid in &payments[early..] {
            self.send("payments", &id, &json!({ "PAID": paid }));
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
    kill(&Site::new(stack, Way::File));
}

pub fn serve(stack: &Stack) {
    kill(&Site::new(stack, Way::Server));
}

fn kill(site: &Site<'_>) {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_121);
    println!("seed {seed}");
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", site.stack.brokers())
        .set("partitioner", "murmur2_random")
        .set("acks", "all")
        .create()
        .unwrap();
    let mut source = Source { way: site.way, producer, chance: Chance(seed), model: Model::default() };
    let mut server = site.start();
    let named = site.begin();
    for item in 0..ITEMS {
        source.send("items", &format!("i{item}"), &json!({ "KIND": format!("kind{}", item % KINDS) }));
    }
    source.producer.flush(Duration::from_secs(30)).unwrap();
    // Joins look up what the table has when the event comes, so it has all before the first event.
    until("the table is taken in", || changelog(site.stack, &named) >= usize::try_from(ITEMS).unwrap());
    for number in 0..KILLS {
        let flow = 20 + source.chance.below(120);
        source.flow(flow);
        server.kill();
        let flow = source.chance.below(30);
        source.flow(flow);
        server = site.start();
        if number == KILLS / 2 {
            site.replace();
        }
    }
    source.flow(50);
    source.producer.flush(Duration::from_secs(30)).unwrap();
    compare(site, &source.model);
    server.interrupt();
}

/// Where the rules run, and how.
struct Site<'s> {
    stack: &'s Stack,
    way: Way,
    folder: PathBuf,
    /// Where statements are taken.
    listen: String,
}

impl<'s> Site<'s> {
    fn new(stack: &'s Stack, way: Way) -> Self {
        let folder = stack.folder(&format!("rules_kill_{}", way.prefix()));
        std::fs::write(folder.join("rules.sql"), rules(way, RULES)).unwrap();
        // A killed member is missed soon.
        let quick = "kafka:\n  consumer.session.timeout.ms: 1500\n  consumer.heartbeat.interval.ms: 300\n";
        std::fs::write(folder.join("config.yaml"), quick).unwrap();
        let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        Self { stack, way, folder, listen }
    }

    fn start(&self) -> Background {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let mut arguments = match self.way {
            Way::File => vec!["run".to_owned(), path("rules.sql")],
            Way::Server => vec!["serve".to_owned(), "--listen".to_owned(), self.listen.clone()],
        };
        arguments.extend(["--config".to_owned(), path("config.yaml")]);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        Background::start(self.stack, "rules", &format!("rules_kill_{}_", self.way.prefix()), &arguments)
    }

    /// Has the rules run for the first time; answers the changelog of the join with the table.
    fn begin(&self) -> String {
        if self.way == Way::File {
            return "rules-named-table".to_owned();
        }
        let answers = self.tell(RULES);
        let ids =
            answers.as_array().unwrap().iter().filter_map(|each| each["commandStatus"]["queryId"].as_str());
        let id = ids.map(str::to_lowercase).find(|id| id.starts_with("csas_named_")).unwrap();
        format!("rules-default-{id}-table")
    }

    /// Tells a server one of its rules anew.
    fn replace(&self) {
        if self.way == Way::Server {
            let settings = "SET 'processing.guarantee'='exactly_once_v2';";
            let answers = self.tell(&format!("{settings}{REPLACED}")).to_string();
            assert!(answers.contains("its state is kept") && answers.contains("TURNOVER"), "{answers}");
        }
    }

    fn tell(&self, statements: &str) -> Value {
        let answer = reqwest::blocking::Client::new()
            .post(format!("http://{}/ksql", self.listen))
            .timeout(Duration::from_mins(2))
            .json(&json!({ "ksql": rules(self.way, statements) }))
            .send()
            .unwrap();
        let (status, said) = (answer.status(), answer.text().unwrap());
        assert!(status.is_success(), "{status}: {said}");
        serde_json::from_str(&said).unwrap()
    }
}

fn rules(way: Way, text: &str) -> String {
    text.replace("{rk}", way.prefix())
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

fn compare(site: &Site<'_>, model: &Model) {
    let told_in = |name: &str| read_all(site.stack, &site.way.topic(name));
    let pairs: usize = model.matched.values().sum();
    until("every pair is told", || told_in("matched").len() >= pairs);
    let mut told = BTreeMap::new();
    for seen in told_in("matched") {
        let (row, key) = (row(&seen), String::from_utf8(seen.key.clone()).unwrap());
        let said = format!("{} {} {}", row["ITEM"].as_str().unwrap(), row["AMOUNT"], row["PAID"]);
        *told.entry((key, said)).or_default() += 1;
    }
    assert_eq!(told, model.matched, "each pair once");
    let counted = i64::try_from(pairs).unwrap();
    until("every pair is counted", || told_in("kinds").len() >= pairs);
    let mut kinds = BTreeMap::<String, (i64, i64, i64)>::new();
    let mut steps = 0;
    for seen in told_in("kinds") {
        let row = row(&seen);
        let now = (number(&row, "JOINS"), number(&row, "AMOUNTS"), number(&row, "PAYMENTS"));
        let before = kinds.insert(String::from_utf8(seen.key.clone()).unwrap(), now);
        assert_eq!(now.0, before.map_or(0, |before| before.0) + 1, "no change is lost, and none comes twice");
        steps += 1;
    }
    assert_eq!((steps, kinds), (counted, model.kinds.clone()));
    let orders = usize::try_from(model.orders).unwrap();
    until("every order is counted", || told_in("pages").len() >= orders);
    let mut pages = BTreeMap::<Vec<u8>, i64>::new();
    for seen in told_in("pages") {
        // The window's start stands behind the key. The days of the test may end in its midst, so windows are summed up.
        *pages.entry(seen.key.clone()).or_default() = number(&row(&seen), "ORDERS");
    }
    let mut by_item = BTreeMap::<String, i64>::new();
    for (key, count) in pages {
        let item = String::from_utf8(key[..key.len() - 8].to_vec()).unwrap();
        *by_item.entry(item).or_default() += count;
    }
    assert_eq!((told_in("pages").len(), by_item), (orders, model.pages.clone()));
    println!("rules through {KILLS} kills: {orders} orders, {pairs} pairs, none lost, none twice");
}
