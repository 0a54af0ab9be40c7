//! Filters products by a part of their name, and tells when their images are complete.

mod dead_letters;
mod ending;
mod health;
mod letters;
mod lines;
mod rates;
mod repl;
mod settings;
mod show;
mod topics;
mod typed;
mod wiring;

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Parser;
use millstream_runtime::Running;
use millstream_settings::SettingsError;
use millstream_telemetry::init_logs;
use mimalloc::MiMalloc;

use ending::Ending;
use health::{Face, Health};
use lines::Source;
use settings::{Arguments, Deed, LetterSettings, StreamSettings};
use wiring::Stream;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How often a wait looks whether the processor still runs.
const LOOK: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(stderr(), "stream: {error:#}");
            ExitCode::from(if error.is::<SettingsError>() { 2 } else { 1 })
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(Deed::DeadLetters { verb }) = &arguments.deed {
        let settings = LetterSettings::of(arguments)?;
        init_logs(settings.verbosity);
        return letters::run(&settings, verb, arguments.verbose);
    }
    let mut settings = StreamSettings::of(arguments)?;
    if let Some(Deed::Topics { partitions, .. }) = &arguments.deed {
        init_logs(settings.verbosity);
        return topics::create(&settings, *partitions);
    }
    settings.spans = wiring::spans(&settings.all)?;
    process(arguments, &settings)
}

fn process(arguments: &Arguments, settings: &StreamSettings) -> anyhow::Result<()> {
    let source = if arguments.no_repl { None } else { Some(Source::of_process(settings.verbosity)) };
    if source.is_none() {
        init_logs(settings.verbosity);
    }
    let ending = Ending::by_signals()?;
    let health = Health::default();
    let face = health.serve(settings)?;
    let stream = Arc::new(Stream::start(settings, arguments.filter.as_deref())?);
    ending.stops(&stream.running);
    health.tells_of(&stream.running);
    if let Some(face) = &face {
        face.shows(&stream)?;
    }
    say(&show::filter(&stream.filter()?));
    match source {
        Some(source) => repl::run(&stream, source),
        None => wait(&stream.running),
    }
    finish(stream, face)
}

/// Ends what asks the stream before the stream itself.
fn finish(stream: Arc<Stream>, face: Option<Face>) -> anyhow::Result<()> {
    drop(face);
    match Arc::try_unwrap(stream) {
        Ok(stream) => Ok(stream.finish()?),
        Err(_) => anyhow::bail!("a request did not end"),
    }
}

fn wait(running: &Running) {
    while !running.is_finished() && !running.stopper().is_set() {
        thread::sleep(LOOK);
    }
}

/// Tells the user something. When nobody reads it any more, the program goes on with its work.
fn say(text: &str) {
    let mut out = stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}
