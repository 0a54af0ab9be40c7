use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use millstream_model::Partition;
use millstream_ports::KeyRange;
use millstream_runtime::{Answer, QueryError, Reached};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::problem::Problem;
use crate::tables::Peers;
use crate::tables::answer::{Cursor, entry, oldest, staleness};
use crate::tables::served::Served;

/// How often the owner is looked for again while a partition changes hands, and the time between.
const TRIES: u32 = 5;
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// Whether a key is lost in a path: clients take it for none, for the folder itself or for the one above, and leave out tabs and
/// ends of lines.
fn is_lost_in_path(key: &str) -> bool {
    ["", ".", ".."].contains(&key) || key.contains(char::is_control)
}

/// A request to one table.
pub(super) struct Asked {
    pub(super) peers: Peers,
    pub(super) table: Arc<Served>,
    /// Whether another instance has passed it on.
    pub(super) is_passed_on: bool,
    pub(super) patience: Duration,
}

/// Which part of the table is asked for.
pub(super) struct Scope {
    /// The range as it was written, to be passed on.
    pub(super) texts: Vec<(String, String)>,
    pub(super) range: KeyRange,
    pub(super) partitions: Vec<Partition>,
    pub(super) cursor: Option<Cursor>,
}

impl Scope {
    /// The range in one partition: behind the cursor, where there is one.
    fn within(&self, partition: Partition) -> KeyRange {
        let range = self.range.clone();
        match &self.cursor {
            Some(cursor) if partition <= cursor.partition => range.after(&cursor.key),
            Some(cursor) if cursor.key.as_slice() > range.from() => {
                KeyRange::new(cursor.key.clone(), range.to().map(<[u8]>::to_vec))
            }
            _ => range,
        }
    }

    fn parameters(&self, partitions: &[Partition]) -> Vec<(String, String)> {
        let numbers: Vec<_> = partitions.iter().map(ToString::to_string).collect();
        let cursor = self.cursor.iter().map(|cursor| ("cursor".to_owned(), cursor.text()));
        self.texts
            .iter()
            .cloned()
            .chain(cursor)
            .chain([("partitions".to_owned(), numbers.join(","))])
            .collect()
    }
}

/// What one instance says of its partitions.
struct Part {
    body: Value,
}

impl Asked {
    pub(super) async fn partition_of(&self, key: &[u8]) -> Result<Partition, Problem> {
        let key = key.to_vec();
        Ok(self.here(move |table| table.partition_of(&key)).await??)
    }

    pub(super) fn check(&self, partition: Partition) -> Result<(), Problem> {
        let width = self.table.width();
        if partition < Partition::new(width) {
            return Ok(());
        }
        Err(Problem::bad(format!("the table has {width} partitions, from 0 on, and no {partition}")))
    }

