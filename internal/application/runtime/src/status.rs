use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millstream_model::{Partition, RecordView, TopicName};
use millstream_ports::{GroupLog, Meter, Sample, World};
use millstream_topology::GroupSpec;

use crate::desk::{Desk, Setback};
use crate::graph::GroupGraph;
use crate::measures::Measures;
use crate::metrics;
use crate::partition::{PartitionTask, Phase};

/// Time between two publications of a worker's figures.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(100);

/// Time without a turn after which a worker is taken to hang: in a callback, or in the brokers' hands.
const TURN_MAX: Duration = Duration::from_secs(30);

/// What a worker counts while it works; nobody else sees it before it is published.
pub(crate) struct WorkerStatus {
    records_in: Vec<u64>,
    records_out: Vec<u64>,
    pub(crate) skipped: u64,
    pub(crate) dead_letters: u64,
    pub(crate) retried: u64,
    pub(crate) commits: u64,
    /// Stores that were found damaged while they were open, and those that began anew after damage.
    pub(crate) repairs: u64,
    pub(crate) tables_repaired: u64,
    pub(crate) measures: Measures,
    warned: bool,
    published: Option<Duration>,
}

impl WorkerStatus {
    pub(crate) fn new(inputs: usize, destinations: usize) -> Self {
        let zeros = |count| vec![0; count];
        let (records_in, records_out) = (zeros(inputs), zeros(destinations));
        Self {
            records_in,
            records_out,
            skipped: 0,
            dead_letters: 0,
            retried: 0,
            commits: 0,
            repairs: 0,
            tables_repaired: 0,
            measures: Measures::new(inputs, destinations),
            warned: false,
            published: None,
        }
    }

    pub(crate) fn processed(&mut self, record: &RecordView<'_>) {
        self.measures.processed(record);
        if let Some(count) = self.records_in.get_mut(record.topic) {
            *count += 1;
        }
    }

    pub(crate) fn sent(&mut self, destination: usize) {
        if let Some(count) = self.records_out.get_mut(destination) {
            *count += 1;
        }
    }

    /// Whether this is the first call since the last publication: what is logged is logged once in that time.
    pub(crate) fn first_of_batch(&mut self) -> bool {
        !std::mem::replace(&mut self.warned, true)
    }
}

/// A processor's figures, all workers together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Records processed, by input.
    pub records_in: Vec<(TopicName, u64)>,
    /// Records sent, by destination: outputs, the loop, the dead letters.
    pub records_out: Vec<(TopicName, u64)>,
    /// Records passed over by policy.
    pub skipped: u64,
    /// Records sent to the dead-letter topic.
    pub dead_letters: u64,
    /// Retries of records, timers, keys of a visit and sends that failed.
    pub retried: u64,
    /// Records whose completion is awaited.
    pub deferred: u64,
    /// Records that were read and wait behind others that are deferred or retried.
    pub waiting: u64,
    /// Timers that are set.
    pub timers: u64,
    /// Commits of input offsets.
    pub commits: u64,
    /// Tables' partitions whose store was found damaged and set aside; they are built anew from their changelogs.
    pub tables_repaired: u64,
    /// How long things take, how large and how old they are.
    pub measures: Measures,
    /// Owned partitions, by number.
    pub partitions: Vec<PartitionStatus>,
    /// Partitions of others that this process stands by for, by number.
    pub standbys: Vec<StandbyStatus>,
    /// What a record waits for before it is tried again, such as a schema registry that does not answer.
    pub stalled: Option<String>,
    /// The longest time that a worker has been at one turn, in which it processes a batch or waits for the brokers.
    pub turn: Option<Duration>,
    /// Why the processor can't go on.
    pub failure: Option<String>,
}

impl Snapshot {
    /// Records waiting in all inputs of the owned partitions, as far as known.
    pub fn lag(&self) -> u64 {
        self.partitions.iter().filter_map(|partition| partition.lag).sum()
    }

    /// Whether it owns partitions and processes all of them.
    pub fn is_running(&self) -> bool {
        !self.partitions.is_empty() && self.partitions.iter().all(|partition| partition.is_running)
    }
}

/// One owned partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionStatus {
    /// Its number.
    pub partition: Partition,
    /// Whether its inputs are processed; otherwise its tables are being recovered.
    pub is_running: bool,
    /// Table records replayed since it was assigned.
    pub replayed: u64,
    /// Table records still to be replayed.
    pub remaining: u64,
    /// How long its tables have been recovering, while they are.
    pub recovering: Option<Duration>,
    /// Records waiting in its inputs, when known.
    pub lag: Option<u64>,
}

impl PartitionStatus {
    /// Table records replayed a second, while it recovers.
    pub fn replay_rate(&self) -> Option<u64> {
        let millis = self.recovering?.as_millis().max(1);
        u64::try_from(u128::from(self.replayed) * 1_000 / millis).ok()
    }

    /// How long the rest of its recovery takes at the rate it has, while it recovers.
    pub fn recovery_left(&self) -> Option<Duration> {
        let rate = self.replay_rate().filter(|rate| *rate > 0)?;
        Some(Duration::from_millis(self.remaining.saturating_mul(1_000) / rate))
    }
}

