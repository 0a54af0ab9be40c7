use crate::{Offset, Partition, Timestamp};

/// Reads a record's headers without copying them.
pub trait HeaderSource {
    /// Calls `each` with every header, in the order they were written; a name may come more than once.
    fn each(&self, each: &mut dyn FnMut(&str, Option<&[u8]>));
}

/// A record with no headers.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHeaders;

impl HeaderSource for NoHeaders {
    fn each(&self, _each: &mut dyn FnMut(&str, Option<&[u8]>)) {}
}

/// Headers held in memory, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, Option<Vec<u8>>)>);

impl Headers {
    /// Copies the headers of `source`.
    pub fn copy_of(source: &dyn HeaderSource) -> Self {
        let mut copy = Vec::new();
        source.each(&mut |name, value| copy.push((name.to_owned(), value.map(<[u8]>::to_vec))));
        Self(copy)
    }

    /// Adds one at the end.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) {
        self.0.push((name.into(), Some(value.into())));
    }

    /// The value of the last header called `name`.
    pub fn last(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().rev().find(|(n, _)| n == name).and_then(|(_, value)| value.as_deref())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl HeaderSource for Headers {
    fn each(&self, each: &mut dyn FnMut(&str, Option<&[u8]>)) {
        for (name, value) in &self.0 {
            each(name, value.as_deref());
        }
    }
}

/// A record as it was read, borrowed from the log's own buffer; valid for as long as the call that hands it over.
#[derive(Clone, Copy)]
pub struct RecordView<'a> {
    /// Which of the subscribed or tailed topics it came from, counted as they were named.
    pub topic: usize,
    /// Its partition.
    pub partition: Partition,
    /// Its offset.
    pub offset: Offset,
    /// Its time, by the producer or by the broker as the topic is set.
    pub timestamp: Timestamp,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: &'a dyn HeaderSource,
}
