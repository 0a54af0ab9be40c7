use millstream_model::{TopicName, TopicNameError};
use thiserror::Error;

use crate::Partitioner;

/// A group as data: its name, and the topics on its edges. What the callbacks do is no part of it.
///
/// **Invariant:** at least one input, no topic on two incoming edges, and a table where a loop or an input wants one is
/// the only one. [`GroupSpec::check`] holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupSpec {
    /// The consumer group.
    pub group: String,
    /// Topics whose records are processed, in the order they were named. The loop's topic is the last where there is one.
    pub inputs: Vec<TopicName>,
    /// The loop's topic, through which the group sends records to itself by key.
    pub loopback: Option<TopicName>,
    /// The changelog of the group's table.
    pub changelog: Option<TopicName>,
    /// Tables of other groups, read partition by partition beside the inputs.
    pub joins: Vec<TopicName>,
    /// Tables of other groups, read whole by every instance.
    pub lookups: Vec<TopicName>,
    /// Topics written.
    pub outputs: Vec<(TopicName, Partitioner)>,
    /// Where records go that can't be processed.
    pub dead_letters: Option<TopicName>,
}

/// What is wrong with a group's definition.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GraphError {
    /// A name is not allowed as a topic's.
    #[error("group '{group}': {source}")]
    Name {
        /// The group.
        group: String,
        /// Which name, and why not.
        source: TopicNameError,
    },
    /// There is nothing to process.
    #[error("group '{0}' has no input; add one with 'input'")]
    NoInput(String),
    /// A topic comes in on two edges.
    #[error("group '{group}' reads topic '{topic}' on two edges; one edge a topic")]
    ReadTwice {
        /// The group.
        group: String,
        /// The topic.
        topic: TopicName,
    },
    /// A topic goes out on two edges.
    #[error("group '{group}' declares output '{topic}' twice")]
    WrittenTwice {
        /// The group.
        group: String,
        /// The topic.
        topic: TopicName,
    },
    /// Two edges of which a group has one.
    #[error("group '{group}' has a second {edge}; a group has one")]
    Second {
        /// The group.
        group: String,
        /// `table` or `loop`.
        edge: &'static str,
    },
    /// A policy is for a topic on no edge.
    #[error("group '{group}' has a policy for '{topic}', which is on none of its edges")]
    NoEdge {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
    },
    /// What is to be read first is no input.
    #[error("group '{group}' is to read '{topic}' first, which is none of its inputs")]
    NotFirst {
        /// The group.
        group: String,
        /// The topic.
        topic: String,
    },
    /// Two timers or two visitors have one name.
    #[error("group '{group}' has two {what} called '{name}'; names tell them apart")]
    SameName {
        /// The group.
        group: String,
        /// `timers` or `visitors`.
        what: &'static str,
        /// Their name.
        name: String,
    },
    /// Timers and visitors are kept by the table, which there is not.
    #[error(
        "group '{group}' has {what} '{name}' and no table; timers are kept in it and visitors walk it, so add one with 'persist'"
    )]
    NoTable {
        /// The group.
        group: String,
        /// `timer` or `visitor`.
        what: &'static str,
        /// Its name.
        name: String,
    },
}

impl GroupSpec {
    /// The changelog's name as Goka has it: `<group>-table`.
    ///
    /// # Errors
    /// When the group's name is not allowed in a topic's name.
    pub fn changelog_of(group: &str) -> Result<TopicName, TopicNameError> {
        TopicName::new(format!("{group}-table"))
    }

    /// The loop's name as Goka has it: `<group>-loop`.
    ///
    /// # Errors
    /// When the group's name is not allowed in a topic's name.
    pub fn loop_of(group: &str) -> Result<TopicName, TopicNameError> {
        TopicName::new(format!("{group}-loop"))
    }

    /// Where a group's dead letters go unless told otherwise: `<group>-dead-letters`.
    ///
    /// # Errors
    /// When the group's name is not allowed in a topic's name.
    pub fn dead_letters_of(group: &str) -> Result<TopicName, TopicNameError> {
        TopicName::new(format!("{group}-dead-letters"))
    }

    /// Checks the invariant.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn check(&self) -> Result<(), GraphError> {
        let group = || self.group.clone();
        if self.inputs.iter().all(|topic| Some(topic) == self.loopback.as_ref()) {
            return Err(GraphError::NoInput(group()));
        }
        let incoming: Vec<_> = self.inputs.iter().chain(&self.joins).chain(&self.lookups).collect();
        if let Some(topic) = repeated(&incoming) {
            return Err(GraphError::ReadTwice { group: group(), topic });
        }
        let outgoing: Vec<_> = self.outputs.iter().map(|(topic, _)| topic).collect();
        match repeated(&outgoing) {
            Some(topic) => Err(GraphError::WrittenTwice { group: group(), topic }),
            None => Ok(()),
        }
    }
}

fn repeated(topics: &[&TopicName]) -> Option<TopicName> {
    let mut sorted = topics.to_vec();
    sorted.sort();
    sorted.array_windows().find(|[a, b]| a == b).map(|[a, _]| (*a).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(names: &[&str]) -> Vec<TopicName> {
        names.iter().map(|name| TopicName::new(name).unwrap()).collect()
    }

    #[test]
    fn names_are_gokas() {
        assert_eq!(GroupSpec::changelog_of("counts").unwrap().as_str(), "counts-table");
        assert_eq!(GroupSpec::loop_of("counts").unwrap().as_str(), "counts-loop");
        assert!(GroupSpec::changelog_of("my counts").is_err());
    }

    #[test]
    fn a_group_needs_an_input_and_reads_no_topic_twice() {
        let spec = GroupSpec { group: "g".into(), ..GroupSpec::default() };
        assert_eq!(spec.check(), Err(GraphError::NoInput("g".into())));
        let twice = GroupSpec { inputs: topics(&["a"]), joins: topics(&["b", "a"]), ..spec.clone() };
        assert_eq!(
            twice.check().unwrap_err().to_string(),
            "group 'g' reads topic 'a' on two edges; one edge a topic"
        );
        let fine = GroupSpec { inputs: topics(&["a", "b"]), lookups: topics(&["c"]), ..spec };
        assert_eq!(fine.check(), Ok(()));
    }

    #[test]
    fn a_loop_alone_is_no_input() {
        let names = topics(&["g-loop"]);
        let spec = GroupSpec {
            group: "g".into(),
            loopback: names.first().cloned(),
            inputs: names,
            ..GroupSpec::default()
        };
        assert_eq!(spec.check(), Err(GraphError::NoInput("g".into())));
    }
}