/// A partition that another process owns, and this one stands by for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandbyStatus {
    /// Its number.
    pub partition: Partition,
    /// Whether its tables are being followed; otherwise their stores or topics are waited for.
    pub is_following: bool,
    /// Table records between the standby and the owner, as of the last second.
    pub lag: u64,
}

/// What a processor is doing, for people and metrics. Its figures are at most a tenth of a second old.
pub struct Status {
    spec: GroupSpec,
    inputs: Vec<TopicName>,
    destinations: Vec<TopicName>,
    workers: Vec<Mutex<Figures>>,
    standbys: Mutex<Vec<StandbyStatus>>,
    failure: Mutex<Option<String>>,
}

#[derive(Clone, Default)]
struct Figures {
    records_in: Vec<u64>,
    records_out: Vec<u64>,
    skipped: u64,
    dead_letters: u64,
    retried: u64,
    deferred: u64,
    waiting: u64,
    timers: u64,
    commits: u64,
    tables_repaired: u64,
    measures: Measures,
    partitions: Vec<PartitionStatus>,
    stalled: Option<String>,
    /// When its last turn ended.
    turned: Option<Instant>,
}

impl Status {
    pub(crate) fn new(graph: &GroupGraph, workers: usize) -> Self {
        Self {
            spec: graph.spec.clone(),
            inputs: graph.spec.inputs.clone(),
            destinations: graph.names.destinations.clone(),
            workers: (0..workers).map(|_| Mutex::default()).collect(),
            standbys: Mutex::default(),
            failure: Mutex::default(),
        }
    }

    /// The group's name.
    pub fn group(&self) -> &str {
        &self.spec.group
    }

    /// What the group reads and writes.
    pub fn spec(&self) -> &GroupSpec {
        &self.spec
    }

    pub(crate) fn fail(&self, reason: &str) {
        locked(&self.failure).get_or_insert_with(|| reason.to_owned());
    }

    pub(crate) fn publish<W: World>(&self, instance: usize, desk: &mut Desk<W>, log: &W::Group) {
        let now = desk.world.elapsed();
        if desk.status.published.is_some_and(|at| now.saturating_sub(at) < PUBLISH_INTERVAL) {
            return;
        }
        desk.status.published = Some(now);
        desk.status.warned = false;
        let inputs = self.inputs.len();
        let partitions = desk.owned().map(|task| partition_status(task, inputs, log, now)).collect();
        let lag = |partition| lag(log, inputs, partition);
        let measures = Measures::published(desk, lag);
        let [deferred, waiting, timers] = counts(desk);
        let stalled = self.stalled(desk);
        let counted = &desk.status;
        let figures = Figures {
            records_in: counted.records_in.clone(),
            records_out: counted.records_out.clone(),
            skipped: counted.skipped,
            dead_letters: counted.dead_letters,
            retried: counted.retried,
            deferred,
            waiting,
            timers,
            commits: counted.commits,
            tables_repaired: counted.tables_repaired,
            measures,
            partitions,
            stalled,
            turned: Some(Instant::now()),
        };
        if let Some(slot) = self.workers.get(instance) {
            *locked(slot) = figures;
        }
    }

    /// What the record waits for that is retried longest.
    fn stalled<W: World>(&self, desk: &mut Desk<W>) -> Option<String> {
        if let Some(refusal) = &desk.refusal {
            return Some(format!("an emitted record was refused, and is sent again: {}", refusal.reason));
        }
        // Once or twice is what a rebalance brings.
        if let Some(setback) = desk.setback.as_ref().filter(|setback| setback.times > 2) {
            let Setback { times, reason, .. } = setback;
            return Some(format!("what was not committed was taken back {times} times: {reason}"));
        }
        let now = desk.world.elapsed();
        let kept = desk.owned().find_map(|task| Some((task.partition, task.kept_from(now)?.to_owned())));
        if let Some((partition, reason)) = kept {
            return Some(format!("the table of partition {partition} can't be read yet: {reason}"));
        }
        let all = desk.owned().flat_map(|task| &task.held.retrying);
        let longest = all.max_by_key(|one| one.tried)?;
        let record = &longest.record;
        let topic = self.inputs.get(record.topic).map_or("", TopicName::as_str);
        let (partition, offset, tried) = (record.partition, record.offset, longest.tried);
        Some(format!("{topic}/{partition}@{offset} is tried again, {tried} times so far: {}", longest.reason))
    }

    pub(crate) fn publish_standbys(&self, standbys: Vec<StandbyStatus>) {
        *locked(&self.standbys) = standbys;
    }

