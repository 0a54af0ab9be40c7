use std::error::Error;
use std::time::Duration;

use millstream_model::{RecordView, TopicName};
use millstream_ports::{Codec, CodecError};
use millstream_topology::{GraphError, GroupSpec, Partitioner};

use crate::context::{Context, Names};
use crate::edges::{Join, Lookup, Loop, Output, Table};
use crate::policy::Policies;

/// What a callback answers. Any error will do; the group's policy says what becomes of the record.
pub type CallbackResult = Result<(), Box<dyn Error + Send + Sync>>;

/// Why one record could not be processed.
pub(crate) enum StepError {
    /// Its key or value is not of the edge's format.
    Decode(CodecError),
    /// The callback said no.
    Callback(Box<dyn Error + Send + Sync>),
}

/// What is done for a partition that nothing comes for, and after how long.
pub(crate) struct Idle {
    pub(crate) after: Duration,
    pub(crate) step: Box<dyn Fn(&mut Context<'_>) -> CallbackResult + Send + Sync>,
}

pub(crate) type Step = Box<dyn Fn(&mut Context<'_>, &RecordView<'_>) -> Result<(), StepError> + Send + Sync>;

/// A group: its edges and what it does with each input's records. Immutable, and shared by all workers.
pub struct GroupGraph {
    pub(crate) spec: GroupSpec,
    pub(crate) names: Names,
    pub(crate) steps: Vec<Step>,
    pub(crate) idle: Option<Idle>,
    pub(crate) policies: Policies,
}

impl GroupGraph {
    /// Begins the definition of group `name`; Kafka's consumer group has that name too.
    pub fn define(name: impl Into<String>) -> GroupBuilder {
        let spec = GroupSpec { group: name.into(), ..GroupSpec::default() };
        GroupBuilder {
            spec,
            inputs: Vec::new(),
            looped: None,
            idle: None,
            policies: Policies::default(),
            fault: None,
        }
    }

    /// The group's topics, as data.
    pub fn spec(&self) -> &GroupSpec {
        &self.spec
    }
}

/// Collects the edges of a group. Mistakes are kept, and told by [`GroupBuilder::build`].
#[must_use = "a group does nothing until it is built and run"]
pub struct GroupBuilder {
    spec: GroupSpec,
    inputs: Vec<Step>,
    looped: Option<Step>,
    idle: Option<Idle>,
    policies: Policies,
    fault: Option<GraphError>,
}

impl GroupBuilder {
    /// Processes the records of `topic` with `callback`, which gets each record's key and value decoded.
    pub fn input<K, V, F>(mut self, topic: impl AsRef<str>, key: K, value: V, callback: F) -> Self
    where
        K: Codec,
        V: Codec,
        F: for<'a> Fn(&mut Context<'_>, K::Value<'a>, V::Value<'a>) -> CallbackResult + Send + Sync + 'static,
    {
        if let Some(topic) = self.named(topic.as_ref()) {
            self.spec.inputs.push(topic);
            self.inputs.push(step(key, value, callback));
        }
        self
    }

    /// Keeps a table.
    pub fn persist<V: Codec>(mut self, _table: &Table<V>) -> Self {
        if self.spec.changelog.is_some() {
            self.note(GraphError::Second { group: self.spec.group.clone(), edge: "table" });
        }
        let name = GroupSpec::changelog_of(&self.spec.group);
        self.spec.changelog = self.kept(name);
        self
    }

