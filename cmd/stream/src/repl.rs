use std::io::{BufRead, IsTerminal, Write, stdin, stdout};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use millstream_runtime::Snapshot;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, Helper};

use crate::wiring::Stream;

/// How often a wait for input looks whether the processor still runs.
const LOOK: Duration = Duration::from_millis(100);

const HELP: &str = "\
a text       pass on only products whose name contains it
an empty line  pass on all products
:status      filter, partitions, lag, rates, table size
:get KEY     what the group table holds of a product
:help        this list
:quit        drain, commit and end";

const COMMANDS: [&str; 4] = [":status", ":get ", ":help", ":quit"];

/// Takes lines until the user or the processor ends.
pub(crate) fn run(stream: &Stream) -> anyhow::Result<()> {
    let lines = if stdin().is_terminal() { prompted() } else { piped() };
    let mut rates = Rates::new(&stream.running.status().snapshot());
    say(&told(&stream.filter()?));
    while !stream.running.is_finished() && !stream.running.stopper().is_set() {
        match lines.recv_timeout(LOOK) {
            Ok((line, next)) => {
                if !answer(stream, &line, &mut rates) {
                    break;
                }
                // The prompt comes back only now, so that it never stands above its answer.
                let _ = next.send(());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    Ok(())
}

/// A line, and the way to ask for the next.
type Line = (String, SyncSender<()>);

fn read_on(mut next_line: impl FnMut() -> Option<String> + Send + 'static) -> Receiver<Line> {
    let (send, lines) = sync_channel(1);
    // It ends with the process: a read of the terminal can't be called off.
    thread::spawn(move || {
        while let Some(line) = next_line() {
            let (next, answered) = sync_channel(1);
            if send.send((line, next)).is_err() || answered.recv().is_err() {
                break;
            }
        }
    });
    lines
}

fn piped() -> Receiver<Line> {
    let mut reader = std::io::BufReader::new(stdin());
    read_on(move || {
        let mut line = String::new();
        (reader.read_line(&mut line).ok()? > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
    })
}

/// Completes the commands, and adds nothing else to the line.
struct Commands;

impl Helper for Commands {}
impl Highlighter for Commands {}
impl Validator for Commands {}

impl Hinter for Commands {
    type Hint = String;
}

impl Completer for Commands {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        _position: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let fitting = COMMANDS.iter().filter(|command| !line.is_empty() && command.starts_with(line));
        Ok((0, fitting.map(ToString::to_string).collect()))
    }
}

fn prompted() -> Receiver<Line> {
    let mut editor: Option<Editor<Commands, DefaultHistory>> = Editor::new().ok();
    if let Some(editor) = &mut editor {
        editor.set_helper(Some(Commands));
        if let Some(path) = history() {
            let _ = editor.load_history(&path);
        }
    }
    read_on(move || {
        let editor = editor.as_mut()?;
        match editor.readline("filter> ") {
            Ok(line) => {
                let _ = editor.add_history_entry(&line);
                if let Some(path) = history() {
                    let _ = editor.save_history(&path);
                }
                Some(line)
            }
            Err(ReadlineError::Interrupted | ReadlineError::Eof | _) => None,
        }
    })
}

fn history() -> Option<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder =
        given("XDG_STATE_HOME").or_else(|| Some(given("HOME")?.join(".local/state")))?.join("millstream");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("stream_history"))
}

/// Answers one line; `false` ends the session.
fn answer(stream: &Stream, line: &str, rates: &mut Rates) -> bool {
    let line = line.trim();
    match line.split_once(' ').map_or((line, ""), |(command, rest)| (command, rest.trim())) {
        (":quit" | ":q", _) => return false,
        (":help", _) => say(HELP),
        (":status", _) => say(&status(stream, rates)),
        (":get", "") => say("usage: :get KEY"),
        (":get", key) => say(&product(stream, key)),
        (command, _) if command.starts_with(':') => {
            say(&format!("there is no command {command}; :help lists them"));
        }
        _ => match stream.set_filter(line) {
            Ok(()) => say(&told(line)),
            Err(error) => say(&format!("the filter could not be set: {error:#}")),
        },
    }
    true
}

fn told(filter: &str) -> String {
    if filter.is_empty() {
        "filter: none, all products pass".to_owned()
    } else {
        format!("filter: \"{filter}\"")
    }
}

fn say(text: &str) {
    let mut out = stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Remembers the last figures, to tell rates.
struct Rates {
    at: Instant,
    records_in: u64,
    records_out: u64,
}

impl Rates {
    fn new(now: &Snapshot) -> Self {
        let sum = |counts: &[(millstream_model::TopicName, u64)]| counts.iter().map(|(_, count)| count).sum();
        Self { at: Instant::now(), records_in: sum(&now.records_in), records_out: sum(&now.records_out) }
    }

    /// Records a second, in and out, since the last call.
    fn since(&mut self, now: &Snapshot) -> (f64, f64) {
        let next = Self::new(now);
        let seconds = next.at.duration_since(self.at).as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "rates are told in whole records")]
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let rates = (rate(next.records_in, self.records_in), rate(next.records_out, self.records_out));
        *self = next;
        rates
    }
}

fn status(stream: &Stream, rates: &mut Rates) -> String {
    let now = stream.running.status().snapshot();
    let (rate_in, rate_out) = rates.since(&now);
    let mut lines = vec![stream.filter().map_or_else(|error| error.to_string(), |filter| told(&filter))];
    for partition in &now.partitions {
        let state = if partition.is_running {
            "running".to_owned()
        } else {
            format!("recovering, {} records to go", partition.remaining)
        };
        let lag = partition.lag.map_or("unknown".to_owned(), |lag| lag.to_string());
        lines.push(format!(
            "partition {}: {state}, replayed {}, lag {lag}",
            partition.partition, partition.replayed
        ));
    }
    let of = |counts: &[(millstream_model::TopicName, u64)]| {
        counts.iter().map(|(topic, count)| format!("{topic} {count}")).collect::<Vec<_>>().join(", ")
    };
    lines.push(format!("in: {} ({rate_in:.0}/s)", of(&now.records_in)));
    lines.push(format!("out: {} ({rate_out:.0}/s)", of(&now.records_out)));
    lines.push(format!("lag: {}", now.lag()));
    let size = stream
        .running
        .table()
        .count()
        .map_or_else(|error| error.to_string(), |count| format!("{count} keys"));
    lines.push(format!("table: {size}"));
    lines.join("\n")
}

fn product(stream: &Stream, key: &str) -> String {
    let found = stream.state(key, |state| {
        let product = &state.product;
        format!(
            "{key}: {} at {} {}\n  seen {} times, images {} of {}, {}",
            product.name.as_str(),
            product.price.amount,
            product.price.currency.as_str(),
            state.seen,
            product.images.len(),
            product.image_count,
            if state.completed_at.is_some() { "complete" } else { "not complete" },
        )
    });
    match found {
        Ok(Some(text)) => text,
        Ok(None) => format!("{key} is not in the partitions that this instance owns"),
        Err(error) => format!("{key} can't be read: {error:#}"),
    }
}
