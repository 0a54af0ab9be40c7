use std::any::Any;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::time::{Duration, Instant};

use millstream_model::Partition;
use millstream_ports::{KeyRange, PortError};

/// Calls the group back for every key of its table when it is told to, while records are processed: an edge of a group with
/// a table. `A` is what the callback is given beside the key, such as the new rate of interest.
#[derive(Debug)]
pub struct Visitor<K, A> {
    pub(crate) name: String,
    pub(crate) key: K,
    argument: PhantomData<fn() -> A>,
}

impl<K: Clone, A> Clone for Visitor<K, A> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), key: self.key.clone(), argument: PhantomData }
    }
}

impl<K, A> Visitor<K, A> {
    /// The visitor `name`, whose callback is given each key by `key`.
    pub fn new(name: impl Into<String>, key: K) -> Self {
        Self { name: name.into(), key, argument: PhantomData }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What the callback is given, whatever it is.
pub(crate) type Argument = Arc<dyn Any + Send + Sync>;

/// A key and where it is.
pub(crate) type Key = (Partition, Box<[u8]>);

/// A visit as a worker carries it out.
pub(crate) struct Visit {
    /// The visitor's place in the graph.
    pub(crate) visitor: usize,
    pub(crate) argument: Argument,
    reply: SyncSender<Result<u64, PortError>>,
    /// The partitions that the worker had when it was asked: what comes later was visited where it was.
    pub(crate) partitions: Vec<Partition>,
    /// The keys at hand. Only so many are held at a time, however large the table is.
    pub(crate) todo: VecDeque<Key>,
    /// Where the keys behind them are still to be looked up; `None` before the first are.
    pub(crate) rest: Option<VecDeque<(Partition, KeyRange)>>,
    /// Visited, and not committed yet.
    pub(crate) uncommitted: Vec<Key>,
    /// How many of them are being committed.
    marked: usize,
    pub(crate) committed: u64,
    /// How often the key at hand was tried again, and until when it waits.
    pub(crate) tried: (u32, Duration),
}

impl Visit {
    pub(crate) fn new(visitor: usize, argument: Argument, reply: SyncSender<Result<u64, PortError>>) -> Self {
        Self {
            visitor,
            argument,
            reply,
            partitions: Vec::new(),
            todo: VecDeque::new(),
            rest: None,
            uncommitted: Vec::new(),
            marked: 0,
            committed: 0,
            tried: (0, Duration::ZERO),
        }
    }

    /// What it has done so far is of the commit that begins.
    pub(crate) fn mark(&mut self) {
        self.marked = self.uncommitted.len();
    }

    /// What was marked is committed. Answers whether that was all.
    pub(crate) fn commit(&mut self) -> bool {
        let marked = std::mem::take(&mut self.marked).min(self.uncommitted.len());
        self.committed += u64::try_from(self.uncommitted.drain(..marked).count()).unwrap_or(u64::MAX);
        let has_none = self.uncommitted.is_empty() && self.todo.is_empty();
        has_none && self.rest.as_ref().is_some_and(VecDeque::is_empty)
    }

    /// What it has done since the last commit is undone, and is to be done again.
    pub(crate) fn roll_back(&mut self) {
        self.todo.extend(self.uncommitted.drain(..));
        self.marked = 0;
    }

    /// Whether it has still to do with some of these partitions.
    pub(crate) fn is_of(&self, partitions: &[Partition]) -> bool {
        let Some(rest) = &self.rest else {
            return self.partitions.iter().any(|partition| partitions.contains(partition));
        };
        let keys = self.todo.iter().chain(&self.uncommitted).map(|(partition, _)| partition);
        keys.chain(rest.iter().map(|(partition, _)| partition))
            .any(|partition| partitions.contains(partition))
    }

    pub(crate) fn end(self, outcome: Result<(), PortError>) {
        // Whoever asked may have given up.
        let _ = self.reply.try_send(outcome.map(|()| self.committed));
    }
}

/// A visit under way. Dropping it does not end the visit.
pub struct Visiting {
    workers: Vec<Receiver<Result<u64, PortError>>>,
    visited: u64,
    has_failed: bool,
}

impl Visiting {
    pub(crate) fn new(workers: Vec<Receiver<Result<u64, PortError>>>) -> Self {
        Self { workers, visited: 0, has_failed: false }
    }

    /// Waits until every key that the partitions of this process held when it began was visited, and what the callback did
    /// is committed; answers how many they were. `None` when the time is over before that. Keys that came meanwhile may have
    /// been visited too, those that went were not.
    ///
    /// # Errors
    /// When the processor stopped, or a partition moved away in the midst of it; other partitions were visited then.
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<u64>, PortError> {
        let deadline = Instant::now().checked_add(timeout);
        while let Some(worker) = self.workers.last() {
            let left = deadline.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            match worker.recv_timeout(left.min(Duration::from_hours(1))) {
                Ok(visited) => self.count(visited)?,
                Err(RecvTimeoutError::Timeout) if deadline.is_none() => {}
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => return Err(stopped()),
            }
        }
        if self.has_failed { Err(PortError::stop("the visit has failed")) } else { Ok(Some(self.visited)) }
    }

    /// As [`Visiting::wait`], without waiting.
    ///
    /// # Errors
    /// As [`Visiting::wait`].
    pub fn poll(&mut self) -> Result<Option<u64>, PortError> {
        while let Some(worker) = self.workers.last() {
            match worker.try_recv() {
                Ok(visited) => self.count(visited)?,
                Err(TryRecvError::Empty) => return Ok(None),
                Err(TryRecvError::Disconnected) => return Err(stopped()),
            }
        }
        if self.has_failed { Err(PortError::stop("the visit has failed")) } else { Ok(Some(self.visited)) }
    }

    fn count(&mut self, visited: Result<u64, PortError>) -> Result<(), PortError> {
        self.workers.pop();
        self.has_failed |= visited.is_err();
        self.visited += visited?;
        Ok(())
    }
}

fn stopped() -> PortError {
    PortError::stop("the processor stopped before the visit was over")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn what_is_visited_while_a_commit_is_under_way_is_of_the_next() {
        let (reply, _) = sync_channel(1);
        let mut visit = Visit::new(0, Arc::new(()), reply);
        visit.rest = Some(VecDeque::new());
        let key = |byte: u8| (Partition::new(0), Box::from([byte].as_slice()));
        visit.uncommitted.push(key(1));
        visit.mark();
        visit.uncommitted.push(key(2));
        assert!(!visit.commit(), "the second key is not committed");
        assert_eq!(visit.committed, 1);
        assert!(!visit.commit(), "no more was marked");
        visit.mark();
        visit.roll_back();
        assert_eq!(visit.todo.drain(..).collect::<Vec<_>>(), [key(2)], "it is visited again");
        visit.uncommitted.push(key(2));
        visit.mark();
        assert!(visit.commit());
        assert_eq!(visit.committed, 2);
    }
}
