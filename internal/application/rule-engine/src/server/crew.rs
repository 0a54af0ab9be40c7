use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_ports::{Groups, World};
use millstream_runtime::Status;
use millstream_sql::Rule;

use super::book::{Book, QueryEntry};
use super::shared_groups::{least, letters};
use crate::deploy::{DeployError, Engine, RunningRule};
use crate::lower::group_of;
use crate::shared::{Begins, Joining};
use crate::watched::{RuleWatch, WatchedRule, watched};

/// How long a query that failed rests before it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// How long a query may stand still before records that wait.
const STILL_MAX: Duration = Duration::from_secs(10);

/// How long a group may take to give a query its partitions; a member that died is waited for.
const ALONE_MAX: Duration = Duration::from_mins(1);

/// How often queries that share a group may fail in a row before each is to run by itself.
const FAILURES_MAX: u32 = 3;

/// How long what runs has run when it is well again.
const WELL: Duration = Duration::from_mins(1);

/// How long after it failed a query may share a group.
const FORGIVEN: Duration = Duration::from_mins(10);

/// How many records may wait for a query that has caught up.
const NEAR: u64 = 10_000;

/// What a query is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryState {
    /// Its position moves, or nothing waits for it.
    Running,
    /// All its partitions are other servers'.
    Idle(String),
    /// It has no partition yet, or recovers its tables.
    Starting(String),
    /// Records wait, and it does not go on.
    Stalled(String),
    /// It was told to rest.
    Paused,
    /// It failed, and is tried again.
    Failed(String),
    /// This server is about to start or end it.
    Unknown,
}

impl QueryState {
    /// The state in a word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Running | Self::Idle(_) => "RUNNING",
            Self::Starting(_) => "STARTING",
            Self::Stalled(_) => "UNRESPONSIVE",
            Self::Paused => "PAUSED",
            Self::Failed(_) => "ERROR",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Why it is so, where that is not plain.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Idle(why) | Self::Starting(why) | Self::Stalled(why) | Self::Failed(why) => Some(why),
            _ => None,
        }
    }
}

/// The queries that this server runs.
#[derive(Default)]
pub(crate) struct Crew {
    /// By the id of the query, or the name of the group that several share.
    jobs: BTreeMap<String, Job>,
    /// Those that stand still while they come to a group or go.
    regrouping: BTreeSet<String>,
}

