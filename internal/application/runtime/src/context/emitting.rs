use std::borrow::Cow;

use millstream_model::{Headers, Partition, Timestamp};
use millstream_ports::{Codec, TRACE_HEADER};

use super::{Context, ContextError, decoded};
use crate::edges::{Loop, Output};
use crate::effects::Draft;

impl Context<'_> {
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
        let headers = self.with_carried(headers);
        let draft = self.draft("output", &output.topic, Some(&headers))?;
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
        let headers = self.with_carried(headers);
        let draft = self.draft("output", &output.topic, Some(&headers))?;
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
        let headers = if has_headers { Headers::copy_of(self.record.headers) } else { Headers::default() };
        let headers = self.with_carried(&headers);
        let (key, value) = (self.record.key, self.record.value);
        let draft = self.draft("output", &output.topic, Some(&headers))?;
        let copy = |bytes: Option<&[u8]>, out: &mut Vec<u8>| {
            out.extend_from_slice(bytes.unwrap_or_default());
            Ok::<_, ContextError>(bytes.is_some())
        };
        self.effects.add(&draft, |out| copy(key, out), |out| copy(value, out))
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
        self.loopback_with(edge, key, value, &Headers::default())
    }

    /// Sends a record with headers to the group itself.
    ///
    /// # Errors
    /// As [`Context::loopback`].
    pub fn loopback_with<K: Codec, V: Codec>(
        &mut self,
        edge: &Loop<K, V>,
        key: &K::Value<'_>,
        value: &V::Value<'_>,
        headers: &Headers,
    ) -> Result<(), ContextError> {
        self.send_back(edge, (None, headers), key, value)
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
        self.send_back(edge, (Some(partition), &Headers::default()), key, value)
    }

    /// The partition of the group's loop that a record with this key would go to; none where the group has no loop.
    pub fn home(&self, key: &[u8]) -> Option<Partition> {
        let width = self.loop_width()?;
        Some(Partition::new(self.names.partitioner.partition(key, width)))
    }

    /// How many partitions the group's loop has; none where it has no loop.
    pub fn loop_width(&self) -> Option<u32> {
        self.widths.get(self.names.loop_place?).copied()
    }

    fn send_back<K: Codec, V: Codec>(
        &mut self,
        edge: &Loop<K, V>,
        (partition, headers): (Option<Partition>, &Headers),
        key: &K::Value<'_>,
        value: &V::Value<'_>,
    ) -> Result<(), ContextError> {
        let headers = self.with_carried(headers);
        let draft = Draft { partition, ..self.draft("loop", &self.names.loopback, Some(&headers))? };
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

    /// What is emitted from now on belongs to the trace that these headers are of, where traces are told: those of a record
    /// that was kept until a timer called.
    pub fn follow(&mut self, headers: &Headers) {
        if self.trace.is_some() {
            self.trace = crate::traced::parent(headers).or(self.trace.take());
        }
    }

    /// Adds a header to all that this call emits from now on, such as the trace it belongs to. A header of the same name that
    /// is given with a record comes after it.
    pub fn carry(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.carried.push(name, value);
    }

    fn with_carried<'h>(&self, headers: &'h Headers) -> Cow<'h, Headers> {
        if self.carried.is_empty() && self.trace.is_none() {
            return Cow::Borrowed(headers);
        }
        let mut all = self.carried.clone();
        // What is sent on has come by this callback: its place in the trace is here, no more where the record was.
        let is_told = |name: &str| self.trace.is_none() || name != TRACE_HEADER;
        all.0.extend(headers.0.iter().filter(|(name, _)| is_told(name)).cloned());
        if let Some(place) = &self.trace {
            all.push(TRACE_HEADER, place.to_string());
        }
        Cow::Owned(all)
    }
}
