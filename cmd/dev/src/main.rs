//! A broker for trying out, developing and testing on one machine: Kafka's protocol without Kafka.

mod settings;

use std::fs;
use std::io::{ErrorKind, Write, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::channel;

use anyhow::Context as _;
use clap::Parser;
use millstream_broker::{Broker, BrokerError, BrokerSettings};
use millstream_telemetry::{Verbosity, init_logs};

use settings::{Arguments, Deed, Up};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    init_logs(if arguments.verbose { Verbosity::Verbose } else { Verbosity::Quiet });
    let done = match &arguments.deed {
        Deed::Up(up) => serve(up),
        Deed::Wipe { data } => wipe(data),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(stderr(), "dev: {error:#}");
            let refused = matches!(error.downcast_ref(), Some(BrokerError::NotLoopback(_)));
            ExitCode::from(if refused { 2 } else { 1 })
        }
    }
}

/// Serves until a signal comes.
fn serve(up: &Up) -> anyhow::Result<()> {
    let (stop, stopped) = channel();
    let told = move || {
        let _ = stop.send(());
    };
    ctrlc::set_handler(told).context("can't listen for signals")?;
    let broker = Broker::start(settings_of(up))?;
    say(&format!("Kafka's protocol on {}, data in {}", broker.address(), up.data.display()));
    say(&format!("export KAFKA_BROKERS={}", broker.address()));
    say("Ctrl-C stops it; the data stays");
    // The handler lives as long as the process, so this ends by a signal only.
    let _ = stopped.recv();
    broker.stop();
    say("stopped");
    Ok(())
}

fn settings_of(up: &Up) -> BrokerSettings {
    let listen = (up.listen, up.kafka_port).into();
    BrokerSettings { anywhere: up.listen_anywhere, flush: up.fsync, ..BrokerSettings::new(&up.data, listen) }
}

/// Removes the data, unless a broker is at work on it.
fn wipe(data: &Path) -> anyhow::Result<()> {
    if !data.exists() {
        say(&format!("there is nothing in {}", data.display()));
        return Ok(());
    }
    millstream_broker::prove_idle(data)?;
    match fs::remove_dir_all(data) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).context("can't remove the data"),
        _ => {
            say(&format!("removed {}", data.display()));
            Ok(())
        }
    }
}

/// Tells the user something. When nobody reads it any more, the program goes on with its work.
fn say(line: &str) {
    let _ = writeln!(stdout(), "{line}");
}
