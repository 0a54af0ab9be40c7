use std::ops::ControlFlow;
use std::time::Duration;

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{Action, GroupLog, PortError, Start, TableId, TableStore, Tail, World};

use crate::desk::Desk;
use crate::layer::TableLayer;
use crate::partition::{PartitionTable, PartitionTask, Phase};

/// Changelog records read at a time. They are written to the store as one batch.
const BATCH_RECORDS_MAX: usize = 20_000;

/// Brings tables up to their topics' ends, and keeps joined tables there.
///
/// Topics are numbered as a partition's tables are: the changelog first where there is one, then the joins.
pub(crate) struct Recovery<W: World> {
    tail: Option<W::Tail>,
    topics: Vec<TopicName>,
    has_table: bool,
}

impl<W: World> Recovery<W> {
    pub(crate) fn new(desk: &Desk<W>, instance: usize) -> Result<Self, PortError> {
        let spec = &desk.plan.graph.spec;
        let topics: Vec<_> = spec.changelog.iter().chain(&spec.joins).cloned().collect();
        let name = format!("{}-recovery-{instance}", spec.group);
        let tail = if topics.is_empty() { None } else { Some(desk.world.tail(&name, &topics)?) };
        Ok(Self { tail, topics, has_table: spec.changelog.is_some() })
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
        Ok(opened || read || started)
    }

    fn open_stores(&mut self, desk: &mut Desk<W>) -> Result<bool, PortError> {
        let mut opened = false;
        let Desk { world, plan, tasks, .. } = desk;
        let owner = plan.graph.spec.group.as_str();
        let cache = plan.settings.cache_bytes_per_table;
        for task in tasks.iter_mut().flatten().filter(|task| task.phase == Phase::Opening) {
            match self.open(world, owner, cache, task) {
                Ok(()) => (task.phase, opened) = (Phase::Recovering, true),
                Err(error) if error.action() == Action::Retry => {
                    tracing::debug!(partition = %task.partition, %error, "waiting for the table's store");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(opened)
    }

    fn open(
        &mut self,
        world: &W,
        owner: &str,
        cache: usize,
        task: &mut PartitionTask<W::Store>,
    ) -> Result<(), PortError> {
        // A partition that comes back keeps its stores; only what was written meanwhile is read.
        for topic in self.topics.get(task.tables.len()..).unwrap_or_default() {
            let id = TableId { owner: owner.to_owned(), table: topic.clone(), partition: task.partition };
            task.tables.push(PartitionTable::new(TableLayer::new(world.open_table(&id)?, cache)));
        }
        let Some(tail) = &mut self.tail else { return Ok(()) };
        for (topic, table) in task.tables.iter_mut().enumerate() {
            // An earlier attempt may have come this far.
            if tail.position(topic, task.partition).is_err() {
                (table.next, table.end) = begin(tail, topic, task.partition, table.layer.store())?;
                table.replayed = 0;
            }
        }
        Ok(())
    }

    fn read(&mut self, desk: &mut Desk<W>, wait: Duration) -> Result<bool, PortError> {
        let Some(tail) = &mut self.tail else { return Ok(false) };
        let count = tail.poll(wait, BATCH_RECORDS_MAX, |record| {
            let table = desk.task(record.partition).and_then(|task| task.tables.get_mut(record.topic));
            if let (Some(table), Some(key)) = (table, record.key) {
                table.batch.add(key, record.value);
                table.replayed += 1;
            }
            ControlFlow::Continue(())
        })?;
        for task in desk.owned().filter(|task| task.phase != Phase::Opening) {
            let partition = task.partition;
            for (topic, table) in task.tables.iter_mut().enumerate() {
                let follows = !(self.has_table && topic == 0 && task.phase == Phase::Running);
                if follows {
                    take_in(table, tail.position(topic, partition)?)?;
                }
            }
        }
        Ok(count > 0)
    }

    fn start_current(&mut self, log: &mut W::Group, desk: &mut Desk<W>) -> Result<bool, PortError> {
        let mut started = false;
        for task in desk.owned().filter(|task| task.phase == Phase::Recovering) {
            if !task.tables.iter().all(PartitionTable::is_current) {
                continue;
            }
            if let (true, Some(tail)) = (self.has_table, &mut self.tail) {
                tail.remove(0, task.partition)?;
            }
            let replayed: u64 = task.tables.iter().map(|table| table.replayed).sum();
            tracing::info!(partition = %task.partition, replayed, "partition ready");
            log.start(task.partition)?;
            (task.phase, started) = (Phase::Running, true);
        }
        Ok(started)
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

/// Begins reading a table's topic where its store left off, or from the start when the store can't be of this topic: it is
/// ahead of the topic's end, or the topic no longer has all that came after it.
pub(crate) fn begin<T: Tail, S: TableStore>(
    tail: &mut T,
    topic: usize,
    partition: Partition,
    store: &S,
) -> Result<(Offset, Offset), PortError> {
    let Some(stored) = store.changelog_offset()? else {
        return tail.add(topic, partition, Start::Earliest);
    };
    let (first, end) = tail.add(topic, partition, Start::At(stored))?;
    if first == stored && stored <= end {
        return Ok((first, end));
    }
    tracing::warn!(topic, %partition, %stored, %first, %end, "the store does not fit its topic; it is built anew");
    store.clear()?;
    tail.remove(topic, partition)?;
    tail.add(topic, partition, Start::Earliest)
}

fn take_in<S: TableStore>(table: &mut PartitionTable<S>, position: Offset) -> Result<(), PortError> {
    if table.batch.len() == 0 && position <= table.next {
        return Ok(());
    }
    table.layer.replay(&std::mem::take(&mut table.batch), position.max(table.next))?;
    table.next = position.max(table.next);
    Ok(())
}
