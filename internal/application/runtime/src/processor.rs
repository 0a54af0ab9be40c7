use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{Delivery, PortError, World};
use millstream_topology::{Survey, TopicFault};
use thiserror::Error;

use crate::graph::GroupGraph;
use crate::memory::MemoryBudget;
use crate::partition::Plan;
use crate::query::TableClient;
use crate::standby::{Standbys, feed};
use crate::status::Status;
use crate::stepped::Stepped;
use crate::stop::Stop;
use crate::traced::Traces;
use crate::view::{FollowedTable, Follower, ReadTable, TableReader};
use crate::visit::{Argument, Visiting, Visitor};
use crate::worker::Worker;

/// How often topics are looked at before what is wrong with them counts.
const LOOKS: u32 = 5;

/// Time between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Why a processor can't start, or can't go on.
#[derive(Debug, Error)]
pub enum ProcessorError {
    /// Topics are not as the group needs them.
    #[error("group '{group}' can't start:\n{}", list(faults))]
    Topics {
        /// The group.
        group: String,
        /// What is wrong, and what mends it.
        faults: Vec<TopicFault>,
    },
    /// A record could not be processed, and the policy says to stop.
    #[error(
        "group '{group}' stopped at {topic}/{partition}@{offset}, which was not committed: {stage} failed: {reason}"
    )]
    Record {
        /// The group.
        group: String,
        /// The record's topic.
        topic: String,
        /// Its partition.
        partition: Partition,
        /// Its offset.
        offset: Offset,
        /// `decode` or `callback`.
        stage: &'static str,
        /// What was wrong.
        reason: String,
    },
    /// The log or the storage failed for good.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A worker's thread ended in a panic outside any callback: a defect of the framework.
    #[error("a worker of group '{0}' panicked; this is a defect, please report it with the log above")]
    Panicked(String),
}

fn list(faults: &[TopicFault]) -> String {
    faults.iter().map(|fault| format!("  {fault}")).collect::<Vec<_>>().join("\n")
}

/// How a processor runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What a failure may repeat.
    pub delivery: Delivery,
    /// Threads, each a member of the group with its own partitions. At least 1.
    pub workers: usize,
    /// Time between commits; `None` goes by the delivery. At least once it is 500 ms. Exactly once it is 100 ms, since outputs
    /// can be read once they are committed.
    pub commit_interval: Option<Duration>,
    /// The memory of its tables and lookups: 512 MiB unless told otherwise. Processors of one process share it where their
    /// settings have clones of one budget.
    pub memory: MemoryBudget,
    /// Uncommitted table writes, in bytes a worker, at which a commit comes early.
    pub dirty_bytes_max: usize,
    /// Time after which a table's store takes what its changelog has. A kill makes at most this much be replayed, and a
    /// restore that was done less than this ago.
    pub store_interval: Duration,
    /// What its changelog has and the store lacks, in bytes a table and partition, at which the store takes it early. A table
    /// that is read from its changelog is stored in stretches of as much: a kill repeats one of them at most.
    pub store_bytes_max: usize,
    /// What a store takes at a time, in bytes. Records wait for one such batch, and no longer.
    pub store_batch_bytes: usize,
    /// Records that may be deferred at a time, a worker. Nothing more is read while there are so many.
    pub deferred_max: usize,
    /// What waits behind records that are deferred or retried, in bytes a worker, at which nothing more is read.
    pub waiting_bytes_max: usize,
    /// Processes beside its owner that keep a partition's tables close behind it, so that one of them takes over with next to
    /// nothing to read. Each needs the room of the tables again. 0 is none.
    pub standbys: u32,
    /// Copies of the topics that the processor creates; `None` is the brokers' default.
    pub replication: Option<u16>,
    /// Where the spans of callbacks go. Each continues the trace that its record's header `traceparent` names, and all that
    /// is emitted carries it on.
    pub traces: Traces,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            delivery: Delivery::AtLeastOnce,
            workers: thread::available_parallelism().map_or(1, usize::from),
            commit_interval: None,
            memory: MemoryBudget::default(),
            dirty_bytes_max: 64 << 20,
            store_interval: Duration::from_secs(10),
            store_bytes_max: 16 << 20,
            store_batch_bytes: 8 << 10,
            deferred_max: 1_000,
            waiting_bytes_max: 64 << 20,
            standbys: 0,
            replication: None,
            traces: Traces::default(),
        }
    }
}

