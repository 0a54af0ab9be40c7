use std::collections::{BTreeMap, VecDeque};

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::Polled;

/// A consumer group as its coordinator sees it: eager rebalances, and the range assignor.
#[derive(Default)]
pub(crate) struct Group {
    members: BTreeMap<usize, Member>,
    joined: usize,
    width: u32,
    is_rebalancing: bool,
    pub(crate) committed: BTreeMap<(TopicName, Partition), Offset>,
}

#[derive(Default)]
struct Member {
    assigned: Vec<Partition>,
    /// What it finds at its next polls.
    told: VecDeque<Polled>,
    /// It knows of its assignment, and the group waits for it to give it up.
    holds: bool,
    is_asked: bool,
}

impl Group {
    pub(crate) fn join(&mut self, width: u32) -> usize {
        self.joined += 1;
        self.width = width;
        self.members.insert(self.joined, Member::default());
        self.rebalance();
        self.joined
    }

    pub(crate) fn remove(&mut self, member: usize) {
        if self.members.remove(&member).is_some() {
            self.rebalance();
        }
    }

    pub(crate) fn has(&self, member: usize) -> bool {
        self.members.contains_key(&member)
    }

    /// The members, oldest first.
    pub(crate) fn members(&self) -> Vec<usize> {
        self.members.keys().copied().collect()
    }

    /// Whether `member` may commit for a partition: it owns it, and has not given it up.
    pub(crate) fn is_owner(&self, member: usize, partition: Partition) -> bool {
        self.members.get(&member).is_some_and(|member| member.holds && member.assigned.contains(&partition))
    }

    fn rebalance(&mut self) {
        self.is_rebalancing = true;
        for member in self.members.values_mut().filter(|member| !member.is_asked) {
            member.told.clear();
            if member.holds {
                member.is_asked = true;
                member.told.push_back(Polled::Revoked(member.assigned.clone()));
            }
        }
        self.assign_when_free();
    }

    /// Asks everybody to come together once more.
    pub(crate) fn shake(&mut self) {
        self.rebalance();
    }

    fn assign_when_free(&mut self) {
        if !self.is_rebalancing || self.members.values().any(|member| member.holds) {
            return;
        }
        self.is_rebalancing = false;
        let count = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        for (place, member) in (0..).zip(self.members.values_mut()) {
            let bound = |place: u32| self.width * place / count.max(1);
            member.assigned = (bound(place)..bound(place + 1)).map(Partition::new).collect();
            member.told.push_back(Polled::Assigned(member.assigned.clone()));
        }
    }

    pub(crate) fn event(&mut self, member: usize) -> Option<Polled> {
        let member = self.members.get_mut(&member)?;
        let event = member.told.pop_front()?;
        if let Polled::Assigned(partitions) = &event {
            member.holds = !partitions.is_empty();
        }
        Some(event)
    }

    /// A member gave up what it had.
    pub(crate) fn released(&mut self, member: usize) {
        if let Some(member) = self.members.get_mut(&member) {
            (member.holds, member.is_asked) = (false, false);
            member.assigned.clear();
        }
        self.assign_when_free();
    }
}
