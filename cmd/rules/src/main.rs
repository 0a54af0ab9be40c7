//! Runs SQL rules over Kafka topics.

mod conform;
mod console;
mod examples;
mod files;
mod kept;
mod scripts;
mod serve;
mod settings;
mod wiring;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use millstream_http_api::{Console, Peers, Routes, RuleList, Server, ShownRule, Site, Tables, WatchedGroup};
use millstream_ports::Meter;
use millstream_rule_engine::{DeployError, Engine, RuleWatch, RunningRule, WatchedRule};
use millstream_runtime::{Status, Stop};
use millstream_settings::SettingsError;
use millstream_sql::{Rule, explain, render};
use millstream_telemetry::{Exporter, StateDisk, Verbosity, init_logs};
use mimalloc::MiMalloc;

use console::{Access, Asked};
use settings::{Arguments, ConsoleDeed, Deed, RuleSettings};
use wiring::RuleWorld;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    init_logs(match arguments.deed() {
        _ if arguments.verbose => Verbosity::Verbose,
        // What happens in a server of one's own would stand among the answers.
        Deed::Console(_) => Verbosity::Quiet,
        _ => Verbosity::Normal,
    });
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What the console has shown is not said again.
            if !error.is::<console::Told>() {
                let _ = writeln!(stderr(), "{}", told(&error));
            }
            ExitCode::from(if error.is::<SettingsError>() { 2 } else { 1 })
        }
    }
}

/// Mistakes of a rule file are drawn; anything else is a sentence.
fn told(error: &anyhow::Error) -> String {
    match error.downcast_ref::<Mistaken>() {
        Some(Mistaken(drawn)) if stderr().is_terminal() => {
            drawn.replace("error:", "\u{1b}[1;31merror\u{1b}[0m:")
        }
        Some(Mistaken(drawn)) => drawn.clone(),
        None => format!("rules: {}", causes(error)),
    }
}

/// An error and what caused it, each said once: some say their cause themselves.
fn causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match said.as_str() {
        "" => cause,
        so_far if so_far.contains(&cause) => said,
        so_far => format!("{so_far}: {cause}"),
    })
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let deed = &arguments.deed();
    if let Deed::Conform { file, report, case } = deed {
        return conform::conform(file, report.as_deref(), case.as_deref(), arguments.verbose);
    }
    if let Deed::Test { paths } = deed {
        let functions = scripts::functions(arguments.functions.as_deref())?;
        return examples::test(&files::named(paths)?, &functions, arguments.verbose);
    }
    if let Deed::Console(asked) = deed {
        return console(arguments, asked);
    }
    let mut settings = RuleSettings::of(arguments)?;
    if matches!(deed, Deed::Serve { .. } | Deed::Run { .. }) {
        settings.spans = wiring::spans(&settings.all)?;
    }
    if let Deed::Serve { .. } = deed {
        return serve::run(&settings);
    }
    let mut engine = engine(&settings)?;
    match deed {
        Deed::Conform { .. } | Deed::Test { .. } | Deed::Serve { .. } | Deed::Console(_) => Ok(()),
        Deed::Explain { paths } => {
            let rules = planned(&mut engine, paths)?;
            write!(stdout(), "{}", explain(&rules))?;
            Ok(())
        }
        Deed::Check { paths } => {
            let rules = planned(&mut engine, paths)?;
            writeln!(stdout(), "{}", counted(rules.len(), "fine"))?;
            Ok(())
        }
        Deed::Run { paths, .. } => {
            let rules = planned(&mut engine, paths)?;
            let plans = rules.iter().map(|rule| (rule.name.clone(), rule.to_string())).collect();
            let running = engine.deploy_all(rules)?;
            for (rule, verdict) in running.iter().flat_map(|running| &running.changes) {
                writeln!(stdout(), "{rule} has changed, {verdict}")?;
            }
            attend(&settings, running, plans)
        }
    }
}

fn engine(settings: &RuleSettings) -> anyhow::Result<Engine<RuleWorld>> {
    let mut engine =
        Engine::new(wiring::world(settings)?, wiring::formats(settings)?, wiring::each(settings));
    let functions = scripts::functions(settings.functions.as_deref())?;
    scripts::register(&functions, |name, about, signature, call| {
        engine.register(name, about, signature, call)
    })?;
    Ok(engine)
}

/// A console over the server that is named; else over the one that runs here, and where none does over one of its own.
fn console(arguments: &Arguments, asked: &ConsoleDeed) -> anyhow::Result<()> {
    let access = Access { basic: asked.basic_auth.clone(), bearer: asked.bearer_token.clone() };
    let (execute, file) = (asked.execute.clone(), asked.file.clone());
    let over = |url: String, access: Access| {
        console::run(Asked { url, access, is_json: asked.is_json(), execute, file })
    };
    let near = "http://127.0.0.1:8088";
    match &asked.server {
        Some(url) => over(url.clone(), access),
        None if console::answers(near, &access) => over(near.to_owned(), access),
        None => {
            let settings = RuleSettings::of(arguments)?;
            let serving = serve::start(&settings, "127.0.0.1:0")?;
            let own = Access {
                basic: settings.server.basic_auth.clone(),
                bearer: settings.server.bearer_token.clone(),
            };
            over(format!("http://{}", serving.api.address()), own)
        }
    }
}

