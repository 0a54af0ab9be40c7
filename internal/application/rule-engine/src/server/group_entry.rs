use std::collections::{BTreeMap, BTreeSet};

use millstream_model::{Headers, Offset, Partition, RecordView, Value, decode_value};

use super::entry::{SEEN, seen_of, unused};
use crate::members::{read_texts, texts};
use crate::shared::Begins;

/// What the key of each begins with.
const GROUP: &str = "group/";

/// An entry of the journal about a consumer group that queries share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupEntry {
    /// What no other entry is called.
    pub(crate) key: String,
    /// The group's name.
    pub(crate) id: String,
    /// Up to which offset its writer had read. Where something that counts came since, this does not count.
    pub(crate) seen: i64,
    pub(crate) deed: Deed,
    /// Where it stands.
    pub(crate) offset: i64,
}

/// What is done about a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// These queries are to share it, and stop until it is known where each has been.
    Gather(BTreeSet<String>),
    /// Queries have their groups. Said again of one, with no beginnings, once all of its queries have come so far.
    Settle(Settled),
    /// These queries keep it from going on, and are to be by themselves again.
    Part(BTreeSet<String>),
}

/// Which queries share a group from now on, which that were with them have one each, and where each of them begins there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) members: BTreeMap<String, Begins>,
    pub(crate) leaving: BTreeMap<String, Begins>,
}

impl GroupEntry {
    pub(crate) fn new(id: &str, seen: i64, deed: Deed) -> Self {
        let key = format!("{GROUP}{}", unused(seen));
        Self { key, id: id.to_owned(), seen, deed, offset: seen }
    }

    /// Whether a key is that of such an entry.
    pub(crate) fn is_key(key: &str) -> bool {
        key.starts_with(GROUP)
    }

    pub(crate) fn headers(&self) -> Headers {
        let mut headers = Headers::default();
        headers.push(SEEN, self.seen.to_string().into_bytes());
        headers
    }

    pub(crate) fn value(&self) -> Vec<u8> {
        let mut parts = vec![Value::text(&self.id)];
        match &self.deed {
            Deed::Gather(queries) => parts.push(texts(queries)),
            Deed::Part(queries) => parts.extend([texts(queries), Value::Null]),
            Deed::Settle(Settled { members, leaving }) => {
                for queries in [members, leaving] {
                    parts.push(texts(queries.keys()));
                    parts.push(Value::Array(queries.values().map(begins_value).collect()));
                }
            }
        }
        Value::Struct(parts).to_bytes()
    }

    /// The entry of a record; `None` where it is another, or is taken out.
    pub(crate) fn read(view: &RecordView<'_>) -> Option<Self> {
        let key = std::str::from_utf8(view.key?).ok().filter(|key| Self::is_key(key))?.to_owned();
        let Value::Struct(parts) = decode_value(view.value?).ok()? else { return None };
        let (id, deed) = match parts.as_slice() {
            [id, queries] => (id, Deed::Gather(read_texts(queries)?.into_iter().collect())),
            [id, queries, Value::Null] => (id, Deed::Part(read_texts(queries)?.into_iter().collect())),
            [id, members, begins, leaving, others] => {
                let (members, leaving) = (read_queries(members, begins)?, read_queries(leaving, others)?);
                (id, Deed::Settle(Settled { members, leaving }))
            }
            _ => return None,
        };
        let (id, seen) = (id.as_text()?.to_owned(), seen_of(view));
        Some(Self { key, id, seen, deed, offset: view.offset.0 })
    }
}

fn begins_value(begins: &Begins) -> Value {
    let each = |(topic, partition, offset): (&String, &Partition, &Offset)| {
        let numbers = [i64::from(partition.as_i32()), offset.0].map(Value::Bigint);
        Value::Struct([Value::text(topic)].into_iter().chain(numbers).collect())
    };
    let all = begins
        .iter()
        .flat_map(|(topic, begins)| begins.iter().map(move |(partition, offset)| (topic, partition, offset)));
    Value::Array(all.map(each).collect())
}

fn read_queries(queries: &Value, begins: &Value) -> Option<BTreeMap<String, Begins>> {
    let Value::Array(begins) = begins else { return None };
    let begins = begins.iter().map(read_begins).collect::<Option<Vec<_>>>()?;
    Some(read_texts(queries)?.into_iter().zip(begins).collect())
}

fn read_begins(value: &Value) -> Option<Begins> {
    let Value::Array(all) = value else { return None };
    let mut begins = Begins::new();
    for one in all {
        let Value::Struct(parts) = one else { return None };
        let [topic, Value::Bigint(partition), Value::Bigint(offset)] = parts.as_slice() else { return None };
        let partition = Partition::new(u32::try_from(*partition).ok()?);
        begins.entry(topic.as_text()?.to_owned()).or_default().insert(partition, Offset(*offset));
    }
    Some(begins)
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::record;
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let at = |offset| {
            BTreeMap::from([("t".to_owned(), BTreeMap::from([(Partition::new(1), Offset(offset))]))])
        };
        let begins = [("A".to_owned(), at(7)), ("B".to_owned(), Begins::new())];
        let both = || ["A".to_owned(), "B".to_owned()].into();
        let settled = Settled { members: begins.into(), leaving: [("C".to_owned(), at(2))].into() };
        for deed in [Deed::Gather(both()), Deed::Settle(settled), Deed::Part(both())] {
            let entry = GroupEntry::new("g", 3, deed);
            let (value, headers) = (entry.value(), entry.headers());
            let view = record(&entry.key, &value, &headers);
            assert_eq!(GroupEntry::read(&view), Some(GroupEntry { offset: 9, ..entry.clone() }));
            assert_eq!(GroupEntry::read(&RecordView { key: Some(b"0123"), ..view }), None);
        }
    }
}
