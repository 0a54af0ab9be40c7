//! A group as it is written down, so that its members keep what they have when the server starts again.

use super::{Group, Member, Phase};
use crate::Millis;

/// A group whose members know their parts, or that has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The number of this division.
    pub generation: i32,
    /// Such as `consumer`.
    pub protocol_type: Option<String>,
    /// The way of dividing.
    pub protocol: Option<String>,
    /// The leader's id.
    pub leader: Option<String>,
    /// The members.
    pub members: Vec<SettledMember>,
}

/// A member that knows its part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledMember {
    /// Its id.
    pub id: String,
    /// A static member's own name.
    pub instance: Option<String>,
    /// The client's name.
    pub client_id: String,
    /// Where it calls from.
    pub client_host: String,
    /// It is dead when it is silent for this long.
    pub session_ms: Millis,
    /// How long it may take to join again.
    pub rebalance_ms: Millis,
    /// The ways to divide that it knows, and what it said to each.
    pub protocols: Vec<(String, Vec<u8>)>,
    /// Its part.
    pub assignment: Vec<u8>,
}

impl Group {
    /// The group as it is to be written down; `None` while it is dividing its partitions.
    pub fn settled(&self) -> Option<Settled> {
        if !matches!(self.phase, Phase::Stable | Phase::Empty) {
            return None;
        }
        let settled = |(id, member): (&String, &Member)| SettledMember {
            id: id.clone(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            session_ms: member.session_ms,
            rebalance_ms: member.rebalance_ms,
            protocols: member.protocols.clone(),
            assignment: member.assignment.clone(),
        };
        Some(Settled {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            members: self.members.iter().map(settled).collect(),
        })
    }

    /// The group as it was written down. Each member has its session's time from `now` on to say that it lives.
    pub fn restore(settled: Settled, now: Millis) -> Self {
        let mut group = Self {
            phase: if settled.members.is_empty() { Phase::Empty } else { Phase::Stable },
            generation: settled.generation,
            protocol_type: settled.protocol_type,
            protocol: settled.protocol,
            leader: settled.leader,
            ..Self::default()
        };
        for member in settled.members {
            if let Some(instance) = &member.instance {
                group.instances.insert(instance.clone(), member.id.clone());
            }
            let restored = Member {
                instance: member.instance,
                client_id: member.client_id,
                client_host: member.client_host,
                session_ms: member.session_ms,
                rebalance_ms: member.rebalance_ms,
                protocols: member.protocols,
                assignment: member.assignment,
                deadline: now + member.session_ms,
                joining: None,
                syncing: None,
            };
            group.members.insert(member.id, restored);
        }
        group
    }
}
