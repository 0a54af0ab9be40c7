use std::time::Duration;

/// A topic that the group writes, and how.
#[derive(Clone, Debug)]
pub struct Output<K, V> {
    pub(crate) topic: String,
    pub(crate) key: K,
    pub(crate) value: V,
}

impl<K, V> Output<K, V> {
    /// The edge to `topic`. The name is checked when the group is built.
    pub fn new(topic: impl Into<String>, key: K, value: V) -> Self {
        Self { topic: topic.into(), key, value }
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// What reads and writes its keys.
    pub fn key_codec(&self) -> &K {
        &self.key
    }

    /// What reads and writes its values.
    pub fn value_codec(&self) -> &V {
        &self.value
    }
}

/// The group's table: one value a key, kept where the key's inputs are processed.
#[derive(Clone, Debug)]
pub struct Table<V> {
    pub(crate) codec: V,
    pub(crate) ttl: Option<Duration>,
}

impl<V> Table<V> {
    /// A table whose values `codec` reads and writes. Its changelog is `<group>-table`.
    pub fn new(codec: V) -> Self {
        Self { codec, ttl: None }
    }

    /// Lets each value go when it was last set so long ago, by the time of the partition's records: a record whose time is
    /// that much later never sees it. It is deleted from the changelog too, soon after, along with later records; views see it
    /// until then. The time of a partition is not kept: after a restart it begins anew with its first records.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// What reads and writes its values.
    pub fn codec(&self) -> &V {
        &self.codec
    }
}

/// The table of another group, partitioned as the inputs are; read beside them, partition by partition.
#[derive(Clone, Debug)]
pub struct Join<V> {
    pub(crate) topic: String,
    pub(crate) codec: V,
}

impl<V> Join<V> {
    /// The edge from `topic`, a compacted topic with as many partitions as the inputs and keyed alike.
    pub fn new(topic: impl Into<String>, codec: V) -> Self {
        Self { topic: topic.into(), codec }
    }
}

/// The table of another group, read whole by every instance, whatever its partitions.
#[derive(Clone, Debug)]
pub struct Lookup<K, V> {
    pub(crate) topic: String,
    pub(crate) key: K,
    pub(crate) value: V,
}

impl<K, V> Lookup<K, V> {
    /// The edge from `topic`, a compacted topic.
    pub fn new(topic: impl Into<String>, key: K, value: V) -> Self {
        Self { topic: topic.into(), key, value }
    }
}

/// The way a group sends records to itself, to be processed by the owner of another key.
#[derive(Clone, Debug)]
pub struct Loop<K, V> {
    pub(crate) key: K,
    pub(crate) value: V,
}

impl<K, V> Loop<K, V> {
    /// The loop, over topic `<group>-loop`.
    pub fn new(key: K, value: V) -> Self {
        Self { key, value }
    }
}
