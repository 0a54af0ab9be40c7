use std::time::Duration;

use millstream_model::Partition;
use millstream_runtime::Freshness;
use serde_json::{Map, Value, json};

use crate::tables::form::{base64, from_base64};
use crate::tables::served::Served;

/// The place behind an entry, in the order of keys and then of partitions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cursor {
    pub(super) key: Vec<u8>,
    pub(super) partition: Partition,
}

impl Cursor {
    pub(super) fn text(&self) -> String {
        format!("{}.{}", self.partition, base64(&self.key))
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let (partition, key) = text.split_once('.')?;
        Some(Self { key: from_base64(key)?, partition: Partition::new(partition.parse().ok()?) })
    }
}

/// How old an answer is, as it is told.
pub(super) fn staleness(freshness: &Freshness) -> Value {
    let positions: Map<_, _> =
        freshness.positions.iter().map(|(input, next)| (input.to_string(), json!(next.0))).collect();
    json!({
        "lag_records": freshness.lag_records,
        "behind_ms": freshness.behind.map(millis),
        "processed_before": positions,
        "committed": freshness.is_committed,
    })
}

/// The staleness of several partitions together: as old as the oldest.
pub(super) fn oldest(all: &[Value]) -> Value {
    let numbers =
        |name: &str| -> Option<Vec<u64>> { all.iter().map(|one| one.get(name)?.as_u64()).collect() };
    json!({
        "lag_records": numbers("lag_records").map(|lags| lags.iter().sum::<u64>()),
        "behind_ms": numbers("behind_ms").and_then(|ages| ages.into_iter().max()),
        "committed": all.iter().all(|one| one.get("committed") == Some(&json!(true))),
    })
}

/// An entry as it is told.
pub(super) fn entry(table: &Served, partition: Partition, key: &[u8], value: &[u8]) -> Value {
    let cursor = Cursor { key: key.to_vec(), partition }.text();
    let mut entry = json!({"key": table.key.tell(key), "partition": partition.index(), "cursor": cursor});
    let fields = match (table.value)(value) {
        Ok(value) => ("value", value),
        Err(reason) => ("unreadable", json!(reason)),
    };
    if let Value::Object(object) = &mut entry {
        object.extend(table.label.as_ref().map(|label| ("label".to_owned(), json!(label(key)))));
        object.insert(fields.0.to_owned(), fields.1);
    }
    entry
}

fn millis(age: Duration) -> u64 {
    u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_told_and_nonsense_is_not() {
        for key in [&b""[..], b"a.b", &[0xff, 0]] {
            let cursor = Cursor { key: key.to_vec(), partition: Partition::new(11) };
            assert_eq!(Cursor::read(&cursor.text()), Some(cursor));
        }
        for text in ["", "1", "x.YQ", "1.=", "-1.YQ"] {
            assert_eq!(Cursor::read(text), None, "{text}");
        }
    }

    #[test]
    fn the_staleness_of_several_is_that_of_the_oldest() {
        let one = |lag: Option<u64>, age: Option<u64>| json!({"lag_records": lag, "behind_ms": age, "committed": false});
        let told = oldest(&[one(Some(2), Some(0)), one(Some(3), Some(70))]);
        assert_eq!((&told["lag_records"], &told["behind_ms"]), (&json!(5), &json!(70)));
        assert_eq!(oldest(&[one(Some(2), None), one(None, Some(1))])["lag_records"], Value::Null);
    }
}
