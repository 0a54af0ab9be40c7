//! Goka and Millstream read each other's tables: a real Goka, built from `tests/goka`, on the embedded broker, or at the brokers
//! that `KAFKA_BROKERS` names.
//!
//! `cargo test --test goka -- --ignored` runs it. It needs Go, and its modules from Go's proxy or cache.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use millstream::{
    DecimalText, GroupGraph, KafkaLog, KafkaWorld, Partitioner, Processor, SledTable, SledTables, Table,
    TopicName, TopicSpec, Utf8, View, World,
};
use tempfile::TempDir;

const PARTITIONS: u32 = 7;

/// Words, some of them several times; not all are ASCII, and their hashes are of either sign.
const WORDS: [&str; 14] =
    ["lamp", "oak", "lamp", "Säge", "ковёр", "foobar", "oak", "lamp", "a", "b", "21", "tray", "owl", "ковёр"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

struct Stage {
    home: TempDir,
    brokers: String,
    goka: PathBuf,
    running: Vec<Child>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        for child in self.running.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Stage {
    fn set() -> Self {
        let home = TempDir::new().unwrap();
        let goka = home.path().join("goka");
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(&goka).arg(".").current_dir(root().join("tests/goka"));
        assert!(
            built_well(&mut build),
            "Goka's side does not build; this test needs Go and its module proxy"
        );
        let (brokers, running) = brokers(home.path());
        Self { home, brokers, goka, running }
    }

    fn world(&self) -> KafkaWorld<SledTable> {
        let tables = SledTables::at(self.home.path().join("state"));
        KafkaWorld::new(KafkaLog::new(&self.brokers), move |id| tables.open(id))
    }

    fn topic(&self, name: &str) -> String {
        let name = format!("{name}-{}", std::process::id());
        let (topic, settings) = (TopicName::new(&name).unwrap(), BTreeMap::new());
        let spec = TopicSpec { name: topic, partitions: PARTITIONS, replication: None, settings };
        self.world().create_topic(&spec).unwrap();
        name
    }

    fn goka(&self, deed: &str, name: &str, rest: &[&str]) -> Command {
        let mut command = Command::new(&self.goka);
        command.args([deed, &self.brokers, name]).args(rest);
        command
    }

    /// Goka writes the words, by its own hash.
    fn emit(&self, topic: &str) {
        assert!(self.goka("emit", topic, &WORDS).status().unwrap().success());
    }

    /// What a view of Goka's has under each word.
    fn goka_view(&self, table: &str) -> BTreeMap<String, String> {
        let output = self.goka("view", table, &WORDS).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).unwrap();
        let pair = |line: &str| line.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
        said.lines().filter_map(pair).collect()
    }
}

fn built_well(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}

/// The brokers that are named, or an embedded one.
fn brokers(home: &Path) -> (String, Vec<Child>) {
    if let Ok(brokers) = std::env::var("KAFKA_BROKERS") {
        return (brokers, Vec::new());
    }
    let build = ["build", "-p", "millstream-cmd-dev", "--bins"];
    assert!(built_well(Command::new(env!("CARGO")).args(build).current_dir(root())));
    let programs = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_path_buf();
    let mut child = Command::new(programs.join("dev"))
        .args(["up", "--kafka-port", "0", "--registry-port", "0", "--data"])
        .arg(home.join("data"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("export KAFKA_BROKERS=")).unwrap();
    std::thread::spawn(move || lines.for_each(drop));
    (line.rsplit_once('=').unwrap().1.trim().to_owned(), vec![child])
}

fn expected() -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for word in WORDS {
        *counts.entry(word.to_owned()).or_default() += 1;
    }
    counts
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1_200 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(holds(), "waited in vain until {what}");
}

#[test]
#[ignore = "needs Go and its module proxy; run it with --ignored"]
fn goka_and_millstream_read_each_others_tables() {
    let mut stage = Stage::set();
    a_view_of_gokas_reads_our_table(&stage);
    our_view_reads_a_table_of_gokas(&mut stage);
}

fn a_view_of_gokas_reads_our_table(stage: &Stage) {
    let (words, group) = (stage.topic("words"), format!("ours-{}", std::process::id()));
    let counts = Table::new(DecimalText);
    let kept = counts.clone();
    let graph = GroupGraph::define(&group)
        .input(&words, Utf8, Utf8, move |context, _: &str, _: &str| {
            let count = context.get(&kept)?.unwrap_or(0) + 1;
            Ok(context.set(&kept, &count)?)
        })
        .persist(&counts)
        .partitioned_by(Partitioner::Fnv1a)
        .build()
        .unwrap();
    let running = Processor::new(stage.world(), graph).start().unwrap();
    stage.emit(&words);
    let total = || running.status().snapshot().records_in.iter().map(|(_, count)| *count).sum::<u64>();
    until("all words are counted", || total() == WORDS.len() as u64);
    running.stop().unwrap();
    let expected: BTreeMap<_, _> =
        expected().into_iter().map(|(word, count)| (word, count.to_string())).collect();
    assert_eq!(stage.goka_view(&format!("{group}-table")), expected);
    println!("a Goka view reads {} keys of our table", expected.len());
}

fn our_view_reads_a_table_of_gokas(stage: &mut Stage) {
    let (words, group) = (stage.topic("spoken"), format!("theirs-{}", std::process::id()));
    stage.emit(&words);
    let counting = stage.goka("count", &group, &[&words]).stderr(Stdio::null()).spawn().unwrap();
    stage.running.push(counting);
    let (world, table) = (stage.world(), TopicName::new(format!("{group}-table")).unwrap());
    until("Goka has made its table", || {
        world.describe_topics(std::slice::from_ref(&table)).unwrap().iter().all(Option::is_some)
    });
    let view = View::open(&world, "reader", &table, Utf8, DecimalText).unwrap();
    let expected = expected();
    until("the view has every word's last count", || {
        expected.iter().all(|(word, count)| view.get(&word.as_str(), |found| found == Some(*count)).unwrap())
    });
    assert_eq!(view.get(&"nobody said that", |found| found).unwrap(), None);
    println!("our view reads {} keys of a table of Goka's", expected.len());
}
