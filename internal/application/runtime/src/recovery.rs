use std::ops::ControlFlow;
use std::time::Duration;

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{Action, GroupLog, PortError, Start, TableId, TableStore, Tail, World};

use crate::desk::Desk;
use crate::layer::TableLayer;
use crate::partition::{PartitionTable, PartitionTask, Phase, Plan};
use crate::status::WorkerStatus;

/// Changelog records read at a time.
const BATCH_RECORDS_MAX: usize = 20_000;

/// Time between two lines of log about a recovery.
const TELL_INTERVAL: Duration = Duration::from_secs(5);

/// Brings tables up to their topics' ends, and keeps joined tables there.
///
/// Topics are numbered as a partition's tables are: the changelog first where there is one, then the joins.
pub(crate) struct Recovery<W: World> {
    tail: Option<W::Tail>,
    topics: Vec<TopicName>,
    has_table: bool,
    told_at: Duration,
}

impl<W: World> Recovery<W> {
    pub(crate) fn new(desk: &Desk<W>, instance: usize) -> Result<Self, PortError> {
        let spec = &desk.plan.graph.spec;
        let topics: Vec<_> = spec.changelog.iter().chain(&spec.joins).cloned().collect();
        let name = format!("{}-recovery-{instance}", spec.group);
        let tail = if topics.is_empty() { None } else { Some(desk.world.tail(&name, &topics)?) };
        Ok(Self { tail, topics, has_table: spec.changelog.is_some(), told_at: desk.world.elapsed() })
    }

    /// Whether there is something to do beside processing.
    pub(crate) fn is_busy(desk: &mut Desk<W>) -> bool {
        desk.owned().any(|task| task.phase != Phase::Running)
    }

    /// Does a bounded piece of work: opens stores, reads on, and starts the partitions that became current. Answers whether
    /// there was any.
    pub(crate) fn step(
        &mut self,
        log: &mut W::Group,
        desk: &mut Desk<W>,
        wait: Duration,
    ) -> Result<bool, PortError> {
        let opened = self.open_stores(desk)?;
        let read = self.read(desk, wait)?;
        let started = self.start_current(log, desk)?;
        self.tell(desk);
        Ok(opened || read || started)
    }

