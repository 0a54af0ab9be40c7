//! How members come in, and how a generation begins.

use std::collections::BTreeMap;

use super::{Group, Join, Joined, JoinedMember, MEMBERS_MAX, Member, Phase};
use crate::{Fault, Millis};

impl Group {
    /// Takes a wish to be a member; the answer comes when all have joined.
    pub fn join(&mut self, now: Millis, join: Join) {
        let ticket = join.ticket;
        if let Err(fault) = self.try_join(now, join) {
            self.answer_join(ticket, Err(fault));
        }
    }

    fn try_join(&mut self, now: Millis, join: Join) -> Result<(), Fault> {
        if !self.shares_a_protocol(&join) {
            return Err(Fault::InconsistentProtocol);
        }
        if !join.member.is_empty() {
            return self.rejoin(now, join);
        }
        let known = join.instance.as_ref().and_then(|instance| self.instances.get(instance).cloned());
        if let Some(old) = known {
            return self.replace(now, &old, join);
        }
        if self.members.len() + self.promised.len() >= MEMBERS_MAX {
            return Err(Fault::GroupFull);
        }
        if join.instance.is_none() && join.needs_id {
            self.promised.insert(join.fresh, now + join.session_ms);
            return Err(Fault::MemberIdRequired);
        }
        self.add(now, join.fresh.clone(), join);
        Ok(())
    }

    fn shares_a_protocol(&self, join: &Join) -> bool {
        if join.protocols.is_empty() || join.protocol_type.is_empty() {
            return false;
        }
        let others = || self.members.iter().filter(|(id, _)| **id != join.member).map(|(_, member)| member);
        let knows = |member: &Member, name: &str| member.protocols.iter().any(|(known, _)| known == name);
        let shared = join.protocols.iter().any(|(name, _)| others().all(|member| knows(member, name)));
        shared && (self.members.is_empty() || self.protocol_type.as_deref() == Some(&join.protocol_type))
    }

    fn add(&mut self, now: Millis, id: String, join: Join) {
        self.protocol_type = Some(join.protocol_type);
        if let Some(instance) = &join.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        let member = Member {
            instance: join.instance,
            client_id: join.client_id,
            client_host: join.client_host,
            session_ms: join.session_ms,
            rebalance_ms: join.rebalance_ms,
            protocols: join.protocols,
            assignment: Vec::new(),
            deadline: now + join.session_ms,
            joining: Some(join.ticket),
            syncing: None,
        };
        if self.phase == Phase::Empty && join.company_ms > 0 {
            self.company_until = now + join.company_ms;
        }
        self.members.insert(id, member);
        self.rebalance(now);
    }

    /// A member that joins by its id.
    fn rejoin(&mut self, now: Millis, join: Join) -> Result<(), Fault> {
        if self.promised.remove(&join.member).is_some() {
            self.add(now, join.member.clone(), join);
            return Ok(());
        }
        self.check_member(&join.member, join.instance.as_deref())?;
        let id = join.member.clone();
        let leads = self.leader.as_ref() == Some(&id);
        let member = self.members.get(&id).ok_or(Fault::UnknownMember)?;
        let same = member.protocols == join.protocols;
        let told = match self.phase {
            Phase::PreparingRebalance | Phase::Empty => false,
            Phase::CompletingRebalance => same,
            Phase::Stable => same && !leads,
        };
        if told {
            let joined = self.joined(&id);
            self.answer_join(join.ticket, Ok(joined));
        } else {
            self.join_again(&id, join);
            self.rebalance(now);
        }
        Ok(())
    }

    fn join_again(&mut self, id: &str, join: Join) {
        let Some(member) = self.members.get_mut(id) else { return };
        member.protocols = join.protocols;
        member.session_ms = join.session_ms;
        member.rebalance_ms = join.rebalance_ms;
        // A client that asks again has given up on its first question.
        if let Some(before) = member.joining.replace(join.ticket) {
            self.answer_join(before, Err(Fault::RebalanceInProgress));
        }
    }

