//! Rules that share a group: each says what it would say by itself, whatever its neighbours do, over any number of starts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use millstream_ports::{DelimitedRows, Groups, KafkaRows, Meter, NoRows};
use millstream_rule_engine::{DeployError, Engine, Formats, QueryState, RunningRule};
use millstream_runtime::Settings;
use millstream_sim::{Faults, Sim};
use millstream_sql::render;

pub(crate) const SOURCE: &str = "CREATE STREAM numbers (id STRING KEY, n INT) WITH (KAFKA_TOPIC='numbers', VALUE_FORMAT='DELIMITED', PARTITIONS=3);";

pub(crate) fn engine(sim: &Sim) -> Engine<Sim> {
    let formats = Formats::default()
        .with("DELIMITED", Arc::new(DelimitedRows))
        .with("KAFKA", Arc::new(KafkaRows))
        .with("NONE", Arc::new(NoRows));
    let settings =
        Settings { workers: 2, commit_interval: Some(Duration::from_millis(5)), ..Settings::default() };
    Engine::new(sim.process(), formats, settings)
}

pub(crate) fn start(sim: &Sim, rules: &[&str]) -> Result<Vec<RunningRule>, String> {
    let mut engine = engine(sim);
    let text = std::iter::once(&SOURCE).chain(rules).copied().collect::<Vec<_>>().join("\n");
    let rules = engine.plan("rules.sql", &text).map_err(said)?;
    engine.deploy_all(rules).map_err(|error| error.to_string())
}

fn said(error: DeployError) -> String {
    match error {
        DeployError::Mistakes { source_name, text, mistakes } => render(&source_name, &text, &mistakes),
        error => error.to_string(),
    }
}

pub(crate) fn stop(running: Vec<RunningRule>) {
    for rule in running {
        rule.processor.stop().unwrap();
    }
}

pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "waited in vain until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// How often each value is in a topic.
fn counted(sim: &Sim, topic: &str) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for record in sim.read(topic) {
        *all.entry(String::from_utf8(record.value.unwrap_or_default()).unwrap()).or_default() += 1;
    }
    all
}

pub(crate) fn write(sim: &Sim, numbers: std::ops::Range<i32>) {
    for number in numbers {
        sim.write("numbers", format!("k{number}").as_bytes(), Some(number.to_string().as_bytes()));
    }
}

/// Everything of a range that a rule passes on, once.
fn once(range: std::ops::Range<i32>, passes: impl Fn(i32) -> bool) -> BTreeMap<String, usize> {
    range.filter(|number| passes(*number)).map(|number| (number.to_string(), 1)).collect()
}

const EVEN: &str = "CREATE STREAM even AS SELECT * FROM numbers WHERE n % 2 = 0;";
const LARGE: &str = "CREATE STREAM large AS SELECT * FROM numbers WHERE n >= 50;";
const ALL: &str = "CREATE STREAM everything AS SELECT * FROM numbers;";

#[test]
fn rules_that_share_a_group_are_told_apart() {
    let sim = Sim::live();
    let running = start(&sim, &[EVEN, LARGE]).unwrap();
    let watch = running[0].watch();
    write(&sim, 0..90);
    sim.write("numbers", b"k", Some(b"no number"));
    let told = |name: &str| {
        let all = watch.rules();
        let rule = all.iter().find(|rule| rule.rule == name).unwrap();
        assert_eq!(rule.group, watch.status().group());
        (rule.state.clone(), rule.rows, rule.failed)
    };
    until("each has its own rows, and both the record that is none", || {
        told("EVEN") == (QueryState::Running, 45, 1) && told("LARGE") == (QueryState::Running, 40, 1)
    });
    assert!(watch.table().is_none(), "they keep nothing");
    let mut samples = Vec::new();
    watch.samples(&mut samples);
    let rows = samples.iter().filter(|sample| sample.name == "millstream_rule_rows_out_total");
    assert_eq!(rows.map(|sample| sample.labels[0].1.as_str()).collect::<Vec<_>>(), ["EVEN", "LARGE"]);
    stop(running);
}

#[test]
fn rules_share_a_group_and_one_that_comes_later_begins_at_the_beginning() {
    let sim = Sim::live();
    let running = start(&sim, &[EVEN, LARGE]).unwrap();
    assert_eq!(running.len(), 1, "one group for both");
    assert_eq!(running[0].rules, ["EVEN", "LARGE"]);
    write(&sim, 0..100);
    until("both have told all", || sim.read("EVEN").len() == 50 && sim.read("LARGE").len() == 50);
    stop(running);

    let running = start(&sim, &[EVEN, LARGE, ALL]).unwrap();
    assert_eq!(running.len(), 2, "the new rule has a position of its own");
    write(&sim, 100..200);
    until("the new rule has told all", || sim.read("EVERYTHING").len() == 200);
    until("the others go on", || sim.read("EVEN").len() == 100 && sim.read("LARGE").len() == 150);
    stop(running);
    assert_eq!(counted(&sim, "EVERYTHING"), once(0..200, |_| true));
    assert_eq!(counted(&sim, "EVEN"), once(0..200, |number| number % 2 == 0));
    assert_eq!(counted(&sim, "LARGE"), once(0..200, |number| number >= 50));
}