    fn open_stores(&mut self, desk: &mut Desk<W>) -> Result<bool, PortError> {
        let mut opened = false;
        let Desk { world, plan, tasks, status, .. } = desk;
        let now = world.elapsed();
        for task in tasks.iter_mut().flatten().filter(|task| task.phase == Phase::Opening) {
            match self.open(world, plan, task, status) {
                Ok(()) => (task.phase, task.kept_by, opened) = (Phase::Recovering(now), None, true),
                Err(error) if error.action() == Action::Retry => {
                    let since = task.kept_by.take().map_or(now, |(since, _)| since);
                    task.kept_by = Some((since, error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(opened)
    }

    fn open(
        &mut self,
        world: &W,
        plan: &Plan,
        task: &mut PartitionTask<W::Store>,
        status: &mut WorkerStatus,
    ) -> Result<(), PortError> {
        // A partition that comes back keeps its stores; only what was written meanwhile is read.
        for (place, topic) in self.topics.iter().enumerate().skip(task.tables.len()) {
            let layer = open_layer(world, plan, (place, topic), task.partition)?;
            status.tables_repaired += u64::from(layer.store().was_damaged());
            task.tables.push(PartitionTable::new(layer));
        }
        let Some(tail) = &mut self.tail else { return Ok(()) };
        for (topic, table) in task.tables.iter_mut().enumerate() {
            // An earlier attempt may have come this far.
            if tail.position(topic, task.partition).is_err() {
                (table.next, table.end) = begin(tail, topic, task.partition, &mut table.layer)?;
                table.replayed = 0;
            }
        }
        Ok(())
    }

    fn read(&mut self, desk: &mut Desk<W>, wait: Duration) -> Result<bool, PortError> {
        let Some(tail) = &mut self.tail else { return Ok(false) };
        let segment_bytes = desk.plan.settings.store_bytes_max;
        // Where the memory is others', they make room: nobody waits for anybody.
        if desk.plan.settings.memory.is_full() && make_room(desk)? {
            return Ok(true);
        }
        let count = tail.poll(wait, BATCH_RECORDS_MAX, |record| {
            let table = desk.task(record.partition).and_then(|task| task.tables.get_mut(record.topic));
            if let (Some(table), Some(key)) = (table, record.key) {
                table.layer.replay(key, record.value, record.timestamp);
                table.replayed += 1;
            }
            ControlFlow::Continue(())
        })?;
        let now = desk.world.elapsed();
        for task in desk.owned() {
            for (topic, table) in task.tables.iter_mut().enumerate() {
                // The group's own table is read no more once it is current.
                if let Ok(position) = tail.position(topic, task.partition) {
                    table.read_to(position, now, segment_bytes);
                }
            }
        }
        Ok(count > 0)
    }

    fn start_current(&mut self, log: &mut W::Group, desk: &mut Desk<W>) -> Result<bool, PortError> {
        let mut started = false;
        let now = desk.world.elapsed();
        for task in desk.owned() {
            let Some(since) = task.recovering_since() else { continue };
            if !task.tables.iter().all(PartitionTable::is_current) {
                continue;
            }
            if let (true, Some(tail)) = (self.has_table, &mut self.tail) {
                tail.remove(0, task.partition)?;
            }
            let (replayed, took) = (task.replayed(), now.saturating_sub(since));
            tracing::info!(partition = %task.partition, replayed, ?took, "partition ready");
            log.start(task.partition)?;
            (task.phase, started) = (Phase::Running, true);
        }
        Ok(started)
    }

    /// Says from time to time how far a long recovery is.
    fn tell(&mut self, desk: &mut Desk<W>) {
        let now = desk.world.elapsed();
        if now.saturating_sub(self.told_at) < TELL_INTERVAL {
            return;
        }
        self.told_at = now;
        for (partition, reason) in
            desk.owned().filter_map(|task| Some((task.partition, task.kept_from(now)?)))
        {
            tracing::warn!(%partition, reason, "a partition's table can't be read yet");
        }
        let recovering = desk.owned().filter_map(|task| Some((task.recovering_since()?, &*task)));
        let sum = |(count, replayed, left, begun), (since, task): (Duration, &PartitionTask<W::Store>)| {
            (count + 1, replayed + task.replayed(), left + task.remaining(), since.min(begun))
        };
        let (partitions, replayed, remaining, begun) = recovering.fold((0, 0_u64, 0_u64, now), sum);
        if partitions > 0 {
            let rate = replayed / now.saturating_sub(begun).as_secs().max(1);
            let left_s = remaining.checked_div(rate);
            tracing::info!(partitions, replayed, remaining, rate, left_s, "recovering tables");
        }
    }

    /// Stops following the tables of partitions that go away.
    pub(crate) fn release(&mut self, partitions: &[Partition]) -> Result<(), PortError> {
        let Some(tail) = &mut self.tail else { return Ok(()) };
        for partition in partitions {
            for topic in 0..self.topics.len() {
                tail.remove(topic, *partition)?;
            }
        }
        Ok(())
    }
}

/// Opens the store of the group's table number `place`, and puts a layer in front of it.
pub(crate) fn open_layer<W: World>(
    world: &W,
    plan: &Plan,
    (place, topic): (usize, &TopicName),
    partition: Partition,
) -> Result<TableLayer<W::Store>, PortError> {
    let ttl = plan.graph.ttl.filter(|_| plan.graph.names.has_table && place == 0);
    let group = &plan.graph.spec.group;
    // What a table whose values do not last for ever keeps is of a form of its own.
    let owner = ttl.map_or_else(|| group.clone(), |_| format!("{group}-timed"));
    let store = world.open_table(&TableId { owner, table: topic.clone(), partition })?;
    let share = plan.settings.memory.join(store.memory_bytes());
    Ok(TableLayer::new(store, share, ttl))
}

/// A table that is brought forward by its topic.
pub(crate) trait Replayed {
    /// How far it has come; `None` when it is new.
    fn covered(&self) -> Result<Option<Offset>, PortError>;
    /// Makes it new.
    fn clear(&mut self) -> Result<(), PortError>;
}

impl<S: TableStore> Replayed for TableLayer<S> {
    fn covered(&self) -> Result<Option<Offset>, PortError> {
        self.covered()
    }

    fn clear(&mut self) -> Result<(), PortError> {
        self.clear()
    }
}

impl<S: TableStore> Replayed for &S {
    fn covered(&self) -> Result<Option<Offset>, PortError> {
        self.changelog_offset()
    }

    fn clear(&mut self) -> Result<(), PortError> {
        S::clear(self)
    }
}

/// Begins reading a table's topic where the table left off, or from the start when it can't be of this topic: it is ahead
/// of the topic's end, or the topic no longer has all that came after it.
pub(crate) fn begin<T: Tail>(
    tail: &mut T,
    topic: usize,
    partition: Partition,
    table: &mut impl Replayed,
) -> Result<(Offset, Offset), PortError> {
    let Some(covered) = table.covered()? else {
        return tail.add(topic, partition, Start::Earliest);
    };
    let (first, end) = tail.add(topic, partition, Start::At(covered))?;
    if first == covered && covered <= end {
        return Ok((first, end));
    }
    tracing::warn!(topic, %partition, %covered, %first, %end, "the table does not fit its topic; it is built anew");
    table.clear()?;
    tail.remove(topic, partition)?;
    tail.add(topic, partition, Start::Earliest)
}

/// Brings the stores forward before more is read.
fn make_room<W: World>(desk: &mut Desk<W>) -> Result<bool, PortError> {
    let batch_bytes = desk.plan.settings.store_batch_bytes;
    let mut wrote = false;
    for table in desk.owned().flat_map(|task| &mut task.tables) {
        table.layer.begin_writing()?;
        wrote |= table.layer.store_some(batch_bytes)?;
    }
    Ok(wrote)
}
