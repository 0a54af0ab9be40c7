use std::fs;
use std::io::{Write, stdout};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::bail;
use comfy_table::Table;
use millstream_ports::PortError;
use millstream_telemetry::{Lines, Verbosity, init_logs_to};
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Editor, ExternalPrinter};

use crate::figures::Figures;
use crate::settings::{self, ClientSettings};
use crate::show;
use crate::typed::Typed;
use crate::wiring::{self, ClientAnswers, ClientSearch};

const PROMPT: &str = "search> ";

const HELP: &str = "\
a product's full name   searches for it; recommendations come as they are found, and again when they change
:help                   this
:quit                   ends, as Ctrl-D and Ctrl-C do";

/// How long the follower waits for an answer at a time.
const POLL_WAIT: Duration = Duration::from_millis(500);

/// Prints above the line being typed, and leaves that whole.
type Printer = Arc<Mutex<dyn ExternalPrinter + Send>>;

/// Reads prompts, while answers and logs are printed above them.
pub(crate) fn run(settings: &ClientSettings, figures: &Arc<Figures>) -> anyhow::Result<()> {
    let mut editor: Editor<(), DefaultHistory> = Editor::new()?;
    let printer: Printer = Arc::new(Mutex::new(editor.create_external_printer()?));
    let_logs_pass(settings.verbosity, printer.clone());
    let (mut search, answers) = wiring::open(settings)?;
    let follower = follow(answers, settings.is_json, printer, figures.clone())?;
    let history = settings::history_file();
    if let Some(path) = &history {
        // There is none before the first session.
        let _ = editor.load_history(path);
    }
    say(&format!("searching as {}; :help tells what can be typed", settings.user))?;
    let ended = read_prompts(&mut editor, &mut search, &follower, figures);
    if let Some(path) = &history {
        keep_history(&mut editor, path);
    }
    ended
}

fn read_prompts(
    editor: &mut Editor<(), DefaultHistory>,
    search: &mut ClientSearch,
    follower: &JoinHandle<()>,
    figures: &Figures,
) -> anyhow::Result<()> {
    loop {
        let line = match editor.readline(PROMPT) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted | ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match Typed::from(line.as_str()) {
            Typed::Nothing => {}
            Typed::Quit => return Ok(()),
            Typed::Help => say(HELP)?,
            Typed::Unknown(command) => say(&format!("there is no command {command}; :help lists them"))?,
            Typed::Prompt(prompt) => {
                editor.add_history_entry(prompt)?;
                ask(search, prompt, figures)?;
            }
        }
        if follower.is_finished() {
            bail!("no more recommendations can come; the reason is told above");
        }
    }
}

/// A prompt that could not be sent is told, and the next one may fare better.
fn ask(search: &mut ClientSearch, prompt: &str, figures: &Figures) -> anyhow::Result<()> {
    match figures.asked(search.ask(prompt)) {
        Ok(()) => say("asked; recommendations come as they are found"),
        Err(error) => say(&format!("not asked: {error}")),
    }
}

/// Prints answers from a thread of its own. It ends by a failure, which it tells, or with the program.
fn follow(
    mut answers: ClientAnswers,
    is_json: bool,
    printer: Printer,
    figures: Arc<Figures>,
) -> anyhow::Result<JoinHandle<()>> {
    let body = move || {
        if let Err(error) = print_answers(&mut answers, is_json, &printer, &figures) {
            print(&printer, format!("recommendations can't be read any more: {error}\n"));
        }
    };
    Ok(thread::Builder::new().name("answers".to_owned()).spawn(body)?)
}

fn print_answers(
    answers: &mut ClientAnswers,
    is_json: bool,
    printer: &Printer,
    figures: &Figures,
) -> Result<(), PortError> {
    loop {
        for answer in figures.came(answers.poll(POLL_WAIT)?).iter().filter(|answer| answer.is_news()) {
            match show::answer(answer, is_json, Table::new().width()) {
                Ok(text) => print(printer, format!("{text}\n")),
                Err(error) => tracing::warn!(%error, "an answer can't be shown"),
            }
        }
    }
}

fn let_logs_pass(verbosity: Verbosity, printer: Printer) {
    init_logs_to(verbosity, false, move || {
        let printer = printer.clone();
        Lines(move |text: &str| print(&printer, text.to_owned()))
    });
}

fn print(printer: &Printer, text: String) {
    // The terminal is gone when this fails, and the reader of lines ends the program.
    let _ = printer.lock().unwrap_or_else(PoisonError::into_inner).print(text);
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(stdout(), "{text}")?)
}

fn keep_history(editor: &mut Editor<(), DefaultHistory>, path: &Path) {
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
    let kept = folder.map_err(ReadlineError::from).and_then(|()| editor.save_history(path));
    if let Err(error) = kept {
        tracing::warn!(path = %path.display(), %error, "the history of searches could not be kept");
    }
}