#[test]
fn a_row_that_the_brokers_refuse_is_a_dead_letter_and_stops_nobody() {
    let sim = Sim::live();
    let wide = "CREATE STREAM wide AS SELECT id, RPAD('', CASE WHEN n = 7 THEN 900 ELSE 3 END, 'x') AS s FROM numbers;";
    let running = start(&sim, &[EVEN, wide]).unwrap();
    sim.set_faults(Faults { accepted_bytes_max: Some(600), ..Faults::default() });
    write(&sim, 0..40);
    let letters = format!("{}-dead-letters", running[0].processor.status().group());
    until("all but one row is told", || {
        let told = counted(&sim, "EVEN").len() == 20 && counted(&sim, "WIDE")["xxx"] >= 39;
        told && !sim.read(&letters).is_empty()
    });
    stop(running);
}

#[test]
fn a_rule_that_leaves_and_comes_back_goes_on_from_where_it_was() {
    let sim = Sim::live();
    let running = start(&sim, &[EVEN, LARGE, ALL]).unwrap();
    write(&sim, 0..60);
    until("all have told all", || sim.read("EVERYTHING").len() == 60 && sim.read("LARGE").len() == 10);
    stop(running);
    let running = start(&sim, &[EVEN, LARGE]).unwrap();
    write(&sim, 60..90);
    until("the others have told all", || sim.read("EVEN").len() == 45 && sim.read("LARGE").len() == 40);
    stop(running);
    assert_eq!(sim.read("EVERYTHING").len(), 60);
    let running = start(&sim, &[EVEN, LARGE, ALL]).unwrap();
    until("it has caught up", || sim.read("EVERYTHING").len() == 90);
    stop(running);
    assert_eq!(counted(&sim, "EVERYTHING"), once(0..90, |_| true));
}

#[test]
fn a_group_is_not_run_with_other_rules_while_somebody_runs_it() {
    let sim = Sim::live();
    let running = start(&sim, &[EVEN, LARGE, ALL]).unwrap();
    let groups = || sim.groups().unwrap().values().any(|members| *members > 0);
    until("it has members", groups);
    let refused = start(&sim, &[EVEN, LARGE]).err().unwrap();
    assert!(refused.contains("runs EVERYTHING too, and still has members"), "{refused}");
    stop(running);
}

#[test]
fn what_one_can_not_read_or_write_is_its_own_dead_letter() {
    let sim = Sim::live();
    let told = "CREATE STREAM told WITH (ON_ERROR='dlq') AS SELECT * FROM numbers WHERE n > 0;";
    let silent = "CREATE STREAM silent WITH (ON_ERROR='skip') AS SELECT * FROM numbers;";
    let letters = "CREATE STREAM reasons WITH (VALUE_FORMAT='DELIMITED') AS SELECT RECORD_KEY, FROM_BYTES(ERROR_TOPIC, 'utf8') + ' ' + FROM_BYTES(ERROR_STAGE, 'utf8') AS wrong, FROM_BYTES(RECORD_VALUE, 'utf8') AS value FROM told_dead_letters;";
    let running = start(&sim, &[told, silent, letters]).unwrap_or_else(|error| panic!("{error}"));
    write(&sim, 1..10);
    sim.write("numbers", b"bad", Some(b"no number"));
    write(&sim, 10..20);
    until("both have told all", || sim.read("TOLD").len() == 19 && sim.read("SILENT").len() == 19);
    until("the dead letter is told of", || sim.read("REASONS").len() == 1);
    stop(running);
    assert_eq!(sim.read("rules-told-dead-letters").len(), 1);
    assert_eq!(counted(&sim, "REASONS"), BTreeMap::from([("numbers decode,no number".to_owned(), 1)]));
}

const SUMS: &str = "CREATE TABLE sums AS SELECT id, SUM(n) AS total FROM numbers GROUP BY id;";

fn sum(sim: &Sim) -> Option<String> {
    let last = sim.read("SUMS").pop()?;
    String::from_utf8(last.value?).ok()
}

