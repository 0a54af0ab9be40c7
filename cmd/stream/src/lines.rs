use std::io::{BufRead, BufReader, IsTerminal, stdin, stdout};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use millstream_telemetry::{Lines as LogLines, Verbosity, init_logs, init_logs_to};
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Editor, ExternalPrinter};

use crate::LOOK;
use editor::Commands;
use terminal::Restored;

mod editor;
mod terminal;

const PROMPT: &str = "filter> ";

type CommandEditor = Editor<Commands, DefaultHistory>;

/// Where lines come from.
pub(crate) enum Source {
    /// A person, with a prompt, history and completion.
    Terminal(Box<CommandEditor>),
    /// A script: no prompt, and the end of the input ends the program.
    Pipe,
}

impl Source {
    /// A prompt where the program has a terminal on both sides, and makes logs go where they don't tear it.
    pub(crate) fn of_process(verbosity: Verbosity) -> Self {
        let is_terminal = stdin().is_terminal() && stdout().is_terminal();
        let Some(mut editor) = is_terminal.then(editor::open).flatten() else {
            init_logs(verbosity);
            return Self::Pipe;
        };
        let beside_a_prompt = if verbosity == Verbosity::Normal { Verbosity::Quiet } else { verbosity };
        match editor.create_external_printer() {
            Ok(printer) => log_above(beside_a_prompt, printer),
            // A terminal that can't print above a line has its logs between the lines.
            Err(_) => init_logs(beside_a_prompt),
        }
        Self::Terminal(Box::new(editor))
    }

    /// Begins to read.
    pub(crate) fn read(self) -> Lines {
        match self {
            Self::Terminal(mut editor) => {
                // Taken before the editor changes the terminal for the first time.
                let restored = Restored::when_dropped();
                let history = history_file();
                if let Some(path) = &history {
                    // There is none before the first session.
                    let _ = editor.load_history(path);
                }
                let lines = spawn(move || prompted(&mut editor, history.as_ref()));
                Lines { lines, _terminal: Some(restored) }
            }
            Self::Pipe => {
                let mut reader = BufReader::new(stdin());
                Lines { lines: spawn(move || piped(&mut reader)), _terminal: None }
            }
        }
    }
}

/// What came of waiting for a line.
pub(crate) enum Next {
    /// One came. The next is read once it is dropped, so that no prompt stands above its answer.
    Line(String, Answered),
    /// None yet.
    Nothing,
    /// There are no more.
    End,
}

/// Lets the next line be read.
pub(crate) struct Answered(SyncSender<()>);

impl Drop for Answered {
    fn drop(&mut self) {
        // The reader may have ended, and then needs no telling.
        let _ = self.0.try_send(());
    }
}

/// Lines, one at a time. Dropping it leaves the terminal as it was found.
pub(crate) struct Lines {
    lines: Receiver<(String, SyncSender<()>)>,
    _terminal: Option<Restored>,
}

impl Lines {
    /// Waits a moment for a line.
    pub(crate) fn next(&self) -> Next {
        match self.lines.recv_timeout(LOOK) {
            Ok((line, answered)) => Next::Line(line, Answered(answered)),
            Err(RecvTimeoutError::Timeout) => Next::Nothing,
            Err(RecvTimeoutError::Disconnected) => Next::End,
        }
    }
}

fn spawn(
    mut next_line: impl FnMut() -> Option<String> + Send + 'static,
) -> Receiver<(String, SyncSender<()>)> {
    let (send, lines) = sync_channel(1);
    // It ends with the process: reading a terminal can't be called off.
    thread::spawn(move || {
        while let Some(line) = next_line() {
            let (answered, turn) = sync_channel(1);
            if send.send((line, answered)).is_err() || turn.recv().is_err() {
                break;
            }
        }
    });
    lines
}

/// A script's line. One that is no text is taken as near to it as can be.
fn piped(reader: &mut impl BufRead) -> Option<String> {
    let mut line = Vec::new();
    (reader.read_until(b'\n', &mut line).ok()? > 0).then(|| String::from_utf8_lossy(&line).into_owned())
}

fn prompted(editor: &mut CommandEditor, history: Option<&PathBuf>) -> Option<String> {
    match editor.readline(PROMPT) {
        Ok(line) => {
            if !line.trim().is_empty() {
                let _ = editor.add_history_entry(&line);
            }
            // Kept at once, since the program may end while it waits for the next line.
            if let Some(path) = history {
                let _ = editor.save_history(path);
            }
            Some(line)
        }
        Err(ReadlineError::Interrupted | ReadlineError::Eof) => None,
        Err(error) => {
            tracing::error!(%error, "the terminal can't be read any more");
            None
        }
    }
}

fn log_above(verbosity: Verbosity, printer: impl ExternalPrinter + Send + 'static) {
    let printer = Arc::new(Mutex::new(printer));
    init_logs_to(verbosity, false, move || {
        let printer = printer.clone();
        LogLines(move |text: &str| {
            // The terminal is gone when this fails, and the reader of lines ends the program.
            let _ = printer.lock().unwrap_or_else(PoisonError::into_inner).print(text.to_owned());
        })
    });
}

/// Where lines are kept between sessions.
fn history_file() -> Option<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = given("XDG_STATE_HOME").or_else(|| Some(given("HOME")?.join(".local/state")))?;
    let folder = base.join("millstream");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("stream_history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_to_its_last_line() {
        let mut script = &b"lamp\r\n\n\xff\nno end"[..];
        let lines: Vec<_> = std::iter::from_fn(|| piped(&mut script)).collect();
        assert_eq!(lines, ["lamp\r\n", "\n", "\u{fffd}\n", "no end"]);
    }

    #[test]
    fn the_next_line_is_read_when_the_last_was_answered() {
        let mut left = vec!["b", "a"];
        let lines = Lines { lines: spawn(move || left.pop().map(str::to_owned)), _terminal: None };
        let mut taken = Vec::new();
        loop {
            match lines.next() {
                Next::Line(line, answered) => {
                    assert!(matches!(lines.next(), Next::Nothing), "it waits for its answer");
                    taken.push(line);
                    drop(answered);
                }
                Next::Nothing => {}
                Next::End => break,
            }
        }
        assert_eq!(taken, ["a", "b"]);
    }
}
