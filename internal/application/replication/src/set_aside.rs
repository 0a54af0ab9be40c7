use millstream_model::{Headers, Offset, Partition, RecordView, TopicName};
use millstream_ports::{Outlet, PortError, SendRecord, Tag};
use millstream_runtime::dead_letter_header as header;

/// A record that no table can hold, copied, with the reason.
pub(crate) struct SetAside {
    pub(crate) partition: Partition,
    pub(crate) offset: Offset,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Headers,
    reason: String,
}

impl SetAside {
    pub(crate) fn of(record: &RecordView<'_>, reason: impl Into<String>) -> Self {
        Self {
            partition: record.partition,
            offset: record.offset,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: Headers::copy_of(record.headers),
            reason: reason.into(),
        }
    }

    /// Where it came from.
    pub(crate) fn place(&self) -> (Partition, Offset) {
        (self.partition, self.offset)
    }

    pub(crate) fn because(self, reason: &impl ToString) -> Self {
        Self { reason: reason.to_string(), ..self }
    }

    /// Sends it as every dead letter is: as it came, with headers that say where it came from and what was wrong.
    pub(crate) fn send(
        &self,
        outlet: &mut impl Outlet,
        from: &TopicName,
        group: &str,
        to: &TopicName,
    ) -> Result<(), PortError> {
        let mut headers = self.headers.clone();
        headers.push(header::TOPIC, from.as_str());
        headers.push(header::PARTITION, self.partition.to_string());
        headers.push(header::OFFSET, self.offset.to_string());
        headers.push(header::GROUP, group);
        headers.push(header::STAGE, "replicate");
        headers.push(header::MESSAGE, self.reason.as_str());
        outlet.send(&SendRecord {
            topic: to,
            partition: None,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: &headers,
            timestamp: None,
            tag: Tag::NONE,
        })
    }
}
