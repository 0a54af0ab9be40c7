use std::collections::BTreeMap;
use std::mem;

use crate::{Fault, Millis, Ticket};

mod joining;
mod membership;
mod settled;
#[cfg(test)]
mod tests;

pub use settled::{Settled, SettledMember};

/// Members that one group may have.
const MEMBERS_MAX: usize = 1_000;

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It has no members.
    Empty,
    /// Members are asked to join again.
    PreparingRebalance,
    /// All have joined; the leader is dividing the partitions.
    CompletingRebalance,
    /// Each member knows its part.
    Stable,
}

impl Phase {
    /// The name that administrators read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// A wish to be a member.
#[derive(Clone, Debug)]
pub struct Join {
    /// The id it was given before, or nothing.
    pub member: String,
    /// An id to give it, if it has none; it must be new.
    pub fresh: String,
    /// A static member's own name (KIP-345).
    pub instance: Option<String>,
    /// The client's name, for administrators.
    pub client_id: String,
    /// Where it calls from, for administrators.
    pub client_host: String,
    /// It is dead when it is silent for this long.
    pub session_ms: Millis,
    /// How long it may take to join again.
    pub rebalance_ms: Millis,
    /// How long an empty group waits for others to come with this one (KIP-134), so that they divide once and not twice.
    pub company_ms: Millis,
    /// Such as `consumer`.
    pub protocol_type: String,
    /// The ways to divide partitions that it knows, the dearest first, and what it says to each.
    pub protocols: Vec<(String, Vec<u8>)>,
    /// Whether it must join again with the id it is given (KIP-394).
    pub needs_id: bool,
    /// Whether it understands that a leader need not divide anything (KIP-814).
    pub can_skip: bool,
    /// Who waits for the answer.
    pub ticket: Ticket,
}

/// A member as its leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub id: String,
    /// A static member's own name.
    pub instance: Option<String>,
    /// What it said to the protocol that was chosen.
    pub metadata: Vec<u8>,
}

/// The answer to a [`Join`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The number of this division of the partitions.
    pub generation: i32,
    /// Such as `consumer`.
    pub protocol_type: String,
    /// The way to divide that was chosen.
    pub protocol: String,
    /// The leader's id.
    pub leader: String,
    /// The member's own id.
    pub member: String,
    /// All members, for the leader only.
    pub members: Vec<JoinedMember>,
    /// The leader need not divide anything.
    pub skip_assignment: bool,
}

/// Who speaks, and of which generation.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The member's id.
    pub member: &'a str,
    /// A static member's own name.
    pub instance: Option<&'a str>,
    /// The generation it believes in; negative from those in no group.
    pub generation: i32,
}

/// A wish to know one's part; the leader brings everybody's.
#[derive(Clone, Debug)]
pub struct Sync<'a> {
    /// Who.
    pub identity: Identity<'a>,
    /// The protocol's type, where the member says it.
    pub protocol_type: Option<&'a str>,
    /// The protocol's name, where the member says it.
    pub protocol: Option<&'a str>,
    /// The leader's division.
    pub assignments: Vec<(String, Vec<u8>)>,
    /// Who waits for the answer.
    pub ticket: Ticket,
}

/// The answer to a [`Sync`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// Such as `consumer`.
    pub protocol_type: String,
    /// The way of dividing.
    pub protocol: String,
    /// The member's part.
    pub assignment: Vec<u8>,
}

/// An answer to somebody who waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To a [`Join`].
    Join(Result<Joined, Fault>),
    /// To a [`Sync`].
    Sync(Result<Synced, Fault>),
}

/// A group as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Where it stands.
    pub phase: Phase,
    /// Such as `consumer`; empty where nobody has joined yet.
    pub protocol_type: String,
    /// The way of dividing; empty but in a stable group.
    pub protocol: String,
    /// Its members.
    pub members: Vec<DescribedMember>,
}