/// Every rule of every file, in the order of the files' names; else what is wrong with all of them.
fn planned(engine: &mut Engine<RuleWorld>, paths: &[PathBuf]) -> anyhow::Result<Vec<Rule>> {
    let (mut rules, mut wrong) = (Vec::new(), Vec::new());
    for file in files::named(paths)? {
        let text = match files::read(&file) {
            Ok(text) => text,
            Err(error) => {
                wrong.push(format!("error: {}\n", causes(&error)));
                continue;
            }
        };
        match engine.plan(&file.display().to_string(), &text) {
            Ok(more) => rules.extend(more),
            Err(DeployError::Mistakes { source_name, text, mistakes }) => {
                wrong.push(render(&source_name, &text, &mistakes));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if wrong.is_empty() { Ok(rules) } else { Err(Mistaken(wrong.concat()).into()) }
}

/// The mistakes of rule files, drawn.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Mistaken(String);

fn counted(rules: usize, are: &str) -> String {
    if rules == 1 { format!("1 rule is {are}") } else { format!("{rules} rules are {are}") }
}

/// Runs until a signal comes or a rule fails; then drains and commits all of them.
fn attend(
    settings: &RuleSettings,
    running: Vec<RunningRule>,
    plans: BTreeMap<String, String>,
) -> anyhow::Result<()> {
    let _server = serve(settings, running.iter().map(RunningRule::watch).collect(), plans)?;
    let stops: Vec<Stop> = running.iter().map(|rule| rule.processor.stopper()).collect();
    let all = stops.clone();
    ctrlc::set_handler(move || all.iter().for_each(Stop::set))?;
    let rules = running.iter().map(|rule| rule.rules.len()).sum();
    writeln!(stdout(), "{}", counted(rules, "running"))?;
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

fn serve(
    settings: &RuleSettings,
    watches: Vec<RuleWatch>,
    plans: BTreeMap<String, String>,
) -> anyhow::Result<Option<Server>> {
    let Some(address) = &settings.http_address else { return Ok(None) };
    let statuses: Vec<Arc<Status>> = watches.iter().map(|watch| watch.status().clone()).collect();
    let spans = settings.spans.iter().map(|spans| spans.clone() as Arc<dyn Meter>);
    let meters = statuses.iter().map(|status| status.clone() as Arc<dyn Meter>);
    let groups = statuses.iter().map(|status| status.group().to_owned()).collect();
    let disk = [Arc::new(StateDisk::new(&settings.state_dir, groups)) as Arc<dyn Meter>];
    let rules = watches.iter().map(|watch| Arc::new(watch.clone()) as Arc<dyn Meter>);
    let exporter = Exporter::new(meters.chain(rules).chain(spans).chain(disk).collect());
    let peers = Peers::new(&settings.http_access).map_err(anyhow::Error::msg)?;
    let (tables, console) = (Tables::new(peers.clone()), Console::new("rules", peers));
    watches.iter().filter_map(kept::table).for_each(|table| tables.serve_local(table));
    console.browse_tables();
    for status in &statuses {
        console.watch(WatchedGroup { status: status.clone(), owners: None });
    }
    console.rules(Arc::new(Running { watches, plans }));
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
    let server = Server::open(
        address,
        Site::new(routes).access(settings.http_access.clone()).tables(&tables).console(&console),
    )?;
    writeln!(
        stdout(),
        "metrics and health are on http://{0}\nthe console is on http://{0}/",
        server.address()
    )?;
    Ok(Some(server))
}

/// The rules that run, for the console.
struct Running {
    watches: Vec<RuleWatch>,
    plans: BTreeMap<String, String>,
}

impl RuleList for Running {
    fn list(&self) -> Vec<ShownRule> {
        let all = self.watches.iter().flat_map(RuleWatch::rules);
        let plan = |rule: &WatchedRule| self.plans.get(&rule.rule).cloned().unwrap_or_default();
        let mut shown: Vec<_> = all.map(|rule| shown(&rule, plan(&rule))).collect();
        shown.sort_by(|one, other| one.name.cmp(&other.name));
        shown
    }
}

pub(crate) fn shown(rule: &WatchedRule, plan: String) -> ShownRule {
    ShownRule {
        name: rule.rule.clone(),
        group: rule.group.clone(),
        state: rule.state.word().to_lowercase(),
        reason: rule.state.reason().map(str::to_owned),
        rows: rule.rows,
        failed: rule.failed,
        nulls: rule.nulls,
        plan,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let taken = || std::io::Error::other("taken");
        let error = anyhow::Error::new(taken()).context("can't listen: taken; choose another");
        assert_eq!(causes(&error), "can't listen: taken; choose another");
        let error = anyhow::Error::new(taken()).context("can't listen");
        assert_eq!(causes(&error), "can't listen: taken");
    }
}
