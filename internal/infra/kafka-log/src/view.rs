use millstream_model::{HeaderSource, Offset, Partition, RecordView, Timestamp, TopicName};
use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

/// Headers that are looked for only when somebody asks.
struct Borrowed<'a, 'b>(&'a BorrowedMessage<'b>);

impl HeaderSource for Borrowed<'_, '_> {
    fn each(&self, each: &mut dyn FnMut(&str, Option<&[u8]>)) {
        for header in self.0.headers().iter().flat_map(|headers| headers.iter()) {
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
    let partition = Partition::try_from(message.partition()).ok()?;
    Some(each(RecordView {
        topic,
        partition,
        offset: Offset(message.offset()),
        timestamp: Timestamp(message.timestamp().to_millis().unwrap_or(0)),
        key: message.key(),
        value: message.payload(),
        headers: &Borrowed(message),
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

    pub(crate) fn get(&self, topic: usize) -> Option<&TopicName> {
        self.names.get(topic)
    }

    /// The topic that a message of a subscription to these topics came from.
    pub(crate) fn of(&mut self, message: &BorrowedMessage<'_>) -> Option<usize> {
        if self.names.len() == 1 {
            return Some(0);
        }
        self.find(message.topic())
    }

    fn find(&mut self, name: &str) -> Option<usize> {
        if self.names.get(self.last).is_some_and(|last| last.as_str() == name) {
            return Some(self.last);
        }
        self.last = self.names.iter().position(|topic| topic.as_str() == name)?;
        Some(self.last)
    }
}
