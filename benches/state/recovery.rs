use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio, id};
use std::thread;
use std::time::{Duration, Instant};

use millstream::{
    Bytes, FjallTables, GroupGraph, KafkaLog, KafkaWorld, Output, Partition, Processor, Settings, SledTables,
    Table, TopicName, TopicSpec, World,
};
use millstream_fjall_table::FjallTable;
use millstream_model::NoHeaders;
use millstream_ports::{Outlet, PortError, SendRecord, Start, TableStore, Tag, Tail};

use crate::{bytes_in, key, memory_mb};

const KEYS: usize = 1_000_000;
const PARTITIONS: u32 = 4;
const UPDATES: usize = 100_000;
const VALUE_BYTES: usize = 100;

fn brokers() -> String {
    env::var("KAFKA_BROKERS").expect("KAFKA_BROKERS names the brokers")
}

/// Fills a changelog, and recovers it under three circumstances, each in a process of its own.
pub(crate) fn run(store: &str) {
    let group = format!("recovery-{}", id());
    let world = KafkaWorld::new(log(), |_| Err::<FjallTable, _>(PortError::stop("no tables here")));
    fill(&group, &world);
    let folder = tempfile::tempdir().unwrap();
    let outputs = Outputs::follow(&group, &world);
    let input = TopicName::new(format!("{group}-in")).unwrap();
    write(&world, &input, PARTITIONS as usize, b'x');
    outputs.begin();
    let mut cold = Member::start(store, &group, folder.path());
    cold.tell("on an empty folder");
    println!("  its first new output was read {:.2} s after its process was started", outputs.first());
    thread::sleep(Duration::from_secs(30));
    println!("  30 s later: {} MB on disk", bytes_in(folder.path()) >> 20);
    send(&group, &world, UPDATES);
    // Within the time that committed entries wait for the store.
    thread::sleep(Duration::from_secs(4));
    cold.child.kill().unwrap();
    cold.child.wait().unwrap();
    // What a process finds to do as soon as it can; others read its first output.
    let outputs = Outputs::follow(&group, &world);
    write(&world, &input, PARTITIONS as usize, b'x');
    outputs.begin();
    let mut killed = Member::start(store, &group, folder.path());
    killed.tell("after a kill, 100,000 updates after the store was written");
    println!("  its first new output was read {:.2} s after its process was started", outputs.first());
    killed.stop();
    let mut clean = Member::start(store, &group, folder.path());
    clean.tell("after a clean stop");
    clean.stop();
}

/// The cluster. A member that comes again under its name has its partitions at once; `KAFKA_PROPERTIES` is more properties
/// of its clients, as `name=value,name=value`, where one without a value is left out.
pub(crate) fn log() -> KafkaLog {
    let wanted = env::var("KAFKA_PROPERTIES").unwrap_or_default();
    let wanted = wanted.split(',').filter_map(|property| property.split_once('='));
    let mut properties = BTreeMap::from([("group.instance.id", "bench")]);
    properties.extend(wanted);
    let given = properties.into_iter().filter(|(_, value)| !value.is_empty());
    let given = given.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    KafkaLog::new(brokers()).with_properties(given).unwrap()
}

fn fill<W: World>(group: &str, world: &W) {
    let topic = |name: String, policy: &str| {
        let settings = BTreeMap::from([("cleanup.policy".to_owned(), policy.to_owned())]);
        let name = TopicName::new(name).unwrap();
        let spec = TopicSpec { name: name.clone(), partitions: PARTITIONS, replication: None, settings };
        world.create_topic(&spec).unwrap();
        name
    };
    topic(format!("{group}-in"), "delete");
    topic(format!("{group}-out"), "delete");
    let changelog = topic(format!("{group}-table"), "compact");
    write(world, &changelog, KEYS, b'v');
}

/// Sends records of the first keys to the group.
fn send<W: World>(group: &str, world: &W, count: usize) {
    write(world, &TopicName::new(format!("{group}-in")).unwrap(), count, b'w');
}

fn write<W: World>(world: &W, topic: &TopicName, count: usize, fill: u8) {
    let mut outlet = world.outlet("fill").unwrap();
    for number in 0..count {
        let (key, value) = (key(number), [fill; VALUE_BYTES]);
        let partition = Some(Partition::new(number as u32 % PARTITIONS));
        let (key, value, headers) = (Some(&key[..]), Some(&value[..]), &NoHeaders);
        let record = SendRecord { topic, partition, key, value, headers, timestamp: None, tag: Tag::NONE };
        outlet.send(&record).unwrap();
    }
    outlet.settle().unwrap();
}