    /// All figures as of now.
    pub fn snapshot(&self) -> Snapshot {
        let all: Vec<Figures> = self.workers.iter().map(|worker| locked(worker).clone()).collect();
        let sum = |of: fn(&Figures) -> u64| all.iter().map(of).sum();
        let mut partitions: Vec<_> = all.iter().flat_map(|figures| figures.partitions.clone()).collect();
        partitions.sort_by_key(|partition| partition.partition);
        let mut measures = Measures::default();
        for figures in &all {
            measures.add(&figures.measures);
        }
        Snapshot {
            records_in: by_topic(&self.inputs, &all, |figures| &figures.records_in),
            records_out: by_topic(&self.destinations, &all, |figures| &figures.records_out),
            skipped: sum(|figures| figures.skipped),
            dead_letters: sum(|figures| figures.dead_letters),
            retried: sum(|figures| figures.retried),
            deferred: sum(|figures| figures.deferred),
            waiting: sum(|figures| figures.waiting),
            timers: sum(|figures| figures.timers),
            commits: sum(|figures| figures.commits),
            tables_repaired: sum(|figures| figures.tables_repaired),
            measures,
            partitions,
            standbys: locked(&self.standbys).clone(),
            stalled: all.iter().find_map(|figures| figures.stalled.clone()),
            turn: all.iter().filter_map(|figures| figures.turned).map(|turned| turned.elapsed()).max(),
            failure: locked(&self.failure).clone(),
        }
    }

    /// The partitions that are processed here, not those that are being recovered.
    pub(crate) fn running_partitions(&self) -> Vec<Partition> {
        let of = |worker: &Mutex<Figures>| -> Vec<_> {
            let worker = locked(worker);
            worker
                .partitions
                .iter()
                .filter(|status| status.is_running)
                .map(|status| status.partition)
                .collect()
        };
        self.workers.iter().flat_map(of).collect()
    }

    /// Whether it processes all partitions it owns; otherwise what it waits for.
    ///
    /// # Errors
    /// A sentence that says why not.
    pub fn ready(&self) -> Result<(), String> {
        let now = self.snapshot();
        let recovering = now.partitions.iter().filter(|partition| !partition.is_running);
        let remaining: u64 = recovering.clone().map(|partition| partition.remaining).sum();
        let hangs = now.turn.filter(|turn| *turn > TURN_MAX);
        let hangs = hangs.map(|turn| format!("a worker has been at one batch for {} s", turn.as_secs()));
        match (now.failure.or(now.stalled).or(hangs), recovering.count()) {
            (Some(reason), _) => Err(reason),
            (None, 0) if now.partitions.is_empty() => Err("no partition is assigned yet".to_owned()),
            (None, 0) => Ok(()),
            (None, count) => Err(format!("{count} partitions are recovering, {remaining} records to go")),
        }
    }
}

impl Meter for Status {
    fn samples(&self, out: &mut Vec<Sample>) {
        metrics::samples(&self.spec.group, &self.snapshot(), out);
    }
}

/// How many records are deferred and how many wait, and how many timers are set.
fn counts<W: World>(desk: &mut Desk<W>) -> [u64; 3] {
    let deferred = desk.deferred();
    let held: usize = desk.owned().map(|task| task.held.count()).sum();
    let timers: usize =
        desk.owned().filter_map(|task| task.timers.as_ref()).map(crate::timers::Timers::count).sum();
    [deferred, held.saturating_sub(deferred), timers].map(|count| u64::try_from(count).unwrap_or(u64::MAX))
}

fn partition_status<S: millstream_ports::TableStore, L: GroupLog>(
    task: &PartitionTask<S>,
    inputs: usize,
    log: &L,
    now: Duration,
) -> PartitionStatus {
    PartitionStatus {
        partition: task.partition,
        is_running: task.phase == Phase::Running,
        replayed: task.replayed(),
        remaining: task.remaining(),
        recovering: task.recovering_since().map(|since| now.saturating_sub(since)),
        lag: lag(log, inputs, task.partition),
    }
}

/// Records that wait in all inputs of a partition, as far as is known.
pub(crate) fn lag<L: GroupLog>(log: &L, inputs: usize, partition: Partition) -> Option<u64> {
    let lags: Vec<u64> = (0..inputs).filter_map(|input| log.lag(input, partition)).collect();
    (!lags.is_empty()).then(|| lags.iter().sum())
}

fn by_topic(topics: &[TopicName], all: &[Figures], of: fn(&Figures) -> &Vec<u64>) -> Vec<(TopicName, u64)> {
    let sum = |index| all.iter().filter_map(|figures| of(figures).get(index)).sum();
    topics.iter().enumerate().map(|(index, topic)| (topic.clone(), sum(index))).collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The data is replaced whole, so a panic elsewhere leaves nothing half-written.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_says_how_fast_it_is_and_when_it_ends() {
        let of = |replayed, remaining, recovering| {
            let partition = Partition::new(0);
            let status =
                PartitionStatus { partition, is_running: false, replayed, remaining, recovering, lag: None };
            (status.replay_rate(), status.recovery_left().map(|left| left.as_secs()))
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(of(1_000, 3_000, seconds(2)), (Some(500), Some(6)));
        assert_eq!(of(0, 3_000, seconds(2)), (Some(0), None), "who knows");
        assert_eq!(of(0, 3_000, seconds(0)), (Some(0), None));
        assert_eq!(of(1_000, 0, None), (None, None), "it is over");
    }
}
