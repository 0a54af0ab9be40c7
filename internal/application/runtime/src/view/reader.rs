use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use millstream_model::TopicName;
use millstream_ports::{Action, PortError, World};

use crate::memory::MemoryBudget;
use crate::stop::Stop;
use crate::view::copy::{Follower, ReadTable, TableCopy};

/// How long the reader waits for a record before it looks whether it should stop.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// A table's copy and the thread that follows its topic.
pub(crate) struct TableReader<W: World> {
    pub(crate) table: Arc<TableCopy<W::Store>>,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl<W: World> TableReader<W> {
    pub(crate) fn open(
        world: &W,
        owner: &str,
        topic: &TopicName,
        memory: &MemoryBudget,
    ) -> Result<Self, PortError> {
        let follower = Follower::open(world, owner, topic, memory)?;
        let (table, stop) = (follower.copy.clone(), Stop::new());
        let stopper = stop.clone();
        let thread = thread::Builder::new()
            .name(format!("view-{topic}"))
            .spawn(move || follow(follower, &stopper))
            .map_err(|error| PortError::stop("could not start a thread").because(error))?;
        Ok(Self { table, stop, thread: Some(thread) })
    }

    pub(crate) fn wait_ready(&self, timeout: Duration) -> Result<(), PortError> {
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let seen = self.table.changes();
            if self.table.state().is_ready {
                return Ok(());
            }
            self.table
                .wait_change(seen, deadline.unwrap_or_else(|| Instant::now() + Duration::from_secs(1)))
                .or_else(|error| {
                    if deadline.is_none() && error.action() == Action::Retry { Ok(()) } else { Err(error) }
                })?;
        }
    }
}

fn follow<W: World>(mut follower: Follower<W>, stop: &Stop) {
    while !stop.is_set() {
        if let Err(error) = follower.step(POLL_WAIT) {
            tracing::error!(topic = %follower.copy.topic, %error, "view stopped");
            follower.copy.fail(&error);
            return;
        }
    }
}

impl<W: World> Drop for TableReader<W> {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A lookup of a running processor, whatever world it is of.
pub(crate) trait FollowedTable: Send + Sync {
    fn topic(&self) -> &TopicName;
    fn value(&self, key: &[u8]) -> Result<Option<Arc<[u8]>>, PortError>;
    fn wait_value(&self, key: &[u8], value: Option<&[u8]>, timeout: Duration) -> Result<(), PortError>;
}

impl<W: World> FollowedTable for TableReader<W> {
    fn topic(&self) -> &TopicName {
        &self.table.topic
    }

    fn value(&self, key: &[u8]) -> Result<Option<Arc<[u8]>>, PortError> {
        self.table.read(key)
    }

    fn wait_value(&self, key: &[u8], value: Option<&[u8]>, timeout: Duration) -> Result<(), PortError> {
        let deadline = Instant::now() + timeout;
        loop {
            let seen = self.table.changes();
            if self.table.read(key)?.as_deref() == value {
                return Ok(());
            }
            self.table.wait_change(seen, deadline)?;
        }
    }
}
