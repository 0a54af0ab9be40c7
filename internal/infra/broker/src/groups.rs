//! The groups, their offsets, and those who wait for their answers.

use std::collections::BTreeMap;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

use millstream_cluster::{Committed, Group, Millis, Offsets, Place, Reply, Settled, SettledMember, Ticket};

use crate::journal::{Fact, MemberFact};

/// A group and what it has committed.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) group: Group,
    pub(crate) offsets: Offsets,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    pub(crate) all: BTreeMap<String, Entry>,
    waiting: BTreeMap<Ticket, SyncSender<Reply>>,
    tickets: Ticket,
    is_closed: bool,
}

/// All groups.
#[derive(Debug, Default)]
pub(crate) struct Groups(Mutex<Inner>);

impl Groups {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with a group that is answered later, and waits for the answer; `None` when the broker stops meanwhile.
    /// `deadline` is told when the group wants to be looked at.
    pub(crate) fn ask(
        &self,
        id: &str,
        ask: impl FnOnce(&mut Group, Ticket),
        deadline: impl FnOnce(Millis),
    ) -> Option<Reply> {
        let (sender, receiver) = sync_channel(1);
        {
            let mut inner = self.lock();
            if inner.is_closed {
                return None;
            }
            inner.tickets += 1;
            let ticket = inner.tickets;
            inner.waiting.insert(ticket, sender);
            ask(&mut inner.all.entry(id.to_owned()).or_default().group, ticket);
            inner.hand_out(id).map(deadline);
        }
        receiver.recv().ok()
    }

    /// Lets those go whose time is over; answers when to look again.
    pub(crate) fn expire(&self, now: Millis) -> Option<Millis> {
        let mut inner = self.lock();
        let due = |entry: &Entry| entry.group.next_deadline().is_some_and(|deadline| deadline <= now);
        let due: Vec<_> =
            inner.all.iter().filter(|(_, entry)| due(entry)).map(|(id, _)| id.clone()).collect();
        for id in due {
            if let Some(entry) = inner.all.get_mut(&id) {
                entry.group.expire(now);
            }
            inner.hand_out(&id);
        }
        inner.all.values().filter_map(|entry| entry.group.next_deadline()).min()
    }

    /// Answers nobody any more.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.is_closed = true;
        inner.waiting.clear();
    }
}

impl Inner {
    /// Hands out a group's answers, and forgets the group if nothing is left of it; answers when it wants to be looked at.
    pub(crate) fn hand_out(&mut self, id: &str) -> Option<Millis> {
        let entry = self.all.get_mut(id)?;
        for (ticket, reply) in entry.group.take_replies() {
            if let Some(sender) = self.waiting.remove(&ticket) {
                // Whoever asked may have been closed down.
                let _ = sender.send(reply);
            }
        }
        let deadline = entry.group.next_deadline();
        if entry.group.is_empty() && entry.offsets.is_empty() {
            self.all.remove(id);
        }
        deadline
    }

    /// Takes over what was written before a restart.
    pub(crate) fn recall(&mut self, fact: &Fact, now: Millis) {
        match fact {
            Fact::Members { group, .. } => {
                let Some(settled) = settled_of(fact) else { return };
                let is_empty = settled.members.is_empty();
                let entry = self.all.entry(group.clone()).or_default();
                entry.group = Group::restore(settled, now);
                if is_empty && entry.offsets.is_empty() {
                    self.all.remove(group);
                }
            }
            Fact::Committed { group, topic, partition, offset, epoch, metadata } => {
                let committed = committed(*offset, *epoch, metadata);
                self.offsets(group).commit((topic.clone(), *partition), committed);
            }
            Fact::Staged { group, producer, topic, partition, offset, epoch, metadata } => {
                let committed = committed(*offset, *epoch, metadata);
                self.offsets(group).stage(*producer, (topic.clone(), *partition), committed);
            }
            Fact::Settled { group, producer, commit } => {
                self.offsets(group).settle(*producer, *commit);
            }
            Fact::Forgotten { group, topic, partition } => {
                self.offsets(group).forget(&(topic.clone(), *partition));
            }
            Fact::Transaction(_) | Fact::NextProducer(_) => {}
        }
    }

