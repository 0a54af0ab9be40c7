//! Runs SQL rules over Kafka topics.

mod conform;
mod examples;
mod settings;

use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use millstream_avro_codec::{AvroRows, Registry};
use millstream_http_api::{Access, Console, Peers, Routes, Server, Site, WatchedGroup};
use millstream_json_codec::JsonRows;
use millstream_kafka_log::{KafkaLog, KafkaWorld};
use millstream_ports::{DelimitedRows, KafkaRows, Meter, NoRows};
use millstream_rule_engine::{DeployError, Engine, Formats, RunningRule, delivered};
use millstream_runtime::{Settings, Status, Stop};
use millstream_settings::SettingsError;
use millstream_sled_table::{SledTable, SledTables};
use millstream_sql::{Rule, explain, render};
use millstream_telemetry::{Exporter, Verbosity, init_logs};
use mimalloc::MiMalloc;

use settings::{Arguments, Deed, RuleSettings};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    init_logs(if arguments.verbose { Verbosity::Verbose } else { Verbosity::Normal });
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(stderr(), "{}", told(&error));
            ExitCode::from(if error.is::<SettingsError>() { 2 } else { 1 })
        }
    }
}

/// Mistakes of a rule file are drawn; anything else is a sentence.
fn told(error: &anyhow::Error) -> String {
    match error.downcast_ref::<DeployError>() {
        Some(DeployError::Mistakes { source_name, text, mistakes }) => {
            let drawn = render(source_name, text, mistakes);
            if stderr().is_terminal() {
                drawn.replace("error:", "\u{1b}[1;31merror\u{1b}[0m:")
            } else {
                drawn
            }
        }
        _ => format!("rules: {error:#}"),
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if let Deed::Conform { file, report, case } = &arguments.deed {
        return conform::conform(file, report.as_deref(), case.as_deref(), arguments.verbose);
    }
    if let Deed::Test { paths } = &arguments.deed {
        return examples::test(&files(paths)?, arguments.verbose);
    }
    let settings = RuleSettings::of(arguments)?;
    let mut engine = engine(&settings)?;
    match &arguments.deed {
        Deed::Conform { .. } | Deed::Test { .. } => Ok(()),
        Deed::Explain { paths } => {
            let rules = planned(&mut engine, paths)?;
            write!(stdout(), "{}", explain(&rules))?;
            Ok(())
        }
        Deed::Check { paths } => {
            let rules = planned(&mut engine, paths)?;
            writeln!(stdout(), "{} rules are fine", rules.len())?;
            Ok(())
        }
        Deed::Run { paths, .. } => {
            let rules = planned(&mut engine, paths)?;
            let running = engine.deploy_all(rules)?;
            for (rule, verdict) in running.iter().flat_map(|running| &running.changes) {
                writeln!(stdout(), "{rule} has changed, {verdict}")?;
            }
            attend(&settings, running)
        }
    }
}

fn engine(settings: &RuleSettings) -> anyhow::Result<Engine<KafkaWorld<SledTable>>> {
    let kafka = KafkaLog::new(settings.all.brokers()?).with_properties(settings.all.kafka_properties())?;
    let registry = Registry::new(settings.all.registry_url()?.reveal())?;
    let tables = SledTables::at(&settings.state_dir);
    let world = KafkaWorld::new(kafka, move |id| tables.open(id));
    let formats = Formats::default()
        .with("AVRO", Arc::new(AvroRows::new(&registry)))
        .with("JSON", Arc::new(JsonRows::new()))
        .with("JSON_SR", Arc::new(JsonRows::with_schemas(Arc::new(registry.clone()))))
        .with("DELIMITED", Arc::new(DelimitedRows))
        .with("NONE", Arc::new(NoRows))
        .with("KAFKA", Arc::new(KafkaRows));
    let each = Settings {
        workers: settings.workers,
        commit_interval: Some(Duration::from_millis(settings.commit_interval_ms)),
        ..Settings::default()
    };
    let each = delivered(&each, Some(settings.guarantee));
    Ok(Engine::new(world, formats, each))
}

/// Every rule of every file, in the order of the files' names.
fn planned(engine: &mut Engine<KafkaWorld<SledTable>>, paths: &[PathBuf]) -> anyhow::Result<Vec<Rule>> {
    let mut rules = Vec::new();
    for file in files(paths)? {
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("can't read {}", file.display()))?;
        rules.extend(engine.plan(&file.display().to_string(), &text)?);
    }
    Ok(rules)
}

fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() {
            let is_rule = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "sql");
            let mut found: Vec<_> = folder(path)?.into_iter().filter(is_rule).collect();
            found.sort();
            all.extend(found);
        } else {
            all.push(path.clone());
        }
    }
    anyhow::ensure!(!all.is_empty(), "there is no .sql file in the folders named");
    Ok(all)
}

fn folder(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(path).with_context(|| format!("can't read folder {}", path.display()))?;
    Ok(entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?)
}

/// Runs until a signal comes or a rule fails; then drains and commits all of them.
fn attend(settings: &RuleSettings, running: Vec<RunningRule>) -> anyhow::Result<()> {
    let _server = serve(settings, running.iter().map(|rule| rule.processor.status()).collect())?;
    let stops: Vec<Stop> = running.iter().map(|rule| rule.processor.stopper()).collect();
    let all = stops.clone();
    ctrlc::set_handler(move || all.iter().for_each(Stop::set))?;
    writeln!(stdout(), "{} rules are running", running.iter().map(|rule| rule.rules.len()).sum::<usize>())?;
    while !running.iter().any(|rule| rule.processor.is_finished()) {
        thread::sleep(Duration::from_millis(50));
    }
    stops.iter().for_each(Stop::set);
    let mut outcome = Ok(());
    for rule in running {
        let ended = rule.processor.join().with_context(|| format!("rule {} stopped", rule.name));
        outcome = outcome.and(ended);
    }
    outcome
}

fn serve(settings: &RuleSettings, statuses: Vec<Arc<Status>>) -> anyhow::Result<Option<Server>> {
    let Some(address) = &settings.http_address else { return Ok(None) };
    let meters = statuses.iter().map(|status| status.clone() as Arc<dyn Meter>).collect();
    let exporter = Exporter::new(meters);
    let console = Console::new("rules", Peers::new(&Access::default()).map_err(anyhow::Error::msg)?);
    for status in &statuses {
        console.watch(WatchedGroup { status: status.clone(), owners: None });
    }
    let (healthy, ready) = (statuses.clone(), statuses);
    let named = |status: &Arc<Status>, reason: String| format!("{}: {reason}", status.group());
    let routes = Routes {
        metrics: Arc::new(move || exporter.render()),
        healthy: Arc::new(move || {
            healthy.iter().try_for_each(|status| {
                status.snapshot().failure.map_or(Ok(()), |reason| Err(named(status, reason)))
            })
        }),
        ready: Arc::new(move || {
            ready.iter().try_for_each(|status| status.ready().map_err(|reason| named(status, reason)))
        }),
    };
    let server = Server::open(address, Site::new(routes).console(&console))?;
    writeln!(
        stdout(),
        "metrics and health are on http://{0}\nthe console is on http://{0}/",
        server.address()
    )?;
    Ok(Some(server))
}
