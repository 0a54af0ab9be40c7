//! What members do in a generation, and how they go.

use super::{Group, Identity, Phase, Sync, Synced};
use crate::{Fault, Millis};

impl Group {
    pub(super) fn check_member(&self, member: &str, instance: Option<&str>) -> Result<(), Fault> {
        match instance.map(|instance| self.instances.get(instance)) {
            Some(Some(known)) if known != member => Err(Fault::FencedInstance),
            Some(None) => Err(Fault::UnknownMember),
            _ if self.members.contains_key(member) => Ok(()),
            _ => Err(Fault::UnknownMember),
        }
    }

    fn check(&self, identity: Identity<'_>) -> Result<(), Fault> {
        self.check_member(identity.member, identity.instance)?;
        if identity.generation == self.generation { Ok(()) } else { Err(Fault::IllegalGeneration) }
    }

    /// Takes a wish to know one's part; the answer comes when the leader has divided the partitions.
    pub fn sync(&mut self, now: Millis, sync: Sync<'_>) {
        let ticket = sync.ticket;
        if let Err(fault) = self.try_sync(now, sync) {
            self.answer_sync(ticket, Err(fault));
        }
    }

    fn try_sync(&mut self, now: Millis, sync: Sync<'_>) -> Result<(), Fault> {
        self.check(sync.identity)?;
        let differs = |said: Option<&str>, is: &Option<String>| said.is_some() && said != is.as_deref();
        if differs(sync.protocol_type, &self.protocol_type) || differs(sync.protocol, &self.protocol) {
            return Err(Fault::InconsistentProtocol);
        }
        if self.phase == Phase::PreparingRebalance {
            return Err(Fault::RebalanceInProgress);
        }
        let member = self.members.get_mut(sync.identity.member).ok_or(Fault::UnknownMember)?;
        member.is_alive(now);
        if let Some(before) = member.syncing.replace(sync.ticket) {
            self.answer_sync(before, Err(Fault::RebalanceInProgress));
        }
        if self.phase == Phase::CompletingRebalance {
            if self.leader.as_deref() != Some(sync.identity.member) {
                return Ok(());
            }
            self.divide(sync.assignments);
        }
        self.tell_parts(now);
        Ok(())
    }

    fn divide(&mut self, assignments: Vec<(String, Vec<u8>)>) {
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        self.phase = Phase::Stable;
    }

    fn tell_parts(&mut self, now: Millis) {
        let (protocol_type, protocol) = (&self.protocol_type, &self.protocol);
        let mut told = Vec::new();
        for member in self.members.values_mut() {
            let Some(ticket) = member.syncing.take() else { continue };
            member.is_alive(now);
            let synced = Synced {
                protocol_type: protocol_type.clone().unwrap_or_default(),
                protocol: protocol.clone().unwrap_or_default(),
                assignment: member.assignment.clone(),
            };
            told.push((ticket, synced));
        }
        for (ticket, synced) in told {
            self.answer_sync(ticket, Ok(synced));
        }
    }

    /// Takes a sign of life.
    ///
    /// # Errors
    /// When the member is not in the group, is of another generation, or must join again.
    pub fn heartbeat(&mut self, now: Millis, identity: Identity<'_>) -> Result<(), Fault> {
        self.check(identity)?;
        if let Some(member) = self.members.get_mut(identity.member) {
            member.is_alive(now);
        }
        if self.phase == Phase::PreparingRebalance { Err(Fault::RebalanceInProgress) } else { Ok(()) }
    }

    /// Lets a member go, by its id or, if that is empty, by its static name; answers the id.
    ///
    /// # Errors
    /// When it is not in the group, or another has its static name.
    pub fn leave(&mut self, now: Millis, member: &str, instance: Option<&str>) -> Result<String, Fault> {
        if self.promised.remove(member).is_some() {
            self.begin_if_all_joined(now);
            return Ok(member.to_owned());
        }
        let id = match instance {
            Some(instance) if member.is_empty() => {
                self.instances.get(instance).cloned().ok_or(Fault::UnknownMember)?
            }
            _ => member.to_owned(),
        };
        self.check_member(&id, instance)?;
        self.remove(&id);
        self.after_a_removal(now);
        Ok(id)
    }

    /// Whether a member may commit.
    ///
    /// # Errors
    /// When it is not in the group or is of another generation, or when the group is just beginning one. Those in no
    /// group (a negative generation) may commit as long as it has no members.
    pub fn may_commit(&mut self, now: Millis, identity: Identity<'_>) -> Result<(), Fault> {
        if identity.generation < 0 && identity.member.is_empty() && self.members.is_empty() {
            return Ok(());
        }
        self.check(identity)?;
        if let Some(member) = self.members.get_mut(identity.member) {
            member.is_alive(now);
        }
        if self.phase == Phase::CompletingRebalance { Err(Fault::RebalanceInProgress) } else { Ok(()) }
    }

    /// Lets those go who have been silent for too long, and lets a rebalance go on without those who are missing.
    pub fn expire(&mut self, now: Millis) {
        self.promised.retain(|_, deadline| *deadline > now);
        if self.company_until <= now {
            self.company_until = 0;
        }
        let silent = |group: &Self| {
            let dead = group.members.iter().filter(|(_, member)| !member.waits() && member.deadline <= now);
            dead.map(|(id, _)| id.clone()).collect::<Vec<_>>()
        };
        let dead = silent(self);
        for id in &dead {
            self.remove(id);
        }
        if !dead.is_empty() {
            self.after_a_removal(now);
        }
        self.begin_if_all_joined(now);
        if self.deadline <= now {
            match self.phase {
                Phase::PreparingRebalance => self.go_on_without_the_missing(now),
                Phase::CompletingRebalance => self.drop_those_who_did_not_sync(now),
                Phase::Empty | Phase::Stable => {}
            }
        }
    }

    /// Static members stay until their session is over, as they may be back any moment.
    fn go_on_without_the_missing(&mut self, now: Millis) {
        self.promised.clear();
        let missing =
            self.members.iter().filter(|(_, member)| member.joining.is_none() && member.instance.is_none());
        for id in missing.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.remove(&id);
        }
        if self.members.is_empty() || self.members.values().any(|member| member.joining.is_some()) {
            self.begin_generation(now);
        } else {
            // Only static members that are away: each goes at the end of its session.
            self.deadline =
                self.members.values().map(|member| member.deadline).min().unwrap_or(now).max(now + 1);
        }
    }

    fn drop_those_who_did_not_sync(&mut self, now: Millis) {
        let missing = self.members.iter().filter(|(_, member)| member.syncing.is_none());
        for id in missing.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            self.remove(&id);
        }
        self.rebalance(now);
    }

    fn remove(&mut self, id: &str) {
        let Some(member) = self.members.remove(id) else { return };
        if let Some(instance) = &member.instance {
            self.instances.remove(instance);
        }
        if self.leader.as_deref() == Some(id) {
            self.leader = None;
        }
        if let Some(ticket) = member.joining {
            self.answer_join(ticket, Err(Fault::UnknownMember));
        }
        if let Some(ticket) = member.syncing {
            self.answer_sync(ticket, Err(Fault::UnknownMember));
        }
    }

    fn after_a_removal(&mut self, now: Millis) {
        match self.phase {
            Phase::Stable | Phase::CompletingRebalance => self.rebalance(now),
            Phase::PreparingRebalance => self.begin_if_all_joined(now),
            Phase::Empty => {}
        }
    }
}
