//! Questions to the group table, asked by any thread and answered by the worker that owns the partition.

mod answering;
mod span;

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::PortError;
use thiserror::Error;

pub(crate) use answering::{Questions, get};
pub use span::{Page, Span};

/// Questions that may wait for a worker. One that finds the line full is refused.
const WAITING_MAX: usize = 256;

/// How long an answer may take beyond what its asker waits for; a worker answers between two batches.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// Entries that are counted at a time; records wait for no more than that.
const COUNT_AT_ONCE: usize = 10_000;

/// Why the group table gave no answer.
#[derive(Clone, Debug, Error)]
pub enum QueryError {
    /// Another process has the partition.
    #[error("partition {0} is not read by this instance")]
    Elsewhere(Partition),
    /// Its table is being brought up to its changelog.
    #[error("partition {partition} is recovering, {remaining} records to go")]
    Recovering {
        /// The partition.
        partition: Partition,
        /// Records of its changelog that are still to be read.
        remaining: u64,
    },
    /// What was to be waited for did not come in time.
    #[error(
        "partition {partition} of '{input}' is processed up to offset {next}, and not yet through {wanted}"
    )]
    Behind {
        /// The partition.
        partition: Partition,
        /// The input.
        input: TopicName,
        /// The offset that was to be processed.
        wanted: Offset,
        /// The first that is not.
        next: Offset,
    },
    /// The group reads no such topic.
    #[error("the group has no input '{0}'")]
    NoInput(String),
    /// The group keeps no table.
    #[error("the group keeps no table")]
    NoTable,
    /// The storage failed, or the processor does not answer.
    #[error("{0}")]
    Failed(String),
}

impl From<PortError> for QueryError {
    fn from(error: PortError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A record of an input that an answer has to know of: what the asker wrote itself, mostly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The input; `None` is the group's first.
    pub input: Option<String>,
    /// The record's offset.
    pub offset: Offset,
}

/// How old an answer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freshness {
    /// Records of the inputs that the answer does not know of, as far as the client has heard: at most a second ago.
    pub lag_records: Option<u64>,
    /// How far behind it is in time: 0 where no record waits, otherwise the age of the last record that is in it.
    pub behind: Option<Duration>,
    /// For each input the first offset that the answer does not know of; 0 where this owner has seen none yet.
    pub positions: Vec<(TopicName, Offset)>,
    /// Whether it holds nothing that a failure could take back.
    pub is_committed: bool,
}

/// What was asked, of one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// The partition.
    pub partition: Partition,
    /// What it holds.
    pub content: T,
    /// How old that is.
    pub freshness: Freshness,
}

/// What a worker is asked.
pub(crate) enum Query {
    Get(Vec<u8>, SyncSender<Result<Option<Vec<u8>>, PortError>>),
    Count(SyncSender<Result<u64, PortError>>),
    Find(Find),
    Page(Partition, Span, usize, SyncSender<Reply<Page>>),
}

type Reply<T> = Result<Answer<T>, QueryError>;

/// A question for one key, which may have to wait.
pub(crate) struct Find {
    partition: Partition,
    key: Vec<u8>,
    after: Option<Reached>,
    patience: Duration,
    /// When it is given up, once that is known.
    due: Option<Duration>,
    reply: SyncSender<Reply<Option<Vec<u8>>>>,
}

/// Reads the group table where it is owned: the partitions of this process.
///
/// Under exactly-once it answers what is committed, at least once also what waits for the commit.
#[derive(Clone)]
pub struct TableClient {
    workers: Vec<SyncSender<Query>>,
}

impl TableClient {
    pub(crate) fn new(workers: usize) -> (Self, Vec<Questions>) {
        let pair = |_| {
            let (sender, receiver) = sync_channel(WAITING_MAX);
            (sender, Questions::new(receiver))
        };
        let (senders, questions) = (0..workers).map(pair).unzip();
        (Self { workers: senders }, questions)
    }

    /// The value of `key`, when its partition is owned by this process and the key is in the table.
    ///
    /// # Errors
    /// When the storage fails, or the processor is not answering.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, PortError> {
        for worker in &self.workers {
            if let Some(value) = ask(worker, |reply| Query::Get(key.to_vec(), reply))? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// How many keys the partitions of this process hold, as of the last commit. It walks the table.
    ///
    /// # Errors
    /// As [`TableClient::get`].
    pub fn count(&self) -> Result<u64, PortError> {
        self.workers.iter().map(|worker| ask(worker, Query::Count)).sum()
    }

    /// What `partition` holds under `key`, once the record that `after` names is processed, for which it waits up to
    /// `patience`.
    ///
    /// # Errors
    /// When the partition is not running here, the time is over, or the storage fails.
    pub fn find(
        &self,
        partition: Partition,
        key: &[u8],
        after: Option<&Reached>,
        patience: Duration,
    ) -> Reply<Option<Vec<u8>>> {
        self.put(partition, patience, |reply| {
            let (key, after) = (key.to_vec(), after.cloned());
            Query::Find(Find { partition, key, after, patience, due: None, reply })
        })
    }

    /// The first entries of a span of `partition`, in the order of their keys: up to `limit`, and fewer where they are
    /// large.
    ///
    /// # Errors
    /// As [`TableClient::find`].
    pub fn page(&self, partition: Partition, span: &Span, limit: usize) -> Reply<Page> {
        self.put(partition, Duration::ZERO, |reply| Query::Page(partition, span.clone(), limit, reply))
    }

    /// How many entries of a span `partition` holds. It walks them, and lets records be processed between.
    ///
    /// # Errors
    /// As [`TableClient::find`].
    pub fn count_span(&self, partition: Partition, span: &Span) -> Reply<u64> {
        let (mut span, mut count) = (span.clone(), 0);
        loop {
            let page = self.page(partition, &span, COUNT_AT_ONCE)?;
            count += page.content.entries.len() as u64;
            match page.content.entries.into_iter().next_back() {
                Some((last, _)) if page.content.has_more => span.after = Some(last),
                _ => return Ok(Answer { partition, content: count, freshness: page.freshness }),
            }
        }
    }

    /// Asks all workers, of which one at most has the partition.
    fn put<T>(
        &self,
        partition: Partition,
        patience: Duration,
        query: impl Fn(SyncSender<Reply<T>>) -> Query,
    ) -> Reply<T> {
        let (reply, answers) = sync_channel(self.workers.len().max(1));
        for worker in &self.workers {
            worker.try_send(query(reply.clone())).map_err(refused)?;
        }
        drop(reply);
        let deadline = Instant::now() + patience + ANSWER_WAIT;
        loop {
            match answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Err(QueryError::Elsewhere(_))) => {}
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Disconnected) => return Err(QueryError::Elsewhere(partition)),
                Err(RecvTimeoutError::Timeout) => return Err(late().into()),
            }
        }
    }
}

fn ask<T>(
    worker: &SyncSender<Query>,
    query: impl FnOnce(SyncSender<Result<T, PortError>>) -> Query,
) -> Result<T, PortError> {
    let (reply, answer) = sync_channel(1);
    worker.try_send(query(reply)).map_err(refused)?;
    answer.recv_timeout(ANSWER_WAIT).map_err(|_| late())?
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn refused(error: TrySendError<Query>) -> PortError {
    match error {
        TrySendError::Full(_) => PortError::retry("too many questions wait for the group table"),
        TrySendError::Disconnected(_) => PortError::stop("the processor has stopped"),
    }
}

fn late() -> PortError {
    PortError::retry("the processor did not answer in time")
}

/// The end of the line at a worker.
pub(crate) type Line = Receiver<Query>;
