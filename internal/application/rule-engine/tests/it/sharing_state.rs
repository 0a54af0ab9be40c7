//! Rules that keep something and share a group: each keeps and says what it would by itself.

use std::collections::BTreeMap;

use millstream_model::Value;
use millstream_rule_engine::KeptKey;
use millstream_sim::{Sim, SimRecord};

use crate::sharing::{SOURCE, engine, start, stop, until, write};

const COUNTS: &str = "CREATE TABLE counts AS SELECT n % 7 AS k, COUNT(*) AS c FROM numbers GROUP BY n % 7;";
const SUMS: &str = "CREATE TABLE sums AS SELECT id, SUM(n) AS total FROM numbers WHERE n > 20 GROUP BY id;";
const LISTS: &str = "CREATE TABLE lists AS SELECT n % 3 AS k, COUNT(*) AS c, MAX(n) AS m FROM numbers WHERE n > 50 GROUP BY n % 3;";
const NAMES: &str = "CREATE TABLE names (id STRING PRIMARY KEY, name STRING) WITH (KAFKA_TOPIC='names', VALUE_FORMAT='DELIMITED', PARTITIONS=3);";
const NAMED: &str = "CREATE STREAM named AS SELECT numbers.id, name, n FROM numbers JOIN names ON numbers.id = names.id WHERE n > 10;";
const LEFT: &str =
    "CREATE STREAM lefts AS SELECT numbers.id, name FROM numbers LEFT JOIN names ON numbers.id = names.id;";
const EXACT: &str = "SET 'processing.guarantee'='exactly_once_v2';";

/// The last value of each key of a table's topic.
fn table(sim: &Sim, topic: &str) -> BTreeMap<Vec<u8>, String> {
    let last = |record: SimRecord| {
        (record.key.unwrap_or_default(), String::from_utf8(record.value.unwrap_or_default()).unwrap())
    };
    sim.read(topic).into_iter().map(last).collect()
}

/// Everything in a topic, in order of what it says.
fn sorted(sim: &Sim, topic: &str) -> Vec<String> {
    let text = |record: SimRecord| String::from_utf8(record.value.unwrap_or_default()).unwrap();
    let mut all: Vec<_> = sim.read(topic).into_iter().map(text).collect();
    all.sort();
    all
}

fn name_some(sim: &Sim) {
    for number in (0..150).step_by(2) {
        sim.write("names", format!("k{number}").as_bytes(), Some(format!("name {number}").as_bytes()));
    }
}

#[test]
fn each_keeps_what_it_would_by_itself_over_several_starts() {
    for guarantee in ["", EXACT] {
        let together = [guarantee, COUNTS, SUMS, LISTS, NAMES, NAMED, LEFT];
        let sim = Sim::live();
        let alone: Vec<_> = together[1..4].iter().map(|rule| (Sim::live(), vec![guarantee, *rule])).collect();
        let joins: Vec<_> =
            together[5..].iter().map(|rule| (Sim::live(), vec![guarantee, NAMES, *rule])).collect();
        for range in [0..60, 60..90, 90..150] {
            for (sim, rules) in alone
                .iter()
                .chain(&joins)
                .map(|(sim, rules)| (sim, &rules[..]))
                .chain([(&sim, &together[..])])
            {
                if range.start == 0 {
                    sim.create("names", 3);
                    name_some(sim);
                }
                let running = start(sim, rules).unwrap();
                if rules.len() == together.len() {
                    let shared: Vec<_> = running.iter().map(|running| running.rules.join(" ")).collect();
                    assert_eq!(shared, ["LEFTS NAMED", "COUNTS LISTS SUMS"]);
                }
                write(sim, range.clone());
                let status: Vec<_> = running.iter().map(|running| running.processor.status()).collect();
                until("all is worked on", || {
                    status.iter().all(|status| {
                        let now = status.snapshot();
                        let partitions = &now.partitions;
                        partitions.len() == 3 && partitions.iter().all(|partition| partition.lag == Some(0))
                    })
                });
                stop(running);
            }
        }
        for (topic, (alone, _)) in ["COUNTS", "SUMS", "LISTS"].iter().zip(&alone) {
            assert_eq!(table(&sim, topic), table(alone, topic), "{topic} {guarantee}");
            // In which order the partitions' records come together is nobody's promise; how many there are is.
            assert_eq!(sim.read(topic).len(), alone.read(topic).len(), "{topic} {guarantee}");
        }
        for (topic, (alone, _)) in ["NAMED", "LEFTS"].iter().zip(&joins) {
            assert_eq!(sorted(&sim, topic), sorted(alone, topic), "{topic} {guarantee}");
        }
        assert_eq!(table(&sim, "COUNTS").len(), 7);
        assert_eq!(sorted(&sim, "LEFTS").len(), 150);
    }
}

const THINGS: &str = "CREATE TABLE things (id STRING PRIMARY KEY, name STRING, weight DOUBLE) WITH (KAFKA_TOPIC='things', VALUE_FORMAT='DELIMITED', PARTITIONS=3);";
// A sum of DOUBLE is counted anew for each change: taking a row out again would leave a rest.
const WEIGHTS: &str = "CREATE TABLE weights AS SELECT name, SUM(weight) AS w FROM things GROUP BY name;";
const AGAIN: &str = "CREATE TABLE again AS SELECT name, SUM(weight) AS w FROM things GROUP BY name;";
const EACH: &str = "SET 'ksql.streams.cache.max.bytes.buffering'='0';";

