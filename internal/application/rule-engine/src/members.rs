//! Which rules share a group, and how that is remembered from one start to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::time::Duration;

use millstream_model::{NoHeaders, Partition, TopicName, Value, decode_value, encode_value};
use millstream_ports::{Outlet, PortError, SendRecord, Start, Tag, Tail, TopicSpec, World};

/// Where groups and their rules are kept: a compacted topic of one partition, keyed by group.
const JOURNAL: &str = "rules-members";

/// A group of rules over one topic. Its rules have one position, so it is what it was when they began, less what has gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// The consumer group's name.
    pub(crate) id: String,
    /// The topic that all of its rules read.
    pub(crate) topic: String,
    /// Whether its records take effect once.
    pub(crate) is_exact: bool,
    /// Its rules' names.
    pub(crate) rules: BTreeSet<String>,
}

/// What is to be done so that rules run cheaply.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sharing {
    /// The groups to run.
    pub(crate) groups: Vec<Group>,
    /// Rules that are in a group and are not to run any more, by that group's name.
    pub(crate) gone: BTreeMap<String, BTreeSet<String>>,
}

/// A rule that could share a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) name: String,
    pub(crate) topic: String,
    pub(crate) is_exact: bool,
    /// It has run by itself, and goes on from where it is.
    pub(crate) has_begun: bool,
}

/// Puts rules into the groups that they are in, and those that are new into new ones, two at least.
pub(crate) fn sharing(known: &[Group], candidates: &[Candidate]) -> Sharing {
    let mut sharing = Sharing::default();
    let mut placed = BTreeSet::new();
    for group in known {
        let is_of = |rule: &&Candidate| {
            (&rule.topic, rule.is_exact) == (&group.topic, group.is_exact) && group.rules.contains(&rule.name)
        };
        let kept: BTreeSet<_> = candidates.iter().filter(is_of).map(|rule| rule.name.clone()).collect();
        if kept.is_empty() {
            continue;
        }
        let gone: BTreeSet<_> = group.rules.difference(&kept).cloned().collect();
        if !gone.is_empty() {
            sharing.gone.insert(group.id.clone(), gone);
        }
        placed.extend(kept.iter().cloned());
        sharing.groups.push(Group { rules: kept, ..group.clone() });
    }
    let mut fresh = BTreeMap::<(String, bool), BTreeSet<String>>::new();
    for rule in candidates.iter().filter(|rule| !rule.has_begun && !placed.contains(&rule.name)) {
        fresh.entry((rule.topic.clone(), rule.is_exact)).or_default().insert(rule.name.clone());
    }
    let new = fresh.into_iter().filter(|(_, rules)| rules.len() > 1);
    sharing.groups.extend(new.map(|((topic, is_exact), rules)| {
        let id = named(&topic, &rules);
        Group { id, topic, is_exact, rules }
    }));
    sharing
}

/// A name that no other set of rules has.
fn named(topic: &str, rules: &BTreeSet<String>) -> String {
    let mut hasher = DefaultHasher::new();
    rules.hash(&mut hasher);
    let topic: String = topic.chars().take(160).collect();
    format!("rules-on-{topic}-{:016x}", hasher.finish())
}

impl Group {
    fn value(&self) -> Vec<u8> {
        let rules = self.rules.iter().map(Value::text).collect();
        let parts = vec![Value::text(&self.topic), Value::Boolean(self.is_exact), Value::Array(rules)];
        let mut bytes = Vec::new();
        encode_value(&Value::Struct(parts), &mut bytes);
        bytes
    }

    fn read(key: &[u8], value: &[u8]) -> Option<Self> {
        let Value::Struct(parts) = decode_value(value).ok()? else { return None };
        let [Value::String(topic), Value::Boolean(is_exact), Value::Array(rules)] = parts.as_slice() else {
            return None;
        };
        let rules = rules.iter().map(|rule| rule.as_text().map(ToOwned::to_owned));
        Some(Self {
            id: String::from_utf8(key.to_vec()).ok()?,
            topic: topic.to_string(),
            is_exact: *is_exact,
            rules: rules.collect::<Option<_>>()?,
        })
    }
}

fn journal() -> Result<TopicName, PortError> {
    TopicName::new(JOURNAL).map_err(|error| PortError::stop("not a topic").because(error))
}

