//! Searches products and shows the recommendations that come back.

mod answers;
mod prompts;
mod settings;
mod show;

use std::io::{BufRead, IsTerminal, Write, stderr, stdin, stdout};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use millstream_settings::SettingsError;
use millstream_telemetry::{Verbosity, init_logs};
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use rustyline::{Editor, ExternalPrinter};

use answers::Answers;
use prompts::Prompts;
use settings::{Arguments, ClientSettings};

/// No recommendation came in the time given.
const NONE_CAME: u8 = 3;

const HELP: &str = "a product's full name searches for it; its recommendations come as they are found\n:help  this\n:quit  end";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    init_logs(if arguments.verbose { Verbosity::Verbose } else { Verbosity::Quiet });
    match run(&arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(stderr(), "client: {error:#}");
            ExitCode::from(if error.is::<SettingsError>() { 2 } else { 1 })
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let settings = ClientSettings::of(arguments)?;
    // The answers' ends are taken before anything is asked, so that none is missed.
    let answers = Answers::open(&settings)?;
    let prompts = Prompts::open(&settings)?;
    match &arguments.once {
        Some(prompt) => once(prompts, answers, prompt, Duration::from_secs_f64(arguments.wait)),
        None if stdin().is_terminal() => prompted(prompts, answers).map(|()| 0),
        None => piped(prompts, answers, Duration::from_secs_f64(arguments.wait)).map(|()| 0),
    }
}

fn once(mut prompts: Prompts, mut answers: Answers, prompt: &str, wait: Duration) -> anyhow::Result<u8> {
    prompts.ask(prompt)?;
    answers.expect(prompt);
    let deadline = Instant::now() + wait;
    while Instant::now() < deadline {
        for recommendation in answers.poll(Duration::from_millis(50))? {
            writeln!(stdout(), "{}", show::json(&recommendation))?;
            if !recommendation.products.is_empty() {
                return Ok(0);
            }
        }
    }
    Ok(NONE_CAME)
}

fn piped(mut prompts: Prompts, mut answers: Answers, wait: Duration) -> anyhow::Result<()> {
    for line in stdin().lock().lines() {
        let line = line?;
        if !line.trim().is_empty() {
            prompts.ask(line.trim())?;
            answers.expect(line.trim());
        }
    }
    let deadline = Instant::now() + wait;
    while Instant::now() < deadline {
        for recommendation in answers.poll(Duration::from_millis(50))? {
            writeln!(stdout(), "{}", show::table(&recommendation, false))?;
        }
    }
    Ok(())
}

/// Reads prompts while answers are printed above the line being typed.
fn prompted(mut prompts: Prompts, answers: Answers) -> anyhow::Result<()> {
    let mut editor: Editor<(), DefaultHistory> = Editor::new()?;
    let history = settings::history_file();
    if let Some(path) = &history {
        // There is none before the first session.
        let _ = editor.load_history(path);
    }
    let mut printer = editor.create_external_printer()?;
    let expected = answers.expected();
    std::thread::spawn(move || {
        let ended = answers.follow(|recommendation, again| {
            let _ = printer.print(format!("{}\n", show::table(recommendation, again)));
        });
        if let Err(error) = ended {
            let _ = printer.print(format!("no more answers will come: {error}\n"));
        }
    });
    loop {
        match editor.readline("search> ") {
            Ok(line) => match line.trim() {
                "" => {}
                ":quit" | ":q" => break,
                ":help" => writeln!(stdout(), "{HELP}")?,
                prompt => {
                    let _ = editor.add_history_entry(prompt);
                    answers::note(&expected, prompt);
                    prompts.ask(prompt)?;
                }
            },
            Err(ReadlineError::Interrupted | ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(path) = &history {
        let _ = editor.save_history(path);
    }
    Ok(())
}