fn weigh(sim: &Sim, range: std::ops::Range<i32>) {
    for number in range {
        let value = format!("name {},1.0", number % 4);
        sim.write("things", format!("k{number}").as_bytes(), Some(value.as_bytes()));
    }
}

fn weight(sim: &Sim, topic: &str) -> f64 {
    table(sim, topic).values().map(|weight| weight.parse::<f64>().unwrap()).sum()
}

#[test]
fn groups_that_are_counted_anew_are_told_once_for_what_comes_together_unless_set_otherwise() {
    for rules in [vec![THINGS, WEIGHTS], vec![EXACT, THINGS, WEIGHTS, AGAIN], vec![EACH, THINGS, WEIGHTS]] {
        let sim = Sim::live();
        sim.create("things", 3);
        for range in [0..1_000, 900..2_000] {
            weigh(&sim, range.clone());
            let running = start(&sim, &rules).unwrap();
            assert_eq!(running.len(), 1);
            until("all are weighed", || weight(&sim, "WEIGHTS") >= f64::from(range.end));
            if rules.contains(&AGAIN) {
                until("by the other too", || weight(&sim, "AGAIN") >= f64::from(range.end));
            }
            stop(running);
        }
        assert!((weight(&sim, "WEIGHTS") - 2_000.0).abs() < 1e-9, "a thing that came again counts once");
        let told = sim.read("WEIGHTS").len();
        if rules.contains(&EACH) { assert_eq!(told, 2_100) } else { assert!(told < 1_000, "{told}") }
    }
}

/// What a table of rules keeps, as far as it is told to people.
fn kept(sim: &Sim, topic: &str) -> Vec<KeptKey> {
    table(sim, topic).keys().filter_map(|key| KeptKey::read(key)).collect()
}

#[test]
fn what_they_keep_is_told_by_rule() {
    let sim = Sim::live();
    let running = start(&sim, &[COUNTS, SUMS]).unwrap();
    let watch = running[0].watch();
    write(&sim, 21..22);
    until("both have counted", || sim.read("COUNTS").len() == 1 && sim.read("SUMS").len() == 1);
    let (topic, _) = watch.table().unwrap();
    stop(running);
    let told = kept(&sim, &topic)
        .into_iter()
        .map(|key| (watch.numbered(key.rule.unwrap()).map(ToOwned::to_owned), key.of));
    let told: BTreeMap<_, _> = told.collect();
    let expected = [("COUNTS", Value::Int(0)), ("SUMS", Value::text("k21"))];
    assert_eq!(told, expected.map(|(rule, of)| (Some(rule.to_owned()), vec![of])).into());
    assert_eq!(watch.numbered(2), None);
}

#[test]
fn a_step_that_fails_leaves_nothing_and_hinders_nobody() {
    let sim = Sim::live();
    let mut engine = engine(&sim);
    engine
        .register("UNLUCKY", "Panics at 13.", "total BIGINT -> BIGINT", |values| match values {
            [Value::Bigint(13)] => panic!("thirteen"),
            [value] => Ok(value.clone()),
            _ => Ok(Value::Null),
        })
        .unwrap();
    let text = [
        SOURCE,
        "CREATE TABLE sums AS SELECT 1 AS one, UNLUCKY(CAST(SUM(n) AS BIGINT)) AS total FROM numbers GROUP BY 1;",
        "CREATE TABLE plain AS SELECT 1 AS one, SUM(n) AS total FROM numbers GROUP BY 1;",
    ];
    let rules = engine.plan("rules.sql", &text.join("\n")).unwrap();
    let running = engine.deploy_all(rules).unwrap();
    assert_eq!(running.len(), 1);
    let totals = |topic: &str| table(&sim, topic).into_values().next().unwrap_or_default();
    for (number, unlucky, plain) in [(12, "12", "12"), (1, "12", "13"), (2, "14", "15")] {
        sim.write("numbers", b"k", Some(i32::to_string(&number).as_bytes()));
        until("the plain one has it", || totals("PLAIN") == plain);
        until("the other too", || totals("SUMS") == unlucky);
    }
    until("it is set aside", || sim.read(&format!("{}-dead-letters", running[0].name)).len() == 1);
    stop(running);
}

#[test]
fn a_rule_that_left_begins_anew_and_the_others_go_on() {
    let sim = Sim::live();
    let running = start(&sim, &[COUNTS, SUMS]).unwrap();
    write(&sim, 0..70);
    until("both have told all", || sim.read("COUNTS").len() == 70 && sim.read("SUMS").len() == 49);
    stop(running);
    let running = start(&sim, &[COUNTS]).unwrap();
    write(&sim, 70..77);
    until("the other goes on", || sim.read("COUNTS").len() == 77);
    stop(running);
    assert!(table(&sim, "COUNTS").values().all(|count| count == "11"));
    let running = start(&sim, &[COUNTS, SUMS]).unwrap();
    assert_eq!(running.len(), 2, "it is by itself now");
    until("it has told all anew", || sim.read("SUMS").len() == 49 + 56);
    stop(running);
    assert!(table(&sim, "COUNTS").values().all(|count| count == "11"));
}