/// The groups that were there at the last start.
pub(crate) fn known<W: World>(world: &W) -> Result<Vec<Group>, PortError> {
    let topic = journal()?;
    if world.describe_topics(std::slice::from_ref(&topic))?.iter().all(Option::is_none) {
        return Ok(Vec::new());
    }
    let mut tail = world.tail("rules-members", std::slice::from_ref(&topic))?;
    let partition = Partition::new(0);
    let (_, end) = tail.add(0, partition, Start::Earliest)?;
    let mut all = BTreeMap::new();
    while tail.position(0, partition)? < end {
        tail.poll(Duration::from_millis(100), 1_000, |record| {
            if let Some(key) = record.key {
                all.insert(key.to_vec(), record.value.map(<[u8]>::to_vec));
            }
            ControlFlow::Continue(())
        })?;
    }
    let read = |(key, value): (Vec<u8>, Option<Vec<u8>>)| Group::read(&key, &value?);
    Ok(all.into_iter().filter_map(read).filter(|group| !group.rules.is_empty()).collect())
}

/// Notes groups that are new or have lost rules. It is safe when this answers.
pub(crate) fn note<W: World>(
    world: &W,
    groups: &[&Group],
    replication: Option<u16>,
) -> Result<(), PortError> {
    if groups.is_empty() {
        return Ok(());
    }
    let topic = journal()?;
    let settings = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
    world.create_topic(&TopicSpec { name: topic.clone(), partitions: 1, replication, settings })?;
    let mut outlet = world.outlet("rules-members")?;
    for group in groups {
        let value = group.value();
        outlet.send(&SendRecord {
            topic: &topic,
            partition: Some(Partition::new(0)),
            key: Some(group.id.as_bytes()),
            value: Some(&value),
            headers: &NoHeaders,
            timestamp: Some(world.now()),
            tag: Tag::NONE,
        })?;
    }
    outlet.settle()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, topic: &str, has_begun: bool) -> Candidate {
        Candidate { name: name.to_owned(), topic: topic.to_owned(), is_exact: false, has_begun }
    }

    fn rules(group: &Group) -> Vec<&str> {
        group.rules.iter().map(String::as_str).collect()
    }

    fn group(id: &str, topic: &str, rules: &[&str]) -> Group {
        let rules = rules.iter().map(|rule| (*rule).to_owned()).collect();
        Group { id: id.to_owned(), topic: topic.to_owned(), is_exact: false, rules }
    }

    #[test]
    fn new_rules_over_one_topic_share_a_group_and_a_single_one_does_not() {
        let all = [candidate("A", "t", false), candidate("B", "t", false), candidate("C", "u", false)];
        let sharing = sharing(&[], &all);
        let [group] = sharing.groups.as_slice() else { panic!("{sharing:?}") };
        assert_eq!((group.topic.as_str(), rules(group)), ("t", vec!["A", "B"]));
        assert!(sharing.gone.is_empty());
    }

    #[test]
    fn rules_stay_in_their_group_and_later_ones_do_not_come_in() {
        let known = [group("g", "t", &["A", "B"])];
        let all = ["A", "B", "C", "D"].map(|name| candidate(name, "t", false));
        let sharing = sharing(&known, &all);
        let [old, new] = sharing.groups.as_slice() else { panic!("{sharing:?}") };
        assert_eq!((old.id.as_str(), rules(old)), ("g", vec!["A", "B"]));
        assert_ne!(new.id, old.id);
        assert_eq!(rules(new), ["C", "D"]);
    }

    #[test]
    fn a_rule_that_ran_by_itself_goes_on_so() {
        let all = [candidate("A", "t", true), candidate("B", "t", false)];
        assert_eq!(sharing(&[], &all), Sharing::default());
    }

    #[test]
    fn rules_that_are_gone_are_told_and_other_groups_are_left_alone() {
        let known = [group("g", "t", &["A", "B", "C"]), group("h", "t", &["X", "Y"])];
        let sharing = sharing(&known, &[candidate("B", "t", false)]);
        let [left] = sharing.groups.as_slice() else { panic!("{sharing:?}") };
        assert_eq!((left.id.as_str(), rules(left)), ("g", vec!["B"]));
        let gone: Vec<_> = sharing.gone["g"].iter().map(String::as_str).collect();
        assert_eq!(gone, ["A", "C"]);
    }

    #[test]
    fn what_is_noted_reads_back() {
        let group = group("g", "t", &["A", "B"]);
        assert_eq!(Group::read(b"g", &group.value()), Some(group));
        assert_eq!(Group::read(b"g", b"?"), None);
    }
}
