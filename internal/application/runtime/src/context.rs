use std::collections::HashMap;
use std::sync::Arc;

use millstream_model::{HeaderSource, Headers, Offset, Partition, RecordView, Timestamp, TopicName};
use millstream_ports::{Codec, CodecError, PortError, TraceParent};
use thiserror::Error;

use crate::deferral::{Completion, Deferral};
use crate::edges::{Join, Lookup, Table};
use crate::effects::Effects;
use crate::graph::CallbackResult;
use crate::layer::TableAccess;
use crate::middleware::Middleware;
use crate::policy::{Policy, Rulebook};
use crate::view::ReadTable;

mod emitting;
mod timing;
mod unreadable;

use unreadable::Unreadable;

/// Why a callback's request could not be met.
#[derive(Debug, Error)]
pub enum ContextError {
    /// The graph has no such edge.
    #[error("group '{group}' has no {edge} '{topic}'; declare it when defining the group")]
    Undeclared {
        /// The group.
        group: String,
        /// What kind of edge.
        edge: &'static str,
        /// Its topic.
        topic: String,
    },
    /// A value does not fit its codec.
    #[error("{place}: {source}")]
    Codec {
        /// Which key or value, of which topic.
        place: String,
        /// What does not fit.
        source: CodecError,
    },
    /// The table's storage failed; the processor stops, whatever the callback answers.
    #[error("the group table can't be read: {0}")]
    Store(String),
    /// A timer's or a visitor's callback wants to go on later; only a record's can.
    #[error("only the callback of a record can be deferred; a timer's or a visitor's can't")]
    NoRecord,
}

/// What a callback can see and do while it processes one record.
///
/// It is valid for that one call. Whatever is set and emitted takes effect together, and only when the callback answers
/// `Ok`; after an `Err` it is as if the record had never come.
pub struct Context<'a> {
    pub(crate) record: &'a RecordView<'a>,
    pub(crate) topic: &'a TopicName,
    pub(crate) names: &'a Names,
    pub(crate) effects: &'a mut Effects,
    pub(crate) table: Option<&'a mut dyn TableAccess>,
    pub(crate) joins: Vec<&'a mut dyn TableAccess>,
    pub(crate) lookups: &'a [Arc<dyn ReadTable>],
    /// How many partitions each destination has.
    pub(crate) widths: &'a [u32],
    pub(crate) broken: Option<PortError>,
    pub(crate) rules: &'a Rulebook,
    pub(crate) layers: &'a [Middleware],
    /// Where a completion comes from; timers and visitors have none.
    pub(crate) deferral: Option<&'a mut Deferral>,
    pub(crate) clock: &'a dyn Fn() -> Timestamp,
    pub(crate) event_time: Option<Timestamp>,
    /// Headers that go with all that is emitted.
    pub(crate) carried: Headers,
    /// The place in a trace of all that is emitted.
    pub(crate) trace: Option<TraceParent>,
    pub(crate) aside: Aside,
}

/// What befell tables that were read on the way, by the policies of their edges.
#[derive(Default)]
pub(crate) struct Aside {
    pub(crate) skipped: u64,
    pub(crate) letters: u64,
    /// What becomes of the record if its callback fails, where that is not its input's policy.
    pub(crate) policy: Option<Policy>,
}

/// The group's edges by name, in the order of their indexes.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) group: String,
    pub(crate) destinations: Vec<TopicName>,
    /// The same by name: a group may write to a thousand topics.
    pub(crate) places: HashMap<TopicName, usize, foldhash::fast::RandomState>,
    /// The topic of the group's own records, if it has any.
    pub(crate) loopback: String,
    /// Its place among the destinations.
    pub(crate) loop_place: Option<usize>,
    pub(crate) joins: Vec<TopicName>,
    pub(crate) lookups: Vec<TopicName>,
    pub(crate) has_table: bool,
    /// The changelog, which timers and visitors are of.
    pub(crate) table: Option<TopicName>,
    /// How the loop is partitioned.
    pub(crate) partitioner: millstream_topology::Partitioner,
    pub(crate) timers: Vec<String>,
    pub(crate) visitors: Vec<String>,
    /// The place of the dead letters among the destinations.
    pub(crate) dead_letters: Option<usize>,
}

impl Names {
    pub(crate) fn undeclared(&self, edge: &'static str, topic: &str) -> ContextError {
        ContextError::Undeclared { group: self.group.clone(), edge, topic: topic.to_owned() }
    }
}

