use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millstream_model::Partition;
use millstream_ports::World;

use crate::partition::PartitionTable;

pub(super) type Tables<W> = Vec<PartitionTable<<W as World>::Store>>;

/// Where the tables that stand by are between the workers, who take and give them, and whoever feeds them.
///
/// **Invariant:** its lock is never held while a broker is asked or a store is opened or written. What is worked on is taken
/// out meanwhile, and whoever takes that very partition waits until it is back; nobody waits for any other.
pub(crate) struct Shelf<W: World> {
    inside: Mutex<Inside<W>>,
    is_back: Condvar,
}

pub(super) struct Inside<W: World> {
    world: W,
    pub(super) held: BTreeMap<Partition, Standby<W>>,
    /// What this process is to stand by for, as of the last answer of the group.
    pub(super) wanted: BTreeSet<Partition>,
    /// What the workers of this process own, and which worker does.
    pub(super) owned: BTreeMap<Partition, usize>,
    pub(super) asked_at: Option<Duration>,
    /// Those that went, whose topics are still being read.
    pub(super) gone: BTreeSet<Partition>,
    /// How often workers took and gave: an answer of the group from before that says nothing.
    pub(super) moves: u64,
    in_work: Option<Partition>,
}

pub(super) struct Standby<W: World> {
    pub(super) tables: Tables<W>,
    /// How many of its tables are being followed.
    pub(super) following: usize,
}

/// What workers and the thread that feeds standbys share.
pub(crate) type SharedShelf<W> = Arc<Shelf<W>>;

impl<W: World> Shelf<W> {
    pub(super) fn new(world: &W) -> Self {
        let inside = Inside {
            world: world.clone(),
            held: BTreeMap::new(),
            wanted: BTreeSet::new(),
            owned: BTreeMap::new(),
            asked_at: None,
            gone: BTreeSet::new(),
            moves: 0,
            in_work: None,
        };
        Self { inside: Mutex::new(inside), is_back: Condvar::new() }
    }

    pub(super) fn locked(&self) -> MutexGuard<'_, Inside<W>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker was given a partition: what stood by for it is its own now.
    pub(crate) fn take(&self, worker: usize, partition: Partition) -> Tables<W> {
        let mut inside = self.locked();
        inside.owned.insert(partition, worker);
        inside.wanted.remove(&partition);
        inside.asked_at = None;
        inside.moves += 1;
        while inside.in_work == Some(partition) {
            inside = self.is_back.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        let tables = inside.drop_standby(partition).map(|standby| standby.tables).unwrap_or_default();
        let (next, end) = tables.first().map(|table| (table.next, table.end)).unzip();
        tracing::debug!(%partition, ?next, ?end, "a standby was taken over");
        tables
    }

    /// A worker gave a partition up: it is stood by for, unless the group says soon that others do.
    pub(crate) fn give(&self, worker: usize, partition: Partition, tables: Tables<W>) {
        let mut inside = self.locked();
        if inside.owned.get(&partition).is_some_and(|owner| *owner != worker) {
            // It was lost before this worker knew, and another one waits for its stores, which are closed with these.
            drop(inside);
            return;
        }
        inside.owned.remove(&partition);
        inside.wanted.insert(partition);
        inside.asked_at = Some(inside.world.elapsed());
        inside.moves += 1;
        inside.held.insert(partition, Standby { tables, following: 0 });
    }

    /// A worker left the group, with all it had.
    pub(crate) fn forget(&self, worker: usize) {
        self.locked().owned.retain(|_, owner| *owner != worker);
    }

    /// Takes a partition's tables out to work on them, where this process is to stand by for it: new ones if there are none.
    pub(super) fn take_out(&self, partition: Partition) -> Option<Standby<W>> {
        let mut inside = self.locked();
        if !inside.wanted.contains(&partition) || inside.gone.contains(&partition) {
            return None;
        }
        inside.in_work = Some(partition);
        let new = || Standby { tables: Vec::new(), following: 0 };
        Some(inside.held.remove(&partition).unwrap_or_else(new))
    }

    pub(super) fn put_back(&self, partition: Partition, standby: Standby<W>) {
        let mut inside = self.locked();
        inside.held.insert(partition, standby);
        inside.in_work = None;
        self.is_back.notify_all();
    }

    /// The partitions that it has.
    pub(super) fn held(&self) -> Vec<Partition> {
        self.locked().held.keys().copied().collect()
    }

    /// Forgets all tables, so that they are begun anew.
    pub(super) fn clear(&self) {
        let mut inside = self.locked();
        let held = std::mem::take(&mut inside.held);
        inside.gone.extend(held.keys());
        drop(inside);
        // Stores take their time to close.
        drop(held);
    }
}

impl<W: World> Inside<W> {
    pub(super) fn drop_standby(&mut self, partition: Partition) -> Option<Standby<W>> {
        let standby = self.held.remove(&partition)?;
        self.gone.insert(partition);
        Some(standby)
    }
}
