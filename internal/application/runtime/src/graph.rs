use std::any::Any;
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use millstream_model::{RecordView, TopicName};
use millstream_ports::{Codec, CodecError};
use millstream_topology::{GraphError, GroupSpec, Partitioner};

use crate::context::{Context, Names};
use crate::edges::{Join, Lookup, Loop, Output, Table};
use crate::middleware::{Middleware, Next, within};
use crate::policy::{EdgePolicies, Policies, Rulebook, want_dead_letters};
use crate::timers::Timer;
use crate::visit::Visitor;

/// What a callback answers. Any error will do; the group's policy says what becomes of the record.
pub type CallbackResult = Result<(), Box<dyn Error + Send + Sync>>;

/// Why one record could not be processed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// Its key or value is not of the edge's format.
    #[error("{0}")]
    Decode(CodecError),
    /// The callback said no.
    #[error("{0}")]
    Callback(Box<dyn Error + Send + Sync>),
}

/// What is done for a partition that nothing comes for, and after how long.
pub(crate) struct Idle {
    pub(crate) after: Duration,
    pub(crate) step: Box<dyn Fn(&mut Context<'_>) -> CallbackResult + Send + Sync>,
}

pub(crate) type Step = Arc<dyn Fn(&mut Context<'_>, &RecordView<'_>) -> Result<(), StepError> + Send + Sync>;

/// A visitor's callback, with the argument of the visit.
pub(crate) type VisitStep =
    Box<dyn Fn(&mut Context<'_>, &RecordView<'_>, &dyn Any) -> Result<(), StepError> + Send + Sync>;

/// A group: its edges and what it does with each input's records. Immutable, and shared by all workers.
pub struct GroupGraph {
    pub(crate) spec: GroupSpec,
    pub(crate) names: Names,
    pub(crate) steps: Vec<Step>,
    pub(crate) timers: Vec<Step>,
    pub(crate) visitors: Vec<VisitStep>,
    pub(crate) layers: Vec<Middleware>,
    pub(crate) rules: Rulebook,
    /// How long the table's values last; for ever without it.
    pub(crate) ttl: Option<Duration>,
    pub(crate) idle: Option<Idle>,
    /// Inputs that are read up to their ends before the others, and those others.
    pub(crate) order: (Vec<usize>, Vec<usize>),
}

impl GroupGraph {
    /// Begins the definition of group `name`; Kafka's consumer group has that name too.
    pub fn define(name: impl Into<String>) -> GroupBuilder {
        let spec = GroupSpec { group: name.into(), ..GroupSpec::default() };
        GroupBuilder {
            spec,
            inputs: Vec::new(),
            looped: None,
            partitioner: Partitioner::default(),
            outputs: Vec::new(),
            timers: Vec::new(),
            visitors: Vec::new(),
            layers: Vec::new(),
            policies: Policies::default(),
            edges: BTreeMap::new(),
            ttl: None,
            idle: None,
            ahead: Vec::new(),
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
    partitioner: Partitioner,
    outputs: Vec<(TopicName, Option<Partitioner>)>,
    timers: Vec<(String, Step)>,
    visitors: Vec<(String, VisitStep)>,
    layers: Vec<Middleware>,
    idle: Option<Idle>,
    ahead: Vec<TopicName>,
    policies: Policies,
    edges: BTreeMap<String, EdgePolicies>,
    ttl: Option<Duration>,
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

    /// Processes the records of several topics with one callback, which finds the topic of each by [`Context::topic`].
    pub fn inputs<T, K, V, F>(
        mut self,
        topics: impl IntoIterator<Item = T>,
        key: K,
        value: V,
        callback: F,
    ) -> Self
    where
        T: AsRef<str>,
        K: Codec,
        V: Codec,
        F: for<'a> Fn(&mut Context<'_>, K::Value<'a>, V::Value<'a>) -> CallbackResult + Send + Sync + 'static,
    {
        let step = step(key, value, callback);
        for topic in topics {
            if let Some(topic) = self.named(topic.as_ref()) {
                self.spec.inputs.push(topic);
                self.inputs.push(step.clone());
            }
        }
        self
    }

    /// Calls back when a timer is due that [`Context::schedule`] set. The callback is given the key, and the time by
    /// [`Context::timestamp`].
    pub fn timer<K, F>(mut self, timer: &Timer<K>, callback: F) -> Self
    where
        K: Codec + Clone,
        F: for<'a> Fn(&mut Context<'_>, K::Value<'a>) -> CallbackResult + Send + Sync + 'static,
    {
        let key = timer.key.clone();
        let step: Step = Arc::new(move |context, record| {
            let key = decode(&key, record.key).map_err(|error| StepError::Decode(error.at("its key")))?;
            within(context.layers, context, |context| callback(context, key)).map_err(StepError::Callback)
        });
        self.timers.push((timer.name.clone(), step));
        self
    }

    /// Calls back for every key of the table when [`Running::visit`](crate::Running::visit) says so.
    pub fn visitor<K, A, F>(mut self, visitor: &Visitor<K, A>, callback: F) -> Self
    where
        K: Codec + Clone,
        A: Send + Sync + 'static,
        F: for<'a> Fn(&mut Context<'_>, K::Value<'a>, &A) -> CallbackResult + Send + Sync + 'static,
    {
        let key = visitor.key.clone();
        let step: VisitStep = Box::new(move |context, record, argument| {
            let key = decode(&key, record.key).map_err(|error| StepError::Decode(error.at("its key")))?;
            // The visitor's own type says what its argument is.
            let Some(argument) = argument.downcast_ref::<A>() else {
                return Err(StepError::Callback("the visit's argument is of another visitor".into()));
            };
            within(context.layers, context, |context| callback(context, key, argument))
                .map_err(StepError::Callback)
        });
        self.visitors.push((visitor.name.clone(), step));
        self
    }

    /// Stands around every callback, those of timers, visitors and completions included. What is added first is outermost.
    ///
    /// ```
    /// # use millstream_ports::Utf8;
    /// # use millstream_runtime::GroupGraph;
    /// GroupGraph::define("traced")
    ///     .input("in", Utf8, Utf8, |_, _: &str, _: &str| Ok(()))
    ///     .around(|context, next| {
    ///         if let Some(trace) = context.header("traceparent") {
    ///             context.carry("traceparent", trace);
    ///         }
    ///         next.run(context)
    ///     });
    /// ```
    pub fn around<F>(mut self, middleware: F) -> Self
    where
        F: Fn(&mut Context<'_>, Next<'_>) -> CallbackResult + Send + Sync + 'static,
    {
        self.layers.push(Middleware::new(middleware));
        self
    }

    /// Reads this input first: when a partition is begun, up to the end that the input has then, before the first record of
    /// inputs of which this is not said. The loop waits for nothing.
    ///
    /// ```
    /// # use millstream_ports::Utf8;
    /// # use millstream_runtime::GroupGraph;
    /// GroupGraph::define("enriched")
    ///     .input("orders", Utf8, Utf8, |_, _: &str, _: &str| Ok(()))
    ///     .input("prices", Utf8, Utf8, |_, _: &str, _: &str| Ok(()))
    ///     .read_first("prices");
    /// ```
    pub fn read_first(mut self, topic: impl AsRef<str>) -> Self {
        let topic = self.named(topic.as_ref());
        self.ahead.extend(topic);
        self
    }

    /// Keeps a table.
    pub fn persist<V: Codec>(mut self, table: &Table<V>) -> Self {
        if self.spec.changelog.is_some() {
            self.note(GraphError::Second { group: self.spec.group.clone(), edge: "table" });
        }
        self.ttl = table.ttl;
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

    /// Writes to a topic, partitioned as the group is.
    pub fn output<K: Codec, V: Codec>(self, output: &Output<K, V>) -> Self {
        self.write_to(&output.topic, None)
    }

    /// Writes to a topic, partitioned as told.
    pub fn output_by<K: Codec, V: Codec>(self, output: &Output<K, V>, partitioner: Partitioner) -> Self {
        self.write_to(&output.topic, Some(partitioner))
    }

    fn write_to(mut self, topic: &str, partitioner: Option<Partitioner>) -> Self {
        let topic = self.named(topic);
        self.outputs.extend(topic.map(|topic| (topic, partitioner)));
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

    /// How the loop is partitioned, and every output that is not told otherwise; as the Java clients do it unless this is
    /// called. Inputs that Goka writes call for [`Partitioner::Fnv1a`].
    pub fn partitioned_by(mut self, partitioner: Partitioner) -> Self {
        self.partitioner = partitioner;
        self
    }

    /// What becomes of records that can't be decoded, whose callback fails, or that the brokers refuse.
    pub fn policies(mut self, policies: Policies) -> Self {
        self.policies = policies;
        self
    }

    /// The same for one edge: the topic of an input, a join, a lookup or an output, or the loop's, `<group>-loop`.
    pub fn policies_of(mut self, topic: impl Into<String>, policies: EdgePolicies) -> Self {
        self.edges.insert(topic.into(), policies);
        self
    }

    /// Checks the definition.
    ///
    /// # Errors
    /// When a name is not a topic's, a topic is read or written on two edges, there is no input, a timer or a visitor has no
    /// table or another's name, a policy is for a topic on no edge, or what is to be read first is no input.
    pub fn build(mut self) -> Result<GroupGraph, GraphError> {
        if want_dead_letters(&self.policies, self.edges.values()) {
            let name = self
                .policies
                .dead_letters
                .clone()
                .map_or_else(|| GroupSpec::dead_letters_of(&self.spec.group), TopicName::new);
            self.spec.dead_letters = self.kept(name);
        }
        let order = order(&self.spec.inputs, &self.ahead);
        if let (Some(topic), Some(step)) = (self.spec.loopback.clone(), self.looped.take()) {
            self.spec.inputs.push(topic);
            self.inputs.push(step);
        }
        let default = self.partitioner;
        let outputs = std::mem::take(&mut self.outputs).into_iter();
        self.spec.outputs = outputs.map(|(topic, own)| (topic, own.unwrap_or(default))).collect();
        self.check()?;
        let mut names = names(&self.spec);
        let (timer_names, timers) = self.timers.into_iter().unzip();
        let (visitor_names, visitors) = self.visitors.into_iter().unzip();
        (names.timers, names.visitors, names.partitioner) = (timer_names, visitor_names, default);
        let of = |topic: &str| self.edges.get(topic).copied().unwrap_or_default();
        let rules = Rulebook::new(&self.policies, of, &self.spec, &names.destinations);
        let (spec, steps, layers, ttl) = (self.spec, self.inputs, self.layers, self.ttl);
        let idle = self.idle;
        Ok(GroupGraph { spec, names, steps, timers, visitors, layers, rules, ttl, idle, order })
    }

    fn check(&mut self) -> Result<(), GraphError> {
        self.fault.take().map_or_else(|| self.spec.check(), Err)?;
        let group = || self.spec.group.clone();
        let named = self.timers.iter().map(|(name, _)| ("timer", "timers", name));
        let named = named.chain(self.visitors.iter().map(|(name, _)| ("visitor", "visitors", name)));
        let mut seen = std::collections::BTreeSet::new();
        for (what, kind, name) in named {
            if self.spec.changelog.is_none() {
                return Err(GraphError::NoTable { group: group(), what, name: name.clone() });
            }
            if !seen.insert((what, name)) {
                return Err(GraphError::SameName { group: group(), what: kind, name: name.clone() });
            }
        }
        let spec = &self.spec;
        let outputs = spec.outputs.iter().map(|(topic, _)| topic);
        let topics: Vec<_> =
            spec.inputs.iter().chain(&spec.joins).chain(&spec.lookups).chain(outputs).collect();
        let stray = self.edges.keys().find(|name| topics.iter().all(|topic| topic.as_str() != *name));
        if let Some(topic) = stray {
            return Err(GraphError::NoEdge { group: group(), topic: topic.clone() });
        }
        match self.ahead.iter().find(|topic| !spec.inputs.contains(topic)) {
            Some(topic) => Err(GraphError::NotFirst { group: group(), topic: topic.to_string() }),
            None => Ok(()),
        }
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

/// Which inputs are read up to their ends first, and which wait for that.
fn order(inputs: &[TopicName], ahead: &[TopicName]) -> (Vec<usize>, Vec<usize>) {
    if ahead.is_empty() {
        return (Vec::new(), Vec::new());
    }
    (0..inputs.len()).partition(|place| inputs.get(*place).is_some_and(|topic| ahead.contains(topic)))
}

/// Outputs first, then the loop, then the dead letters: the order of the destinations' indexes.
fn names(spec: &GroupSpec) -> Names {
    let (outputs, outputs_count) = (spec.outputs.iter().map(|(topic, _)| topic), spec.outputs.len());
    let destinations: Vec<_> = outputs.chain(&spec.loopback).chain(&spec.dead_letters).cloned().collect();
    Names {
        group: spec.group.clone(),
        places: destinations.iter().cloned().zip(0..).collect(),
        loopback: format!("{}-loop", spec.group),
        loop_place: spec.loopback.as_ref().map(|_| outputs_count),
        destinations,
        joins: spec.joins.clone(),
        lookups: spec.lookups.clone(),
        has_table: spec.changelog.is_some(),
        table: spec.changelog.clone(),
        dead_letters: spec.dead_letters.as_ref().map(|_| outputs_count + spec.loopback.iter().count()),
        ..Names::default()
    }
}

fn step<K, V, F>(key: K, value: V, callback: F) -> Step
where
    K: Codec,
    V: Codec,
    F: for<'a> Fn(&mut Context<'_>, K::Value<'a>, V::Value<'a>) -> CallbackResult + Send + Sync + 'static,
{
    Arc::new(move |context, record| {
        let key = decode(&key, record.key).map_err(|error| StepError::Decode(error.at("its key")))?;
        let value = decode(&value, record.value).map_err(|error| StepError::Decode(error.at("its value")))?;
        within(context.layers, context, |context| callback(context, key, value)).map_err(StepError::Callback)
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