/// Waits for the group's next output as any other program would.
struct Outputs {
    begun: std::sync::mpsc::Sender<Instant>,
    reader: thread::JoinHandle<f64>,
}

impl Outputs {
    fn follow<W: World>(group: &str, world: &W) -> Self {
        let topic = TopicName::new(format!("{group}-out")).unwrap();
        let (begun, begins) = std::sync::mpsc::channel::<Instant>();
        let mut tail = world.tail("outputs", &[topic]).unwrap();
        for partition in (0..PARTITIONS).map(Partition::new) {
            while tail.add(0, partition, Start::Latest).is_err() {
                thread::sleep(Duration::from_millis(10));
            }
        }
        let reader = thread::spawn(move || {
            let begun = begins.recv().unwrap();
            while tail.poll(Duration::from_millis(20), 1, |_| ControlFlow::Break(())).unwrap() == 0 {}
            begun.elapsed().as_secs_f64()
        });
        Self { begun, reader }
    }

    fn begin(&self) {
        self.begun.send(Instant::now()).unwrap();
    }

    fn first(self) -> f64 {
        self.reader.join().unwrap()
    }
}

struct Member {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Member {
    fn start(store: &str, group: &str, folder: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["member", store, folder.to_str().unwrap()])
            .env("GROUP", group)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn tell(&mut self, when: &str) {
        println!("{when}: {}", self.lines.next().unwrap().unwrap());
    }

    fn stop(mut self) {
        drop(self.child.stdin.take());
        for line in self.lines {
            println!("  {}", line.unwrap());
        }
        self.child.wait().unwrap();
    }
}

/// A process of the group. It says when its tables are ready, and ends when its input does.
pub(crate) fn member(store: &str, folder: &str) {
    let begun = Instant::now();
    let (sled, fjall) = (SledTables::at(folder), FjallTables::at(folder));
    let log = log();
    match store {
        "sled" => work(KafkaWorld::new(log, move |id| sled.open(id)), begun),
        "fjall" => work(KafkaWorld::new(log, move |id| fjall.open(id)), begun),
        other => panic!("no store is called {other}"),
    }
}

fn work<S: TableStore>(world: KafkaWorld<S>, begun: Instant) {
    let group = env::var("GROUP").unwrap();
    let (table, out) = (Table::new(Bytes), Output::new(format!("{group}-out"), Bytes, Bytes));
    let (kept, told) = (table.clone(), out.clone());
    let graph = GroupGraph::define(group.as_str())
        .input(format!("{group}-in"), Bytes, Bytes, move |context, key: &[u8], value: &[u8]| {
            context.set(&kept, &value)?;
            // The updates before the kill are told to nobody.
            if value.first() == Some(&b'x') { Ok(context.emit(&told, &key, &value)?) } else { Ok(()) }
        })
        .persist(&table)
        .output(&out)
        .build()
        .unwrap();
    let settings = Settings { workers: 2, ..Settings::default() };
    let running = Processor::new(world, graph).settings(settings).start().unwrap();
    let status = running.status();
    while status.ready().is_err() || status.snapshot().partitions.len() < PARTITIONS as usize {
        thread::sleep(Duration::from_millis(5));
    }
    let replayed: u64 = status.snapshot().partitions.iter().map(|partition| partition.replayed).sum();
    let cpu = cpu_seconds();
    println!(
        "ready after {:.2} s, {replayed} records read, {cpu:.2} s of processors ({:.0} records a second of one), {} MB at most",
        begun.elapsed().as_secs_f64(),
        replayed as f64 / cpu,
        memory_mb("VmHWM:")
    );
    let _ = std::io::stdin().read_line(&mut String::new());
    let (stopping, before) = (Instant::now(), cpu_seconds());
    println!(
        "before the stop: {before:.2} s of processors, {} MB now, {} MB at most",
        memory_mb("VmRSS:"),
        memory_mb("VmHWM:")
    );
    running.stop().unwrap();
    println!("stopped in {:.2} s", stopping.elapsed().as_secs_f64());
}

pub(crate) fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}