    /// One key, asked here or where its partition is.
    pub(super) async fn entry(
        &self,
        partition: Partition,
        written: &str,
        key: Vec<u8>,
        after: Option<Reached>,
    ) -> Result<(StatusCode, Value), Problem> {
        for attempt in 1..=TRIES {
            let (key, waited, patience) = (key.clone(), after.clone(), self.patience);
            let found = self.here(move |table| {
                let answer = table.find(partition, &key, waited.as_ref(), patience)?;
                Ok(told(table, &key, &answer))
            });
            match found.await? {
                Ok(told) => return Ok(told),
                Err(QueryError::Elsewhere(_)) if !self.is_passed_on => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(owner) = self.other(partition) {
                let mut parameters = self.entry_parameters(partition, after.as_ref());
                let mut path = vec!["v1", "tables", &self.table.name, "entries", written];
                if is_lost_in_path(written) {
                    path.truncate(3);
                    path.push("entry");
                    parameters.push(("key".to_owned(), written.to_owned()));
                }
                let answer = self.peers.ask(&owner, &path, &parameters, self.patience).await;
                if let Some(answer) = settled(answer, attempt) {
                    return answer;
                }
            }
            sleep(TRY_AGAIN).await;
        }
        Err(self.nobody(partition))
    }

    fn entry_parameters(&self, partition: Partition, after: Option<&Reached>) -> Vec<(String, String)> {
        let mut parameters = vec![
            ("partition".to_owned(), partition.to_string()),
            ("timeout_ms".to_owned(), self.patience.as_millis().to_string()),
        ];
        if let Some(after) = after {
            parameters.push(("min_offset".to_owned(), after.offset.to_string()));
            parameters.extend(after.input.iter().map(|input| ("input".to_owned(), input.clone())));
        }
        parameters
    }

    /// The first entries of a part of the table, in the order of keys and then of partitions.
    pub(super) async fn entries(&self, scope: &Scope, limit: usize) -> Result<Value, Problem> {
        let mut entries = Vec::new();
        let (mut ages, mut has_more) = (Vec::new(), false);
        for Part { body } in self.gather(scope, Some(limit)).await? {
            let Value::Object(mut fields) = body else { continue };
            has_more |= fields.get("has_more") == Some(&json!(true));
            ages.extend(fields.remove("staleness"));
            if let Some(Value::Array(list)) = fields.remove("entries") {
                entries.push((list, fields.get("has_more") == Some(&json!(true))));
            }
        }
        let (mut merged, cut) = merge(entries, limit);
        has_more |= cut;
        let cursor = merged.last().and_then(|last| last.get("cursor")).cloned().filter(|_| has_more);
        if !self.is_passed_on {
            merged.iter_mut().filter_map(Value::as_object_mut).for_each(|entry| drop(entry.remove("cursor")));
        }
        Ok(json!({
            "table": self.table.name,
            "entries": merged,
            "has_more": has_more,
            "cursor": cursor,
            "staleness": oldest(&ages),
        }))
    }

    /// How many entries a part of the table has.
    pub(super) async fn count(&self, scope: &Scope) -> Result<Value, Problem> {
        let parts = self.gather(scope, None).await?;
        let count: u64 = parts.iter().filter_map(|part| part.body.get("count")?.as_u64()).sum();
        let ages: Vec<_> = parts.iter().filter_map(|part| part.body.get("staleness").cloned()).collect();
        Ok(json!({"table": self.table.name, "count": count, "staleness": oldest(&ages)}))
    }

    /// What each owner says of its partitions: pages up to `limit`, or counts without one.
    async fn gather(&self, scope: &Scope, limit: Option<usize>) -> Result<Vec<Part>, Problem> {
        let (mut parts, mut missing) = (Vec::new(), scope.partitions.clone());
        for attempt in 1..=TRIES {
            let mut elsewhere: BTreeMap<String, Vec<Partition>> = BTreeMap::new();
            let mut lost = Vec::new();
            for partition in missing {
                match self.local(scope, partition, limit).await? {
                    Ok(part) => parts.push(part),
                    Err(QueryError::Elsewhere(_)) if !self.is_passed_on => match self.other(partition) {
                        Some(owner) => elsewhere.entry(owner).or_default().push(partition),
                        None => lost.push(partition),
                    },
                    Err(error) => return Err(error.into()),
                }
            }
            for (owner, partitions) in elsewhere {
                let mut parameters = scope.parameters(&partitions);
                parameters.extend(limit.map(|limit| ("limit".to_owned(), limit.to_string())));
                let what = if limit.is_some() { "entries" } else { "count" };
                let path = ["v1", "tables", &self.table.name, what];
                match settled(self.peers.ask(&owner, &path, &parameters, self.patience).await, attempt) {
                    Some(Ok((StatusCode::OK, body))) => parts.push(Part { body }),
                    Some(Ok((status, body))) => return Err(passed_on(status, &body)),
                    Some(Err(problem)) => return Err(problem),
                    None => lost.extend(partitions),
                }
            }
            if lost.is_empty() {
                return Ok(parts);
            }
            missing = lost;
            sleep(TRY_AGAIN).await;
        }
        Err(self.nobody(missing.first().copied().unwrap_or_default()))
    }

    async fn local(
        &self,
        scope: &Scope,
        partition: Partition,
        limit: Option<usize>,
    ) -> Result<Result<Part, QueryError>, Problem> {
        let range = scope.within(partition);
        self.here(move |table| {
            let body = match limit {
                None => table.count(partition, &range).map(
                    |answer| json!({"count": answer.content, "staleness": staleness(&answer.freshness)}),
                ),
                Some(limit) => table.page(partition, &range, limit).map(|answer| {
                    let entries = answer.content.entries.iter();
                    let entries: Vec<_> =
                        entries.map(|(key, value)| entry(table, partition, key, value)).collect();
                    let (has_more, staleness) = (answer.content.has_more, staleness(&answer.freshness));
                    json!({"entries": entries, "has_more": has_more, "staleness": staleness})
                }),
            };
            body.map(|body| Part { body })
        })
        .await
    }

    /// Asks this process, which may take a moment, beside the thread that serves.
    async fn here<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Served) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let table = self.table.clone();
        spawn_blocking(move || ask(&table))
            .await
            .map_err(|_| Problem::unavailable("unavailable", "the question was lost"))
    }

    /// The address of the owner, where that is somebody else.
    fn other(&self, partition: Partition) -> Option<String> {
        self.table.owner_of(partition).filter(|owner| Some(owner.as_str()) != self.table.own())
    }

    fn nobody(&self, partition: Partition) -> Problem {
        let known = self.table.owner_of(partition);
        let said = known.map_or_else(
            || "no instance has announced it, or it advertises no address".to_owned(),
            |owner| format!("the last known is {owner}"),
        );
        let message = format!("no owner of partition {partition} answers: {said}; it may be changing hands");
        Problem::unavailable("no_owner", message).with("partition", json!(partition.index()))
    }
}

