use std::collections::HashMap;
use std::sync::Arc;

use millstream_model::{HeaderSource, Headers, Offset, Partition, RecordView, Timestamp, TopicName};
use millstream_ports::{Codec, CodecError, PortError};
use millstream_topology::Partitioner;
use thiserror::Error;

use crate::edges::{Join, Lookup, Loop, Output, Table};
use crate::effects::{Draft, Effects};
use crate::layer::TableAccess;
use crate::view::ReadTable;

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
}

/// The group's edges by name, in the order of their indexes.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) group: String,
    pub(crate) destinations: Vec<TopicName>,
    /// The same by name: a group may write to a thousand topics.
    pub(crate) places: HashMap<TopicName, usize>,
    /// The topic of the group's own records, if it has any.
    pub(crate) loopback: String,
    pub(crate) joins: Vec<TopicName>,
    pub(crate) lookups: Vec<TopicName>,
    pub(crate) has_table: bool,
}

impl Names {
    fn undeclared(&self, edge: &'static str, topic: &str) -> ContextError {
        ContextError::Undeclared { group: self.group.clone(), edge, topic: topic.to_owned() }
    }
}

fn position(topics: &[TopicName], name: &str) -> Option<usize> {
    topics.iter().position(|topic| topic.as_str() == name)
}

impl Context<'_> {
    /// The topic the record came from.
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

    /// The record's time.
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
        let bytes = stored(access.get(key), &mut self.broken)?;
        bytes
            .map(|bytes| decoded(join.codec.decode(bytes), || format!("a value of '{}'", join.topic)))
            .transpose()
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
        let value = found.as_deref().map(|bytes| lookup.value.decode(bytes)).transpose();
        Ok(read(decoded(value, || format!("a value of '{}'", lookup.topic))?))
    }

    /// Sends a record to an output, with the time of the record at hand.
    ///
    /// # Errors
    /// When the edge is not declared, or key or value do not fit their codecs.
    pub fn emit<K: Codec, V: Codec>(
        &mut self,
        output: &Output<K, V>,
        key: &K::Value<'_>,
        value: &V::Value<'_>,
    ) -> Result<(), ContextError> {
        self.emit_with(output, key, value, &Headers::default())
    }

    /// Sends a record with headers to an output.
    ///
    /// # Errors
    /// As [`Context::emit`].
    pub fn emit_with<K: Codec, V: Codec>(
        &mut self,
        output: &Output<K, V>,
        key: &K::Value<'_>,
        value: &V::Value<'_>,
        headers: &Headers,
    ) -> Result<(), ContextError> {
        let draft = self.draft("output", &output.topic, Some(headers))?;
        let added = self.effects.add(
            &draft,
            |out| output.key.encode(key, out).map(|()| !output.key.is_absent(key)),
            |out| output.value.encode(value, out).map(|()| !output.value.is_absent(value)),
        );
        decoded(added, || format!("a record for '{}'", output.topic))
    }

    /// Sends a record with headers and a time of its own to an output.
    ///
    /// # Errors
    /// As [`Context::emit`].
    pub fn emit_at<K: Codec, V: Codec>(
        &mut self,
        output: &Output<K, V>,
        key: &K::Value<'_>,
        value: &V::Value<'_>,
        (headers, timestamp): (&Headers, Timestamp),
    ) -> Result<(), ContextError> {
        let draft = self.draft("output", &output.topic, Some(headers))?;
        let added = self.effects.add(
            &Draft { timestamp: Some(timestamp), ..draft },
            |out| output.key.encode(key, out).map(|()| !output.key.is_absent(key)),
            |out| output.value.encode(value, out).map(|()| !output.value.is_absent(value)),
        );
        decoded(added, || format!("a record for '{}'", output.topic))
    }

    /// Sends the record at hand on to an output, its key, value and headers as they were read.
    ///
    /// Nothing is encoded again, so the output's readers must know the input's format.
    ///
    /// # Errors
    /// When the edge is not declared.
    pub fn forward<K: Codec, V: Codec>(&mut self, output: &Output<K, V>) -> Result<(), ContextError> {
        let mut has_headers = false;
        self.record.headers.each(&mut |_, _| has_headers = true);
        let headers = has_headers.then(|| Headers::copy_of(self.record.headers));
        let (key, value) = (self.record.key, self.record.value);
        let draft = self.draft("output", &output.topic, headers.as_ref())?;
        let copy = |bytes: Option<&[u8]>, out: &mut Vec<u8>| {
            out.extend_from_slice(bytes.unwrap_or_default());
            Ok::<_, ContextError>(bytes.is_some())
        };
        self.effects.add(&draft, |out| copy(key, out), |out| copy(value, out))
    }

    /// The partition of the group's loop that a record with this key would go to; none where the group has no loop.
    pub fn home(&self, key: &[u8]) -> Option<Partition> {
        let width = self.loop_width()?;
        Some(Partition::new(Partitioner::default().partition(key, width)))
    }

    /// How many partitions the group's loop has; none where it has no loop.
    pub fn loop_width(&self) -> Option<u32> {
        let place = *self.names.places.get(self.names.loopback.as_str())?;
        self.widths.get(place).copied()
    }

    /// Sends a record to the group itself, to a partition such as [`Context::home`] says of another key.
    ///
    /// # Errors
    /// As [`Context::loopback`].
    pub fn loopback_to<K: Codec, V: Codec>(
        &mut self,
        edge: &Loop<K, V>,
        partition: Partition,
        key: &K::Value<'_>,
        value: &V::Value<'_>,
    ) -> Result<(), ContextError> {
        self.send_back(edge, Some(partition), key, value)
    }

    /// Sends a record to the group itself, to be processed where its key's table entry is.
    ///
    /// # Errors
    /// When the group has no loop, or key or value do not fit their codecs.
    pub fn loopback<K: Codec, V: Codec>(
        &mut self,
        edge: &Loop<K, V>,
        key: &K::Value<'_>,
        value: &V::Value<'_>,
    ) -> Result<(), ContextError> {
        self.send_back(edge, None, key, value)
    }

    fn send_back<K: Codec, V: Codec>(
        &mut self,
        edge: &Loop<K, V>,
        partition: Option<Partition>,
        key: &K::Value<'_>,
        value: &V::Value<'_>,
    ) -> Result<(), ContextError> {
        let draft = Draft { partition, ..self.draft("loop", &self.names.loopback, None)? };
        let added = self.effects.add(
            &draft,
            |out| edge.key.encode(key, out).map(|()| !edge.key.is_absent(key)),
            |out| edge.value.encode(value, out).map(|()| !edge.value.is_absent(value)),
        );
        decoded(added, || "a record for the loop".to_owned())
    }

    fn draft<'h>(
        &self,
        edge: &'static str,
        topic: &str,
        headers: Option<&'h Headers>,
    ) -> Result<Draft<'h>, ContextError> {
        let place = self.names.places.get(topic).copied();
        let destination = place.ok_or_else(|| self.names.undeclared(edge, topic))?;
        Ok(Draft { destination, partition: None, headers, timestamp: Some(self.record.timestamp) })
    }
}

fn stored<T>(result: Result<T, PortError>, broken: &mut Option<PortError>) -> Result<T, ContextError> {
    result.map_err(|error| {
        let said = error.to_string();
        *broken = Some(error);
        ContextError::Store(said)
    })
}

fn decoded<T>(result: Result<T, CodecError>, place: impl FnOnce() -> String) -> Result<T, ContextError> {
    result.map_err(|source| ContextError::Codec { place: place(), source })
}
