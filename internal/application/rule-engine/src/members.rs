//! Which rules share a group.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use millstream_model::{Value, decode_value};

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
    pub(crate) fn value(&self) -> Vec<u8> {
        let rules = self.rules.iter().map(Value::text).collect();
        let parts = vec![Value::text(&self.topic), Value::Boolean(self.is_exact), Value::Array(rules)];
        Value::Struct(parts).to_bytes()
    }

    pub(crate) fn read(id: &str, value: &[u8]) -> Option<Self> {
        let Value::Struct(parts) = decode_value(value).ok()? else { return None };
        let [Value::String(topic), Value::Boolean(is_exact), Value::Array(rules)] = parts.as_slice() else {
            return None;
        };
        let rules = rules.iter().map(|rule| rule.as_text().map(ToOwned::to_owned));
        Some(Self {
            id: id.to_owned(),
            topic: topic.to_string(),
            is_exact: *is_exact,
            rules: rules.collect::<Option<_>>()?,
        })
    }
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
        assert_eq!(Group::read("g", &group.value()), Some(group));
        assert_eq!(Group::read("g", b"?"), None);
    }
}
