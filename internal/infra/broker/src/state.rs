//! All that a broker holds.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use millstream_cluster::Group;
use tracing::warn;
use uuid::Uuid;

use crate::alarm::{Alarm, Clock};
use crate::groups::{Groups, members_fact};
use crate::journal::Journal;
use crate::settings::{BrokerError, BrokerSettings};
use crate::topics::Topics;
use crate::transactions::Coordinator;

/// A lock whose holder may have panicked: what it guards is left as it is after each step.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that connections share.
///
/// Locks are taken in this order: groups, a partition's log, the coordinator, the journal.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: BrokerSettings,
    pub(crate) address: SocketAddr,
    pub(crate) cluster_id: String,
    pub(crate) clock: Clock,
    pub(crate) alarm: Alarm,
    pub(crate) topics: Topics,
    pub(crate) groups: Groups,
    pub(crate) coordinator: Mutex<Coordinator>,
    pub(crate) journal: Mutex<Journal>,
    stopping: AtomicBool,
    _lock: File,
}

impl State {
    /// Opens what is in the data folder, and finishes what a crash left half done.
    pub(crate) fn open(settings: BrokerSettings, address: SocketAddr) -> Result<Self, BrokerError> {
        let path = settings.data.clone();
        let data = |source| BrokerError::Data { path: path.clone(), source };
        fs::create_dir_all(&path).map_err(data)?;
        let lock = lock(&path)?;
        let (journal, facts) = Journal::open(&path.join("journal"), settings.flush).map_err(data)?;
        let (groups, clock) = (Groups::default(), Clock::new());
        for fact in &facts {
            groups.lock().recall(fact, clock.now());
        }
        let state = Self {
            address,
            cluster_id: cluster_id(&path).map_err(data)?,
            clock,
            alarm: Alarm::new(),
            topics: Topics::open(&path.join("topics"), settings.flush).map_err(data)?,
            groups,
            coordinator: Mutex::new(Coordinator::recall(&facts)),
            journal: Mutex::new(journal),
            stopping: AtomicBool::new(false),
            _lock: lock,
            settings,
        };
        state.carry_out_what_is_left().map_err(data)?;
        Ok(state)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Tells all who wait that the broker stops.
    pub(crate) fn begin_to_stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.alarm.set(0);
        self.groups.close();
        for topic in self.topics.all() {
            topic.partitions().iter().for_each(|partition| partition.waiters.ring());
        }
    }

    /// Writes down who is in a group, if that is settled. What can't be written costs its members a rebalance at most.
    pub(crate) fn note_members(&self, id: &str, group: &Group) {
        let facts: Vec<_> = members_fact(id, group).into_iter().collect();
        if let Err(error) = locked(&self.journal).write(&facts) {
            warn!(group = id, %error, "can't write down who is in a group");
        }
    }

    /// Writes what spares the next start work.
    pub(crate) fn close(&self) {
        for topic in self.topics.all() {
            for (number, partition) in topic.partitions().iter().enumerate() {
                if let Err(error) = partition.log().close() {
                    warn!(topic = topic.name, number, %error, "can't write a partition's index");
                }
            }
        }
    }

    /// Removes and compacts what is due.
    pub(crate) fn tidy(&self) {
        let now = self.clock.now();
        for topic in self.topics.all() {
            for (number, partition) in topic.partitions().iter().enumerate() {
                if let Err(error) = crate::storage::compaction::tidy(partition, now) {
                    warn!(topic = topic.name, number, %error, "can't tidy a partition");
                }
                if self.is_stopping() {
                    return;
                }
            }
        }
        if let Err(error) = self.carry_out_what_is_left() {
            warn!(%error, "can't end a transaction");
        }
        if let Err(error) = self.tidy_journal() {
            warn!(%error, "can't write the journal anew");
        }
    }

    fn tidy_journal(&self) -> io::Result<()> {
        let groups = self.groups.lock();
        let coordinator = locked(&self.coordinator);
        let mut journal = locked(&self.journal);
        if journal.is_long() {
            let facts: Vec<_> = groups.facts().into_iter().chain(coordinator.facts()).collect();
            journal.write_anew(&facts)?;
        }
        Ok(())
    }
}

/// Sees that no broker is at work on a folder of data.
///
/// # Errors
/// [`BrokerError::InUse`] when one is, [`BrokerError::Data`] when the folder can't be read.
pub fn prove_idle(data: &Path) -> Result<(), BrokerError> {
    lock(data).map(drop)
}

fn lock(data: &Path) -> Result<File, BrokerError> {
    let source = |source| BrokerError::Data { path: data.to_path_buf(), source };
    let path = data.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(source)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(BrokerError::InUse(data.to_path_buf())),
        Err(fs::TryLockError::Error(error)) => Err(source(error)),
    }
}

/// The cluster's name for itself, made once.
fn cluster_id(data: &Path) -> io::Result<String> {
    let path = data.join("cluster");
    if let Ok(id) = fs::read_to_string(&path) {
        return Ok(id.trim().to_owned());
    }
    let id = Uuid::new_v4().simple().to_string();
    crate::storage::log::write_whole(&path, id.as_bytes())?;
    Ok(id)
}
