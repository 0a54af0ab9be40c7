use std::collections::BTreeSet;

use millstream_model::{Offset, Partition, TopicName};

use super::group::Member;
use super::{Stage, a_while, offsets, until};
use crate::{GroupLog, Polled, World};

const PARTITIONS: u32 = 4;

pub(super) fn suite<W: World>(stage: &Stage<'_, W>) {
    partitions_are_handed_over_with_nothing_lost_or_repeated(stage);
    what_was_not_committed_comes_again_at_the_next_owner(stage);
}

fn all() -> BTreeSet<Partition> {
    (0..PARTITIONS).map(Partition::new).collect()
}

/// How many records the members have read together.
fn total<G: GroupLog>(members: &[Member<G>]) -> usize {
    members.iter().map(|member| member.seen.len()).sum()
}

fn are_divided<G: GroupLog>(members: &[Member<G>]) -> bool {
    let owned: Vec<_> = members.iter().flat_map(|member| &member.owned).copied().collect();
    owned.len() == PARTITIONS as usize
        && owned.iter().copied().collect::<BTreeSet<_>>() == all()
        && members.iter().all(|member| !member.owned.is_empty())
}

fn work_until<G: GroupLog>(
    members: &mut [Member<G>],
    what: &str,
    mut holds: impl FnMut(&[Member<G>]) -> bool,
) {
    until(what, || {
        members.iter_mut().for_each(Member::work);
        holds(members)
    });
}

/// Sees that the members have read `count` records of each partition, each once.
fn nothing_was_lost_or_repeated<G: GroupLog>(members: &mut [Member<G>], inputs: usize, count: i64) {
    a_while(|| members.iter_mut().for_each(Member::work));
    let seen: Vec<_> = members.iter().flat_map(|member| member.seen.clone()).collect();
    let mut offsets = offsets(&seen);
    assert_eq!(offsets.len(), inputs * PARTITIONS as usize);
    for (place, offsets) in &mut offsets {
        offsets.sort_unstable();
        assert!(offsets.iter().copied().eq(0..count), "{place:?}: {offsets:?}");
    }
}

fn partitions_are_handed_over_with_nothing_lost_or_repeated<W: World>(stage: &Stage<'_, W>) {
    let inputs = [stage.topic("shared-left", PARTITIONS), stage.topic("shared-right", PARTITIONS)];
    let fill = |count: u32| stage.fill_all(&inputs, PARTITIONS, count);
    let places = inputs.len() * PARTITIONS as usize;
    fill(10);
    let mut members = vec![Member::join(stage, "shared", 0, &inputs)];
    work_until(&mut members, "one member is in the midst of its work", |members| total(members) >= 20);
    assert_eq!(members[0].owned, all());

    members.push(Member::join(stage, "shared", 1, &inputs));
    work_until(&mut members, "two members share", |members| {
        are_divided(members) && total(members) >= 10 * places
    });
    nothing_was_lost_or_repeated(&mut members, inputs.len(), 10);

    fill(5);
    work_until(&mut members, "both read on", |members| total(members) >= 15 * places);
    nothing_was_lost_or_repeated(&mut members, inputs.len(), 15);
    one_leaves_and_the_other_goes_on(members, &inputs, fill);
}

fn one_leaves_and_the_other_goes_on<G: GroupLog>(
    mut members: Vec<Member<G>>,
    inputs: &[TopicName],
    fill: impl Fn(u32),
) {
    members[0].commit();
    members[0].log.leave();
    let left = members.remove(0).seen;
    work_until(&mut members, "the other owns all", |members| members[0].owned == all());
    fill(2);
    members[0].seen.extend(left);
    let count = 17 * inputs.len() * PARTITIONS as usize;
    work_until(&mut members, "the other reads all", |members| total(members) >= count);
    nothing_was_lost_or_repeated(&mut members, inputs.len(), 17);
    members[0].log.leave();
}

fn what_was_not_committed_comes_again_at_the_next_owner<W: World>(stage: &Stage<'_, W>) {
    let input = stage.topic("taken", 1);
    stage.fill(&input, 1, 8);
    let mut careless = Member::join(stage, "taken", 0, std::slice::from_ref(&input));
    work_until(std::slice::from_mut(&mut careless), "all is read", |members| total(members) == 8);
    careless.log.commit(&[(0, Partition::new(0), Offset(5))]).unwrap();
    // It goes with no farewell, as it does when a worker gives up.
    drop(careless);
    let mut next = Member::join(stage, "taken", 1, std::slice::from_ref(&input));
    work_until(std::slice::from_mut(&mut next), "the rest came again", |members| total(members) == 3);
    assert!(next.seen.iter().map(|seen| seen.offset.0).eq(5..8));
    a_while(|| assert_eq!(next.turn(), Polled::Records(0)));
}
