use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use millstream_model::{Offset, Partition, TopicName};

use super::{Seen, Stage, WAIT, a_while, offsets, record, until};
use crate::{Delivery, GroupLog, Outlet, Polled, World};

const P0: Partition = Partition::new(0);
const P1: Partition = Partition::new(1);

pub(super) fn suite<W: World>(stage: &Stage<'_, W>) {
    reads_a_partition_once_it_is_started(stage);
    begins_again_after_what_was_committed(stage);
    reads_on_while_it_commits(stage);
    reads_one_input_before_another_where_told(stage);
    ends_a_poll_when_told(stage);
    rests_while_it_is_paused(stage);
    tells_how_far_behind_it_is(stage);
}

/// A member of a group, what it owns, and what it has read.
pub(super) struct Member<G> {
    pub(super) log: G,
    pub(super) owned: BTreeSet<Partition>,
    pub(super) seen: Vec<Seen>,
    next: BTreeMap<(usize, Partition), Offset>,
}

impl<G: GroupLog> Member<G> {
    pub(super) fn join<W: World<Group = G>>(
        stage: &Stage<'_, W>,
        group: &str,
        instance: usize,
        inputs: &[TopicName],
    ) -> Self {
        Self::join_for(stage, group, instance, inputs, Delivery::AtLeastOnce)
    }

    pub(super) fn join_for<W: World<Group = G>>(
        stage: &Stage<'_, W>,
        group: &str,
        instance: usize,
        inputs: &[TopicName],
        delivery: Delivery,
    ) -> Self {
        let log = stage.world.join_group(&stage.name(group), instance, inputs, delivery).unwrap();
        Self { log, owned: BTreeSet::new(), seen: Vec::new(), next: BTreeMap::new() }
    }

    /// One poll, whose records are kept; each must be of a partition that is owned.
    pub(super) fn turn(&mut self) -> Polled {
        let Self { log, owned, seen, next } = self;
        log.poll(WAIT, 3, |record| {
            assert!(owned.contains(&record.partition), "{}/{}", record.topic, record.partition);
            next.insert((record.topic, record.partition), record.offset.next());
            seen.push(Seen::of(&record));
            ControlFlow::Continue(())
        })
        .unwrap()
    }

    /// One poll, whose events are answered as a worker answers them.
    pub(super) fn work(&mut self) {
        match self.turn() {
            Polled::Records(_) => {}
            Polled::Assigned(partitions) => self.take_over(&partitions),
            Polled::Revoked(partitions) => {
                self.commit();
                self.give_up(&partitions);
            }
            Polled::Lost(partitions) => self.give_up(&partitions),
        }
    }

    fn take_over(&mut self, partitions: &[Partition]) {
        self.log.accept(partitions).unwrap();
        for partition in partitions {
            assert!(self.owned.insert(*partition), "{partition} was owned already");
            self.log.start(*partition).unwrap();
        }
    }

    fn give_up(&mut self, partitions: &[Partition]) {
        self.log.release(partitions).unwrap();
        for partition in partitions {
            assert!(self.owned.remove(partition), "{partition} was not owned");
        }
        self.next.clear();
    }

    /// Commits all that was read.
    pub(super) fn commit(&mut self) {
        let positions: Vec<_> =
            self.next.iter().map(|((topic, partition), next)| (*topic, *partition, *next)).collect();
        self.log.commit(&positions).unwrap();
    }

    /// Waits for the first assignment, and takes it over without starting any of it.
    pub(super) fn wait_for_partitions(&mut self) -> Vec<Partition> {
        let mut assigned = Vec::new();
        until("partitions are assigned", || {
            if let Polled::Assigned(partitions) = self.turn() {
                assigned = partitions;
            }
            !assigned.is_empty()
        });
        self.log.accept(&assigned).unwrap();
        self.owned.extend(&assigned);
        assigned
    }

    pub(super) fn read_until(&mut self, what: &str, count: usize) {
        until(what, || {
            assert!(matches!(self.turn(), Polled::Records(_)), "nothing else happens in a group of one");
            self.seen.len() >= count
        });
    }
}