/// What is to run in one consumer group.
enum Unit<'b> {
    Alone(&'b QueryEntry),
    Shared { group: &'b str, queries: Vec<(&'b QueryEntry, &'b Begins)> },
}

impl<'b> Unit<'b> {
    /// What a book wants to be run.
    fn all(book: &'b Book) -> BTreeMap<&'b str, Self> {
        let busy = book.queries.values().filter(|query| !query.is_paused);
        let alone = busy.filter(|query| book.group_with(&query.id).is_none());
        let mut all: BTreeMap<_, _> = alone.map(|query| (query.id.as_str(), Self::Alone(query))).collect();
        for (id, group) in book.shared.iter().filter(|(_, group)| group.gathering.is_none()) {
            let query = |(id, begins)| Some((book.queries.get(id)?, begins));
            let queries: Vec<_> = group.members.iter().filter_map(query).collect();
            if queries.iter().any(|(query, _)| !query.is_paused) {
                all.insert(id, Self::Shared { group: id, queries });
            }
        }
        all
    }

    fn queries(&self) -> Vec<&'b QueryEntry> {
        match self {
            Self::Alone(query) => vec![query],
            Self::Shared { queries, .. } => queries.iter().map(|(query, _)| *query).collect(),
        }
    }

    fn versions(&self) -> BTreeMap<String, i64> {
        self.queries().into_iter().map(|query| (query.id.clone(), query.version)).collect()
    }

    fn deploy<W: World + Groups>(&self, engine: &Engine<W>) -> Result<RunningRule, DeployError> {
        match self {
            Self::Alone(query) => {
                if query.is_from_end {
                    engine.place_at_ends(&query.rule)?;
                }
                engine.deploy(Rule::clone(&query.rule))
            }
            Self::Shared { group, queries } => {
                let joining = queries.iter().map(|(query, begins)| {
                    let rule = Rule::clone(&query.rule);
                    let dead_letters = rule.sink.on_error.has_dead_letters().then(|| rule.dead_letters());
                    Joining { rule, dead_letters, begins: (*begins).clone() }
                });
                engine.place_least(group, &least(queries.iter().map(|(_, begins)| *begins)))?;
                engine.deploy_joining(group, &letters(group), joining.collect())
            }
        }
    }

    /// Of queries that share a group, those that it can't go on with. Where it is not known which these are, and it has failed
    /// again and again, that is all of them.
    fn unfit<W: World + Groups>(&self, engine: &Engine<W>, failures: u32) -> BTreeSet<String> {
        let Self::Shared { queries, .. } = self else { return BTreeSet::new() };
        if queries.len() < 2 {
            return BTreeSet::new();
        }
        let ids = |is_it: &dyn Fn(&QueryEntry) -> bool| -> BTreeSet<String> {
            queries.iter().filter(|(query, _)| is_it(query)).map(|(query, _)| query.id.clone()).collect()
        };
        let unfit = ids(&|query| !engine.can_lower(&query.rule));
        if unfit.is_empty() && failures >= FAILURES_MAX { ids(&|_| true) } else { unfit }
    }
}

struct Job {
    /// The versions of its queries.
    versions: BTreeMap<String, i64>,
    running: Option<RunningRule>,
    failure: Option<(String, Instant)>,
    begun: Instant,
    /// How many records it had taken when that last changed, and when.
    moved: (u64, Instant),
    /// A topic that it reads and that is not there any more.
    missing: Option<String>,
    /// How often it has failed in a row, and when it last did.
    failures: u32,
    failed: Option<Instant>,
    /// Queries that it can't go on with.
    unfit: BTreeSet<String>,
}

impl Job {
    fn of(versions: BTreeMap<String, i64>) -> Self {
        let now = Instant::now();
        Self {
            versions,
            running: None,
            failure: None,
            begun: now,
            moved: (0, now),
            missing: None,
            failures: 0,
            failed: None,
            unfit: BTreeSet::new(),
        }
    }
}

impl Crew {
    /// Starts what the book says and does not run, and stops what runs and is not in it.
    pub(crate) fn settle<W: World + Groups>(&mut self, book: &Book, engine: &Engine<W>) {
        let units = Unit::all(book);
        let mut wanted: BTreeMap<_, _> = units.iter().map(|(name, unit)| (*name, unit.versions())).collect();
        let is_ended = |name: &String, job: &mut Job| {
            wanted.get(name.as_str()).is_none_or(|versions| *versions != job.versions)
        };
        stop(self.jobs.extract_if(.., is_ended).map(|(_, job)| job).collect());
        for (name, unit) in &units {
            let versions = wanted.remove(name).unwrap_or_default();
            let job = self.jobs.entry((*name).to_owned()).or_insert_with(|| Job::of(versions));
            job.tend(unit, engine);
        }
        let gathering = book.shared.values().filter_map(|group| group.gathering.as_ref());
        self.regrouping = gathering.flat_map(|gathering| gathering.from.keys().cloned()).collect();
    }

    /// Takes in which topics there are. A query whose input has gone hears nothing of it; when the input is back it is another
    /// topic, whose offsets begin anew, so the query is started again.
    pub(crate) fn look(&mut self, topics: &BTreeSet<String>, book: &Book) {
        let mut anew = Vec::new();
        for (name, job) in &mut self.jobs {
            let Some(query) = job.versions.keys().find_map(|id| book.queries.get(id)) else { continue };
            let sources = query.rule.query.sources();
            let is_gone = |topic: &&String| !topic.starts_with("__") && !topics.contains(*topic);
            let missing = sources.into_iter().map(|source| &source.topic).find(is_gone).cloned();
            // Where its queries began counts no more, and is forgotten first.
            if missing.is_none() && book.shared.get(name).is_some_and(|group| group.is_uneven()) {
                continue;
            }
            if job.missing.is_some() && missing.is_none() {
                let again = Job::of(job.versions.clone());
                anew.push(std::mem::replace(job, again));
            } else {
                job.missing = missing;
            }
        }
        stop(anew);
    }

    /// What a query is doing here.
    pub(crate) fn state(&self, query: &QueryEntry) -> QueryState {
        if query.is_paused {
            return QueryState::Paused;
        }
        if self.regrouping.contains(&query.id) {
            return QueryState::Starting("it changes its consumer group".to_owned());
        }
        self.job(&query.id).map_or(QueryState::Unknown, Job::state)
    }

    /// Whether a query runs here, has done so for a while, and has caught up.
    pub(crate) fn is_steady(&self, query: &QueryEntry, a_while: Duration) -> bool {
        let has_failed = |job: &Job| job.failed.is_some_and(|failed| failed.elapsed() < FORGIVEN);
        let is_steady = |job: &Job| job.begun.elapsed() >= a_while && job.has_caught_up() && !has_failed(job);
        self.job(&query.id).is_some_and(is_steady) && self.state(query) == QueryState::Running
    }

    /// Whether a topic that a group reads does not exist.
    pub(crate) fn lacks_topic(&self, group: &str) -> bool {
        self.jobs.get(group).is_some_and(|job| job.missing.is_some())
    }

    /// By the name of the group that they share: queries that it can't go on with.
    pub(crate) fn unfit(&self) -> Vec<(String, BTreeSet<String>)> {
        let unfit = self.jobs.iter().filter(|(_, job)| !job.unfit.is_empty());
        unfit.map(|(group, job)| (group.clone(), job.unfit.clone())).collect()
    }

    fn job(&self, query: &str) -> Option<&Job> {
        self.jobs.values().find(|job| job.versions.contains_key(query))
    }

    /// The figures of a query that runs here.
    pub(crate) fn status(&self, id: &str) -> Option<Arc<Status>> {
        Some(self.job(id)?.running.as_ref()?.processor.status())
    }

    /// A query with what it does and has done here, where it ever ran here.
    pub(crate) fn watched(&self, query: &QueryEntry) -> WatchedRule {
        let state = self.state(query);
        let running = self.job(&query.id).and_then(|job| job.running.as_ref());
        let found = running.and_then(|running| {
            let figures = running.figures.iter().find(|figures| figures.rule() == query.rule.name)?;
            Some((running.processor.status(), figures))
        });
        match found {
            Some((status, figures)) => watched(&status, figures, &query.id, &state),
            None => WatchedRule {
                rule: query.id.clone(),
                group: group_of(&query.rule.name),
                state,
                rows: 0,
                failed: 0,
                nulls: 0,
            },
        }
    }

    /// What runs here, to be looked at.
    pub(crate) fn watches(&self) -> Vec<RuleWatch> {
        let running = self.jobs.values().filter_map(|job| job.running.as_ref());
        running.map(RunningRule::watch).collect()
    }

    pub(crate) fn statuses(&self) -> Vec<Arc<Status>> {
        let running = self.jobs.values().filter_map(|job| job.running.as_ref());
        running.map(|running| running.processor.status()).collect()
    }

    /// Stops all, after they have committed.
    pub(crate) fn stop(self) {
        stop(self.jobs.into_values().collect());
    }
}

/// Asks all to stop before it waits for each.
fn stop(jobs: Vec<Job>) {
    let running: Vec<_> = jobs.into_iter().filter_map(|job| job.running).collect();
    for running in &running {
        running.processor.stopper().set();
    }
    for running in running {
        if let Err(error) = running.processor.join() {
            tracing::warn!(rule = running.name, %error, "a query ended badly");
        }
    }
}

impl Job {
    fn tend<W: World + Groups>(&mut self, unit: &Unit<'_>, engine: &Engine<W>) {
        if let Some(running) = self.running.take_if(|running| running.processor.is_finished()) {
            let why = match running.processor.join() {
                Err(error) => error.to_string(),
                Ok(()) => "it ended".to_owned(),
            };
            self.fail(why, unit, engine);
        }
        let rests = self.failure.as_ref().is_some_and(|(_, since)| since.elapsed() < TRY_AGAIN);
        if self.running.is_none() && !rests {
            match unit.deploy(engine) {
                Ok(running) => (self.running, self.failure) = (Some(running), None),
                Err(error) => {
                    tracing::warn!(queries = ?self.versions.keys(), %error, "queries can't start; they are tried again");
                    self.fail(error.to_string(), unit, engine);
                }
            }
            (self.begun, self.moved) = (Instant::now(), (0, Instant::now()));
        }
        if let Some(running) = &self.running {
            let taken = running.processor.status().snapshot().records_in.iter().map(|(_, count)| count).sum();
            if taken != self.moved.0 {
                self.moved = (taken, Instant::now());
            }
        }
    }

    fn fail<W: World + Groups>(&mut self, why: String, unit: &Unit<'_>, engine: &Engine<W>) {
        let now = Instant::now();
        self.failures = if self.begun.elapsed() > WELL { 1 } else { self.failures + 1 };
        (self.failure, self.failed) = (Some((why, now)), Some(now));
        self.unfit = unit.unfit(engine, self.failures);
    }

    /// Whether no more records wait for it than those that came a moment ago.
    fn has_caught_up(&self) -> bool {
        let lag = |running: &RunningRule| running.processor.status().snapshot().lag();
        self.running.as_ref().is_some_and(|running| lag(running) <= NEAR)
    }

    fn state(&self) -> QueryState {
        let Some(running) = &self.running else {
            let why = self.failure.as_ref().map(|(why, _)| why.clone());
            return why.map_or(QueryState::Unknown, QueryState::Failed);
        };
        let status = running.processor.status();
        let now = status.snapshot();
        if let Some(why) = now.failure {
            return QueryState::Failed(why);
        }
        if let Some(topic) = &self.missing {
            return QueryState::Stalled(format!("topic '{topic}', which it reads, does not exist any more"));
        }
        if let Some(why) = now.stalled {
            return QueryState::Stalled(why);
        }
        if now.partitions.is_empty() && self.begun.elapsed() > ALONE_MAX {
            return QueryState::Idle("all its partitions are other servers'".to_owned());
        }
        if let Err(why) = status.ready() {
            return QueryState::Starting(why);
        }
        let waiting = now.lag();
        if waiting > 0 && self.moved.1.elapsed() > STILL_MAX {
            return QueryState::Stalled(format!("{waiting} records wait, and none was taken for a while"));
        }
        QueryState::Running
    }
}