impl Settings {
    /// The defaults under exactly-once.
    pub fn exactly_once() -> Self {
        Self { delivery: Delivery::ExactlyOnce, ..Self::default() }
    }

    /// Time between commits, as set or by the delivery.
    pub fn commit_interval(&self) -> Duration {
        self.commit_interval.unwrap_or(match self.delivery {
            Delivery::AtLeastOnce => Duration::from_millis(500),
            Delivery::ExactlyOnce => Duration::from_millis(100),
        })
    }
}

/// A group graph that can be run on a world.
pub struct Processor<W: World> {
    world: W,
    graph: Arc<GroupGraph>,
    settings: Settings,
}

impl<W: World> Processor<W> {
    /// A processor for `graph`, with the default settings.
    pub fn new(world: W, graph: impl Into<Arc<GroupGraph>>) -> Self {
        Self { world, graph: graph.into(), settings: Settings::default() }
    }

    /// Sets how it runs.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Checks the topics, creates the internal ones, reads the lookups, and starts the workers.
    ///
    /// # Errors
    /// [`ProcessorError::Topics`] when a topic does not fit the group; [`ProcessorError::Port`] when the brokers or the
    /// storage refuse.
    pub fn start(self) -> Result<Running, ProcessorError> {
        let stop = Stop::new();
        let widths = self.prepare_topics()?;
        let lookups = self.start_lookups()?;
        let shared = lookups.iter().map(|lookup| lookup.table.clone() as _).collect();
        let Crew { workers, plan, status, table, standbys } = self.crew(widths, shared)?;
        let hired = workers
            .into_iter()
            .enumerate()
            .map(|(instance, worker)| spawn(worker, instance, &plan, &stop, &status))
            .collect::<Result<Vec<_>, _>>()?;
        let standbys =
            standbys.map(|standbys| spawn_standbys(standbys, &plan, &stop, &status)).transpose()?;
        let keep = lookups.into_iter().map(|lookup| Box::new(lookup) as Box<dyn FollowedTable>).collect();
        Ok(Running {
            group: self.graph.spec.group.clone(),
            stop,
            status,
            table,
            workers: hired,
            standbys,
            lookups: keep,
        })
    }

    /// As [`Processor::start`], but without threads: the processor works while it is stepped by the caller.
    ///
    /// # Errors
    /// As [`Processor::start`].
    pub fn stepped(self) -> Result<Stepped<W>, ProcessorError> {
        let widths = self.prepare_topics()?;
        let spec = &self.graph.spec;
        let open = |topic| Follower::open(&self.world, &spec.group, topic, &self.settings.memory);
        let lookups = spec.lookups.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let shared = lookups.iter().map(|lookup| lookup.copy.clone() as _).collect();
        let crew = self.crew(widths, shared)?;
        Ok(Stepped::new(crew, lookups))
    }

    fn crew(&self, widths: Vec<u32>, lookups: Vec<Arc<dyn ReadTable>>) -> Result<Crew<W>, PortError> {
        let (graph, settings) = (self.graph.clone(), self.settings.clone());
        let count = settings.workers.max(1);
        let status = Arc::new(Status::new(&graph, count));
        let layers = settings.traces.middleware().into_iter().chain(graph.layers.iter().cloned()).collect();
        let plan = Arc::new(Plan { graph, layers, widths, settings, lookups });
        let (table, questions) = TableClient::new(&plan.graph, count);
        let standbys = Standbys::new(&self.world, &plan)?;
        let hire = |(instance, questions)| {
            let warm = standbys.as_ref().map(Standbys::shelf);
            Worker::new(&self.world, plan.clone(), instance, questions, warm)
        };
        let workers = questions.into_iter().enumerate().map(hire).collect::<Result<_, _>>()?;
        Ok(Crew { workers, plan, status, table, standbys })
    }

