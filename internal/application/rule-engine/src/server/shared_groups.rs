//! Queries that keep nothing share a consumer group where they read the same topic: a record is read and decoded once for all.
//!
//! Each begins in a group of its own. Once several have caught up they are gathered: they stop, it is noted where each of
//! them has been, and a new group goes on from the least of these positions, in which each query works on what it has not
//! worked on yet. One that is to rest or to be replaced leaves in the same way, for a new group that it has to itself. So no
//! record is worked on twice or left out, whichever way a query takes.
//!
//! What counts is what the journal says. Nothing is done to a group before it is settled there, and no group is gone back to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millstream_sql::{Guarantee, Rule};

use super::book::{Book, QueryEntry};
use super::group_entry::{Deed, GroupEntry, Settled};
use crate::lower::group_of;
use crate::members::Reads;
use crate::shared::{Begins, can_share, reads_of};

/// A consumer group that queries share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SharedGroup {
    /// Where each of its queries begins.
    pub(crate) members: BTreeMap<String, Begins>,
    /// What is waited for until they can begin.
    pub(crate) gathering: Option<Gathering>,
    /// The keys of the entries that it is of; of one that gathers, those that are of no use once it is settled.
    keys: Vec<String>,
}

/// Queries on their way into a group, or out of one. Until it is settled where they have been they stand still.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gathering {
    /// Where each has been.
    pub(crate) from: BTreeMap<String, Origin>,
    /// Those of them that will have a group each.
    pub(crate) leaving: BTreeSet<String>,
}

impl Gathering {
    /// The groups that its queries have been in.
    pub(crate) fn groups(&self) -> BTreeSet<&str> {
        self.from.values().map(|origin| origin.group.as_str()).collect()
    }
}

/// Where a query has been: in a group, and there from certain offsets on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) group: String,
    pub(crate) begins: Begins,
}

/// Whether a query can share its group with others.
pub(crate) fn may_share(rule: &Rule) -> bool {
    can_share(rule) && !rule.query.is_stateful()
}

/// What queries have in common that share a group: what they read, and how often it takes effect.
pub(crate) fn alike_by(rule: &Rule) -> (Reads, Option<Guarantee>) {
    (reads_of(rule), rule.guarantee)
}

impl SharedGroup {
    /// Whether some of its queries have worked on records that it has to read yet.
    pub(crate) fn is_uneven(&self) -> bool {
        self.gathering.is_none() && self.members.values().any(|begins| !begins.is_empty())
    }

    /// Whether what is to be settled is what it waits for, or that all of its queries are as far as it is.
    fn expects(&self, settled: &Settled) -> bool {
        let is_same = self.members.keys().eq(settled.members.keys());
        match &self.gathering {
            Some(gathering) => is_same && gathering.leaving.iter().eq(settled.leaving.keys()),
            None => is_same && self.is_uneven() && settled.members.values().all(Begins::is_empty),
        }
    }

    /// Whether a query is in it, or on its way into it or out of it.
    fn has(&self, query: &str) -> bool {
        self.members.contains_key(query)
            || self.gathering.as_ref().is_some_and(|gathering| gathering.from.contains_key(query))
    }
}

impl Book {
    /// The group that a query shares, or is on its way into or out of.
    pub(crate) fn group_with(&self, query: &str) -> Option<(&String, &Arc<SharedGroup>)> {
        self.shared.iter().find(|(_, group)| group.has(query))
    }

    /// Takes an entry about a group in, if it still counts; answers whether it does.
    pub(crate) fn regroup(&mut self, entry: &GroupEntry) -> bool {
        let is_taken = self.last < entry.seen
            && match &entry.deed {
                Deed::Gather(queries) => self.gather(entry, queries),
                Deed::Settle(settled) => self.settle(entry, settled),
                Deed::Part(queries) => self.part(entry, queries),
            };
        if is_taken {
            self.last = entry.offset;
        } else {
            self.garbage.push(entry.key.clone());
        }
        is_taken
    }

    fn gather(&mut self, entry: &GroupEntry, queries: &BTreeSet<String>) -> bool {
        let Some(from) = self.origins(queries).filter(|_| !self.shared.contains_key(&entry.id)) else {
            return false;
        };
        let absorbed: BTreeSet<_> = from.values().map(|origin| origin.group.clone()).collect();
        let mut keys = vec![entry.key.clone()];
        for group in absorbed {
            keys.extend(
                self.shared.remove(&group).map(Arc::unwrap_or_clone).into_iter().flat_map(|group| group.keys),
            );
        }
        let members = queries.iter().map(|query| (query.clone(), Begins::new())).collect();
        let gathering = Some(Gathering { from, leaving: BTreeSet::new() });
        self.shared.insert(entry.id.clone(), Arc::new(SharedGroup { members, gathering, keys }));
        true
    }