    /// Processes the records that the group sends to itself.
    pub fn loopback<K, V, F>(mut self, edge: &Loop<K, V>, callback: F) -> Self
    where
        K: Codec + Clone,
        V: Codec + Clone,
        F: for<'a> Fn(&mut Context<'_>, K::Value<'a>, V::Value<'a>) -> CallbackResult + Send + Sync + 'static,
    {
        if self.looped.is_some() {
            self.note(GraphError::Second { group: self.spec.group.clone(), edge: "loop" });
        }
        let name = GroupSpec::loop_of(&self.spec.group);
        self.spec.loopback = self.kept(name);
        self.looped = Some(step(edge.key.clone(), edge.value.clone(), callback));
        self
    }

    /// Reads another group's table beside the inputs.
    pub fn join<V: Codec>(mut self, join: &Join<V>) -> Self {
        let topic = self.named(&join.topic);
        self.spec.joins.extend(topic);
        self
    }

    /// Reads another group's table whole.
    pub fn lookup<K: Codec, V: Codec>(mut self, lookup: &Lookup<K, V>) -> Self {
        let topic = self.named(&lookup.topic);
        self.spec.lookups.extend(topic);
        self
    }

    /// Writes to a topic, partitioned as the Java clients do.
    pub fn output<K: Codec, V: Codec>(self, output: &Output<K, V>) -> Self {
        self.output_by(output, Partitioner::default())
    }

    /// Writes to a topic, partitioned as told.
    pub fn output_by<K: Codec, V: Codec>(mut self, output: &Output<K, V>, partitioner: Partitioner) -> Self {
        let topic = self.named(&output.topic);
        self.spec.outputs.extend(topic.map(|topic| (topic, partitioner)));
        self
    }

    /// Calls `callback` for a partition that has had no record for so long, and again each time that it is as long again. Its
    /// context has no record: no key, no value, and the time of day for its time.
    pub fn idle<F>(mut self, after: Duration, callback: F) -> Self
    where
        F: Fn(&mut Context<'_>) -> CallbackResult + Send + Sync + 'static,
    {
        self.idle = Some(Idle { after, step: Box::new(callback) });
        self
    }

    /// What becomes of records that can't be decoded or whose callback fails.
    pub fn policies(mut self, policies: Policies) -> Self {
        self.policies = policies;
        self
    }

    /// Checks the definition.
    ///
    /// # Errors
    /// When a name is not a topic's, a topic is read or written on two edges, or there is no input.
    pub fn build(mut self) -> Result<GroupGraph, GraphError> {
        if self.policies.want_dead_letters() {
            let name = self
                .policies
                .dead_letters
                .clone()
                .map_or_else(|| GroupSpec::dead_letters_of(&self.spec.group), TopicName::new);
            self.spec.dead_letters = self.kept(name);
        }
        if let (Some(topic), Some(step)) = (self.spec.loopback.clone(), self.looped.take()) {
            self.spec.inputs.push(topic);
            self.inputs.push(step);
        }
        self.fault.map_or_else(|| self.spec.check(), Err)?;
        let names = names(&self.spec);
        Ok(GroupGraph {
            spec: self.spec,
            names,
            steps: self.inputs,
            idle: self.idle,
            policies: self.policies,
        })
    }

    fn named(&mut self, topic: &str) -> Option<TopicName> {
        self.kept(TopicName::new(topic))
    }

    fn kept(&mut self, name: Result<TopicName, millstream_model::TopicNameError>) -> Option<TopicName> {
        name.map_err(|source| self.note(GraphError::Name { group: self.spec.group.clone(), source })).ok()
    }

    fn note(&mut self, fault: GraphError) {
        self.fault.get_or_insert(fault);
    }
}

/// Outputs first, then the loop, then the dead letters: the order of the destinations' indexes.
fn names(spec: &GroupSpec) -> Names {
    let outputs = spec.outputs.iter().map(|(topic, _)| topic);
    let destinations: Vec<_> = outputs.chain(&spec.loopback).chain(&spec.dead_letters).cloned().collect();
    Names {
        group: spec.group.clone(),
        places: destinations.iter().cloned().zip(0..).collect(),
        loopback: format!("{}-loop", spec.group),
        destinations,
        joins: spec.joins.clone(),
        lookups: spec.lookups.clone(),
        has_table: spec.changelog.is_some(),
    }
}

fn step<K, V, F>(key: K, value: V, callback: F) -> Step
where
    K: Codec,
    V: Codec,
    F: for<'a> Fn(&mut Context<'_>, K::Value<'a>, V::Value<'a>) -> CallbackResult + Send + Sync + 'static,
{
    Box::new(move |context, record| {
        let key = decode(&key, record.key).map_err(|error| StepError::Decode(error.at("its key")))?;
        let value = decode(&value, record.value).map_err(|error| StepError::Decode(error.at("its value")))?;
        callback(context, key, value).map_err(StepError::Callback)
    })
}

fn decode<'a, C: Codec>(codec: &C, bytes: Option<&'a [u8]>) -> Result<C::Value<'a>, CodecError> {
    bytes.map_or_else(|| codec.decode_absent(), |bytes| codec.decode(bytes))
}

#[cfg(test)]
mod tests {
    use millstream_ports::{Bytes, Utf8};

    use super::*;

    #[test]
    fn topics_on_the_edges_are_named_as_goka_names_them() {
        let (table, again, out) = (Table::new(Utf8), Loop::new(Utf8, Utf8), Output::new("out", Utf8, Bytes));
        let graph = GroupGraph::define("counts")
            .loopback(&again, |_, _, _| Ok(()))
            .input("in", Utf8, Utf8, |_, _key: &str, _value: &str| Ok(()))
            .persist(&table)
            .output(&out)
            .build()
            .unwrap();
        let names = |topics: &[TopicName]| topics.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(&graph.spec.inputs), ["in", "counts-loop"]);
        assert_eq!(names(&graph.names.destinations), ["out", "counts-loop", "counts-dead-letters"]);
        assert_eq!(graph.spec.changelog.unwrap().as_str(), "counts-table");
        assert_eq!(graph.steps.len(), 2);
    }

    #[test]
    fn the_first_mistake_is_told() {
        let built = GroupGraph::define("g").input("a b", Utf8, Utf8, |_, _, _| Ok(())).build();
        assert!(built.err().unwrap().to_string().contains("'a b' is not a topic name"));
        let table = Table::new(Utf8);
        let built = GroupGraph::define("g")
            .input("a", Utf8, Utf8, |_, _, _| Ok(()))
            .persist(&table)
            .persist(&table)
            .build();
        assert_eq!(built.err().unwrap().to_string(), "group 'g' has a second table; a group has one");
    }
}
