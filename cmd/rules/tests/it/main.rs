//! The console as a person meets it, in a terminal of its own, and as a script does, over a server in memory.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

mod alone;
#[path = "../../../../internal/infra/http-api/tests/it/browser.rs"]
#[allow(clippy::indexing_slicing, clippy::must_use_candidate, dead_code, unreachable_pub, reason = "tests")]
mod browser;
mod instance;
mod page;
mod traces;

use std::io::{Read, Write};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use millstream_json_codec::JsonRows;
use millstream_ports::{DelimitedRows, KafkaRows, NoRows};
use millstream_rule_engine::{Formats, Server, ServerSettings, Session, Statements};
use millstream_rules_api::{ApiSettings, RulesApi};
use millstream_runtime::Settings;
use millstream_sim::Sim;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};

/// Long enough for any machine.
const LONG: Duration = Duration::from_mins(1);

const WIDTH: u16 = 60;

struct Served {
    api: RulesApi,
    server: Arc<Server<Sim>>,
}

fn served() -> Served {
    let formats = Formats::default()
        .with("DELIMITED", Arc::new(DelimitedRows))
        .with("JSON", Arc::new(JsonRows::new()))
        .with("KAFKA", Arc::new(KafkaRows))
        .with("NONE", Arc::new(NoRows));
    let rules =
        Settings { workers: 1, commit_interval: Some(Duration::from_millis(10)), ..Settings::default() };
    let settings = ServerSettings { rules, ..ServerSettings::default() };
    let server = Arc::new(Server::start(Sim::live(), formats, settings).unwrap());
    let address = "127.0.0.1:0".to_owned();
    let api = RulesApi::start(server.clone(), &ApiSettings { address, ..ApiSettings::default() }).unwrap();
    let all = Served { api, server };
    all.run("CREATE STREAM events (id STRING KEY, kind STRING, amount INT) WITH (KAFKA_TOPIC='events', PARTITIONS=1, KEY_FORMAT='KAFKA', VALUE_FORMAT='DELIMITED')");
    all
}

