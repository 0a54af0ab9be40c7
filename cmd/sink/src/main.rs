//! Replicates topics to a database.

mod rows;
mod settings;
mod wiring;

use std::io::{Write, stderr, stdout};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use clap::Parser;
use millstream_http_api::{Routes, Server};
use millstream_ports::{Meter, PortError};
use millstream_replication::Figures;
use millstream_runtime::Stop;
use millstream_settings::SettingsError;
use millstream_telemetry::{Exporter, Verbosity, init_logs};
use mimalloc::MiMalloc;

use settings::{Arguments, Deed, SinkSettings};
use wiring::Follower;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long a signal waits for the transactions at hand, and for servers that do not answer.
const FAREWELL: Duration = Duration::from_secs(5);

type Worker = JoinHandle<Result<(), PortError>>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    init_logs(if arguments.verbose { Verbosity::Verbose } else { Verbosity::Normal });
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(stderr(), "sink: {error:#}");
            ExitCode::from(if error.is::<SettingsError>() { 2 } else { 1 })
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = SinkSettings::of(arguments)?;
    let Deed::Postgres(given) = &arguments.deed;
    let stop = stop_by_signal()?;
    let followers = wiring::followers(&settings)?;
    let figures: Vec<_> = followers.iter().map(Follower::figures).collect();
    let _server = serve(&settings, &figures)?;
    let running = followers.into_iter().map(|each| begin(each, &stop)).collect::<Result<Vec<_>, _>>()?;
    writeln!(stdout(), "{} topics are replicated", running.len())?;
    attend(&running, &figures, &stop, given.once);
    stop.set();
    let outcome = ended(running, &figures, Instant::now() + FAREWELL);
    let records: u64 = figures.iter().map(|each| each.records()).sum();
    writeln!(stdout(), "{records} records were replicated")?;
    outcome
}

/// What came of each worker that ends by the deadline. One that does not is in the hands of a server that does not answer, and is
/// left behind: its rows and positions are one transaction, which the database has whole or not at all.
fn ended(running: Vec<Worker>, figures: &[Arc<Figures>], deadline: Instant) -> anyhow::Result<()> {
    let mut outcome = Ok(());
    for (thread, figures) in running.into_iter().zip(figures) {
        while !thread.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        if !thread.is_finished() {
            let topic = figures.topic();
            let said = "a server does not answer; what was not committed is read again at the next start";
            let _ = writeln!(stderr(), "sink: topic '{topic}': {said}");
            continue;
        }
        let ended = thread.join().unwrap_or_else(|_| Err(PortError::stop("a worker panicked")));
        outcome = outcome.and(ended.map_err(|error| anyhow::anyhow!("topic '{}': {error}", figures.topic())));
    }
    outcome
}

fn begin(follower: Follower, stop: &Stop) -> std::io::Result<Worker> {
    let stop = stop.clone();
    thread::Builder::new().name(follower.figures().topic().to_string()).spawn(move || follower.run(&stop))
}

/// Until a signal comes, a worker ends, or all are at their ends and that is what was asked for.
fn attend(running: &[Worker], figures: &[Arc<Figures>], stop: &Stop, once: bool) {
    let is_done = || once && figures.iter().all(|each| each.lag() == Some(0));
    while !stop.is_set() && !running.iter().any(JoinHandle::is_finished) && !is_done() {
        thread::sleep(Duration::from_millis(50));
    }
}

/// The first signal lets the transactions at hand end; the second ends the program.
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

fn serve(settings: &SinkSettings, figures: &[Arc<Figures>]) -> anyhow::Result<Option<Server>> {
    let Some(address) = &settings.http_address else { return Ok(None) };
    let exporter = Exporter::new(figures.iter().map(|each| each.clone() as Arc<dyn Meter>).collect());
    let (healthy, ready) = (figures.to_vec(), figures.to_vec());
    let named = |each: &Arc<Figures>, reason: String| format!("{}: {reason}", each.topic());
    let routes = Routes {
        metrics: Arc::new(move || exporter.render()),
        healthy: Arc::new(move || {
            healthy.iter().try_for_each(|each| each.healthy().map_err(|reason| named(each, reason)))
        }),
        ready: Arc::new(move || {
            ready.iter().try_for_each(|each| each.ready().map_err(|reason| named(each, reason)))
        }),
    };
    let server = Server::start(address, routes)?;
    writeln!(stdout(), "metrics and health are on http://{}", server.address())?;
    Ok(Some(server))
}
