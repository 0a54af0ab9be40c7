use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millstream_model::{TopicName, Value};
use millstream_ports::{Action, Delivery, PortError, TopicSpec, World};
use millstream_runtime::{Processor, ProcessorError, Running, Settings};
use millstream_sql::{
    Catalog, Diagnostic, Failure, Functions, Guarantee, Rule, Source, SourceKind, Verdict, plan,
    with_variables,
};
use thiserror::Error;

use crate::figures::RuleFigures;
use crate::formats::Formats;
use crate::lower::lower;
use crate::outside::outside;

/// Why rules can't be deployed.
#[derive(Debug, Error)]
pub enum DeployError {
    /// A rule file has mistakes. Nothing of it runs.
    #[error("{} has {} mistakes", .source_name, .mistakes.len())]
    Mistakes {
        /// The file.
        source_name: String,
        /// Its text.
        text: String,
        /// All of them.
        mistakes: Vec<Diagnostic>,
    },
    /// The log, the registry or the storage refused.
    #[error("rule {rule} can't be deployed: {source}")]
    Port {
        /// The source that the rule fills.
        rule: String,
        /// What was refused.
        source: PortError,
    },
    /// The rule has changed since it last ran, and what it kept or wrote does not fit.
    #[error(
        "rule {rule} is not what it was, {verdict}\ngive it another name to have it begin anew beside the old one{}; or end it for good and begin again: kafka-consumer-groups.sh --bootstrap-server <brokers> --delete --group {group}, and kafka-topics.sh --bootstrap-server <brokers> --delete --topic '{group}-(table|loop)'",
        if *.is_shared { " (it shares a group: start once without it first)" } else { "" }
    )]
    Changed {
        /// The rule.
        rule: String,
        /// Its consumer group.
        group: String,
        /// What does not fit.
        verdict: Verdict,
        /// Whether it shares a group with others.
        is_shared: bool,
    },
    /// The rule's processor could not start.
    #[error("rule {rule} can't start: {source}")]
    Start {
        /// The source that the rule fills.
        rule: String,
        /// Why.
        source: Box<ProcessorError>,
    },
}

/// A rule at work, or several that share a consumer group.
pub struct RunningRule {
    /// The source that it fills, in capitals; of several the group's name.
    pub name: String,
    /// The names of all rules in it.
    pub rules: Vec<String>,
    /// Those of them that have changed since they last ran, and how.
    pub changes: Vec<(String, Verdict)>,
    /// Its processor.
    pub processor: Running,
    /// What each of them has done.
    pub(crate) figures: Vec<Arc<RuleFigures>>,
    /// The names of those that share a table, by their numbers in it.
    pub(crate) numbers: Arc<BTreeMap<u32, String>>,
}

/// Plans rule files and runs what they say.
pub struct Engine<W: World> {
    pub(crate) world: W,
    pub(crate) formats: Formats,
    pub(crate) settings: Settings,
    catalog: Catalog,
}

impl<W: World> Engine<W> {
    /// An engine on `world`; `settings` are each rule's.
    pub fn new(world: W, formats: Formats, settings: Settings) -> Self {
        Self { world, formats, settings, catalog: Catalog::new().using(Functions::with(&outside())) }
    }

    /// Adds a function written in Rust, for the files planned from now on: see [`Functions::register`].
    ///
    /// # Errors
    /// When the signature can't be read.
    pub fn register(
        &mut self,
        name: &str,
        about: &str,
        signature: &str,
        call: impl Fn(&[Value]) -> Result<Value, Failure> + Send + Sync + 'static,
    ) -> Result<(), Failure> {
        self.catalog.register(name, about, signature, call)
    }

    /// The sources and functions known by now.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Plans a file, whose variables are its own. Later files see the sources of earlier ones.
    ///
    /// # Errors
    /// [`DeployError::Mistakes`], with all of them; what the file declares besides is known all the same, so that later files
    /// are told of their own mistakes only.
    pub fn plan(&mut self, source_name: &str, text: &str) -> Result<Vec<Rule>, DeployError> {
        let wrong = |text: &str, mistakes| DeployError::Mistakes {
            source_name: source_name.to_owned(),
            text: text.to_owned(),
            mistakes,
        };
        let put = with_variables(text).map_err(|mistake| wrong(text, vec![mistake]))?;
        let text = &*put;
        let (plan, mut mistakes) = plan(text, &mut self.catalog, &self.formats);
        mistakes.extend(plan.insertions.iter().map(|insertion| {
            let said = format!("a row for {} can't be written from a rule file", insertion.sink.name);
            Diagnostic::unsupported(insertion.span, said)
        }));
        mistakes.extend(plan.rules.iter().filter_map(twice));
        if mistakes.is_empty() { Ok(plan.rules) } else { Err(wrong(text, mistakes)) }
    }

    /// Creates what a rule's topics lack, registers its schemas, and starts it.
    ///
    /// # Errors
    /// When a topic or schema is refused, or the processor can't start.
    pub fn deploy(&self, rule: Rule) -> Result<RunningRule, DeployError> {
        self.prepare_topics(std::slice::from_ref(&rule))?;
        self.deploy_prepared(rule)
    }

