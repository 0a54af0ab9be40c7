//! A broker for trying out, developing and testing on one machine: Kafka's protocol without Kafka.

mod demo;
mod schemas;
mod settings;

use std::fs;
use std::io::{ErrorKind, Write, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};

use anyhow::Context as _;
use clap::Parser;
use millstream_broker::{Broker, BrokerError, BrokerSettings};
use millstream_registry::{Registry, RegistryError};
use millstream_telemetry::{Verbosity, init_logs};

use settings::{Arguments, Deed, Demo, Schemas, Up};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    init_logs(if arguments.verbose { Verbosity::Verbose } else { Verbosity::Quiet });
    let done = match &arguments.deed {
        Deed::Up(up) => serve(up),
        Deed::Demo(demo) => show(demo),
        Deed::Registry(schemas) => serve_schemas(schemas),
        Deed::Wipe { data } => wipe(data),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(stderr(), "dev: {error:#}");
            let refused = matches!(error.downcast_ref(), Some(BrokerError::NotLoopback(_)))
                || matches!(error.downcast_ref(), Some(RegistryError::Open(_)));
            ExitCode::from(if refused { 2 } else { 1 })
        }
    }
}

/// Serves until a signal comes.
fn serve(up: &Up) -> anyhow::Result<()> {
    let stopped = signals()?;
    let stack = Stack::start(up)?;
    say(&format!("Kafka's protocol on {}, data in {}", stack.brokers(), up.data.display()));
    say(&format!("export KAFKA_BROKERS={}", stack.brokers()));
    if stack.registry.is_some() {
        say(&format!("export SCHEMA_REGISTRY_URL={}", stack.registry_url()));
    }
    say("Ctrl-C stops it; the data stays");
    // The handler lives as long as the process, so this ends by a signal only.
    let _ = stopped.recv();
    stack.stop();
    Ok(())
}

/// Shows the platform until a signal comes.
fn show(demo: &Demo) -> anyhow::Result<()> {
    anyhow::ensure!(!demo.up.no_registry, "the platform needs the schema registry; leave --no-registry out");
    let stopped = signals()?;
    let stack = Stack::start(&demo.up)?;
    let shown = demo::run(demo, &stack, &stopped);
    stack.stop();
    shown
}

/// A broker, and a registry that keeps its schemas there.
struct Stack {
    broker: Broker,
    registry: Option<Registry>,
}

impl Stack {
    fn start(up: &Up) -> anyhow::Result<Self> {
        let broker = Broker::start(settings_of(up))?;
        let listen = (up.listen, up.registry_port).into();
        let registry = || schemas::serve(&broker.address().to_string(), listen, up.listen_anywhere);
        let registry = (!up.no_registry).then(registry).transpose()?;
        Ok(Self { broker, registry })
    }

    fn brokers(&self) -> String {
        self.broker.address().to_string()
    }

    fn registry_url(&self) -> String {
        self.registry.as_ref().map_or_else(String::new, |registry| format!("http://{}", registry.address()))
    }

    fn stop(self) {
        drop(self.registry);
        self.broker.stop();
        say("stopped");
    }
}

/// Serves schemas until a signal comes.
fn serve_schemas(schemas: &Schemas) -> anyhow::Result<()> {
    let stopped = signals()?;
    let registry = schemas::serve(&schemas.brokers, schemas.listen, schemas.listen_anywhere)?;
    say(&format!("export SCHEMA_REGISTRY_URL=http://{}", registry.address()));
    say(&format!("the schemas are in topic '_schemas' at {}; Ctrl-C stops it", schemas.brokers));
    let _ = stopped.recv();
    drop(registry);
    say("stopped");
    Ok(())
}

fn signals() -> anyhow::Result<Receiver<()>> {
    let (stop, stopped) = channel();
    let told = move || {
        let _ = stop.send(());
    };
    ctrlc::set_handler(told).context("can't listen for signals")?;
    Ok(stopped)
}

fn settings_of(up: &Up) -> BrokerSettings {
    let listen = (up.listen, up.kafka_port).into();
    BrokerSettings {
        anywhere: up.listen_anywhere,
        flush: up.fsync,
        new_topic_partitions: up.auto_create,
        ..BrokerSettings::new(&up.data, listen)
    }
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