fn position(topics: &[TopicName], name: &str) -> Option<usize> {
    topics.iter().position(|topic| topic.as_str() == name)
}

impl Context<'_> {
    /// The group's name.
    pub fn group(&self) -> &str {
        &self.names.group
    }

    /// The topic the record came from. Timers and visitors are of the group table's changelog.
    pub fn topic(&self) -> &TopicName {
        self.topic
    }

    /// The record's partition, and that of the group table at hand.
    pub fn partition(&self) -> Partition {
        self.record.partition
    }

    /// The record's offset.
    pub fn offset(&self) -> Offset {
        self.record.offset
    }

    /// The record's time; that which a timer was set to; the time of day for a visitor.
    pub fn timestamp(&self) -> Timestamp {
        self.record.timestamp
    }

    /// The record's key as it was read.
    pub fn key_bytes(&self) -> Option<&[u8]> {
        self.record.key
    }

    /// The record's value as it was read; `None` is a tombstone.
    pub fn value_bytes(&self) -> Option<&[u8]> {
        self.record.value
    }

    /// The record's headers.
    pub fn headers(&self) -> &dyn HeaderSource {
        self.record.headers
    }

    /// The value of the last header called `name`.
    pub fn header(&self, name: &str) -> Option<Vec<u8>> {
        let mut found = None;
        self.record.headers.each(&mut |known, value| {
            if known == name {
                found = value.map(<[u8]>::to_vec);
            }
        });
        found
    }

    /// Puts off the end of the record until the completion is completed, which may be on another thread: for work that takes
    /// its time, such as asking a service.
    ///
    /// Other records go on meanwhile; those of the same key and partition wait, so that each key's order is kept. With the
    /// completion's answer `then` is called on this thread, with a context of the same record. What the callback and `then`
    /// set and emit takes effect together, once `then` answers `Ok` and all other completions of the record have; an error
    /// of either undoes both. The record is not committed before. Under exactly-once nothing is: a commit waits for the
    /// completions that are out, and a record that waits for its key holds up its partition.
    ///
    /// ```
    /// # use millstream_ports::{DecimalText, Utf8};
    /// # use millstream_runtime::{GroupGraph, Table};
    /// let (ages, kept) = (Table::new(DecimalText), Table::new(DecimalText));
    /// GroupGraph::define("ages").persist(&ages).input("people", Utf8, Utf8, move |context, _: &str, name: &str| {
    ///     let kept = kept.clone();
    ///     let answer = context.defer(move |context, age: i64| Ok(context.set(&kept, &age)?))?;
    ///     let name = name.to_owned();
    ///     std::thread::spawn(move || answer.complete(40 + name.len() as i64));
    ///     Ok(())
    /// });
    /// ```
    ///
    /// # Errors
    /// In a timer's or a visitor's callback, which is of no record.
    pub fn defer<T, F>(&mut self, then: F) -> Result<Completion<T>, ContextError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Context<'_>, T) -> CallbackResult + Send + 'static,
    {
        let partition = self.record.partition;
        let deferral = self.deferral.as_mut().ok_or(ContextError::NoRecord)?;
        Ok(deferral.give(partition, then))
    }

    /// The group table's value of the record's key.
    ///
    /// # Errors
    /// When there is no such table, its bytes do not decode, or its storage fails.
    pub fn get<C: Codec>(&mut self, table: &Table<C>) -> Result<Option<C::Value<'_>>, ContextError> {
        let key = self.record.key.unwrap_or_default();
        self.get_at(table, key)
    }

    /// The group table's value of another key of this partition, such as one the callback made up.
    ///
    /// # Errors
    /// As [`Context::get`].
    pub fn get_at<C: Codec>(
        &mut self,
        table: &Table<C>,
        key: &[u8],
    ) -> Result<Option<C::Value<'_>>, ContextError> {
        let Some(access) = &mut self.table else { return Err(self.names.undeclared("table", "")) };
        let bytes = stored(access.get(key), &mut self.broken)?;
        bytes
            .map(|bytes| decoded(table.codec.decode(bytes), || "the group table's value".to_owned()))
            .transpose()
    }

    /// Sets the group table's value of the record's key.
    ///
    /// # Errors
    /// When there is no such table, or the value does not fit its codec.
    pub fn set<C: Codec>(&mut self, table: &Table<C>, value: &C::Value<'_>) -> Result<(), ContextError> {
        let key = self.record.key.unwrap_or_default();
        self.set_at(table, key, value)
    }

    /// Sets the group table's value of another key of this partition.
    ///
    /// # Errors
    /// As [`Context::set`].
    pub fn set_at<C: Codec>(
        &mut self,
        table: &Table<C>,
        key: &[u8],
        value: &C::Value<'_>,
    ) -> Result<(), ContextError> {
        let mut bytes = Vec::new();
        decoded(table.codec.encode(value, &mut bytes), || "the group table's value".to_owned())?;
        let bytes = (!table.codec.is_absent(value)).then_some(bytes.as_slice());
        self.put(key, bytes)
    }

    /// Deletes the record's key from the group table.
    ///
    /// # Errors
    /// When there is no such table.
    pub fn delete<C: Codec>(&mut self, _table: &Table<C>) -> Result<(), ContextError> {
        let key = self.record.key.unwrap_or_default();
        self.put(key, None)
    }

    /// Deletes another key of this partition from the group table.
    ///
    /// # Errors
    /// As [`Context::delete`].
    pub fn delete_at<C: Codec>(&mut self, _table: &Table<C>, key: &[u8]) -> Result<(), ContextError> {
        self.put(key, None)
    }

    fn put(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<(), ContextError> {
        match &mut self.table {
            Some(access) => access.put(key, value),
            None => return Err(self.names.undeclared("table", "")),
        }
        Ok(())
    }

    /// The joined table's value of the record's key.
    ///
    /// # Errors
    /// When the edge is not declared, its bytes do not decode, or its storage fails.
    pub fn join<C: Codec>(&mut self, join: &Join<C>) -> Result<Option<C::Value<'_>>, ContextError> {
        let key = self.record.key.unwrap_or_default();
        let place = position(&self.names.joins, &join.topic);
        let Some(access) = place.and_then(|place| self.joins.get_mut(place)) else {
            return Err(self.names.undeclared("join", &join.topic));
        };
        let Some(bytes) = stored(access.get(key), &mut self.broken)? else { return Ok(None) };
        let error = match join.codec.decode(bytes) {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        let policy = place.and_then(|place| self.rules.join(place));
        let found = Unreadable { edge: "join", topic: &join.topic, key, value: bytes, error };
        let (names, effects, aside) = (self.names, &mut *self.effects, &mut self.aside);
        found.goes_by(policy, self.record, names, effects, aside).map(|()| None)
    }

    /// Calls `read` with the value that any key has in a table of another group.
    ///
    /// # Errors
    /// When the edge is not declared, its bytes do not decode, or its storage fails.
    pub fn lookup<K: Codec, C: Codec, T>(
        &mut self,
        lookup: &Lookup<K, C>,
        key: &K::Value<'_>,
        read: impl FnOnce(Option<C::Value<'_>>) -> T,
    ) -> Result<T, ContextError> {
        let place = position(&self.names.lookups, &lookup.topic);
        let Some(table) = place.and_then(|place| self.lookups.get(place)) else {
            return Err(self.names.undeclared("lookup", &lookup.topic));
        };
        let mut key_bytes = Vec::new();
        decoded(lookup.key.encode(key, &mut key_bytes), || format!("a key of '{}'", lookup.topic))?;
        let found = stored(table.read(&key_bytes), &mut self.broken)?;
        let Some(bytes) = found.as_deref() else { return Ok(read(None)) };
        let error = match lookup.value.decode(bytes) {
            Ok(value) => return Ok(read(Some(value))),
            Err(error) => error,
        };
        let policy = place.and_then(|place| self.rules.lookup(place));
        let found = Unreadable { edge: "lookup", topic: &lookup.topic, key: &key_bytes, value: bytes, error };
        let (names, effects, aside) = (self.names, &mut *self.effects, &mut self.aside);
        found.goes_by(policy, self.record, names, effects, aside).map(|()| read(None))
    }
}

pub(crate) fn stored<T>(
    result: Result<T, PortError>,
    broken: &mut Option<PortError>,
) -> Result<T, ContextError> {
    result.map_err(|error| {
        let said = error.to_string();
        *broken = Some(error);
        ContextError::Store(said)
    })
}

pub(crate) fn decoded<T>(
    result: Result<T, CodecError>,
    place: impl FnOnce() -> String,
) -> Result<T, ContextError> {
    result.map_err(|source| ContextError::Codec { place: place(), source })
}
