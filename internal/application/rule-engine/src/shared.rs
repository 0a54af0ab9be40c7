//! Rules over the same topics, as one group: a record is read, decoded and given its row once for all of them.

mod member;
mod reading;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millstream_model::{Offset, Partition};
use millstream_ports::{Bytes, Nullable, PortError};
use millstream_runtime::{
    CallbackResult, Context, EdgePolicies, GroupBuilder, GroupGraph, Loop, Policies, Policy, Table,
};
use millstream_sql::{Guarantee, OnError, Rule};

use crate::figures::RuleFigures;
use crate::formats::Formats;
use crate::lower::{later, read_first};
use crate::members::{Group, Reads};
use member::Member;
use reading::Readings;
use state::Kept;
pub(crate) use state::numbered;

/// A rule that is to run in a group.
pub(crate) struct Joining {
    pub(crate) rule: Rule,
    /// Where its dead letters go, where they go anywhere.
    pub(crate) dead_letters: Option<String>,
    /// What it has worked on before it came to the group.
    pub(crate) begins: Begins,
}

/// Where a rule begins, which has worked on what is before: by topic and partition, the offset of its first record. Elsewhere it
/// begins with whatever there is.
pub(crate) type Begins = BTreeMap<String, BTreeMap<Partition, Offset>>;

/// The rules of a group.
struct Shared {
    /// How each topic is read, in the order of the group's topics.
    readings: Vec<Readings>,
    /// By number.
    members: BTreeMap<u32, Arc<Member>>,
}

/// Whether a rule can share a group: it does not ask to be stopped, nor to be told that nothing comes, and what keeps nothing
/// reads one source once.
pub(crate) fn can_share(rule: &Rule) -> bool {
    let is_plain =
        if rule.query.is_stateful() { rule.idle_ms.is_none() } else { rule.query.entries.len() == 1 };
    is_plain && rule.sink.on_error != OnError::Fail
}

/// What a rule has to have in common with those that it shares a group with.
pub(crate) fn reads_of(rule: &Rule) -> Reads {
    let sorted = |topics: BTreeSet<&str>| topics.into_iter().map(ToOwned::to_owned).collect();
    Reads {
        topics: sorted(rule.query.sources().iter().map(|source| source.topic.as_str()).collect()),
        first: sorted(read_first(rule).into_iter().collect()),
        is_exact: rule.guarantee == Some(Guarantee::ExactlyOnce),
        keeps: rule.query.is_stateful(),
    }
}

/// A group graph, and the figures of each of its rules.
type Shares = (GroupGraph, Vec<Arc<RuleFigures>>);

/// Turns rules that can share one into a group graph.
pub(crate) fn share(group: &Group, rules: Vec<Joining>, formats: &Formats) -> Result<Shares, PortError> {
    let (table, again, later) = (Table::new(Bytes), Loop::new(Bytes, Bytes), later());
    let tells_later = group.reads.keeps && rules.iter().any(|joining| joining.rule.tells_later());
    let mut members = BTreeMap::new();
    for joining in rules {
        let rule = &joining.rule;
        let number = group.rules.get(&rule.name).copied();
        let number =
            number.ok_or_else(|| PortError::stop(format!("{} is not of {}", rule.name, group.id)))?;
        let later = rule.tells_later().then(|| later.clone());
        let kept = Kept { number, table: table.clone(), again: again.clone(), later };
        let member = Member::of(joining, group.reads.keeps.then_some(kept), formats)?;
        members.insert(number, Arc::new(member));
    }
    let readings = group.reads.topics.iter().map(|topic| Readings::of(topic, members.values(), formats));
    let readings = readings.collect::<Result<_, _>>()?;
    let figures = members.values().map(|member| member.figures.clone()).collect();
    let shared = Arc::new(Shared { readings, members });
    let mut graph = shared.outputs(GroupGraph::define(&group.id).policies(policies(group)));
    for (place, topic) in group.reads.topics.iter().enumerate() {
        let shared = shared.clone();
        graph = graph.input(
            topic,
            Nullable(Bytes),
            Nullable(Bytes),
            move |context, key: Option<&[u8]>, value: Option<&[u8]>| {
                shared.on_record(place, context, key, value)
            },
        );
    }
    graph = group.reads.first.iter().fold(graph, GroupBuilder::read_first);
    if group.reads.keeps {
        let shared = shared.clone();
        graph = graph.persist(&table).loopback(&again, move |context, key: &[u8], message: &[u8]| {
            shared.on_repartitioned(context, key, message)
        });
    }
    if tells_later {
        graph = graph.timer(&later, move |context, place: &[u8]| shared.on_later(context, place));
    }
    let graph = graph.build().map_err(|error| PortError::stop("the rules make no group").because(error))?;
    Ok((graph, figures))
}

/// What the rules can't tell by themselves: that the brokers refuse a row for what it is. Whatever it is of the records that they
/// read they do tell.
fn policies(group: &Group) -> Policies {
    Policies { produce: Policy::DeadLetter, dead_letters: Some(group.letters.clone()), ..Policies::default() }
}

impl Shared {
    /// Each topic that any of the rules writes to, once.
    fn outputs(&self, mut graph: GroupBuilder) -> GroupBuilder {
        let mut known = BTreeSet::new();
        for member in self.members.values() {
            let sink = member.out.topic();
            if known.insert(sink.to_owned()) {
                graph = graph.output(&member.out);
                if member.rule.sink.on_error == OnError::Skip {
                    let produce = Some(Policy::Skip);
                    graph = graph.policies_of(sink, EdgePolicies { produce, ..EdgePolicies::default() });
                }
            }
            if let Some(edge) = &member.dead_letters
                && known.insert(edge.topic().to_owned())
            {
                graph = graph.output(edge);
            }
        }
        graph
    }

    fn on_record(
        &self,
        place: usize,
        context: &mut Context<'_>,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> CallbackResult {
        self.readings.get(place).map_or(Ok(()), |readings| readings.on_record(context, key, value))
    }

    /// What was sent around by a rule that has left is nobody's.
    fn on_repartitioned(&self, context: &mut Context<'_>, key: &[u8], message: &[u8]) -> CallbackResult {
        let addressed = numbered(key).and_then(|(number, key)| Some((self.members.get(&number)?, key)));
        addressed.map_or(Ok(()), |(member, key)| member.on_repartitioned(context, key, message))
    }

    fn on_later(&self, context: &mut Context<'_>, place: &[u8]) -> CallbackResult {
        let addressed = numbered(place).and_then(|(number, place)| Some((self.members.get(&number)?, place)));
        addressed.map_or(Ok(()), |(member, place)| member.on_later(context, place))
    }
}
