//! Which rules share a group.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use millstream_model::{Value, decode_value};

/// What rules read that can share a group, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reads {
    /// The topics that all of them read, in order.
    pub(crate) topics: Vec<String>,
    /// Those of them that are read up to their ends before the others.
    pub(crate) first: Vec<String>,
    /// Whether records take effect once.
    pub(crate) is_exact: bool,
    /// Whether the rules keep something.
    pub(crate) keeps: bool,
}

/// A group of rules over the same topics. Its rules have one position, so it is what it was when they began, less what has
/// gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// The consumer group's name.
    pub(crate) id: String,
    /// What all of its rules read.
    pub(crate) reads: Reads,
    /// Its rules' numbers by their names. What a rule keeps and sends around is told by its number.
    pub(crate) rules: BTreeMap<String, u32>,
    /// The topic of its dead letters.
    pub(crate) letters: String,
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
    pub(crate) reads: Reads,
    /// It has run by itself, and goes on from where it is.
    pub(crate) has_begun: bool,
}

/// Puts rules into the groups that they are in, and those that are new into new ones, two at least.
pub(crate) fn sharing(known: &[Group], candidates: &[Candidate]) -> Sharing {
    let mut sharing = Sharing::default();
    let mut placed = BTreeSet::new();
    for group in known {
        let is_left =
            |name: &String| candidates.iter().any(|rule| rule.name == *name && rule.reads == group.reads);
        let (kept, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
            group.rules.clone().into_iter().partition(|(name, _)| is_left(name));
        if kept.is_empty() {
            continue;
        }
        if !gone.is_empty() {
            sharing.gone.insert(group.id.clone(), gone.into_keys().collect());
        }
        placed.extend(kept.keys().cloned());
        sharing.groups.push(Group { rules: kept, ..group.clone() });
    }
    let mut fresh = BTreeMap::<Reads, BTreeSet<String>>::new();
    for rule in candidates.iter().filter(|rule| !rule.has_begun && !placed.contains(&rule.name)) {
        fresh.entry(rule.reads.clone()).or_default().insert(rule.name.clone());
    }
    let new = fresh.into_iter().filter(|(_, rules)| rules.len() > 1);
    sharing.groups.extend(new.map(|(reads, rules)| Group {
        rules: rules.iter().cloned().zip(0..).collect(),
        ..Group::new(&named(&reads, &rules), reads)
    }));
    sharing
}

/// A name that no other set of rules has.
fn named(reads: &Reads, rules: &BTreeSet<String>) -> String {
    let mut hasher = DefaultHasher::new();
    rules.hash(&mut hasher);
    let topics: String = reads.topics.join("-and-").chars().take(160).collect();
    format!("rules-on-{topics}-{:016x}", hasher.finish())
}

impl Group {
    /// One without rules.
    pub(crate) fn new(id: &str, reads: Reads) -> Self {
        Self { id: id.to_owned(), reads, rules: BTreeMap::new(), letters: format!("{id}-dead-letters") }
    }

    pub(crate) fn value(&self) -> Vec<u8> {
        let numbers = self.rules.values().map(|number| Value::Bigint(i64::from(*number)));
        let Reads { topics, first, is_exact, keeps } = &self.reads;
        let parts = vec![
            texts(topics),
            texts(first),
            Value::Boolean(*is_exact),
            Value::Boolean(*keeps),
            texts(self.rules.keys()),
            Value::Array(numbers.collect()),
        ];
        Value::Struct(parts).to_bytes()
    }

    pub(crate) fn read(id: &str, value: &[u8]) -> Option<Self> {
        let Value::Struct(parts) = decode_value(value).ok()? else { return None };
        let (reads, names, numbers) = match parts.as_slice() {
            [
                topics,
                first,
                Value::Boolean(is_exact),
                Value::Boolean(keeps),
                names,
                Value::Array(numbers),
            ] => {
                let reads = Reads {
                    topics: read_texts(topics)?,
                    first: read_texts(first)?,
                    is_exact: *is_exact,
                    keeps: *keeps,
                };
                (reads, names, numbers.iter().map(number).collect::<Option<Vec<_>>>()?)
            }
            // As it was written when only rules over one topic that keep nothing shared a group.
            [Value::String(topic), Value::Boolean(is_exact), names @ Value::Array(all)] => {
                let topics = vec![topic.to_string()];
                let reads = Reads { topics, is_exact: *is_exact, ..Reads::default() };
                (reads, names, (0..).take(all.len()).collect())
            }
            _ => return None,
        };
        let rules = read_texts(names)?.into_iter().zip(numbers).collect();
        Some(Self { rules, ..Self::new(id, reads) })
    }
}

fn number(value: &Value) -> Option<u32> {
    let Value::Bigint(number) = value else { return None };
    u32::try_from(*number).ok()
}

pub(crate) fn texts<'t>(all: impl IntoIterator<Item = &'t String>) -> Value {
    Value::Array(all.into_iter().map(Value::text).collect())
}