/// A member as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its id.
    pub id: String,
    /// A static member's own name.
    pub instance: Option<String>,
    /// The client's name.
    pub client_id: String,
    /// Where it calls from.
    pub client_host: String,
    /// What it said when it joined.
    pub metadata: Vec<u8>,
    /// Its part.
    pub assignment: Vec<u8>,
}

#[derive(Debug)]
struct Member {
    instance: Option<String>,
    client_id: String,
    client_host: String,
    session_ms: Millis,
    rebalance_ms: Millis,
    protocols: Vec<(String, Vec<u8>)>,
    assignment: Vec<u8>,
    /// It is dead then, unless it waits.
    deadline: Millis,
    joining: Option<Ticket>,
    syncing: Option<Ticket>,
}

impl Member {
    fn metadata(&self, protocol: &str) -> Vec<u8> {
        let said = self.protocols.iter().find(|(name, _)| name == protocol);
        said.map(|(_, metadata)| metadata.clone()).unwrap_or_default()
    }

    fn waits(&self) -> bool {
        self.joining.is_some() || self.syncing.is_some()
    }

    fn is_alive(&mut self, now: Millis) {
        self.deadline = now + self.session_ms;
    }
}

/// One group of consumers, by the classic protocol.
///
/// Answers gather inside, and whoever called must hand them out: [`Group::take_replies`].
///
/// **Invariant:** a ticket is answered once. **Invariant:** in a generation each member is told the same protocol and leader.
#[derive(Debug)]
pub struct Group {
    phase: Phase,
    generation: i32,
    protocol_type: Option<String>,
    protocol: Option<String>,
    leader: Option<String>,
    members: BTreeMap<String, Member>,
    instances: BTreeMap<String, String>,
    /// Ids that were given to those who have yet to come back with them.
    promised: BTreeMap<String, Millis>,
    /// When the present rebalance goes on without those who are missing.
    deadline: Millis,
    /// Until then the first members of a group wait for others; 0 when nobody waits so.
    company_until: Millis,
    replies: Vec<(Ticket, Reply)>,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            phase: Phase::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            promised: BTreeMap::new(),
            deadline: Millis::MAX,
            company_until: 0,
            replies: Vec::new(),
        }
    }
}

impl Group {
    /// The answers that have come due, each with whom it is for.
    pub fn take_replies(&mut self) -> Vec<(Ticket, Reply)> {
        mem::take(&mut self.replies)
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether it has neither members nor any to come.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.promised.is_empty()
    }

    /// The type of its protocol, once somebody has joined.
    pub fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }

    /// When [`Group::expire`] may have something to do.
    pub fn next_deadline(&self) -> Option<Millis> {
        let members = self.members.values().filter(|member| !member.waits()).map(|member| member.deadline);
        let rebalance = matches!(self.phase, Phase::PreparingRebalance | Phase::CompletingRebalance);
        let company = (self.company_until > 0).then_some(self.company_until);
        let others = self.promised.values().copied().chain(company);
        members.chain(others).chain(rebalance.then_some(self.deadline)).min()
    }

    /// What each member said about its dearest protocol when it joined.
    pub fn subscriptions(&self) -> Vec<&[u8]> {
        let said = self.members.values().filter_map(|member| member.protocols.first());
        said.map(|(_, metadata)| metadata.as_slice()).collect()
    }

    /// The group as administrators see it.
    pub fn describe(&self) -> Described {
        let stable = self.phase == Phase::Stable;
        let protocol = self.protocol.clone().filter(|_| stable).unwrap_or_default();
        let describe = |(id, member): (&String, &Member)| DescribedMember {
            id: id.clone(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: member.metadata(&protocol),
            assignment: if stable { member.assignment.clone() } else { Vec::new() },
        };
        Described {
            phase: self.phase,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            members: self.members.iter().map(describe).collect(),
            protocol,
        }
    }

    fn answer_join(&mut self, ticket: Ticket, reply: Result<Joined, Fault>) {
        self.replies.push((ticket, Reply::Join(reply)));
    }

    fn answer_sync(&mut self, ticket: Ticket, reply: Result<Synced, Fault>) {
        self.replies.push((ticket, Reply::Sync(reply)));
    }
}
