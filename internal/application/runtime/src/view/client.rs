use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{KeyRange, PortError};

use crate::query::{Answer, Freshness, Page, QueryError, Reached, Told, count_pages};
use crate::view::copy::{CopyState, ReadTable};

/// Asks a view by bytes, one partition at a time, with how old the answer is: for whoever serves it. A cheap handle.
///
/// It outlives the view, whose copy then stays as it is, older and older.
#[derive(Clone)]
pub struct ViewClient {
    copy: Arc<dyn CopiedTable>,
}

/// A copy of all partitions of a table, whatever its store.
pub(crate) trait CopiedTable: ReadTable {
    fn topic(&self) -> &TopicName;
    fn width(&self) -> u32;
    fn now(&self) -> CopyState;
    fn wait(&self, seen: u64, deadline: Instant) -> Result<(), PortError>;
    fn place(&self, key: &[u8]) -> Result<Partition, PortError>;
    fn find(&self, partition: Partition, key: &[u8]) -> Result<Option<Vec<u8>>, PortError>;
    fn page(&self, partition: Partition, range: &KeyRange, limit: usize) -> Result<Page, PortError>;
}

impl ViewClient {
    pub(crate) fn of(copy: Arc<dyn CopiedTable>) -> Self {
        Self { copy }
    }

    /// The table's topic.
    pub fn topic(&self) -> &TopicName {
        self.copy.topic()
    }

    /// How many partitions it has, all of which are here.
    pub fn partitions(&self) -> u32 {
        self.copy.width()
    }

    /// The partition that holds `key`, whatever its writer went by; where none does, the one that most clients would take.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn partition_of(&self, key: &[u8]) -> Result<Partition, QueryError> {
        Ok(self.copy.place(key)?)
    }

    /// What `partition` holds under `key`, once the record of the table's topic that `after` names is in the copy, for which it
    /// waits up to `patience`.
    ///
    /// # Errors
    /// While the copy has not all that was there when it was opened, when the time is over, or the reader or the storage failed.
    pub fn find(
        &self,
        partition: Partition,
        key: &[u8],
        after: Option<&Reached>,
        patience: Duration,
    ) -> Told<Option<Vec<u8>>> {
        if let Some(after) = after {
            self.wait_for(partition, after, patience)?;
        }
        let freshness = self.freshness(partition)?;
        let content = self.copy.find(partition, key)?;
        Ok(Answer { partition, content, freshness })
    }

    /// The first entries of a range of `partition`, in the order of their keys: up to `limit`.
    ///
    /// # Errors
    /// As [`ViewClient::find`].
    pub fn page(&self, partition: Partition, range: &KeyRange, limit: usize) -> Told<Page> {
        let freshness = self.freshness(partition)?;
        let content = self.copy.page(partition, range, limit)?;
        Ok(Answer { partition, content, freshness })
    }

    /// How many entries of a range `partition` holds. It walks them.
    ///
    /// # Errors
    /// As [`ViewClient::find`].
    pub fn count_range(&self, partition: Partition, range: &KeyRange) -> Told<u64> {
        count_pages(partition, range, |rest, limit| self.page(partition, rest, limit))
    }

    fn wait_for(&self, partition: Partition, after: &Reached, patience: Duration) -> Result<(), QueryError> {
        let topic = self.copy.topic();
        if let Some(input) = after.input.as_ref().filter(|input| *input != topic.as_str()) {
            return Err(QueryError::NoInput(input.clone()));
        }
        let deadline = Instant::now() + patience;
        loop {
            let now = self.copy.now();
            let next = now.place(partition).map_or(Offset::ZERO, |place| place.next);
            if next > after.offset {
                return Ok(());
            }
            if now.failure.is_some() || Instant::now() >= deadline {
                // Not ready, or stopped: that is what is wrong, and it is said first.
                self.freshness(partition)?;
                let (input, wanted) = (topic.clone(), after.offset);
                return Err(QueryError::Behind { partition, input, wanted, next });
            }
            // A change, the deadline or a failure: the next turn tells which.
            let _ = self.copy.wait(now.changes, deadline);
        }
    }

    fn freshness(&self, partition: Partition) -> Result<Freshness, QueryError> {
        let now = self.copy.now();
        if let Some(failure) = now.failure {
            return Err(QueryError::Failed(failure));
        }
        let place = now.place(partition).filter(|_| now.is_ready);
        let Some(place) = place.cloned() else {
            return Err(QueryError::Recovering { partition, remaining: now.remaining });
        };
        let lag = place.end.map(|end| place.next.until(end));
        let behind =
            if lag == Some(0) { Some(Duration::ZERO) } else { place.in_step_at.map(|at| at.elapsed()) };
        let positions = vec![(self.copy.topic().clone(), place.next)];
        Ok(Freshness { lag_records: lag, behind, positions, is_committed: true })
    }
}
