use std::collections::{BTreeMap, BTreeSet, VecDeque};

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::Polled;

/// A consumer group as its coordinator sees it: rebalances are incremental, and what needs not move stays.
#[derive(Default)]
pub(crate) struct Group {
    members: BTreeMap<usize, Member>,
    joined: usize,
    width: u32,
    /// How often everybody was asked to come together once more; each time more moves than has to.
    turns: usize,
    pub(crate) committed: BTreeMap<(TopicName, Partition), Offset>,
}

#[derive(Default)]
struct Member {
    /// The process it is of.
    process: usize,
    /// What it has, knows of, and has not given up.
    held: BTreeSet<Partition>,
    /// What it is asked to give up.
    asked: BTreeSet<Partition>,
    /// What it is given, and has not heard of yet.
    given: BTreeSet<Partition>,
    /// What it finds at its next polls.
    told: VecDeque<Polled>,
}

impl Member {
    fn has(&self, partition: Partition) -> bool {
        self.held.contains(&partition) || self.given.contains(&partition)
    }
}

impl Group {
    pub(crate) fn join(&mut self, width: u32, process: usize) -> usize {
        self.joined += 1;
        self.width = width;
        self.members.insert(self.joined, Member { process, ..Member::default() });
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

    /// What each member has, and the process it is of; `None` while that is about to change.
    pub(crate) fn roster(&self) -> Option<Vec<(usize, Vec<Partition>)>> {
        let is_settled =
            self.members.values().all(|member| member.asked.is_empty() && member.given.is_empty());
        let told = |member: &Member| (member.process, member.held.iter().copied().collect());
        is_settled.then(|| self.members.values().map(told).collect())
    }

    /// Whether `member` may commit for a partition: it owns it, and has not given it up.
    pub(crate) fn is_owner(&self, member: usize, partition: Partition) -> bool {
        self.members.get(&member).is_some_and(|member| member.held.contains(&partition))
    }

    /// Asks everybody to come together once more.
    pub(crate) fn shake(&mut self) {
        self.turns += 1;
        for (number, part) in self.ranges() {
            self.ask_back(number, |partition| !part.contains(&partition));
        }
        self.hand_out();
    }

    /// Asks back what is more than a member's share, and hands out what nobody has.
    fn rebalance(&mut self) {
        let share =
            self.width.div_ceil(u32::try_from(self.members.len().max(1)).unwrap_or(u32::MAX)) as usize;
        for number in self.members() {
            let Some(member) = self.members.get(&number) else { continue };
            let kept: BTreeSet<_> = member.held.iter().chain(&member.given).copied().take(share).collect();
            self.ask_back(number, |partition| !kept.contains(&partition));
        }
        self.hand_out();
    }

    /// The parts of a division by ranges, which begins at another member with each turn.
    fn ranges(&self) -> Vec<(usize, BTreeSet<Partition>)> {
        let mut members = self.members();
        let count = members.len().max(1);
        members.rotate_left(self.turns % count);
        let bound =
            |place: usize| self.width * u32::try_from(place).unwrap_or(0) / u32::try_from(count).unwrap_or(1);
        let part = |place| (bound(place)..bound(place + 1)).map(Partition::new).collect();
        members.into_iter().enumerate().map(|(place, number)| (number, part(place))).collect()
    }

    fn ask_back(&mut self, number: usize, moves: impl Fn(Partition) -> bool) {
        let Some(member) = self.members.get_mut(&number) else { return };
        // What it never heard of goes without a word.
        member.given.retain(|given| !moves(*given));
        let going: Vec<_> =
            member.held.difference(&member.asked).copied().filter(|held| moves(*held)).collect();
        if !going.is_empty() {
            member.asked.extend(&going);
            member.told.push_back(Polled::Revoked(going));
        }
    }

    /// Gives each partition that nobody has to the member that has the fewest.
    fn hand_out(&mut self) {
        for partition in (0..self.width).map(Partition::new) {
            if self.members.values().any(|member| member.has(partition)) {
                continue;
            }
            let fewest = self
                .members
                .values_mut()
                .min_by_key(|member| member.held.len() + member.given.len() - member.asked.len());
            if let Some(member) = fewest {
                member.given.insert(partition);
            }
        }
    }

    pub(crate) fn event(&mut self, number: usize) -> Option<Polled> {
        let member = self.members.get_mut(&number)?;
        if let Some(event) = member.told.pop_front() {
            return Some(event);
        }
        let given: Vec<_> = std::mem::take(&mut member.given).into_iter().collect();
        member.held.extend(&given);
        (!given.is_empty()).then_some(Polled::Assigned(given))
    }

    /// A member gave up what it was asked for.
    pub(crate) fn released(&mut self, number: usize, partitions: &[Partition]) {
        if let Some(member) = self.members.get_mut(&number) {
            member.held.retain(|held| !partitions.contains(held));
            member.asked.retain(|asked| !partitions.contains(asked));
        }
        self.hand_out();
    }
}