    /// Where queries that are to share a group have been; `None` where they can't.
    fn origins(&self, queries: &BTreeSet<String>) -> Option<BTreeMap<String, Origin>> {
        let (mut from, mut alike) = (BTreeMap::new(), None);
        for id in queries {
            let query = self.queries.get(id).filter(|query| !query.is_paused && may_share(&query.rule))?;
            let own = alike_by(&query.rule);
            if *alike.get_or_insert_with(|| own.clone()) != own {
                return None;
            }
            let origin = match self.group_with(id) {
                None => Origin { group: group_of(&query.rule.name), begins: Begins::new() },
                Some((name, group)) => {
                    // A group comes as a whole.
                    let is_whole = group.members.keys().all(|member| queries.contains(member));
                    let begins = group.members.get(id).filter(|_| is_whole && group.gathering.is_none())?;
                    Origin { group: name.clone(), begins: begins.clone() }
                }
            };
            from.insert(id.clone(), origin);
        }
        Some(from)
    }

    fn settle(&mut self, entry: &GroupEntry, settled: &Settled) -> bool {
        // Where there is none, what gathered them has been taken out of the journal.
        if self.shared.get(&entry.id).is_some_and(|group| !group.expects(settled)) {
            return false;
        }
        let before = self.shared.remove(&entry.id).map(Arc::unwrap_or_clone).unwrap_or_default();
        let members = settled.members.iter().filter(|(id, _)| self.can_be_in_a_group(id, true));
        let mut groups = vec![(entry.id.clone(), members.map(cloned).collect())];
        let leaving = settled.leaving.iter().filter(|(id, _)| self.can_be_in_a_group(id, false));
        groups.extend(
            leaving.map(|(id, begins)| (settled.group_of(&entry.id, id), [cloned((id, begins))].into())),
        );
        for (name, members) in groups {
            let members: BTreeMap<String, Begins> = members;
            for id in members.keys() {
                self.leave(id, Leaves::Ends);
            }
            if !members.is_empty() {
                let group = SharedGroup { members, gathering: None, keys: vec![entry.key.clone()] };
                self.shared.insert(name, Arc::new(group));
            }
        }
        self.drop_keys(before.keys);
        self.drop_keys(vec![entry.key.clone()]);
        true
    }

    fn can_be_in_a_group(&self, id: &str, runs: bool) -> bool {
        let is_fit = |query: &QueryEntry| !(runs && query.is_paused) && may_share(&query.rule);
        self.queries.get(id).is_some_and(is_fit)
    }

    fn part(&mut self, entry: &GroupEntry, queries: &BTreeSet<String>) -> bool {
        let Some(group) = self.shared.get(&entry.id).cloned() else { return false };
        let mut going = queries.iter().filter(|query| group.members.contains_key(*query)).peekable();
        let Some(first) = going.peek().copied() else { return false };
        for query in going {
            self.leave(query, Leaves::Changes(entry.offset));
        }
        self.let_go(first, vec![entry.key.clone()]);
        true
    }

    /// A query is no more of the group that it is in. One that goes on does so from where the group is, for which the group has to
    /// stop.
    pub(super) fn leave(&mut self, query: &str, how: Leaves) {
        let Some(id) = self.group_with(query).map(|(id, _)| id.clone()) else { return };
        let Some(group) = self.shared.remove(&id) else { return };
        let mut group = Arc::unwrap_or_clone(group);
        let is_alone = group.gathering.is_none() && group.members.len() == 1;
        if is_alone && matches!(how, Leaves::Rests(_)) {
            self.shared.insert(id, Arc::new(group));
            return;
        }
        let begins = group.members.remove(query);
        let name = match (&mut group.gathering, how) {
            (None, Leaves::Ends) => id,
            (None, Leaves::Rests(offset) | Leaves::Changes(offset)) => {
                group.part(&id, (query, begins.unwrap_or_default()));
                anew(&id, offset)
            }
            (Some(gathering), Leaves::Rests(_) | Leaves::Changes(_)) => {
                gathering.leaving.insert(query.to_owned());
                id
            }
            (Some(gathering), Leaves::Ends) => {
                gathering.from.remove(query);
                gathering.leaving.remove(query);
                id
            }
        };
        let is_over = group.gathering.as_ref().is_none_or(|gathering| gathering.from.is_empty());
        if group.members.is_empty() && is_over {
            self.drop_keys(group.keys);
        } else {
            self.shared.insert(name, Arc::new(group));
        }
    }

