//! Searches products and shows the recommendations that come back.

mod figures;
mod repl;
mod script;
mod settings;
mod show;
mod typed;
mod wiring;

use std::io::{IsTerminal, Write, stderr, stdin, stdout};
use std::process::{self, ExitCode};
use std::sync::Arc;

use clap::Parser;
use millstream_http_api::Server;
use millstream_runtime::Stop;
use millstream_settings::SettingsError;
use millstream_telemetry::{Exporter, init_logs};

use figures::Figures;
use settings::{Arguments, ClientSettings};

/// No recommendation came in the time given.
const NONE_CAME: u8 = 3;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(stderr(), "client: {error:#}");
            ExitCode::from(if error.is::<SettingsError>() { 2 } else { 1 })
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let settings = ClientSettings::of(arguments)?;
    let figures = Arc::new(Figures::default());
    let exporter = Exporter::new(vec![figures.clone()]);
    let _server = Server::of_figures(settings.http_address.as_deref(), move || exporter.render())?;
    if arguments.once.is_none() && stdin().is_terminal() && stdout().is_terminal() {
        return repl::run(&settings, &figures).map(|()| ExitCode::SUCCESS);
    }
    init_logs(settings.verbosity);
    let (search, answers) = wiring::open(&settings)?;
    let stop = stop_by_signal()?;
    let Some(prompt) = &arguments.once else {
        return script::piped(search, answers, &settings, &figures, &stop).map(|()| ExitCode::SUCCESS);
    };
    let came = script::once(search, answers, prompt, (settings.wait, &*figures), &stop)?;
    Ok(if came { ExitCode::SUCCESS } else { ExitCode::from(NONE_CAME) })
}

/// The first signal ends the waiting; the second ends the program.
fn stop_by_signal() -> anyhow::Result<Stop> {
    let stop = Stop::new();
    let stopper = stop.clone();
    ctrlc::set_handler(move || {
        if stopper.is_set() {
            process::exit(1);
        }
        stopper.set();
    })?;
    Ok(stop)
}
