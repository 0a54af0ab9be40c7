use millstream_model::{Headers, Offset, Partition, RecordView, Timestamp};

use super::header;

/// A record that could not be processed, as it lies in a dead-letter topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its partition of the dead-letter topic.
    pub partition: Partition,
    /// Its offset there.
    pub offset: Offset,
    /// The record's time.
    pub timestamp: Timestamp,
    /// The record's key.
    pub key: Option<Vec<u8>>,
    /// The record's value.
    pub value: Option<Vec<u8>>,
    /// The record's headers, and behind them those of [`crate::dead_letter_header`].
    pub headers: Headers,
    /// Whether it was replayed.
    pub is_replayed: bool,
}

impl DeadLetter {
    pub(super) fn of(record: &RecordView<'_>, is_replayed: bool) -> Self {
        Self {
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: Headers::copy_of(record.headers),
            is_replayed,
        }
    }

    fn told(&self, name: &str) -> Option<String> {
        self.headers.last(name).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.told(name)?.parse().ok()
    }

    /// The topic the record came from; for one that was emitted and refused, the topic it was for.
    pub fn topic(&self) -> Option<String> {
        self.told(header::TOPIC)
    }

    /// Its partition there.
    pub fn origin_partition(&self) -> Option<Partition> {
        u32::try_from(self.number(header::PARTITION)?).ok().map(Partition::new)
    }

    /// Its offset there; none for one that was refused.
    pub fn origin_offset(&self) -> Option<Offset> {
        self.number(header::OFFSET).map(Offset)
    }

    /// The group that could not process it.
    pub fn group(&self) -> Option<String> {
        self.told(header::GROUP)
    }

    /// Where it failed, as [`crate::dead_letter_header::STAGE`] has it.
    pub fn stage(&self) -> Option<String> {
        self.told(header::STAGE)
    }

    /// What was wrong.
    pub fn message(&self) -> Option<String> {
        self.told(header::MESSAGE)
    }

    /// Why it can't be replayed, whatever the brokers say.
    pub(super) fn hindrance(&self) -> Option<String> {
        let stage = self.stage().unwrap_or_default();
        match stage.as_str() {
            "decode" | "callback" if self.topic().is_none() => {
                Some("it does not say where it came from".to_owned())
            }
            "produce" if self.told(header::VALUE_BYTES).is_some() => {
                Some("its value was too large to be kept".to_owned())
            }
            "decode" | "callback" | "produce" => None,
            "" => Some("it is no dead letter of this framework".to_owned()),
            other => Some(format!("what failed at stage '{other}' was no record of a topic")),
        }
    }

    /// The record's own headers, with one that says which letter it was.
    pub(super) fn replayed_headers(&self, letters: &str) -> Headers {
        let own = self.headers.0.iter().filter(|(name, _)| !name.starts_with(header::PREFIX));
        let own = own.filter(|(name, _)| name != header::REPLAYED_FROM);
        let mut headers = Headers(own.cloned().collect());
        headers.push(header::REPLAYED_FROM, format!("{letters}/{}@{}", self.partition, self.offset));
        headers
    }
}

/// Which dead letters are meant. The default means all that were not replayed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// Those from this topic.
    pub topic: Option<String>,
    /// Those of this group.
    pub group: Option<String>,
    /// Those that failed at this stage.
    pub stage: Option<String>,
    /// Those whose message has this in it, upper and lower case alike.
    pub message: Option<String>,
    /// Those with this key.
    pub key: Option<Vec<u8>>,
    /// Those whose record is of this time or later.
    pub since: Option<Timestamp>,
    /// Those whose record is before this time.
    pub until: Option<Timestamp>,
    /// These places of the dead-letter topic alone; none for all.
    pub places: Vec<(Partition, Offset)>,
    /// Those that were replayed too. A replay passes them over nevertheless.
    pub with_replayed: bool,
}

impl LetterFilter {
    /// Whether a letter is meant.
    pub fn means(&self, letter: &DeadLetter) -> bool {
        let is = |wanted: &Option<String>, found: Option<String>| wanted.is_none() || *wanted == found;
        let said = letter.message().unwrap_or_default().to_lowercase();
        (self.with_replayed || !letter.is_replayed)
            && is(&self.topic, letter.topic())
            && is(&self.group, letter.group())
            && is(&self.stage, letter.stage())
            && self.message.as_ref().is_none_or(|wanted| said.contains(&wanted.to_lowercase()))
            && (self.key.is_none() || self.key == letter.key)
            && self.since.is_none_or(|since| letter.timestamp >= since)
            && self.until.is_none_or(|until| letter.timestamp < until)
            && (self.places.is_empty() || self.places.contains(&(letter.partition, letter.offset)))
    }
}