impl Served {
    fn run(&self, text: &str) {
        self.server.run(&mut Session::new(), text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    }

    fn url(&self) -> String {
        format!("http://{}", self.api.address())
    }

    /// Runs the console on arguments.
    fn console(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rules"));
        command.args(["console", "--server", &self.url()]).args(arguments).output().unwrap()
    }
}

/// A console in a terminal, and what it has shown since it was last looked at.
struct Terminal {
    keys: Box<dyn Write + Send>,
    screen: Receiver<Vec<u8>>,
    seen: String,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    home: tempfile::TempDir,
    _pair: Box<dyn portable_pty::MasterPty + Send>,
}

impl Terminal {
    fn open(served: &Served) -> Self {
        let pair = native_pty_system()
            .openpty(PtySize { rows: 40, cols: WIDTH, pixel_width: 0, pixel_height: 0 })
            .unwrap();
        let home = tempfile::tempdir().unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_rules"));
        command.args(["console", "--server", &served.url()]);
        command.env("TERM", "xterm");
        command.env("XDG_STATE_HOME", home.path());
        command.cwd(home.path());
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let keys = pair.master.take_writer().unwrap();
        let (out, screen) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if out.send(buffer.iter().take(count).copied().collect()).is_err() {
                    return;
                }
            }
        });
        let mut terminal = Self { keys, screen, seen: String::new(), child, home, _pair: pair.master };
        terminal.sees("rules> ");
        terminal
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits until the screen shows this, and answers what was shown up to there.
    fn sees(&mut self, words: &str) -> String {
        let begun = Instant::now();
        loop {
            if let Some(at) = self.seen.find(words) {
                let rest = self.seen.split_off(at + words.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            assert!(begun.elapsed() < LONG, "no {words:?} on the screen: {:?}", self.seen);
            if let Ok(bytes) = self.screen.recv_timeout(Duration::from_millis(50)) {
                self.seen += &String::from_utf8_lossy(&bytes);
            }
        }
    }
}

#[test]
fn statements_are_typed_over_several_lines_and_answered_in_columns() {
    let served = served();
    served.run(
        "INSERT INTO events (id, kind, amount) VALUES ('a', 'a text that is too long for its column', 7)",
    );
    let mut terminal = Terminal::open(&served);
    terminal.types("SELECT id, kind,\r");
    terminal.types("amount FROM events;\r");
    let shown = terminal.sees("1 row");
    assert!(shown.contains('…') && shown.contains("AMOUNT"), "{shown}");
    for line in shown.lines().filter(|line| line.starts_with(['|', '+'])) {
        assert!(line.trim_end().chars().count() <= usize::from(WIDTH), "{line}");
    }
    terminal.types("SELECT knd FROM events;\r");
    let shown = terminal.sees("^");
    assert!(shown.contains("there is no column KND") && shown.contains("1 | SELECT knd"), "{shown}");
    terminal.types("DESCRIBE ev\t;\r");
    terminal.sees("EVENTS (stream)");
    terminal.types("exit\r");
    assert!(terminal.child.wait().unwrap().success());
}

#[test]
fn interrupting_ends_a_query_and_not_the_console() {
    let served = served();
    let mut terminal = Terminal::open(&served);
    terminal.types("SELECT id FROM events EMIT CHANGES;\r");
    terminal.sees("| ID");
    served.run("INSERT INTO events (id, amount) VALUES ('first', 1)");
    terminal.sees("first");
    terminal.types("\u{3}");
    terminal.sees("1 row");
    // What is typed while there is no prompt is not the console's.
    for keys in [
        "half of one\u{3}",
        "SPOOL 'said.txt'\r",
        "SHOW VARIABLES;\r",
        "SPOOL OFF\r",
        "SHOW QUERIES;\r",
        "\u{4}",
    ] {
        terminal.sees("rules> ");
        terminal.types(keys);
    }
    assert!(terminal.child.wait().unwrap().success());
    let spooled = std::fs::read_to_string(terminal.home.path().join("said.txt")).unwrap();
    assert_eq!(spooled, "there are none\n");
}

#[test]
fn interrupting_ends_the_printing_of_a_topic() {
    let served = served();
    served.run("INSERT INTO events (id, amount) VALUES ('first', 1)");
    let mut terminal = Terminal::open(&served);
    terminal.types("PRINT events FROM BEGINNING;\r");
    terminal.sees("key: first");
    terminal.types("\u{3}");
    terminal.sees("rules> ");
    terminal.types("\u{4}");
    assert!(terminal.child.wait().unwrap().success());
}

#[test]
fn scripts_are_carried_out_up_to_the_first_mistake() {
    let served = served();
    let folder = tempfile::tempdir().unwrap();
    let (outer, inner) = (folder.path().join("outer.sql"), folder.path().join("inner.sql"));
    std::fs::write(&inner, "INSERT INTO events (id, amount) VALUES ('${who}', 3);\n").unwrap();
    let text = format!(
        "DEFINE who = 'me'; SET 'auto.offset.reset' = 'earliest'; RUN SCRIPT '{}';\nSELECT id, amount FROM events EMIT CHANGES LIMIT 1;\nSELECT nothing FROM events;\nSHOW STREAMS;",
        inner.display()
    );
    std::fs::write(&outer, text).unwrap();
    let output = served.console(&["--output", "json", "--file", outer.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("{\"ID\":\"me\",\"AMOUNT\":3}") && said.contains("no column NOTHING"), "{said}");
    let nested = served.console(&["-e", &format!("DEFINE who = 'x'; RUN SCRIPT '{}';", outer.display())]);
    let told = String::from_utf8(nested.stdout).unwrap();
    assert!(told.matches("error:").count() == 1, "a mistake is told once: {told}");
    assert!(!said.contains("\"streams\""), "what stands behind the mistake is not run: {said}");
    assert!(output.stderr.is_empty(), "and it is told once");
    let fine = served.console(&["--execute", "SHOW STREAMS; PRINT events FROM BEGINNING LIMIT 1;"]);
    let said = String::from_utf8(fine.stdout).unwrap();
    assert!(fine.status.success() && said.contains("EVENTS") && said.contains("key: me"), "{said}");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rules"));
    let output =
        command.args(["console", "--server", "127.0.0.1:1", "-e", "SHOW STREAMS;"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("no server answers on http://127.0.0.1:1"), "{said}");
}

/// Runs `rules check` in a folder with these files, where nobody has said where Kafka and the registry are.
fn checked(files: &[(&str, &[u8])]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_rules"));
    command.env_remove("KAFKA_BROKERS").env_remove("SCHEMA_REGISTRY_URL");
    let output = command.args(["check", "."]).current_dir(folder.path()).output().unwrap();
    drop(folder);
    output
}

const DECLARED: &str =
    "CREATE STREAM a (id STRING KEY, x INT) WITH (KAFKA_TOPIC='a', VALUE_FORMAT='JSON');\r\n";

#[test]
fn what_is_wrong_with_all_files_is_told_at_once() {
    let first = format!("{DECLARED}CREATE STREAM b AS SELECT nope FROM a;");
    let second = "CREATE STREAM c AS SELECT id, none FROM a;";
    let output =
        checked(&[("1.sql", first.as_bytes()), ("1a.sql", &[0xff][..]), ("2.sql", second.as_bytes())]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("can't read ./1a.sql"), "{said}");
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("1.sql:2:") && said.contains("no column NOPE"), "{said}");
    assert!(said.contains("2.sql:1:") && said.contains("no column NONE"), "{said}");
    assert!(!said.contains("no stream or table"), "what the first file declares is known: {said}");
}

#[test]
fn a_check_wants_the_registry_only_for_columns_that_are_left_out() {
    let left_out = "CREATE STREAM p (id STRING KEY) WITH (KAFKA_TOPIC='p', VALUE_FORMAT='AVRO');";
    let output = checked(&[("1.sql", left_out.as_bytes())]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("1.sql:1:") && said.contains("SCHEMA_REGISTRY_URL is not set"), "{said}");
    let declared =
        left_out.replace("KEY)", "KEY, x INT)") + "CREATE STREAM q AS SELECT id, x + 1 AS y FROM p;";
    let output = checked(&[("1.sql", declared.as_bytes())]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn files_with_variables_and_with_a_byte_order_mark_are_read() {
    let marked =
        format!("\u{feff}DEFINE what = 'id';\r\n{DECLARED}CREATE STREAM b AS SELECT ${{what}}, x FROM a;");
    let output = checked(&[("1.sql", marked.as_bytes())]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "1 rule is fine\n");
}

#[test]
fn empty_lists_and_maps_are_inserted_as_such_and_numbers_keep_their_digits() {
    let served = served();
    served.run("CREATE STREAM nested (id STRING KEY, a ARRAY<STRUCT<`x y` INT>>, m MAP<STRING, INT>, s STRUCT<b ARRAY<INT>, `c` DECIMAL(30, 2)>) WITH (KAFKA_TOPIC='n', PARTITIONS=1, KEY_FORMAT='KAFKA', VALUE_FORMAT='JSON')");
    let rows = [
        r#"{"target":"nested"}"#,
        r#"{"id":"k","a":[],"m":{},"s":{"b":[],"`c`":12345678901234567890.10}}"#,
        r#"{"id":"l","a":[{"`x y`":1},null],"m":{"q":null},"s":null}"#,
    ];
    let post = |path: &str, body: String| {
        let asked = reqwest::blocking::Client::new().post(format!("{}{path}", served.url())).body(body);
        asked.send().unwrap().text().unwrap()
    };
    let told = post("/inserts-stream", rows.join("\n"));
    assert_eq!(told.matches("\"ok\"").count(), 2, "{told}");
    let told = post("/query-stream", r#"{"sql": "SELECT * FROM nested;"}"#.to_owned());
    assert!(told.contains(r#"["l",[{"x y":1},null],{"q":null},null]"#), "{told}");
    assert!(told.contains(r#"["k",[],{},{"B":[],"c":12345678901234567890.10}]"#), "{told}");
    served.run("INSERT INTO nested (id, s) VALUES ('m', STRUCT(b := ARRAY[1], `c` := 12345678901234567890123456.70))");
    let shown =
        served.console(&["--output", "json", "-e", "SELECT id, s->`c` AS c FROM nested WHERE id = 'm';"]);
    let said = String::from_utf8(shown.stdout).unwrap();
    assert_eq!(said.lines().next(), Some(r#"{"ID":"m","C":12345678901234567890123456.70}"#), "{said}");
}