    fn prepare_topics(&self) -> Result<Vec<u32>, ProcessorError> {
        let spec = &self.graph.spec;
        let survey = self.survey()?;
        if !survey.faults.is_empty() {
            return Err(ProcessorError::Topics { group: spec.group.clone(), faults: survey.faults });
        }
        for topic in &survey.missing {
            tracing::info!(topic = %topic.name, partitions = topic.partitions, "creating topic");
            self.world.create_topic(topic)?;
        }
        let width = |topic| survey.partitions.get(topic).copied().unwrap_or(1);
        Ok(self.graph.names.destinations.iter().map(width).collect())
    }

    /// Looks at the topics, and again where something is wrong: brokers learn of a new topic some moments after another has
    /// acknowledged it.
    fn survey(&self) -> Result<Survey, PortError> {
        let spec = &self.graph.spec;
        let look = || {
            let found = self.world.describe_topics(&Survey::topics(spec))?;
            let found: Vec<_> = found.into_iter().flatten().collect();
            Ok(Survey::of(spec, &found, self.settings.replication))
        };
        for _ in 1..LOOKS {
            let survey = look()?;
            if survey.faults.is_empty() {
                return Ok(survey);
            }
            thread::sleep(LOOK_AGAIN);
        }
        look()
    }

    fn start_lookups(&self) -> Result<Vec<TableReader<W>>, ProcessorError> {
        let spec = &self.graph.spec;
        let open = |topic| TableReader::open(&self.world, &spec.group, topic, &self.settings.memory);
        let lookups = spec.lookups.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        for lookup in &lookups {
            lookup.wait_ready(Duration::MAX)?;
        }
        Ok(lookups)
    }
}

/// The workers of a processor, and what they share.
pub(crate) struct Crew<W: World> {
    pub(crate) workers: Vec<Worker<W>>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) status: Arc<Status>,
    pub(crate) table: TableClient,
    pub(crate) standbys: Option<Standbys<W>>,
}

fn spawn_standbys<W: World>(
    standbys: Standbys<W>,
    plan: &Plan,
    stop: &Stop,
    status: &Arc<Status>,
) -> Result<JoinHandle<()>, PortError> {
    let (stop, status) = (stop.clone(), status.clone());
    thread::Builder::new()
        .name(format!("{}-standby", plan.graph.spec.group))
        .spawn(move || feed(standbys, &stop, &status))
        .map_err(|error| PortError::stop("could not start a thread").because(error))
}

fn spawn<W: World>(
    worker: Worker<W>,
    instance: usize,
    plan: &Plan,
    stop: &Stop,
    status: &Arc<Status>,
) -> Result<JoinHandle<Result<(), ProcessorError>>, PortError> {
    let (stop, status) = (stop.clone(), status.clone());
    let name = format!("{}-{instance}", plan.graph.spec.group);
    let body = move || {
        // Whether it ends well, badly or in a panic, the others must not go on alone and look alive.
        let _ends = EndsAll { stop: stop.clone(), status: status.clone() };
        let outcome = worker.run(&stop, &status);
        if let Err(error) = &outcome {
            tracing::error!(%error, "worker stopped");
            status.fail(&error.to_string());
        }
        outcome
    };
    thread::Builder::new()
        .name(name)
        .spawn(body)
        .map_err(|error| PortError::stop("could not start a thread").because(error))
}

struct EndsAll {
    stop: Stop,
    status: Arc<Status>,
}

impl Drop for EndsAll {
    fn drop(&mut self) {
        if thread::panicking() {
            self.status.fail("a worker panicked");
        }
        self.stop.set();
    }
}