fn reads_a_partition_once_it_is_started<W: World>(stage: &Stage<'_, W>) {
    let inputs = [stage.topic("left", 2), stage.topic("right", 2)];
    stage.fill_all(&inputs, 2, 10);
    let mut member = Member::join(stage, "starter", 0, &inputs);
    assert_eq!(member.wait_for_partitions(), [P0, P1], "each number once, for all inputs alike");
    a_while(|| assert_eq!(member.turn(), Polled::Records(0)));
    assert!(member.log.start(Partition::new(2)).is_err(), "it is not this member's");
    member.log.start(P1).unwrap();
    member.read_until("partition 1 is read", 20);
    a_while(|| assert_eq!(member.turn(), Polled::Records(0)));
    let all: Vec<_> = (0..10).collect();
    assert_eq!(offsets(&member.seen), [((0, P1), all.clone()), ((1, P1), all.clone())].into());
    member.log.start(P0).unwrap();
    member.read_until("partition 0 is read too", 40);
    let of_both = |topic| [((topic, P0), all.clone()), ((topic, P1), all.clone())];
    assert_eq!(offsets(&member.seen), [of_both(0), of_both(1)].into_iter().flatten().collect());
    member.log.leave();
}

fn begins_again_after_what_was_committed<W: World>(stage: &Stage<'_, W>) {
    let inputs = [stage.topic("once", 2), stage.topic("again", 2)];
    stage.fill_all(&inputs, 2, 6);
    let mut first = Member::join(stage, "resumer", 0, &inputs);
    for partition in first.wait_for_partitions() {
        first.log.start(partition).unwrap();
    }
    first.read_until("all is read", 24);
    first.log.commit(&[(0, P0, Offset(6)), (0, P1, Offset(2)), (1, P1, Offset(4))]).unwrap();
    first.log.commit(&[(0, P1, Offset(3))]).unwrap();
    first.log.leave();
    stage.fill_all(&inputs, 1, 1);

    let mut second = Member::join(stage, "resumer", 0, &inputs);
    for partition in second.wait_for_partitions() {
        second.log.start(partition).unwrap();
    }
    second.read_until("the rest is read", 1 + 3 + 7 + 2);
    let range = |range: std::ops::Range<i64>| range.collect::<Vec<_>>();
    let expected = [
        ((0, P0), range(6..7)),
        ((0, P1), range(3..6)),
        // Never committed: from the oldest record.
        ((1, P0), range(0..7)),
        ((1, P1), range(4..6)),
    ];
    assert_eq!(offsets(&second.seen), expected.into());
    second.log.leave();
}

fn reads_on_while_it_commits<W: World>(stage: &Stage<'_, W>) {
    let topic = stage.topic("meanwhile", 1);
    stage.fill(&topic, 1, 4);
    let mut first = Member::join(stage, "meanwhile", 0, std::slice::from_ref(&topic));
    first.wait_for_partitions();
    first.log.start(P0).unwrap();
    first.read_until("all is read", 4);
    for next in [2, 3] {
        first.log.begin_commit(&[(0, P0, Offset(next))]).unwrap();
        stage.fill(&topic, 1, 1);
        until("it is committed", || {
            first.turn();
            first.log.has_committed().unwrap()
        });
    }
    first.read_until("what came meanwhile is read", 6);
    first.log.begin_commit(&[(0, P0, Offset(5))]).unwrap();
    first.log.commit(&[(0, P0, Offset(5))]).unwrap();
    first.log.leave();
    let mut second = Member::join(stage, "meanwhile", 0, std::slice::from_ref(&topic));
    second.wait_for_partitions();
    second.log.start(P0).unwrap();
    second.read_until("the rest is read", 1);
    assert_eq!(offsets(&second.seen), [((0, P0), vec![5])].into());
    second.log.leave();
}

