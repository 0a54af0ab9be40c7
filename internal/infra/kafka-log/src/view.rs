use millstream_model::{HeaderSource, NoHeaders, Offset, Partition, RecordView, Timestamp, TopicName};
use rdkafka::Message;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers};

struct Borrowed<'a>(&'a BorrowedHeaders);

impl HeaderSource for Borrowed<'_> {
    fn each(&self, each: &mut dyn FnMut(&str, Option<&[u8]>)) {
        for header in self.0.iter() {
            each(header.key, header.value);
        }
    }
}

/// Lends a message, as it lies in librdkafka's buffer, to `each`.
pub(crate) fn lend<T>(
    message: &BorrowedMessage<'_>,
    topic: usize,
    each: impl FnOnce(RecordView<'_>) -> T,
) -> Option<T> {
    let headers = message.headers().map(Borrowed);
    let partition = Partition::try_from(message.partition()).ok()?;
    Some(each(RecordView {
        topic,
        partition,
        offset: Offset(message.offset()),
        timestamp: Timestamp(message.timestamp().to_millis().unwrap_or(0)),
        key: message.key(),
        value: message.payload(),
        headers: headers.as_ref().map_or(&NoHeaders, |headers| headers),
    }))
}

/// Finds topics by name; most records come from the topic that the last one came from.
pub(crate) struct TopicIndex {
    names: Vec<TopicName>,
    last: usize,
}

impl TopicIndex {
    pub(crate) fn new(names: &[TopicName]) -> Self {
        Self { names: names.to_vec(), last: 0 }
    }

    pub(crate) fn names(&self) -> &[TopicName] {
        &self.names
    }

    pub(crate) fn find(&mut self, name: &str) -> Option<usize> {
        if self.names.get(self.last).is_some_and(|last| last.as_str() == name) {
            return Some(self.last);
        }
        self.last = self.names.iter().position(|topic| topic.as_str() == name)?;
        Some(self.last)
    }
}
