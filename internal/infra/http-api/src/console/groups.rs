use std::collections::BTreeSet;
use std::time::Duration;

use millstream_model::TopicName;
use millstream_runtime::{PartitionStatus, Snapshot, StandbyStatus};
use serde_json::{Map, Value, json};

use crate::console::WatchedGroup;
use crate::tables::Peers;

/// How long another instance may take to say what it does, beyond what any answer may take.
const PATIENCE: Duration = Duration::ZERO;

/// All groups with all of their instances, as far as these answer; without `others` this instance alone.
pub(super) async fn told(groups: &[WatchedGroup], peers: &Peers, others: bool) -> Vec<Value> {
    let mut told = Vec::new();
    let elsewhere = if others { elsewhere(groups, peers).await } else { Vec::new() };
    for group in groups {
        let name = group.status.group();
        let mut instances = vec![own(group)];
        let owners = addresses(group);
        for (address, said) in elsewhere.iter().filter(|(address, _)| owners.contains(address)) {
            instances.extend(theirs(name, address, said));
        }
        let mut shown = edges(group);
        shown.insert("instances".to_owned(), json!(instances));
        told.push(Value::Object(shown));
    }
    told
}

/// Where the other instances of a group are.
fn addresses(group: &WatchedGroup) -> BTreeSet<String> {
    let Some(owners) = &group.owners else { return BTreeSet::new() };
    owners.all().into_values().filter(|address| address != owners.own()).collect()
}

/// What each of the other instances says of itself, or why it says nothing.
async fn elsewhere(groups: &[WatchedGroup], peers: &Peers) -> Vec<(String, Result<Value, String>)> {
    let all: BTreeSet<_> = groups.iter().flat_map(addresses).collect();
    let asked: Vec<_> = all
        .into_iter()
        .map(|address| {
            let peers = peers.clone();
            tokio::spawn(async move {
                let said = peers.ask(&address, &["v1", "groups"], &[], PATIENCE).await;
                let said = match said {
                    Ok((status, body)) if status.is_success() => Ok(body),
                    Ok((status, _)) => Err(format!("it answers {status}")),
                    Err(problem) => Err(problem.message().to_owned()),
                };
                (address, said)
            })
        })
        .collect();
    let mut said = Vec::new();
    for each in asked {
        said.extend(each.await);
    }
    said
}

/// The part of another instance's answer that is about one group.
fn theirs(group: &str, address: &str, said: &Result<Value, String>) -> Option<Value> {
    let body = match said {
        Ok(body) => body,
        Err(reason) => return Some(json!({"address": address, "own": false, "error": reason})),
    };
    let all = body.get("groups")?.as_array()?;
    let found = all.iter().find(|one| one.get("group") == Some(&json!(group)))?;
    let mut instance = found.get("instances")?.get(0)?.as_object()?.clone();
    instance.insert("own".to_owned(), json!(false));
    Some(Value::Object(instance))
}

fn edges(group: &WatchedGroup) -> Map<String, Value> {
    let spec = group.status.spec();
    let names = |topics: &[TopicName]| topics.iter().map(ToString::to_string).collect::<Vec<_>>();
    let name = |topic: &Option<TopicName>| topic.as_ref().map(ToString::to_string);
    let inputs = spec.inputs.iter().filter(|input| Some(*input) != spec.loopback.as_ref());
    let outputs = spec.outputs.iter().map(|(topic, _)| topic.to_string());
    let fields = json!({
        "group": spec.group,
        "inputs": inputs.map(ToString::to_string).collect::<Vec<_>>(),
        "outputs": outputs.collect::<Vec<_>>(),
        "joins": names(&spec.joins),
        "lookups": names(&spec.lookups),
        "loop": name(&spec.loopback),
        "table": name(&spec.changelog),
        "dead_letters": name(&spec.dead_letters),
    });
    if let Value::Object(fields) = fields { fields } else { Map::new() }
}

fn own(group: &WatchedGroup) -> Value {
    let now = group.status.snapshot();
    let Snapshot { skipped, dead_letters, commits, stalled, failure, .. } = &now;
    json!({
        "address": group.owners.as_ref().map(|owners| owners.own().to_owned()),
        "own": true,
        "records_in": counts(&now.records_in),
        "records_out": counts(&now.records_out),
        "skipped": skipped,
        "dead_letters": dead_letters,
        "commits": commits,
        "stalled": stalled,
        "failure": failure,
        "partitions": now.partitions.iter().map(partition).collect::<Vec<_>>(),
        "standbys": now.standbys.iter().map(standby).collect::<Vec<_>>(),
    })
}

fn counts(counts: &[(TopicName, u64)]) -> Map<String, Value> {
    counts.iter().map(|(topic, count)| (topic.to_string(), json!(count))).collect()
}

fn standby(status: &StandbyStatus) -> Value {
    let partition = status.partition.index();
    json!({"partition": partition, "following": status.is_following, "lag": status.lag})
}

fn partition(status: &PartitionStatus) -> Value {
    json!({
        "partition": status.partition.index(),
        "state": if status.is_running { "running" } else { "recovering" },
        "replayed": status.replayed,
        "remaining": status.remaining,
        "per_second": status.replay_rate(),
        "left_s": status.recovery_left().map(|left| left.as_secs()),
        "lag": status.lag,
    })
}