    /// Keys of entries that one group less is of.
    fn drop_keys(&mut self, keys: Vec<String>) {
        let is_held = |key: &String| self.shared.values().any(|group| group.keys.contains(key));
        let free: Vec<_> = keys.into_iter().filter(|key| !is_held(key)).collect();
        self.garbage.extend(free);
    }

    /// Keys of entries of a query that are of no more use: at once, or once it is settled where it has been.
    pub(super) fn let_go(&mut self, query: &str, keys: Vec<String>) {
        let gathers = |group: &&mut Arc<SharedGroup>| group.gathering.is_some() && group.has(query);
        match self.shared.values_mut().find(gathers) {
            Some(group) => Arc::make_mut(group).keys.extend(keys),
            None => self.garbage.extend(keys),
        }
    }
}

impl SharedGroup {
    /// All stop, so that one of them can go.
    fn part(&mut self, id: &str, (goes, begins): (&str, Begins)) {
        let origin = |begins: &Begins| Origin { group: id.to_owned(), begins: begins.clone() };
        let mut from: BTreeMap<_, _> =
            self.members.iter().map(|(query, begins)| (query.clone(), origin(begins))).collect();
        from.insert(goes.to_owned(), origin(&begins));
        self.gathering = Some(Gathering { from, leaving: [goes.to_owned()].into() });
    }
}

/// How a query leaves its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaves {
    /// There is no such query any more.
    Ends,
    /// It rests, as the entry at this offset says; from a group that it has to itself it need not go for that.
    Rests(i64),
    /// It is not what it was, as the entry at this offset says.
    Changes(i64),
}

impl Settled {
    /// The name of the group that one which leaves has to itself.
    fn group_of(&self, id: &str, query: &str) -> String {
        let place = self.leaving.keys().take_while(|leaving| *leaving != query).count();
        format!("{id}.{place}")
    }
}

fn cloned((id, begins): (&String, &Begins)) -> (String, Begins) {
    (id.clone(), begins.clone())
}

/// Where a group begins, in which each of its queries begins somewhere: where the first of them does. Of a partition that one
/// of them has no position in, the group has none either.
pub(crate) fn least<'b>(all: impl Iterator<Item = &'b Begins>) -> Begins {
    let either = |one: Begins, two: &Begins| {
        let topics = one.into_iter().map(|(topic, begins)| {
            let other = two.get(&topic);
            let both = begins
                .into_iter()
                .filter_map(|(partition, offset)| Some((partition, offset.min(*other?.get(&partition)?))));
            let both = both.collect();
            (topic, both)
        });
        topics.collect()
    };
    let mut all = all;
    let first = all.next().cloned().unwrap_or_default();
    all.fold(first, either)
}

/// The name of the group that those who stay go on in: a group's name ends with the place in the journal that it is from.
fn anew(id: &str, offset: i64) -> String {
    format!("{}-{offset}", base(id))
}

/// The topic of the dead letters of queries that share a group, whichever group that is by now.
pub(crate) fn letters(id: &str) -> String {
    format!("{}-dead-letters", base(id))
}

fn base(id: &str) -> &str {
    id.rsplit_once('-').map_or(id, |(base, _)| base)
}

#[cfg(test)]
mod tests {
    use millstream_model::{Offset, Partition};

    use super::*;

    #[test]
    fn a_group_begins_where_the_first_of_its_queries_does() {
        let at = |offsets: &[(u32, i64)]| {
            let offsets =
                offsets.iter().map(|(partition, offset)| (Partition::new(*partition), Offset(*offset)));
            Begins::from([("t".to_owned(), offsets.collect())])
        };
        let all = [at(&[(0, 5), (1, 9), (2, 3)]), at(&[(0, 7), (1, 2)]), at(&[(0, 6), (1, 4), (2, 8)])];
        assert_eq!(least(all.iter()), at(&[(0, 5), (1, 2)]));
        assert_eq!(least([].iter()), Begins::new());
    }
}