/// What is there when a partition is started comes first, at a first start and at a later one; what comes after that comes
/// with the rest.
fn reads_one_input_before_another_where_told<W: World>(stage: &Stage<'_, W>) {
    let inputs = [stage.topic("later", 2), stage.topic("first", 2), stage.topic("as-ever", 2)];
    for _round in 0..2 {
        stage.fill_all(&inputs, 1, 12);
        let mut member = Member::join(stage, "orderly", 0, &inputs);
        member.log.read_first(&[1], &[0]);
        for partition in member.wait_for_partitions() {
            member.log.start(partition).unwrap();
        }
        member.read_until("all is read", 36);
        let of = |topic: usize| member.seen.iter().enumerate().filter(move |(_, seen)| seen.topic == topic);
        let (last, first) = (of(1).next_back().unwrap().0, of(0).next().unwrap().0);
        assert!(last < first, "the last of the one is number {last}, and the first of the other {first}");
        stage.fill_all(&inputs, 2, 1);
        member.read_until("what came later is read too", 42);
        for topic in 0..3 {
            let seen = offsets(&member.seen);
            assert_eq!((seen[&(topic, P0)].len(), seen[&(topic, P1)].len()), (13, 1));
        }
        member.commit();
        member.log.leave();
    }
}

fn ends_a_poll_when_told<W: World>(stage: &Stage<'_, W>) {
    let topic = stage.topic("chunks", 1);
    stage.fill(&topic, 1, 9);
    let mut member = Member::join(stage, "chunks", 0, std::slice::from_ref(&topic));
    member.wait_for_partitions();
    member.log.start(P0).unwrap();
    let mut seen = Vec::new();
    until("three came", || {
        let before = seen.len();
        let polled = member.log.poll(WAIT, 2, |record| {
            seen.push(record.offset.0);
            if seen.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(polled.unwrap(), Polled::Records(seen.len() - before));
        assert!(seen.len() - before <= 2, "no more than asked for");
        seen.len() == 3
    });
    member.read_until("the rest came", 6);
    assert_eq!(offsets(&member.seen)[&(0, P0)], [3, 4, 5, 6, 7, 8], "none is skipped after a break");
    member.log.leave();
}

fn rests_while_it_is_paused<W: World>(stage: &Stage<'_, W>) {
    let topic = stage.topic("rests", 2);
    stage.fill(&topic, 2, 6);
    let mut member = Member::join(stage, "rests", 0, std::slice::from_ref(&topic));
    member.wait_for_partitions();
    member.log.resume().unwrap();
    member.log.start(P0).unwrap();
    member.read_until("some came", 1);
    member.log.pause().unwrap();
    let before = member.seen.len();
    member.log.start(P1).unwrap();
    a_while(|| assert_eq!(member.turn(), Polled::Records(0)));
    member.log.resume().unwrap();
    member.read_until("the rest came, of both partitions", 12);
    assert!(before < 12);
    let all: Vec<_> = (0..6).collect();
    assert_eq!(offsets(&member.seen), [((0, P0), all.clone()), ((0, P1), all)].into());
    member.log.leave();
}

fn tells_how_far_behind_it_is<W: World>(stage: &Stage<'_, W>) {
    let inputs = [stage.topic("behind", 1), stage.topic("abreast", 1)];
    stage.fill(&inputs[0], 1, 8);
    let mut member = Member::join(stage, "behind", 0, &inputs);
    member.wait_for_partitions();
    member.log.start(P0).unwrap();
    until("all is read and no lag is left", || {
        member.turn();
        // What was last seen may be old, but the end is fixed: it never tells of less than there is.
        let left = 8 - member.seen.len() as u64;
        assert!(member.log.lag(0, P0).is_none_or(|lag| (left..=8).contains(&lag)));
        left == 0 && has_caught_up(&member)
    });
    assert_eq!(member.log.lag(0, P1), None, "not a partition of this member");
    member.log.send(&record(&inputs[1], P0, b"x")).unwrap();
    member.log.settle().unwrap();
    member.read_until("its own record is read", 9);
    until("no lag is left", || {
        member.turn();
        has_caught_up(&member)
    });
    member.log.leave();
}

fn has_caught_up<G: GroupLog>(member: &Member<G>) -> bool {
    [0, 1].iter().all(|topic| member.log.lag(*topic, P0) == Some(0))
}
