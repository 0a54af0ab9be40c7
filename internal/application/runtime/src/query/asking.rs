//! Questions to one partition, with how old the answer is.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{KeyRange, PortError};
use thiserror::Error;

use crate::query::{ANSWER_WAIT, Query, TableClient};

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

/// Some entries of a range, in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys and values.
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
    /// Whether the range has more behind them.
    pub has_more: bool,
}

/// What a worker is asked of one partition.
pub(crate) enum Question {
    Find(Find),
    Page(Partition, KeyRange, usize, SyncSender<Reply<Page>>),
}

pub(crate) type Reply<T> = Result<Answer<T>, QueryError>;

/// A question for one key, which may have to wait.
pub(crate) struct Find {
    pub(super) partition: Partition,
    pub(super) key: Vec<u8>,
    pub(super) after: Option<Reached>,
    pub(super) patience: Duration,
    /// When it is given up, once that is known.
    pub(super) due: Option<Duration>,
    pub(super) reply: SyncSender<Reply<Option<Vec<u8>>>>,
}

/// Under exactly-once these answer what is committed, at least once also what waits for the commit.
impl TableClient {
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
            Question::Find(Find { partition, key, after, patience, due: None, reply })
        })
    }

    /// The first entries of a range of `partition`, in the order of their keys: up to `limit`, and fewer where they are
    /// large.
    ///
    /// # Errors
    /// As [`TableClient::find`].
    pub fn page(&self, partition: Partition, range: &KeyRange, limit: usize) -> Reply<Page> {
        self.put(partition, Duration::ZERO, |reply| Question::Page(partition, range.clone(), limit, reply))
    }

    /// How many entries of a range `partition` holds. It walks them, and lets records be processed between.
    ///
    /// # Errors
    /// As [`TableClient::find`].
    pub fn count_range(&self, partition: Partition, range: &KeyRange) -> Reply<u64> {
        count_pages(partition, range, |rest, limit| self.page(partition, rest, limit))
    }

    /// Asks all workers, of which one at most has the partition.
    fn put<T>(
        &self,
        partition: Partition,
        patience: Duration,
        question: impl Fn(SyncSender<Reply<T>>) -> Question,
    ) -> Reply<T> {
        let (reply, answers) = sync_channel(self.workers.len().max(1));
        for worker in &self.workers {
            let query = Query::Ask(question(reply.clone()));
            worker.try_send(query).map_err(|_| unanswered("it has stopped, or too many questions wait"))?;
        }
        drop(reply);
        let deadline = Instant::now() + patience + ANSWER_WAIT;
        loop {
            match answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Err(QueryError::Elsewhere(_))) => {}
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Disconnected) => return Err(QueryError::Elsewhere(partition)),
                Err(RecvTimeoutError::Timeout) => return Err(unanswered("it is busy")),
            }
        }
    }
}

/// How many entries of a range a partition holds, by its pages, as fresh as the last of them.
pub(crate) fn count_pages(
    partition: Partition,
    range: &KeyRange,
    page: impl Fn(&KeyRange, usize) -> Reply<Page>,
) -> Reply<u64> {
    let (mut rest, mut count) = (range.clone(), 0);
    loop {
        let Answer { content, freshness, .. } = page(&rest, COUNT_AT_ONCE)?;
        count += content.entries.len() as u64;
        match content.entries.into_iter().next_back() {
            Some((last, _)) if content.has_more => rest = rest.after(&last),
            _ => return Ok(Answer { partition, content: count, freshness }),
        }
    }
}

fn unanswered(why: &str) -> QueryError {
    QueryError::Failed(format!("the processor does not answer: {why}"))
}
