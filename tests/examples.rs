//! Every numbered example, run to its end: in memory, and on the embedded broker.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, missing_docs, reason = "tests")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// What each example prints, in any order: records of several keys come in no order of their own.
const EXAMPLES: [(&str, &[&str]); 11] = [
    (
        "01_emitter_and_processor",
        &[
            "lamp was said 1 times, now by ada",
            "lamp was said 2 times, now by bob",
            "lamp was said 3 times, now by cyd",
            "oak was said 1 times, now by bob",
            "two words are in the table",
        ],
    ),
    ("02_join", &["1 x desk cost 20849 cents", "2 x lamp cost 9800 cents", "rug has no price"]),
    ("03_lookup", &["ada pays 920 cents for 10 USD", "bob pays 351 cents for 3 GBP", "cyd can't pay in XXX"]),
    (
        "04_loop",
        &[
            "ada was greeted by bob, greeting number 1",
            "bob was greeted by ada, greeting number 1",
            "bob was greeted by ada, greeting number 2",
        ],
    ),
    ("05_windows", &["home from minute 0: 3 clicks", "home from minute 5: 1 clicks"]),
    (
        "06_visitor",
        &[
            "3 accounts were visited",
            "ada had 1000 cents and has 1020",
            "bob had 2000 cents and has 2040",
            "cyd had 3000 cents and has 3060",
        ],
    ),
    ("07_exactly_once", &["ada has 100 cents", "bob has 100 cents", "cyd has 100 cents"]),
    ("08_testing", &["all three hold"]),
    (
        "09_views_over_http",
        &[
            "GET /v1/tables/copy/entries/lamp: 200 2",
            r#"GET /v1/tables/copy/entries/rug: 404 "table 'copy' has no such key""#,
            "GET /v1/tables/counts/count: 2",
            "GET /v1/tables/counts/entries/lamp: 200 2",
        ],
    ),
    (
        "10_event_sourcing",
        &[
            r#"account-1 after AccountCreated { owner: "ada" }: 0"#,
            r#"account-1 after AccountCreated { owner: "ada" }: 0"#,
            "account-1 after MoneyDeposited { amount: 100 }: 100",
            "account-1 after MoneyDeposited { amount: 100 }: 100",
            "account-1 after MoneyWithdrawn { amount: 30 }: 70",
            "account-1 after MoneyWithdrawn { amount: 30 }: 70",
            "replayed from the start it is 70",
            "the balance is 70",
        ],
    ),
    ("11_functions", &["bob has mistyped the card's number", "eve has mistyped the card's number"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Builds the examples and the broker, and gives the folder they are in.
fn build() -> PathBuf {
    for what in [&["--examples"][..], &["-p", "millstream-cmd-dev", "--bins"]] {
        let built = Command::new(env!("CARGO")).arg("build").args(what).current_dir(root()).status();
        assert!(built.unwrap().success(), "{what:?} do not build");
    }
    std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_path_buf()
}

fn run(folder: &Path, name: &str, brokers: Option<&str>) {
    let home = TempDir::new().unwrap();
    let mut command = Command::new(folder.join("examples").join(name));
    command.env_remove("KAFKA_BROKERS").env("TMPDIR", home.path()).current_dir(home.path());
    if let Some(brokers) = brokers {
        command.env("KAFKA_BROKERS", brokers);
    }
    let output = command.output().unwrap();
    let (said, complained) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    let place = brokers.unwrap_or("in memory");
    assert!(output.status.success(), "{name} on {place}: {said}{complained}");
    let mut lines: Vec<_> = said.lines().collect();
    lines.sort_unstable();
    let expected = EXAMPLES.iter().find(|(known, _)| *known == name).unwrap().1;
    assert_eq!(lines, expected, "{name} on {place}");
    println!("{name} on {place}: as expected");
}

/// A broker on a port of its own, ended with this.
struct Broker(Child);

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn broker(folder: &Path, data: &Path) -> (Broker, String) {
    let mut child = Command::new(folder.join("dev"))
        .args(["up", "--kafka-port", "0", "--registry-port", "0", "--data"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("export KAFKA_BROKERS=") {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "the broker did not come up");
    }
    // What it says later has to go somewhere.
    std::thread::spawn(move || out.lines().map_while(Result::ok).for_each(drop));
    (Broker(child), line.trim().rsplit_once('=').unwrap().1.to_owned())
}

#[test]
fn every_example_prints_what_it_should_in_memory_and_on_a_broker() {
    let (folder, home) = (build(), TempDir::new().unwrap());
    let (_broker, brokers) = broker(&folder, &home.path().join("data"));
    for (name, _) in EXAMPLES {
        run(&folder, name, None);
        run(&folder, name, Some(&brokers));
    }
}

#[test]
fn every_numbered_example_is_run_here_and_named_in_the_readme() {
    let files = fs::read_dir(root().join("examples")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names
        .filter(|name| name.starts_with(|first: char| first.is_ascii_digit()))
        .map(|name| name.trim_end_matches(".rs").to_owned())
        .collect();
    names.sort();
    assert_eq!(names, EXAMPLES.map(|(name, _)| name));
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for name in names {
        assert!(readme.contains(&format!("examples/{name}.rs")), "README.md does not name {name}");
    }
}
