use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_model::{Headers, Offset, Timestamp};

use crate::transaction::{Transactions, Verdict};

/// A record as it lies in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimRecord {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Headers,
    /// Its time.
    pub timestamp: Timestamp,
}

impl SimRecord {
    pub(crate) fn bytes(&self) -> usize {
        self.key.as_ref().map_or(0, Vec::len) + self.value.as_ref().map_or(0, Vec::len)
    }
}

/// A topic: partitions that only grow, and settings in Kafka's words.
#[derive(Default)]
pub(crate) struct Topic {
    pub(crate) partitions: Vec<Journal>,
    pub(crate) settings: BTreeMap<String, String>,
}

/// One partition. An offset is an index.
#[derive(Default)]
pub(crate) struct Journal {
    entries: Vec<Entry>,
    /// Transactions with records here and no marker yet, and where their first record is.
    in_doubt: BTreeMap<usize, usize>,
}

enum Entry {
    Record {
        record: Arc<SimRecord>,
        transaction: Option<usize>,
    },
    /// The end of a transaction: it takes an offset, and no reader sees it.
    Marker,
}

impl Journal {
    pub(crate) fn append(&mut self, record: SimRecord, transaction: Option<usize>) -> Offset {
        if let Some(number) = transaction {
            self.in_doubt.entry(number).or_insert(self.entries.len());
        }
        self.entries.push(Entry::Record { record: Arc::new(record), transaction });
        offset(self.entries.len() - 1)
    }

    /// Writes the end of a transaction, which is in doubt here no more.
    pub(crate) fn mark(&mut self, transaction: usize) {
        if self.in_doubt.remove(&transaction).is_some() {
            self.entries.push(Entry::Marker);
        }
    }

    /// The offset after the last record, in doubt or not.
    pub(crate) fn end(&self) -> Offset {
        offset(self.entries.len())
    }

    /// The offset of the first record in doubt, before which readers read.
    pub(crate) fn stable_end(&self) -> Offset {
        offset(self.in_doubt.values().copied().min().unwrap_or(self.entries.len()))
    }

    /// The first record that a reader at `from` sees, and its offset; without one, where the reader is then.
    pub(crate) fn next(&self, from: Offset, all: &Transactions) -> Result<(Offset, Arc<SimRecord>), Offset> {
        let (from, end) = (index(from), index(self.stable_end()));
        for (at, entry) in self.entries.iter().enumerate().take(end).skip(from) {
            match entry {
                Entry::Record { record, transaction }
                    if transaction.is_none_or(|number| all.verdict(number) == Verdict::Committed) =>
                {
                    return Ok((offset(at), record.clone()));
                }
                Entry::Record { .. } | Entry::Marker => {}
            }
        }
        Err(offset(end.max(from)))
    }
}

fn offset(index: usize) -> Offset {
    Offset(i64::try_from(index).unwrap_or(i64::MAX))
}

fn index(offset: Offset) -> usize {
    usize::try_from(offset.0).unwrap_or(0)
}