    fn offsets(&mut self, group: &str) -> &mut Offsets {
        &mut self.all.entry(group.to_owned()).or_default().offsets
    }

    /// What must be written of all groups.
    pub(crate) fn facts(&self) -> Vec<Fact> {
        let of_group = |(group, entry): (&String, &Entry)| {
            let committed = entry.offsets.all().map(|(place, at)| committed_fact(group, place, at));
            let staged =
                entry.offsets.staged().map(|(producer, place, at)| staged_fact(group, producer, place, at));
            committed.chain(staged).chain(members_fact(group, &entry.group)).collect::<Vec<_>>()
        };
        self.all.iter().flat_map(of_group).collect()
    }

    /// Forgets what groups have committed about a topic; answers what to write.
    pub(crate) fn forget_topic(&mut self, topic: &str) -> Vec<Fact> {
        let mut facts = Vec::new();
        for (group, entry) in &mut self.all {
            let places: Vec<_> = entry.offsets.all().map(|(place, _)| place.clone()).collect();
            for place in places.into_iter().filter(|(name, _)| name == topic) {
                entry.offsets.forget(&place);
                facts.push(Fact::Forgotten { group: group.clone(), topic: place.0, partition: place.1 });
            }
        }
        self.all.retain(|_, entry| !entry.group.is_empty() || !entry.offsets.is_empty());
        facts
    }
}

/// What is to be written of a group's members, if they are settled.
pub(crate) fn members_fact(id: &str, group: &Group) -> Option<Fact> {
    let settled = group.settled()?;
    let member = |member: SettledMember| MemberFact {
        id: member.id,
        instance: member.instance,
        client: (member.client_id, member.client_host),
        patience: (member.session_ms, member.rebalance_ms),
        protocols: member.protocols,
        assignment: member.assignment,
    };
    Some(Fact::Members {
        group: id.to_owned(),
        generation: settled.generation,
        protocol_type: settled.protocol_type.unwrap_or_default(),
        protocol: settled.protocol.unwrap_or_default(),
        leader: settled.leader.unwrap_or_default(),
        members: settled.members.into_iter().map(member).collect(),
    })
}

fn settled_of(fact: &Fact) -> Option<Settled> {
    let Fact::Members { generation, protocol_type, protocol, leader, members, .. } = fact else {
        return None;
    };
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let member = |member: &MemberFact| SettledMember {
        id: member.id.clone(),
        instance: member.instance.clone(),
        client_id: member.client.0.clone(),
        client_host: member.client.1.clone(),
        session_ms: member.patience.0,
        rebalance_ms: member.patience.1,
        protocols: member.protocols.clone(),
        assignment: member.assignment.clone(),
    };
    Some(Settled {
        generation: *generation,
        protocol_type: some(protocol_type),
        protocol: some(protocol),
        leader: some(leader),
        members: members.iter().map(member).collect(),
    })
}

fn committed(offset: i64, leader_epoch: i32, metadata: &str) -> Committed {
    Committed { offset, leader_epoch, metadata: metadata.to_owned() }
}

pub(crate) fn committed_fact(group: &str, place: &Place, at: &Committed) -> Fact {
    let (topic, partition) = place.clone();
    let Committed { offset, leader_epoch: epoch, metadata } = at.clone();
    Fact::Committed { group: group.to_owned(), topic, partition, offset, epoch, metadata }
}

pub(crate) fn staged_fact(group: &str, producer: i64, place: &Place, at: &Committed) -> Fact {
    let (topic, partition) = place.clone();
    let Committed { offset, leader_epoch: epoch, metadata } = at.clone();
    Fact::Staged { group: group.to_owned(), producer, topic, partition, offset, epoch, metadata }
}