    /// Starts a rule whose topics are there.
    pub(crate) fn deploy_prepared(&self, rule: Rule) -> Result<RunningRule, DeployError> {
        let (name, guarantee) = (rule.name.clone(), rule.guarantee);
        let refused = |source| DeployError::Port { rule: name.clone(), source };
        let (graph, figures) = lower(rule, &self.formats).map_err(refused)?;
        let settings = delivered(&self.settings, guarantee);
        let processor = Processor::new(self.world.clone(), graph).settings(settings);
        let started = processor.start();
        let processor =
            started.map_err(|source| DeployError::Start { rule: name.clone(), source: Box::new(source) })?;
        tracing::info!(rule = name, "rule deployed");
        let figures = vec![figures];
        let (rules, numbers) = (vec![name.clone()], Arc::default());
        Ok(RunningRule { rules, changes: Vec::new(), name, processor, figures, numbers })
    }

    /// Whether a rule can be run as far as its formats go, or that can't be said now.
    pub(crate) fn can_lower(&self, rule: &Rule) -> bool {
        lower(rule.clone(), &self.formats).map_or_else(|error| error.action() == Action::Retry, |_| true)
    }

    fn admit(&self, rule: &Rule) -> Result<(), DeployError> {
        let admitted = touched(rule).try_for_each(|source| self.formats.admit(source));
        admitted.map_err(|source| DeployError::Port { rule: rule.name.clone(), source })
    }

    /// Creates what is missing of rules' topics, all at once: sources' whose width is declared, as ksqlDB creates them; and
    /// each sink's, as wide as the first source unless told otherwise.
    pub(crate) fn prepare_topics(&self, rules: &[Rule]) -> Result<(), DeployError> {
        rules.iter().try_for_each(|rule| self.admit(rule))?;
        let Some(first) = rules.first() else { return Ok(()) };
        let refused = |source| DeployError::Port { rule: first.name.clone(), source };
        let mut names =
            rules.iter().flat_map(touched).map(topic).collect::<Result<Vec<_>, _>>().map_err(refused)?;
        names.sort();
        names.dedup();
        let found = self.world.describe_topics(&names).map_err(refused)?;
        let widths = found.into_iter().flatten().map(|found| (found.name, found.partitions)).collect();
        let mut missing = Missing { widths, specs: Vec::new(), replication: self.settings.replication };
        rules.iter().try_for_each(|rule| missing.add(rule)).map_err(refused)?;
        for spec in &missing.specs {
            tracing::info!(topic = %spec.name, partitions = spec.partitions, "creating topic");
        }
        self.world.create_topics(&missing.specs).map_err(refused)
    }
}

/// What a rule reads and fills.
pub(crate) fn touched(rule: &Rule) -> impl Iterator<Item = &Source> {
    rule.query.sources().into_iter().chain([&rule.sink])
}

/// Topics that rules need, and those of them that are to be created.
struct Missing {
    widths: BTreeMap<TopicName, u32>,
    specs: Vec<TopicSpec>,
    replication: Option<u16>,
}

impl Missing {
    fn add(&mut self, rule: &Rule) -> Result<(), PortError> {
        let mut width = None;
        for source in rule.query.sources() {
            let known = self.widths.get(&topic(source)?).copied();
            let partitions = known.or(source.partitions);
            width = width.or(partitions);
            if let (None, Some(partitions)) = (known, partitions) {
                self.create(source, partitions)?;
            }
        }
        if self.widths.contains_key(&topic(&rule.sink)?) {
            return Ok(());
        }
        self.create(&rule.sink, rule.sink.partitions.or(width).unwrap_or(1))
    }

    /// A topic, compacted for a table.
    fn create(&mut self, source: &Source, partitions: u32) -> Result<(), PortError> {
        let policy = match source.kind {
            SourceKind::Table => "compact",
            SourceKind::Stream => "delete",
        };
        let name = topic(source)?;
        self.widths.insert(name.clone(), partitions);
        let replication =
            source.replicas.and_then(|replicas| u16::try_from(replicas).ok()).or(self.replication);
        let settings = BTreeMap::from([("cleanup.policy".to_owned(), policy.to_owned())]);
        self.specs.push(TopicSpec { name, partitions, replication, settings });
        Ok(())
    }
}

/// The time between commits under exactly-once, unless the settings have a shorter one: readers see nothing before.
const COMMIT_INTERVAL_MAX: Duration = Duration::from_millis(100);

/// The settings of a rule that says how often its records shall take effect.
pub fn delivered(settings: &Settings, guarantee: Option<Guarantee>) -> Settings {
    match guarantee {
        None => settings.clone(),
        Some(Guarantee::AtLeastOnce) => Settings { delivery: Delivery::AtLeastOnce, ..settings.clone() },
        Some(Guarantee::ExactlyOnce) => Settings {
            delivery: Delivery::ExactlyOnce,
            commit_interval: settings.commit_interval.map(|interval| interval.min(COMMIT_INTERVAL_MAX)),
            ..settings.clone()
        },
    }
}

pub(crate) fn topic(source: &Source) -> Result<TopicName, PortError> {
    named(&source.topic)
}

/// The topic of a name.
pub(crate) fn named(name: &str) -> Result<TopicName, PortError> {
    TopicName::new(name).map_err(|error| PortError::stop("not a topic").because(error))
}

/// A group reads each of its topics once, so a rule can't read one as two sources.
pub(crate) fn twice(rule: &Rule) -> Option<Diagnostic> {
    let sources = rule.query.sources();
    let mut topics = sources.iter().enumerate();
    let is_again = |(place, source): &(usize, &&Source)| {
        sources.iter().take(*place).any(|before| before.topic == source.topic)
    };
    let (_, source) = topics.find(is_again)?;
    let said = format!("{} reads the topic {} as two sources", rule.name, source.topic);
    Some(
        Diagnostic::unsupported(rule.span, said)
            .help("copy the topic with a query of its own, and read the copy"),
    )
}