/// What [`texts`] makes, read back.
pub(crate) fn read_texts(value: &Value) -> Option<Vec<String>> {
    let Value::Array(all) = value else { return None };
    all.iter().map(|text| text.as_text().map(ToOwned::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(topic: &str) -> Reads {
        Reads { topics: vec![topic.to_owned()], ..Reads::default() }
    }

    fn candidate(name: &str, topic: &str, has_begun: bool) -> Candidate {
        Candidate { name: name.to_owned(), reads: reads(topic), has_begun }
    }

    fn rules(group: &Group) -> Vec<&str> {
        group.rules.keys().map(String::as_str).collect()
    }

    fn group(id: &str, topic: &str, rules: &[&str]) -> Group {
        let rules = rules.iter().map(|rule| (*rule).to_owned()).zip(0..).collect();
        Group { rules, ..Group::new(id, reads(topic)) }
    }

    #[test]
    fn new_rules_over_one_topic_share_a_group_and_a_single_one_does_not() {
        let all = [candidate("A", "t", false), candidate("B", "t", false), candidate("C", "u", false)];
        let sharing = sharing(&[], &all);
        let [group] = sharing.groups.as_slice() else { panic!("{sharing:?}") };
        assert_eq!((&group.reads, rules(group)), (&reads("t"), vec!["A", "B"]));
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
        assert_eq!(
            (left.id.as_str(), &left.rules),
            ("g", &BTreeMap::from([("B".to_owned(), 1)])),
            "its number stays"
        );
        let gone: Vec<_> = sharing.gone["g"].iter().map(String::as_str).collect();
        assert_eq!(gone, ["A", "C"]);
    }

    #[test]
    fn rules_that_read_otherwise_do_not_share() {
        let of = |name: &str, reads: Reads| Candidate { reads, ..candidate(name, "t", false) };
        let topics = vec!["t".to_owned(), "u".to_owned()];
        let joins = Reads { topics: topics.clone(), keeps: true, ..Reads::default() };
        let all = [
            of("A", reads("t")),
            of("B", Reads { keeps: true, ..reads("t") }),
            of("C", Reads { is_exact: true, ..reads("t") }),
            of("D", joins.clone()),
            of("E", Reads { first: topics, ..joins }),
        ];
        assert_eq!(sharing(&[], &all), Sharing::default());
    }

    #[test]
    fn what_is_noted_reads_back() {
        let mut group = group("g", "t", &["A", "B"]);
        group.rules.insert("C".to_owned(), 7);
        (group.reads.first, group.reads.keeps) = (vec!["t".to_owned()], true);
        assert_eq!(Group::read("g", &group.value()), Some(group));
        assert_eq!(Group::read("g", b"?"), None);
    }

    #[test]
    fn what_an_earlier_version_noted_is_read_too() {
        let names = Value::Array(vec![Value::text("A"), Value::text("B")]);
        let noted = Value::Struct(vec![Value::text("t"), Value::Boolean(false), names]).to_bytes();
        assert_eq!(Group::read("g", &noted), Some(group("g", "t", &["A", "B"])));
    }
}
