//! What many rules cost: the time that 1,000 idle ones take to start, their memory and threads, and the processor time of
//! 1,000 filters on one topic beside that of one, by what they ask.
//!
//! `cargo bench --bench rules -- [idle|counts|joins|KIND…] [COUNT]` builds the programs, unless `MILLSTREAM_BIN` says where
//! they are, runs `dev up` and `rules run` from a folder of its own, and removes it. `idle` are filters, `counts` and `joins`
//! rules that keep something; a KIND is what filters ask, as in `KINDS`. Without words all but `counts` and `joins` run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a benchmark, not shipped"
)]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

const RULES: usize = 1_000;
const RECORDS: usize = 200_000;
/// As Linux counts processor time.
const TICKS_PER_SECOND: f64 = 100.0;
const COLUMNS: &str = "(id STRING KEY, account STRING, amount INT, note STRING)";

/// What a filter asks, `#` being its number: each takes one record in a thousand or so.
const KINDS: [(&str, &str); 7] = [
    ("equal", "amount = #"),
    ("above", "amount * 2 > # + 1990"),
    ("like", "note LIKE '%-#-%'"),
    ("function", "UCASE(note) LIKE '%-#-OF-%'"),
    ("either", "amount = # OR note LIKE '%-#-of-1000'"),
    // No two ask the same of anything, so that each is asked.
    ("own", "amount * (# + 1) = # * (# + 1) AND note IS NOT NULL"),
    ("ownlike", "CONCAT(note, '#') LIKE '%-#-%'"),
];

/// A program, ended with this.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

struct Bench {
    home: tempfile::TempDir,
    programs: PathBuf,
    brokers: String,
    registry: String,
}

fn main() {
    let programs = programs();
    let home = tempfile::TempDir::new().unwrap();
    let log = home.path().join("dev.log");
    let dev = Command::new(programs.join("dev"))
        .args(["up", "--kafka-port", "0", "--registry-port", "0", "--data"])
        .arg(home.path().join("dev"))
        .stdout(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let dev = Program(dev);
    let exported = |name: &str| line(&log, &format!("export {name}=")).split_once('=').unwrap().1.to_owned();
    let (brokers, registry) = (exported("KAFKA_BROKERS"), exported("SCHEMA_REGISTRY_URL"));
    let bench = Bench { home, programs, brokers, registry };
    let words: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let count = words.iter().find_map(|word| word.parse().ok()).unwrap_or(RULES);
    let words: Vec<_> = words.iter().filter(|word| word.parse::<usize>().is_err()).collect();
    let is_wanted = |name: &str| words.is_empty() || words.iter().any(|word| *word == name);
    if is_wanted("idle") {
        bench.idle("idle", count, |number| {
            format!("CREATE STREAM idle_{number} AS SELECT * FROM payments WHERE amount = {number};")
        });
    }
    if is_wanted("counts") && !words.is_empty() {
        bench.idle("counts", count, |number| {
            format!(
                "CREATE TABLE counts_{number} AS SELECT account, COUNT(*) AS n FROM payments WHERE amount = {number} GROUP BY account;"
            )
        });
    }
    if is_wanted("joins") && !words.is_empty() {
        bench.idle("joins", count, |number| {
            format!(
                "CREATE STREAM joins_{number} AS SELECT p.id AS id, p.amount AS amount, a.owner AS owner FROM payments p JOIN accounts a ON p.id = a.id WHERE p.amount = {number};"
            )
        });
    }
    for (kind, condition) in KINDS.iter().filter(|(kind, _)| is_wanted(kind)) {
        let of = |number: usize| condition.replace('#', &number.to_string());
        let [one, many] = [1, count].map(|count| bench.busy(kind, count, &of));
        println!("{kind}: {count} filters cost {:.1} times one", many / one);
    }
    if is_wanted("mixed") {
        let of = |number: usize| {
            let (_, condition) = KINDS[number % KINDS.len()];
            condition.replace('#', &number.to_string())
        };
        let [one, many] = [1, count].map(|count| bench.busy("mixed", count, &of));
        println!("mixed: {count} filters cost {:.1} times one", many / one);
    }
    // Before its folder goes.
    drop(dev);
}

/// Where the programs are: in `MILLSTREAM_BIN`, or where they are built now.
fn programs() -> PathBuf {
    if let Some(folder) = std::env::var_os("MILLSTREAM_BIN") {
        return folder.into();
    }
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "-p", "millstream-cmd-rules", "-p", "millstream-cmd-dev"])
        .status();
    assert!(built.unwrap().success());
    std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_path_buf()
}

