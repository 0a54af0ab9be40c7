use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use millstream_model::{Headers, RecordView};
use millstream_sql::is_property;

use super::columns::Found;
use super::group_entry::GroupEntry;

/// The header with the offset up to which the journal was read when the statement was found to be right.
pub(super) const SEEN: &str = "seen";

/// The header with the query that the statement's own goes on for.
const QUERY: &str = "query";

/// What each header with columns of the registry begins with.
const COLUMNS: &str = "columns:";

/// What each header with a setting begins with.
const SETTING: &str = "set:";

/// What the key of a statement begins with that is set aside: it is kept for people to look at, and not carried out.
const ASIDE: &str = "aside/";

/// The header with why it was set aside.
const REASON: &str = "reason";

/// The setting that says where a new query begins, as it is written.
pub(crate) const RESET: &str = "auto.offset.reset";

/// What the settings of Kafka Streams begin with, of which any can be set; they are kept without it.
pub(crate) const STREAMS: &str = "ksql.streams.";

/// A statement in the journal: its text as the value, and what counted when it was made as headers. Its key is its own, so
/// that it is kept until somebody takes it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What no other entry is called.
    pub(crate) key: String,
    /// The statement.
    pub(crate) text: String,
    /// The settings that it is planned under.
    pub(crate) settings: BTreeMap<String, String>,
    /// Up to which offset its writer had read.
    pub(crate) seen: i64,
    /// The query that its own goes on for, which keeps its id when the entry of the one before is taken out.
    pub(crate) query: Option<String>,
    /// The columns that it leaves out, as the registry had them.
    pub(crate) columns: Found,
    /// Where it stands; before it is written, behind all others.
    pub(crate) offset: i64,
}

impl Entry {
    pub(crate) fn new(text: &str, settings: &BTreeMap<String, String>, seen: i64) -> Self {
        let settings = settings.iter().filter_map(|(name, value)| {
            let plain = name.strip_prefix(STREAMS).unwrap_or(name);
            // To begin with the first record is what is done anyway.
            let is_plain = plain != RESET || value.eq_ignore_ascii_case("latest");
            (is_property(name) && is_plain).then(|| (plain.to_owned(), value.clone()))
        });
        Self {
            key: unused(seen),
            text: text.to_owned(),
            settings: settings.collect(),
            seen,
            query: None,
            columns: Found::new(),
            offset: seen,
        }
    }

    /// Whether a query that it makes reads its streams from their ends.
    pub(crate) fn is_from_end(&self) -> bool {
        self.settings.contains_key(RESET)
    }

    pub(crate) fn headers(&self) -> Headers {
        let mut headers = Headers::default();
        headers.push(SEEN, self.seen.to_string().into_bytes());
        if let Some(query) = &self.query {
            headers.push(QUERY, query.as_bytes());
        }
        for (asked, columns) in &self.columns {
            headers.push(format!("{COLUMNS}{asked}"), columns.as_bytes());
        }
        for (name, value) in &self.settings {
            headers.push(format!("{SETTING}{name}"), value.clone().into_bytes());
        }
        headers
    }

    /// The key and headers under which a statement is set aside.
    pub(crate) fn aside(key: &str, reason: &str) -> (String, Headers) {
        let mut headers = Headers::default();
        headers.push(REASON, reason.as_bytes());
        (format!("{ASIDE}{key}"), headers)
    }

    /// Of a statement that is set aside: its text, and why.
    pub(crate) fn read_aside(view: &RecordView<'_>) -> Option<(String, String)> {
        std::str::from_utf8(view.key?).ok()?.strip_prefix(ASIDE)?;
        let text = String::from_utf8(view.value?.to_vec()).ok()?;
        let reason = Headers::copy_of(view.headers);
        Some((text, String::from_utf8_lossy(reason.last(REASON).unwrap_or_default()).into_owned()))
    }

    /// The entry of a record; `None` where it is no statement, or is taken out.
    pub(crate) fn read(view: &RecordView<'_>) -> Option<Self> {
        let key = String::from_utf8(view.key?.to_vec())
            .ok()
            .filter(|key| !key.starts_with(ASIDE) && !GroupEntry::is_key(key))?;
        let text = String::from_utf8(view.value?.to_vec()).ok()?;
        let (mut query, mut columns, mut settings) = (None, Found::new(), BTreeMap::new());
        view.headers.each(&mut |name, value| {
            let value = String::from_utf8_lossy(value.unwrap_or_default());
            if name == QUERY {
                query = Some(value.into_owned());
            } else if let Some(asked) = name.strip_prefix(COLUMNS) {
                columns.insert(asked.to_owned(), value.into_owned());
            } else if let Some(setting) = name.strip_prefix(SETTING) {
                settings.insert(setting.to_owned(), value.into_owned());
            }
        });
        Some(Self { key, text, settings, seen: seen_of(view), query, columns, offset: view.offset.0 })
    }
}

/// What no other entry is called.
pub(super) fn unused(seen: i64) -> String {
    format!("{:016x}", RandomState::new().hash_one(seen))
}

/// Up to which offset the writer of a record had read.
pub(super) fn seen_of(view: &RecordView<'_>) -> i64 {
    let mut seen = 0;
    view.headers.each(&mut |name, value| {
        let value = value.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        if name == SEEN {
            seen = value.unwrap_or(0);
        }
    });
    seen
}

#[cfg(test)]
pub(super) mod tests {
    use millstream_model::{Offset, Partition, Timestamp};

    use super::*;

    /// A record of the journal, at offset 9.
    pub(in super::super) fn record<'r>(
        key: &'r str,
        value: &'r [u8],
        headers: &'r Headers,
    ) -> RecordView<'r> {
        RecordView {
            topic: 0,
            partition: Partition::new(0),
            offset: Offset(9),
            timestamp: Timestamp(0),
            key: Some(key.as_bytes()),
            value: Some(value),
            headers,
        }
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let set = [("ksql.a", "1"), ("auto.offset.reset", "earliest")];
        let set = set.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let columns = Found::from([("value/AVRO//t".to_owned(), "0r0:".to_owned())]);
        let entry = Entry { query: Some("Q".to_owned()), columns, ..Entry::new("CREATE …", &set, 7) };
        assert_eq!(entry.settings.len(), 1, "what concerns one's own queries alone is not written");
        let headers = entry.headers();
        let view = record(&entry.key, entry.text.as_bytes(), &headers);
        assert_eq!(Entry::read(&view).unwrap(), Entry { offset: 9, ..entry.clone() });
        assert_eq!(Entry::read(&RecordView { value: None, ..view }), None);
        let (key, headers) = Entry::aside(&entry.key, "no such function");
        let view = RecordView { key: Some(key.as_bytes()), headers: &headers, ..view };
        assert_eq!(Entry::read(&view), None);
        assert_eq!(Entry::read_aside(&view).unwrap(), ("CREATE …".to_owned(), "no such function".to_owned()));
    }
}