/// What a key has, with where it was found and how old that is.
fn told(table: &Served, key: &[u8], answer: &Answer<Option<Vec<u8>>>) -> (StatusCode, Value) {
    let partition = answer.partition;
    let mut body = match &answer.content {
        Some(value) => entry(table, partition, key, value),
        None => json!({
            "key": table.key.tell(key),
            "partition": partition.index(),
            "error": "no_such_key",
            "message": format!("table '{}' has no such key", table.name),
        }),
    };
    if let Value::Object(fields) = &mut body {
        fields.remove("cursor");
        fields.insert("table".to_owned(), json!(table.name));
        fields.insert("role".to_owned(), json!(table.role()));
        fields.extend(table.own().map(|own| ("answered_by".to_owned(), json!(own))));
        fields.insert("staleness".to_owned(), staleness(&answer.freshness));
    }
    let status = if answer.content.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    (status, body)
}

/// What another instance answered, unless it has the partition no more or can't be reached, and there is another try.
fn settled(
    answer: Result<(StatusCode, Value), Problem>,
    attempt: u32,
) -> Option<Result<(StatusCode, Value), Problem>> {
    let moved = |answer: &(StatusCode, Value)| answer.0 == StatusCode::MISDIRECTED_REQUEST;
    match answer {
        Ok(answer) if moved(&answer) => None,
        Err(_) if attempt < TRIES => None,
        other => Some(other),
    }
}

/// Another instance's refusal, as it said it.
fn passed_on(status: StatusCode, body: &Value) -> Problem {
    let message = body.get("message").and_then(Value::as_str).unwrap_or("the owner refused").to_owned();
    let known = ["recovering", "behind", "bad_request", "no_such_table", "unavailable"];
    let code =
        known.into_iter().find(|code| body.get("error") == Some(&json!(code))).unwrap_or("owner_refused");
    Problem::new(status, code, message)
}

/// Lists of entries, each in order, as one of up to `limit`; and whether something was left out.
///
/// A list that was cut short says nothing of what comes behind its last entry, so that nothing behind it is taken.
fn merge(lists: Vec<(Vec<Value>, bool)>, limit: usize) -> (Vec<Value>, bool) {
    let cursor = |entry: &Value| entry.get("cursor").and_then(Value::as_str).and_then(Cursor::read);
    let ends = lists.iter().filter(|(_, has_more)| *has_more).filter_map(|(list, _)| cursor(list.last()?));
    let end = ends.min();
    let mut all: Vec<_> = lists
        .into_iter()
        .flat_map(|(list, _)| list)
        .filter_map(|entry| Some((cursor(&entry)?, entry)))
        .collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    let had = all.len();
    let mut merged: Vec<_> = all
        .into_iter()
        .take_while(|(at, _)| end.as_ref().is_none_or(|end| at <= end))
        .map(|(_, entry)| entry)
        .collect();
    merged.truncate(limit);
    let cut = merged.len() < had;
    (merged, cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(partition: u32, keys: &[&str]) -> Vec<Value> {
        let cursor =
            |key: &&str| Cursor { key: key.as_bytes().to_vec(), partition: Partition::new(partition) };
        keys.iter().map(|key| json!({"key": key, "cursor": cursor(key).text()})).collect()
    }

    #[test]
    fn lists_are_merged_as_far_as_all_of_them_are_known() {
        for (lists, limit, keys, cut) in [
            (vec![(entries(0, &["a", "d"]), false), (entries(1, &["b", "c"]), false)], 9, "abcd", false),
            (vec![(entries(0, &["a", "d"]), false), (entries(1, &["b", "c"]), false)], 3, "abc", true),
            (vec![(entries(0, &["a", "b"]), true), (entries(1, &["c"]), false)], 9, "ab", true),
            (vec![(entries(0, &["a", "b"]), true), (entries(1, &["a", "b"]), false)], 9, "aab", true),
            (vec![(entries(0, &[]), false)], 9, "", false),
        ] {
            let (merged, was_cut) = merge(lists, limit);
            let found: String = merged.iter().filter_map(|entry| entry["key"].as_str()).collect();
            assert_eq!((found.as_str(), was_cut), (keys, cut));
        }
    }
}
