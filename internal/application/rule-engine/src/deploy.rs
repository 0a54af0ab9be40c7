use std::collections::BTreeMap;
use std::time::Duration;

use millstream_model::TopicName;
use millstream_ports::{Delivery, PortError, TopicSpec, World};
use millstream_runtime::{Processor, ProcessorError, Running, Settings};
use millstream_sql::{Catalog, Diagnostic, Functions, Guarantee, Rule, Source, SourceKind, plan};
use thiserror::Error;

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
    /// The rule's processor could not start.
    #[error("rule {rule} can't start: {source}")]
    Start {
        /// The source that the rule fills.
        rule: String,
        /// Why.
        source: Box<ProcessorError>,
    },
}

/// A rule at work: each is a consumer group of its own.
pub struct RunningRule {
    /// The source that it fills, in capitals.
    pub name: String,
    /// Its processor.
    pub processor: Running,
}

/// Plans rule files and runs what they say.
pub struct Engine<W: World> {
    world: W,
    formats: Formats,
    settings: Settings,
    catalog: Catalog,
}

impl<W: World> Engine<W> {
    /// An engine on `world`; `settings` are each rule's.
    pub fn new(world: W, formats: Formats, settings: Settings) -> Self {
        Self { world, formats, settings, catalog: Catalog::new().using(Functions::with(&outside())) }
    }

    /// Plans a file. Later files see the sources of earlier ones.
    ///
    /// # Errors
    /// [`DeployError::Mistakes`], with all of them; the file's sources are then not known either.
    pub fn plan(&mut self, source_name: &str, text: &str) -> Result<Vec<Rule>, DeployError> {
        let mut catalog = self.catalog.clone();
        let (plan, mut mistakes) = plan(text, &mut catalog, &self.formats);
        mistakes.extend(plan.insertions.iter().map(|insertion| {
            let said = format!("a row for {} can't be written from a rule file", insertion.sink.name);
            Diagnostic::unsupported(insertion.span, said)
        }));
        mistakes.extend(plan.rules.iter().filter_map(twice));
        if !mistakes.is_empty() {
            return Err(DeployError::Mistakes {
                source_name: source_name.to_owned(),
                text: text.to_owned(),
                mistakes,
            });
        }
        self.catalog = catalog;
        Ok(plan.rules)
    }

    /// Creates what a rule's topics lack, registers its schemas, and starts it.
    ///
    /// # Errors
    /// When a topic or schema is refused, or the processor can't start.
    pub fn deploy(&self, rule: Rule) -> Result<RunningRule, DeployError> {
        let (name, guarantee) = (rule.name.clone(), rule.guarantee);
        let refused = |source| DeployError::Port { rule: name.clone(), source };
        self.create_topics(&rule).map_err(refused)?;
        let graph = lower(rule, &self.formats).map_err(refused)?;
        let settings = delivered(&self.settings, guarantee);
        let processor = Processor::new(self.world.clone(), graph).settings(settings);
        let started = processor.start();
        let processor =
            started.map_err(|source| DeployError::Start { rule: name.clone(), source: Box::new(source) })?;
        tracing::info!(rule = name, "rule deployed");
        Ok(RunningRule { name, processor })
    }

    /// The sources' topics that are not there and whose width is declared, as ksqlDB creates them; and the sink's, as wide as
    /// the first source unless told otherwise.
    fn create_topics(&self, rule: &Rule) -> Result<(), PortError> {
        let sources = rule.query.sources();
        let mut names = sources.iter().map(|source| topic(source)).collect::<Result<Vec<_>, _>>()?;
        names.push(topic(&rule.sink)?);
        let found = self.world.describe_topics(&names)?;
        let mut width = None;
        for ((source, name), found) in sources.iter().zip(&names).zip(&found) {
            let partitions = found.as_ref().map(|found| found.partitions).or(source.partitions);
            width = width.or(partitions);
            if let (None, Some(partitions)) = (found, source.partitions) {
                self.create(source, name, partitions)?;
            }
        }
        match (names.last(), found.last()) {
            (Some(sink), Some(None)) => {
                self.create(&rule.sink, sink, rule.sink.partitions.or(width).unwrap_or(1))
            }
            _ => Ok(()),
        }
    }

    /// Creates a topic, compacted for a table.
    fn create(&self, source: &Source, name: &TopicName, partitions: u32) -> Result<(), PortError> {
        let policy = match source.kind {
            SourceKind::Table => "compact",
            SourceKind::Stream => "delete",
        };
        tracing::info!(topic = %name, partitions, "creating topic");
        self.world.create_topic(&TopicSpec {
            name: name.clone(),
            partitions,
            replication: source
                .replicas
                .and_then(|replicas| u16::try_from(replicas).ok())
                .or(self.settings.replication),
            settings: BTreeMap::from([("cleanup.policy".to_owned(), policy.to_owned())]),
        })
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
            commit_interval: settings.commit_interval.min(COMMIT_INTERVAL_MAX),
            ..settings.clone()
        },
    }
}

fn topic(source: &Source) -> Result<TopicName, PortError> {
    TopicName::new(source.topic.as_str()).map_err(|error| PortError::stop("not a topic").because(error))
}

/// A group reads each of its topics once, so a rule can't read one as two sources.
fn twice(rule: &Rule) -> Option<Diagnostic> {
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
