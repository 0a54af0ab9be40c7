use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use millstream_model::TopicName;
use millstream_ports::{Codec, CodecError, KeyRange, PortError, World};
use thiserror::Error;

use crate::memory::MemoryBudget;
pub use client::ViewClient;
pub(crate) use copy::{Follower, ReadTable};
pub(crate) use reader::{FollowedTable, TableReader};

mod client;
mod copy;
mod reader;

/// Memory of a view that shares none, its stores' caches included, in bytes.
const MEMORY_BYTES: usize = 64 << 20;

/// Why a view could not answer.
#[derive(Debug, Error)]
pub enum ViewError {
    /// Its storage, or its reader, failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// A key or value does not fit its codec.
    #[error("view of '{topic}': {source}")]
    Codec {
        /// The table's topic.
        topic: String,
        /// What does not fit.
        source: CodecError,
    },
}

/// A read-only copy of a table, all partitions of it, kept up to date from its changelog.
///
/// It is as fresh as its reader is fast; [`View::wait_until`] waits for a state. Dropping it stops the reader.
pub struct View<W: World, K, V> {
    reader: TableReader<W>,
    key: K,
    value: V,
}

impl<W: World, K: Codec, V: Codec> View<W, K, V> {
    /// Opens a copy of `topic`, kept on behalf of `owner`, and begins to follow it.
    ///
    /// # Errors
    /// When the topic does not exist, or the brokers or the storage refuse.
    pub fn open(world: &W, owner: &str, topic: &TopicName, key: K, value: V) -> Result<Self, PortError> {
        Self::open_within(&MemoryBudget::of_bytes(MEMORY_BYTES), world, owner, topic, (key, value))
    }

    /// As [`View::open`], within a budget that it shares with other tables of the process.
    ///
    /// # Errors
    /// As [`View::open`].
    pub fn open_within(
        memory: &MemoryBudget,
        world: &W,
        owner: &str,
        topic: &TopicName,
        (key, value): (K, V),
    ) -> Result<Self, PortError> {
        let reader = TableReader::open(world, owner, topic, memory)?;
        Ok(Self { reader, key, value })
    }

    /// Waits until the copy has all that was in the topic when it was opened.
    ///
    /// # Errors
    /// When the reader failed, or the time is over.
    pub fn wait_ready(&self, timeout: Duration) -> Result<(), PortError> {
        self.reader.wait_ready(timeout)
    }

    /// Calls `read` with the value of `key`.
    ///
    /// # Errors
    /// When key or value do not fit their codecs, or the storage fails.
    pub fn get<T>(
        &self,
        key: &K::Value<'_>,
        read: impl FnOnce(Option<V::Value<'_>>) -> T,
    ) -> Result<T, ViewError> {
        let codec = |source| ViewError::Codec { topic: self.reader.table.topic.to_string(), source };
        let mut bytes = Vec::new();
        self.key.encode(key, &mut bytes).map_err(codec)?;
        let found = self.reader.table.read(&bytes)?;
        let value = found.as_deref().map(|bytes| self.value.decode(bytes)).transpose().map_err(codec)?;
        Ok(read(value))
    }

    /// Calls `read` with the first `entries_max` entries whose keys' bytes are in a range, in their order: of all partitions,
    /// as they are while they are read.
    ///
    /// # Errors
    /// When a key or value does not fit its codec, or the storage fails.
    pub fn range(
        &self,
        range: &KeyRange,
        entries_max: usize,
        mut read: impl FnMut(K::Value<'_>, V::Value<'_>),
    ) -> Result<(), ViewError> {
        let codec = |source| ViewError::Codec { topic: self.reader.table.topic.to_string(), source };
        for (key, value) in self.reader.table.range(range, entries_max)? {
            read(self.key.decode(&key).map_err(codec)?, self.value.decode(&value).map_err(codec)?);
        }
        Ok(())
    }

    /// Waits until `reached` holds, asking anew after each change.
    ///
    /// # Errors
    /// When the time is over, or the reader failed, or `reached` did.
    pub fn wait_until(
        &self,
        timeout: Duration,
        mut reached: impl FnMut(&Self) -> Result<bool, ViewError>,
    ) -> Result<(), ViewError> {
        let deadline = Instant::now() + timeout;
        loop {
            let seen = self.reader.table.changes();
            if reached(self)? {
                return Ok(());
            }
            self.reader.table.wait_change(seen, deadline)?;
        }
    }

    /// Asks the copy by bytes, from any thread. From then on the brokers are asked once a second where the topic ends, so that
    /// answers can tell how old they are.
    pub fn client(&self) -> ViewClient {
        self.reader.table.is_watched.store(true, Ordering::Relaxed);
        ViewClient::of(self.reader.table.clone())
    }

    /// How many records lie between the copy and the topic's end when it was opened; 0 once it is ready.
    pub fn remaining(&self) -> u64 {
        self.reader.table.state().remaining
    }
}
