use std::io::{self, BufRead, Write, stdin, stdout};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use millstream_runtime::Stop;

use crate::figures::Figures;
use crate::settings::ClientSettings;
use crate::show;
use crate::typed::Typed;
use crate::wiring::{ClientAnswers, ClientSearch};

/// The longest wait between two looks at what else there is to do.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Lines read ahead.
const LINES_MAX: usize = 64;

/// Asks one prompt and prints its answers as JSON, until one has a product; whether one did.
pub(crate) fn once(
    mut search: ClientSearch,
    mut answers: ClientAnswers,
    prompt: &str,
    (wait, figures): (Duration, &Figures),
    stop: &Stop,
) -> anyhow::Result<bool> {
    figures.asked(search.ask(prompt))?;
    let deadline = Instant::now() + wait;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        for answer in figures.came(answers.poll(left.min(LOOK_AGAIN))?) {
            writeln!(stdout(), "{}", show::json(&answer)?)?;
            if !answer.recommendation.products.is_empty() {
                return Ok(true);
            }
        }
        if left.is_zero() || stop.is_set() {
            return Ok(false);
        }
    }
}

/// Asks each line of standard input, and prints the answers as they come, until the wait after the last line is over.
pub(crate) fn piped(
    mut search: ClientSearch,
    mut answers: ClientAnswers,
    settings: &ClientSettings,
    figures: &Figures,
    stop: &Stop,
) -> anyhow::Result<()> {
    let lines = lines_of_stdin()?;
    let mut deadline: Option<Instant> = None;
    while !stop.is_set() && deadline.is_none_or(|deadline| Instant::now() < deadline) {
        let is_over = deadline.is_none() && ask_all(&lines, &mut search, figures)?;
        if is_over {
            deadline = Some(Instant::now() + settings.wait);
        }
        for answer in figures.came(answers.poll(LOOK_AGAIN)?).iter().filter(|answer| answer.is_news()) {
            writeln!(stdout(), "{}", show::answer(answer, settings.is_json, None)?)?;
        }
    }
    Ok(())
}

/// Asks the lines that are there; whether there will be no more.
fn ask_all(
    lines: &Receiver<io::Result<String>>,
    search: &mut ClientSearch,
    figures: &Figures,
) -> anyhow::Result<bool> {
    loop {
        match lines.try_recv() {
            Ok(line) => match Typed::from(line?.as_str()) {
                Typed::Prompt(prompt) => figures.asked(search.ask(prompt))?,
                Typed::Quit => return Ok(true),
                Typed::Nothing => {}
                Typed::Help | Typed::Unknown(_) => tracing::warn!("commands are for the prompt; passed over"),
            },
            Err(TryRecvError::Empty) => return Ok(false),
            Err(TryRecvError::Disconnected) => return Ok(true),
        }
    }
}

/// Reads on a thread of its own, so that a pipe that stays open and silent holds up nothing.
fn lines_of_stdin() -> io::Result<Receiver<io::Result<String>>> {
    let (sender, receiver) = sync_channel(LINES_MAX);
    let read = move || {
        for line in stdin().lock().lines() {
            if sender.send(line).is_err() {
                break;
            }
        }
    };
    thread::Builder::new().name("lines".to_owned()).spawn(read)?;
    Ok(receiver)
}