/// A processor at work. Dropping it stops it and waits, but hides its errors; [`Running::join`] tells them.
pub struct Running {
    group: String,
    stop: Stop,
    status: Arc<Status>,
    table: TableClient,
    workers: Vec<JoinHandle<Result<(), ProcessorError>>>,
    standbys: Option<JoinHandle<()>>,
    lookups: Vec<Box<dyn FollowedTable>>,
}

impl Running {
    /// What it is doing, readable at any time and after its end.
    pub fn status(&self) -> Arc<Status> {
        self.status.clone()
    }

    /// Reads the group table's partitions that this process owns.
    pub fn table(&self) -> TableClient {
        self.table.clone()
    }

    /// Waits until this processor's own copy of a lookup has `value` under `key`: records processed from then on see it.
    ///
    /// # Errors
    /// When the group has no such lookup, the time is over, or its reader failed.
    pub fn wait_lookup(
        &self,
        topic: &TopicName,
        key: &[u8],
        value: Option<&[u8]>,
        timeout: Duration,
    ) -> Result<(), PortError> {
        let lookup = self.lookups.iter().find(|lookup| lookup.topic() == topic);
        let lookup = lookup
            .ok_or_else(|| PortError::stop(format!("group '{}' has no lookup '{topic}'", self.group)))?;
        lookup.wait_value(key, value, timeout)
    }

    /// The value that this processor's own copy of a lookup has under `key`.
    ///
    /// # Errors
    /// When the group has no such lookup, or its storage fails.
    pub fn lookup(&self, topic: &TopicName, key: &[u8]) -> Result<Option<Arc<[u8]>>, PortError> {
        let lookup = self.lookups.iter().find(|lookup| lookup.topic() == topic);
        let lookup = lookup
            .ok_or_else(|| PortError::stop(format!("group '{}' has no lookup '{topic}'", self.group)))?;
        lookup.value(key)
    }

    /// Calls a visitor back for every key that the partitions of this process hold, while records are processed.
    ///
    /// ```no_run
    /// # use millstream_runtime::{Running, Visitor};
    /// # use millstream_ports::Utf8;
    /// # fn f(running: &Running, interest: &Visitor<Utf8, f64>) -> Result<(), millstream_ports::PortError> {
    /// let visited = running.visit(interest, 0.02)?.wait(std::time::Duration::from_secs(60))?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When the group has no such visitor, or has stopped.
    pub fn visit<K, A: Send + Sync + 'static>(
        &self,
        visitor: &Visitor<K, A>,
        argument: A,
    ) -> Result<Visiting, PortError> {
        let argument: Argument = Arc::new(argument);
        self.table.visit(&visitor.name, &argument)
    }

    /// The request that stops it.
    pub fn stopper(&self) -> Stop {
        self.stop.clone()
    }

    /// Whether a worker has ended, by request or by failure.
    pub fn is_finished(&self) -> bool {
        self.workers.iter().any(JoinHandle::is_finished)
    }

    /// Drains, commits, closes, and tells how it ended. Without an earlier stop it waits until the processor fails.
    ///
    /// # Errors
    /// The first worker's failure.
    pub fn join(mut self) -> Result<(), ProcessorError> {
        let mut outcome = Ok(());
        for worker in self.workers.drain(..) {
            let ended = worker.join().unwrap_or_else(|_| Err(ProcessorError::Panicked(self.group.clone())));
            outcome = outcome.and(ended);
        }
        // A worker that ended has told all others to end.
        if let Some(standbys) = self.standbys.take() {
            let _ = standbys.join();
        }
        outcome
    }

    /// Stops it, then as [`Running::join`].
    ///
    /// # Errors
    /// As [`Running::join`].
    pub fn stop(self) -> Result<(), ProcessorError> {
        self.stop.set();
        self.join()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.set();
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
        if let Some(standbys) = self.standbys.take() {
            let _ = standbys.join();
        }
    }
}
