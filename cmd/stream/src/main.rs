//! Filters products by a part of their name, and tells when their images are complete.

mod repl;
mod settings;
mod topics;
mod wiring;

use std::io::{IsTerminal, Write, stdin, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Parser;
use millstream_http_api::{Routes, Server};
use millstream_ports::Meter;
use millstream_runtime::Running;
use millstream_settings::SettingsError;
use millstream_telemetry::{Exporter, Verbosity, init_logs};

use settings::{Arguments, Deed, StreamSettings};
use wiring::Stream;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let has_prompt = arguments.deed.is_none() && !arguments.no_repl && stdin().is_terminal();
    init_logs(if arguments.verbose {
        Verbosity::Verbose
    } else if has_prompt {
        Verbosity::Quiet
    } else {
        Verbosity::Normal
    });
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "stream: {error:#}");
            ExitCode::from(if error.is::<SettingsError>() { 2 } else { 1 })
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = StreamSettings::of(arguments)?;
    match &arguments.deed {
        Some(Deed::Topics { partitions, .. }) => topics::create(&settings, *partitions),
        None => process(arguments, &settings),
    }
}

fn process(arguments: &Arguments, settings: &StreamSettings) -> anyhow::Result<()> {
    let stream = Stream::start(settings)?;
    if let Some(text) = &arguments.filter {
        stream.set_filter(text)?;
    }
    let _server = serve(settings, &stream.running)?;
    let stop = stream.running.stopper();
    ctrlc::set_handler(move || stop.set())?;
    if arguments.no_repl {
        wait(&stream.running);
    } else {
        repl::run(&stream)?;
    }
    Ok(stream.finish()?)
}

fn wait(running: &Running) {
    while !running.is_finished() && !running.stopper().is_set() {
        thread::sleep(Duration::from_millis(50));
    }
}

fn serve(settings: &StreamSettings, running: &Running) -> anyhow::Result<Option<Server>> {
    let Some(address) = &settings.http_address else { return Ok(None) };
    let status = running.status();
    let exporter = Exporter::new(vec![status.clone() as Arc<dyn Meter>]);
    let (healthy, ready) = (status.clone(), status);
    let routes = Routes {
        metrics: Arc::new(move || exporter.render()),
        healthy: Arc::new(move || healthy.snapshot().failure.map_or(Ok(()), Err)),
        ready: Arc::new(move || ready.ready()),
    };
    let server = Server::start(address, routes)?;
    writeln!(stdout(), "metrics and health are on http://{}", server.address())?;
    Ok(Some(server))
}
