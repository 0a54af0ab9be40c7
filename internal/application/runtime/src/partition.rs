use std::sync::Arc;
use std::time::Duration;

use millstream_model::{Offset, Partition, Timestamp};
use millstream_ports::TableStore;
use millstream_topology::OffsetLedger;

use crate::held::Held;
use crate::layer::{TableAccess, TableLayer};
use crate::timers::Timers;

/// How long a last owner may take to close a store, or a transaction to be decided, until people are told.
const KEPT_MAX: Duration = Duration::from_secs(10);

/// One partition that this worker owns: its table, its joined tables, and how far its inputs are done.
///
/// Nothing but its worker's thread touches it, so nothing here locks.
pub(crate) struct PartitionTask<S> {
    pub(crate) partition: Partition,
    pub(crate) phase: Phase,
    /// Since when its tables can't be opened or read, and why.
    pub(crate) kept_by: Option<(Duration, String)>,
    /// The group table first where there is one, then the joined tables in the order of their edges.
    pub(crate) tables: Vec<PartitionTable<S>>,
    pub(crate) ledger: OffsetLedger,
    /// The time that the record processed last bears.
    pub(crate) seen: Option<Timestamp>,
    pub(crate) held: Held,
    /// Those set in the group table; `None` until they are read from it.
    pub(crate) timers: Option<Timers>,
    pub(crate) quiet: Quiet,
}

/// How long nothing has come for a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quiet {
    /// Something has come since the last look.
    Broken,
    /// Nothing has since this moment, or it was told of at this moment.
    Since(Duration),
}

/// The life of an owned partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Its stores are not open yet; another owner may still be closing them.
    Opening,
    /// Its tables are being brought up to their topics' ends, since this moment.
    Recovering(Duration),
    /// Its inputs are processed.
    Running,
}

/// A table's partition with its layer, and how far its topic has been read into it.
pub(crate) struct PartitionTable<S> {
    pub(crate) layer: TableLayer<S>,
    /// The end of the topic when the recovery began.
    pub(crate) end: Offset,
    /// Everything before this offset is in the layer or its store.
    pub(crate) next: Offset,
    pub(crate) replayed: u64,
}

impl<S: TableStore> PartitionTable<S> {
    pub(crate) fn new(layer: TableLayer<S>) -> Self {
        Self { layer, end: Offset::ZERO, next: Offset::ZERO, replayed: 0 }
    }

    /// All of the topic before `position` is in the layer.
    pub(crate) fn read_to(&mut self, position: Offset, now: Duration, segment_bytes: usize) {
        if position > self.next {
            self.next = position;
            self.layer.replayed(position, now, segment_bytes);
        }
    }

    pub(crate) fn is_current(&self) -> bool {
        self.next >= self.end
    }
}

impl<S: TableStore> PartitionTask<S> {
    pub(crate) fn new(partition: Partition, inputs: usize) -> Self {
        Self {
            partition,
            phase: Phase::Opening,
            kept_by: None,
            tables: Vec::new(),
            ledger: OffsetLedger::new(inputs),
            seen: None,
            held: Held::default(),
            timers: None,
            quiet: Quiet::Broken,
        }
    }

    /// Table records still to be read before it runs.
    pub(crate) fn remaining(&self) -> u64 {
        self.tables.iter().map(|table| table.next.until(table.end)).sum()
    }

    pub(crate) fn replayed(&self) -> u64 {
        self.tables.iter().map(|table| table.replayed).sum()
    }

    /// Why its tables can't be opened or read, where that goes on for longer than a change of owners takes.
    pub(crate) fn kept_from(&self, now: Duration) -> Option<&str> {
        let (since, reason) = self.kept_by.as_ref()?;
        (now.saturating_sub(*since) >= KEPT_MAX).then_some(reason)
    }

    pub(crate) fn recovering_since(&self) -> Option<Duration> {
        match self.phase {
            Phase::Recovering(since) => Some(since),
            Phase::Opening | Phase::Running => None,
        }
    }

    /// The tables as a callback sees them: the group's own, and the joined ones.
    pub(crate) fn access(
        &mut self,
        has_table: bool,
    ) -> (Option<&mut dyn TableAccess>, Vec<&mut dyn TableAccess>) {
        let mut tables = self.tables.iter_mut().map(|table| &mut table.layer as &mut dyn TableAccess);
        let own = if has_table { tables.next() } else { None };
        (own, tables.collect())
    }

    /// The group table, in a group that has one.
    pub(crate) fn own_layer(&mut self) -> Option<&mut TableLayer<S>> {
        self.tables.first_mut().map(|table| &mut table.layer)
    }

    /// What is done so far is of the commit that begins.
    pub(crate) fn begin_commit(&mut self) {
        self.ledger.mark();
        if let Some(layer) = self.own_layer() {
            layer.begin_leaving();
        }
    }

    /// Forgets what was done since the last commit, so that it can be done again.
    pub(crate) fn roll_back(&mut self) {
        if let Some(layer) = self.own_layer() {
            layer.roll_back();
        }
        self.ledger.roll_back();
        (self.held, self.timers) = (Held::default(), None);
        self.quiet = Quiet::Broken;
    }

    /// Forgets all that is not in the stores.
    pub(crate) fn discard(&mut self) {
        for table in &mut self.tables {
            table.layer.discard();
        }
    }
}

/// What a worker needs to know of the world beside its log: fixed when the processor starts.
pub(crate) struct Plan {
    pub(crate) graph: Arc<crate::GroupGraph>,
    /// What stands around its callbacks, the tracing of its settings outermost.
    pub(crate) layers: Vec<crate::middleware::Middleware>,
    /// How many partitions each destination has, by index.
    pub(crate) widths: Vec<u32>,
    pub(crate) settings: crate::processor::Settings,
    pub(crate) lookups: Vec<Arc<dyn crate::view::ReadTable>>,
}
