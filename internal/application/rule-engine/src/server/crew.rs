use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_ports::{Groups, World};
use millstream_runtime::Status;

use super::book::{Book, QueryEntry};
use crate::deploy::{Engine, RunningRule};
use crate::lower::group_of;
use crate::watched::{RuleWatch, WatchedRule, watched};

/// How long a query that failed rests before it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// How long a query may stand still before records that wait.
const STILL_MAX: Duration = Duration::from_secs(10);

/// How long a group may take to give a query its partitions; a member that died is waited for.
const ALONE_MAX: Duration = Duration::from_mins(1);

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
    jobs: BTreeMap<String, Job>,
}

struct Job {
    version: i64,
    running: Option<RunningRule>,
    failure: Option<(String, Instant)>,
    begun: Instant,
    /// How many records it had taken when that last changed, and when.
    moved: (u64, Instant),
    /// A topic that it reads and that is not there any more.
    missing: Option<String>,
}

impl Job {
    fn of(query: &QueryEntry) -> Self {
        let now = Instant::now();
        let version = query.version;
        Self { version, running: None, failure: None, begun: now, moved: (0, now), missing: None }
    }
}

impl Crew {
    /// Starts what the book says and does not run, and stops what runs and is not in it.
    pub(crate) fn settle<W: World + Groups>(&mut self, book: &Book, engine: &Engine<W>) {
        let is_wanted = |id: &String, job: &Job| {
            book.queries.get(id).is_some_and(|query| !query.is_paused && query.version == job.version)
        };
        let ended: Vec<_> =
            self.jobs.iter().filter(|(id, job)| !is_wanted(id, job)).map(|(id, _)| id.clone()).collect();
        let ended: Vec<_> = ended.iter().filter_map(|id| self.jobs.remove(id)).collect();
        stop(ended);
        for query in book.queries.values().filter(|query| !query.is_paused) {
            self.jobs.entry(query.id.clone()).or_insert_with(|| Job::of(query));
        }
        for (id, job) in &mut self.jobs {
            if let Some(query) = book.queries.get(id) {
                job.tend(query, engine);
            }
        }
    }

    /// Takes in which topics there are. A query whose input has gone hears nothing of it; when the input is back it is another
    /// topic, whose offsets begin anew, so the query is started again.
    pub(crate) fn look(&mut self, topics: &BTreeSet<String>, book: &Book) {
        let mut anew = Vec::new();
        for (id, job) in &mut self.jobs {
            let Some(query) = book.queries.get(id) else { continue };
            let sources = query.rule.query.sources();
            let is_gone = |topic: &&String| !topic.starts_with("__") && !topics.contains(*topic);
            let missing = sources.into_iter().map(|source| &source.topic).find(is_gone).cloned();
            if job.missing.is_some() && missing.is_none() {
                anew.push(std::mem::replace(job, Job::of(query)));
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
        self.jobs.get(&query.id).map_or(QueryState::Unknown, Job::state)
    }

    /// The figures of a query that runs here.
    pub(crate) fn status(&self, id: &str) -> Option<Arc<Status>> {
        Some(self.jobs.get(id)?.running.as_ref()?.processor.status())
    }

    /// A query with what it does and has done here, where it ever ran here.
    pub(crate) fn watched(&self, query: &QueryEntry) -> WatchedRule {
        let state = self.state(query);
        let running = self.jobs.get(&query.id).and_then(|job| job.running.as_ref());
        let found = running.and_then(|running| Some((running.processor.status(), running.figures.first()?)));
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
    fn tend<W: World + Groups>(&mut self, query: &QueryEntry, engine: &Engine<W>) {
        if let Some(running) = self.running.take_if(|running| running.processor.is_finished()) {
            let why = match running.processor.join() {
                Err(error) => error.to_string(),
                Ok(()) => "it ended".to_owned(),
            };
            self.failure = Some((why, Instant::now()));
        }
        let rests = self.failure.as_ref().is_some_and(|(_, since)| since.elapsed() < TRY_AGAIN);
        if self.running.is_none() && !rests {
            let placed = if query.is_from_end { engine.place_at_ends(&query.rule) } else { Ok(()) };
            match placed.and_then(|()| engine.deploy(query.rule.clone())) {
                Ok(running) => (self.running, self.failure) = (Some(running), None),
                Err(error) => {
                    tracing::warn!(query = query.id, %error, "a query can't start; it is tried again");
                    self.failure = Some((error.to_string(), Instant::now()));
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
        let waiting: u64 = now.partitions.iter().filter_map(|partition| partition.lag).sum();
        if waiting > 0 && self.moved.1.elapsed() > STILL_MAX {
            return QueryState::Stalled(format!("{waiting} records wait, and none was taken for a while"));
        }
        QueryState::Running
    }
}