    /// A static member that comes back takes its old place; where nothing changed, without a rebalance.
    fn replace(&mut self, now: Millis, old: &str, join: Join) -> Result<(), Fault> {
        let mut member = self.members.remove(old).ok_or(Fault::UnknownMember)?;
        if let Some(ticket) = member.joining.take() {
            self.answer_join(ticket, Err(Fault::FencedInstance));
        }
        if let Some(ticket) = member.syncing.take() {
            self.answer_sync(ticket, Err(Fault::FencedInstance));
        }
        let (id, can_skip) = (join.fresh.clone(), join.can_skip);
        member.deadline = now + join.session_ms;
        member.client_id.clone_from(&join.client_id);
        member.client_host.clone_from(&join.client_host);
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), id.clone());
        }
        self.members.insert(id.clone(), member);
        let led = self.leader.as_deref() == Some(old);
        if led {
            self.leader = Some(id.clone());
        }
        self.join_again(&id, join);
        if self.phase == Phase::Stable && self.choose_protocol() == self.protocol {
            self.take_old_place(&id, old, led, can_skip);
        } else {
            self.rebalance(now);
        }
        Ok(())
    }

    /// One that led is told so only if it knows that it need not divide anything; else the old id leads, which is nobody.
    fn take_old_place(&mut self, id: &str, old: &str, led: bool, can_skip: bool) {
        let mut joined = self.joined(id);
        joined.skip_assignment = led && can_skip;
        if led && !can_skip {
            old.clone_into(&mut joined.leader);
            joined.members.clear();
        }
        let ticket = self.members.get_mut(id).and_then(|member| member.joining.take());
        if let Some(ticket) = ticket {
            self.answer_join(ticket, Ok(joined));
        }
    }

    /// Begins to ask everybody to join, or sees whether all have.
    pub(super) fn rebalance(&mut self, now: Millis) {
        if self.phase == Phase::CompletingRebalance {
            self.refuse_syncs();
        }
        if self.phase != Phase::PreparingRebalance {
            self.phase = Phase::PreparingRebalance;
            self.deadline = now + self.longest_rebalance_ms();
        }
        self.begin_if_all_joined(now);
    }

    fn refuse_syncs(&mut self) {
        let waiting: Vec<_> = self.members.values_mut().filter_map(|member| member.syncing.take()).collect();
        for ticket in waiting {
            self.answer_sync(ticket, Err(Fault::RebalanceInProgress));
        }
    }

    pub(super) fn begin_if_all_joined(&mut self, now: Millis) {
        let all = self.promised.is_empty() && self.members.values().all(|member| member.joining.is_some());
        if self.phase == Phase::PreparingRebalance && all && self.company_until <= now {
            self.begin_generation(now);
        }
    }

    /// Answers all who wait to join.
    pub(super) fn begin_generation(&mut self, now: Millis) {
        self.company_until = 0;
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.protocol = self.choose_protocol();
        if self.members.is_empty() {
            self.phase = Phase::Empty;
            self.leader = None;
            return;
        }
        let leads = |leader: &String| self.members.get(leader).is_some_and(|member| member.joining.is_some());
        if !self.leader.as_ref().is_some_and(leads) {
            let first = self.members.iter().find(|(_, member)| member.joining.is_some());
            self.leader = first.or_else(|| self.members.iter().next()).map(|(id, _)| id.clone());
        }
        self.phase = Phase::CompletingRebalance;
        self.deadline = now + self.longest_rebalance_ms();
        let mut waiting = Vec::new();
        for (id, member) in &mut self.members {
            member.assignment.clear();
            member.is_alive(now);
            waiting.extend(member.joining.take().map(|ticket| (id.clone(), ticket)));
        }
        for (id, ticket) in waiting {
            let joined = self.joined(&id);
            self.answer_join(ticket, Ok(joined));
        }
    }

    fn longest_rebalance_ms(&self) -> Millis {
        self.members.values().map(|member| member.rebalance_ms).max().unwrap_or(0)
    }

    /// Each member votes for its dearest protocol among those that all know.
    fn choose_protocol(&self) -> Option<String> {
        let knows = |name: &str| {
            let knows = |member: &Member| member.protocols.iter().any(|(known, _)| known == name);
            self.members.values().all(knows)
        };
        let mut votes = BTreeMap::<&str, usize>::new();
        for member in self.members.values() {
            if let Some((name, _)) = member.protocols.iter().find(|(name, _)| knows(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        votes.into_iter().max_by_key(|(_, votes)| *votes).map(|(name, _)| name.to_owned())
    }

    fn joined(&self, id: &str) -> Joined {
        let protocol = self.protocol.clone().unwrap_or_default();
        let leader = self.leader.clone().unwrap_or_default();
        let seen = |(id, member): (&String, &Member)| JoinedMember {
            id: id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(&protocol),
        };
        let members = if leader == id { self.members.iter().map(seen).collect() } else { Vec::new() };
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            leader,
            member: id.to_owned(),
            members,
            skip_assignment: false,
            protocol,
        }
    }
}