/// The first line of a file that holds these words, once it is there.
fn line(path: &Path, words: &str) -> String {
    let begun = Instant::now();
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if let Some(line) = text.lines().find(|line| line.contains(words)) {
            return line.to_owned();
        }
        assert!(begun.elapsed() < Duration::from_mins(5), "no '{words}' in {text}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn ticks(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let field = |place: usize| fields.get(place).unwrap().parse::<f64>().unwrap();
    field(11) + field(12)
}

fn status(process: u32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    status.lines().find(|line| line.starts_with(name)).unwrap().to_owned()
}

impl Bench {
    fn rules(&self, name: &str, topic: &str, count: usize, rule: impl Fn(usize) -> String) -> PathBuf {
        let with = format!("WITH (KAFKA_TOPIC='{topic}', VALUE_FORMAT='JSON', PARTITIONS=4);");
        let mut text = format!("CREATE STREAM payments {COLUMNS} {with}\n");
        text.push_str("CREATE TABLE accounts (id STRING PRIMARY KEY, owner STRING) WITH (KAFKA_TOPIC='accounts', VALUE_FORMAT='JSON', PARTITIONS=4);\n");
        (0..count).for_each(|number| writeln!(text, "{}", rule(number)).unwrap());
        let file = self.home.path().join(format!("{name}.sql"));
        fs::write(&file, text).unwrap();
        file
    }

    fn start(&self, file: &Path) -> Program {
        let log = self.home.path().join("rules.log");
        let _ = fs::remove_file(&log);
        let begun = Instant::now();
        let out = File::create(&log).unwrap();
        let rules = Command::new(self.programs.join("rules"))
            .args([
                "run",
                "--workers",
                "1",
                "--http",
                "off",
                "--brokers",
                &self.brokers,
                "--registry",
                &self.registry,
            ])
            .arg("--state-dir")
            .arg(self.home.path().join("state"))
            .arg(file)
            .stdin(Stdio::null())
            .stderr(out.try_clone().unwrap())
            .stdout(out)
            .spawn()
            .unwrap();
        let program = Program(rules);
        let said = line(&log, " running");
        println!(
            "{}: '{said}' after {:.2} s",
            file.file_stem().unwrap().display(),
            begun.elapsed().as_secs_f64()
        );
        program
    }

    /// Rules that have nothing to do, started for the first time and once more.
    fn idle(&self, name: &str, count: usize, rule: impl Fn(usize) -> String) {
        let file = self.rules(name, "payments", count, rule);
        drop(self.start(&file));
        let program = self.start(&file);
        thread::sleep(Duration::from_secs(5));
        for figure in ["VmRSS", "Threads"] {
            println!("{name}: {}", status(program.0.id(), figure));
        }
        let files = fs::read_dir(format!("/proc/{}/fd", program.0.id())).unwrap();
        let sockets = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
        let sockets = sockets.filter(|of| of.to_string_lossy().starts_with("socket:")).count();
        let before = ticks(program.0.id());
        thread::sleep(Duration::from_secs(10));
        let share = (ticks(program.0.id()) - before) / TICKS_PER_SECOND * 10.0;
        println!("{name}: {sockets} sockets, {share:.1} % of a core");
    }

    /// Processor time a record, with as many filters as told, their start left out.
    fn busy(&self, kind: &str, count: usize, condition: &dyn Fn(usize) -> String) -> f64 {
        let name = format!("{kind}_{count}");
        let file = self.rules(&name, &format!("payments_{name}"), count, |number| {
            format!("CREATE STREAM {name}_{number} AS SELECT * FROM payments WHERE {};", condition(number))
        });
        let program = self.start(&file);
        let begun = until_quiet(program.0.id());
        self.write(&format!("payments_{name}"));
        let spent = until_quiet(program.0.id()) - begun;
        println!("{name}: {:.2} µs of processor time a record", spent * 1e6 / RECORDS as f64);
        spent
    }

    fn write(&self, topic: &str) {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("linger.ms", "20")
            .create()
            .unwrap();
        for number in 0..RECORDS {
            let (account, amount) = (number % 5_000, number % RULES);
            let value = format!(
                r#"{{"ACCOUNT":"a{account}","AMOUNT":{amount},"NOTE":"payment-{amount}-of-{RULES}"}}"#
            );
            let key = number.to_string();
            while producer.send(BaseRecord::to(topic).key(&key).payload(&value)).is_err() {
                producer.poll(Duration::from_millis(10));
            }
        }
        producer.flush(Duration::from_mins(1)).unwrap();
    }
}

/// Waits until a program does next to nothing, and answers the processor time that it has had since its start.
fn until_quiet(process: u32) -> f64 {
    let (mut last, mut quiet) = (ticks(process), 0);
    while quiet < 3 {
        thread::sleep(Duration::from_secs(1));
        let now = ticks(process);
        quiet = if now - last < 8.0 { quiet + 1 } else { 0 };
        last = now;
    }
    last / TICKS_PER_SECOND
}