#[test]
fn a_changed_rule_goes_on_from_its_state_where_that_fits_and_is_refused_where_not() {
    let sim = Sim::live();
    let running = start(&sim, &[SUMS]).unwrap();
    sim.write("numbers", b"k", Some(b"5"));
    until("it is counted", || sum(&sim).as_deref() == Some("5"));
    stop(running);

    let positive = "CREATE TABLE sums AS SELECT id, SUM(n) AS total, SUM(n) * 2 AS twice FROM numbers WHERE n > 0 GROUP BY id;";
    let running = start(&sim, &[positive]).unwrap();
    let said = running[0].changes[0].1.to_string();
    assert!(said.starts_with("compatible: its state is kept\n  it also writes TWICE INT"), "{said}");
    sim.write("numbers", b"k", Some(b"-1"));
    sim.write("numbers", b"k", Some(b"2"));
    until("it went on from 5", || sum(&sim).as_deref() == Some("7,14"));
    stop(running);

    let other =
        "CREATE TABLE sums AS SELECT id, MAX(n) AS total, SUM(n) * 2 AS twice FROM numbers GROUP BY id;";
    let refused = start(&sim, &[other]).err().unwrap();
    assert!(
        refused.contains("incompatible: its state can't be kept") && refused.contains("MAX"),
        "{refused}"
    );
    assert!(refused.contains("--delete --group rules-sums"), "it names the remedy: {refused}");
    // What is refused is not remembered.
    stop(start(&sim, &[positive]).unwrap());
}

#[test]
fn a_rule_that_begins_at_the_end_tells_what_comes_after_its_first_start() {
    let sim = Sim::live();
    sim.create("numbers", 3);
    write(&sim, 0..30);
    let latest = "SET 'auto.offset.reset'='latest';";
    let earliest = "SET 'auto.offset.reset'='earliest';";
    let rules = [EVEN, latest, LARGE, SUMS, earliest, ALL];
    let running = start(&sim, &rules).unwrap();
    write(&sim, 30..80);
    until("all have told all", || {
        sim.read("EVERYTHING").len() == 80 && sim.read("LARGE").len() == 30 && sim.read("SUMS").len() >= 50
    });
    stop(running);
    assert_eq!(counted(&sim, "SUMS"), once(30..80, |_| true), "those before it was there are not summed up");
    write(&sim, 80..90);
    let running = start(&sim, &rules).unwrap();
    until("they go on from where they were", || {
        sim.read("LARGE").len() == 40 && sim.read("SUMS").len() == 60 && sim.read("EVEN").len() == 45
    });
    stop(running);
    assert_eq!(counted(&sim, "LARGE"), once(50..90, |_| true));
}

const JOINED: &str = "CREATE TABLE names (id STRING PRIMARY KEY, name STRING) WITH (KAFKA_TOPIC='names', VALUE_FORMAT='DELIMITED', PARTITIONS=3);
CREATE STREAM named AS SELECT numbers.id, name FROM numbers LEFT JOIN names ON numbers.id = names.id;";

#[test]
fn an_event_is_joined_with_what_its_table_held_when_the_rule_began() {
    for round in 0..5 {
        let sim = Sim::live();
        sim.create("numbers", 3);
        sim.create("names", 3);
        write(&sim, 0..200);
        for number in 0..200 {
            sim.write("names", format!("k{number}").as_bytes(), Some(format!("name {number}").as_bytes()));
        }
        let running = start(&sim, &[JOINED]).unwrap();
        until("all are joined", || sim.read("NAMED").len() == 200);
        stop(running);
        let expected = (0..200).map(|number| (format!("name {number}"), 1)).collect();
        assert_eq!(counted(&sim, "NAMED"), expected, "round {round}");
    }
}

#[test]
fn windows_close_though_nothing_comes_any_more_where_a_setting_says_so() {
    for guarantee in ["at_least_once", "exactly_once_v2"] {
        let sim = Sim::live();
        let settings = format!("SET 'windows.close.idle.ms'='20'; SET 'processing.guarantee'='{guarantee}';");
        let counts = "CREATE TABLE counts AS SELECT id, COUNT(*) AS c FROM numbers WINDOW TUMBLING (SIZE 1 DAY, GRACE PERIOD 0 SECONDS) GROUP BY id EMIT FINAL;";
        let short = counts.replace("1 DAY", "30 MILLISECONDS").replace("counts", "shorts");
        let running = start(&sim, &[&settings, counts, &short]).unwrap();
        sim.write("numbers", b"k", Some(b"1"));
        until("the short window is told", || sim.read("SHORTS").len() == 1);
        stop(running);
        assert_eq!(sim.read("COUNTS").len(), 0, "the day is not over");
    }
}
