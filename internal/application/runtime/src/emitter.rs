use millstream_model::{Headers, Partition, Timestamp, TopicName};
use millstream_ports::{Codec, CodecError, Outlet, PortError, SendRecord, SpanWork, Tag, Tally, World};
use millstream_topology::Partitioner;
use thiserror::Error;

use crate::edges::Output;
use crate::traced::Traces;

/// Why a record could not be emitted.
#[derive(Debug, Error)]
pub enum EmitError {
    /// The brokers refused, or the topic does not exist.
    #[error(transparent)]
    Port(#[from] PortError),
    /// Key or value do not fit their codecs.
    #[error("a record for '{topic}': {source}")]
    Codec {
        /// The topic.
        topic: String,
        /// What does not fit.
        source: CodecError,
    },
}

/// Writes records to one topic from outside any group.
///
/// Emitting queues a record; [`Emitter::flush`] makes sure. Dropping it drops what is still queued.
pub struct Emitter<W: World, K, V> {
    outlet: W::Outlet,
    topic: TopicName,
    width: u32,
    output: Output<K, V>,
    partitioner: Partitioner,
    traces: Traces,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl<W: World, K: Codec, V: Codec> Emitter<W, K, V> {
    /// An emitter to the topic of `output`, partitioned as the Java clients do.
    ///
    /// # Errors
    /// When the topic does not exist or the brokers can't be reached.
    pub fn open(world: &W, name: &str, output: Output<K, V>) -> Result<Self, PortError> {
        let topic =
            TopicName::new(output.topic()).map_err(|error| PortError::stop("can't emit").because(error))?;
        let found = world.describe_topics(std::slice::from_ref(&topic))?.into_iter().flatten().next();
        let width = found.ok_or_else(|| missing(&topic))?.partitions;
        let outlet = world.outlet(name)?;
        let (partitioner, traces) = (Partitioner::default(), Traces::default());
        Ok(Self { outlet, topic, width, output, partitioner, traces, key: Vec::new(), value: Vec::new() })
    }

    /// Chooses partitions by another hash, to match other writers of the topic.
    #[must_use]
    pub fn partitioned_by(mut self, partitioner: Partitioner) -> Self {
        self.partitioner = partitioner;
        self
    }

    /// Tells the spans of what is emitted: each record begins a trace, or continues that of its header `traceparent`.
    #[must_use]
    pub fn traced(mut self, traces: Traces) -> Self {
        self.traces = traces;
        self
    }

    /// Queues a record.
    ///
    /// # Errors
    /// When key or value do not fit their codecs, or the brokers refuse it at once.
    pub fn emit(&mut self, key: &K::Value<'_>, value: &V::Value<'_>) -> Result<(), EmitError> {
        self.emit_with(key, value, &Headers::default(), None)
    }

    /// Queues a record with headers and a time of its own.
    ///
    /// # Errors
    /// As [`Emitter::emit`].
    pub fn emit_with(
        &mut self,
        key: &K::Value<'_>,
        value: &V::Value<'_>,
        headers: &Headers,
        timestamp: Option<Timestamp>,
    ) -> Result<(), EmitError> {
        let codec = |source| EmitError::Codec { topic: self.output.topic.clone(), source };
        self.key.clear();
        self.value.clear();
        self.output.key.encode(key, &mut self.key).map_err(codec)?;
        self.output.value.encode(value, &mut self.value).map_err(codec)?;
        let key = (!self.output.key.is_absent(key)).then_some(self.key.as_slice());
        let partition = key.map(|key| Partition::new(self.partitioner.partition(key, self.width)));
        let value = (!self.output.value.is_absent(value)).then_some(self.value.as_slice());
        let begun = self.traces.begin(headers);
        let headers = begun.as_ref().map_or(headers, |(_, _, headers)| headers);
        let record =
            SendRecord { topic: &self.topic, partition, key, value, headers, timestamp, tag: Tag::NONE };
        let sent = self.outlet.send(&record);
        if let Some((tracer, span, _)) = &begun {
            let failure = sent.as_ref().err().map(ToString::to_string);
            let partition = partition.and_then(|partition| u32::try_from(partition.index()).ok());
            let (topic, failure) = (self.topic.as_str(), failure.as_deref());
            tracer.end(span, &SpanWork { topic, partition, offset: None, group: None, failure });
        }
        Ok(sent?)
    }

    /// Waits until all that was emitted is acknowledged.
    ///
    /// # Errors
    /// When any record was refused or timed out; [`Emitter::tally`] says how many.
    pub fn flush(&mut self) -> Result<(), PortError> {
        self.outlet.settle()
    }

    /// How many records were delivered and failed so far.
    pub fn tally(&self) -> Tally {
        self.outlet.tally()
    }
}

fn missing(topic: &TopicName) -> PortError {
    PortError::stop(format!("topic '{topic}' does not exist; create it first"))
}
