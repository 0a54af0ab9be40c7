use std::collections::BTreeSet;

use millstream_model::{Offset, Partition, TopicName};

use super::group::Member;
use super::{Seen, Stage, a_while, read, record, until};
use crate::{Action, Delivery, GroupLog, Outlet, SendRecord, Start, Tag, Tail, World};

const P0: Partition = Partition::new(0);
const P1: Partition = Partition::new(1);

pub(super) fn suite<W: World>(stage: &Stage<'_, W>) {
    what_is_sent_is_seen_once_it_is_committed(stage);
    what_is_aborted_is_never_seen_and_its_records_come_again(stage);
    the_next_owner_ends_what_the_last_left_open(stage);
    a_member_that_gave_its_partitions_up_commits_nothing(stage);
    at_least_once_what_was_sent_stays_and_records_come_again(stage);
}

/// A member that owns and reads all of the partitions of `input`.
fn owner<W: World>(stage: &Stage<'_, W>, group: &str, input: &TopicName) -> Member<W::Group> {
    owner_for(stage, group, input, Delivery::ExactlyOnce)
}

fn owner_for<W: World>(
    stage: &Stage<'_, W>,
    group: &str,
    input: &TopicName,
    delivery: Delivery,
) -> Member<W::Group> {
    let inputs = std::slice::from_ref(input);
    let mut member = Member::join_for(stage, group, 0, inputs, delivery);
    for partition in member.wait_for_partitions() {
        member.log.start(partition).unwrap();
    }
    member
}

fn send(log: &mut impl Outlet, topic: &TopicName, values: &[&str]) {
    for value in values {
        log.send(&SendRecord { tag: Tag(3), ..record(topic, P0, value.as_bytes()) }).unwrap();
    }
    log.settle().unwrap();
}

/// A reader of the first partition, and what it has seen.
struct Reader<T> {
    tail: T,
    seen: Vec<Seen>,
}

impl<T: Tail> Reader<T> {
    fn of<W: World<Tail = T>>(stage: &Stage<'_, W>, topic: &TopicName) -> Self {
        let mut tail = stage.world.tail(&stage.name("reader"), std::slice::from_ref(topic)).unwrap();
        tail.add(0, P0, Start::Earliest).unwrap();
        Self { tail, seen: Vec::new() }
    }

    fn sees_nothing_more(&mut self) {
        let before = self.seen.len();
        a_while(|| read(&mut self.tail, &mut self.seen));
        assert_eq!(self.seen.len(), before);
    }

    fn sees(&mut self, expected: &[&str]) {
        until("the records can be seen", || {
            read(&mut self.tail, &mut self.seen);
            self.seen.len() >= expected.len()
        });
        self.sees_nothing_more();
        let values = self.seen.iter().map(|seen| seen.value.as_deref().unwrap());
        assert!(values.eq(expected.iter().map(|value| value.as_bytes())), "{:?}", self.seen);
    }
}

fn what_is_sent_is_seen_once_it_is_committed<W: World>(stage: &Stage<'_, W>) {
    let (input, out) = (stage.topic("once-in", 2), stage.topic("once-out", 1));
    stage.fill(&input, 2, 3);
    let mut member = owner(stage, "once", &input);
    let mut reader = Reader::of(stage, &out);
    member.read_until("all is read", 6);
    send(&mut member.log, &out, &["a", "b"]);
    assert_eq!(member.log.acknowledged(Tag(3)), Some(Offset(1)), "acknowledged, and in doubt");
    reader.sees_nothing_more();
    a_reader_that_comes_now_waits(stage, &out);
    member.commit();
    reader.sees(&["a", "b"]);
    send(&mut member.log, &out, &["c"]);
    member.commit();
    reader.sees(&["a", "b", "c"]);
    member.log.send(&record(&out, P0, b"d")).unwrap();
    member.log.begin_commit(&[]).unwrap();
    until("it is committed", || {
        member.turn();
        member.log.has_committed().unwrap()
    });
    reader.sees(&["a", "b", "c", "d"]);
    // Positions alone are a transaction too, and nothing at all is no error.
    stage.fill(&input, 1, 1);
    member.read_until("one more is read", 7);
    member.commit();
    member.log.commit(&[]).unwrap();
    member.log.leave();
    let mut next = owner(stage, "once", &input);
    a_while(|| drop(next.turn()));
    assert_eq!(next.seen, [], "all was committed");
    next.log.leave();
}

fn a_reader_that_comes_now_waits<W: World>(stage: &Stage<'_, W>, topic: &TopicName) {
    let mut tail = stage.world.tail(&stage.name("waits"), std::slice::from_ref(topic)).unwrap();
    let error = tail.add(0, P0, Start::Earliest).err().unwrap();
    assert_eq!(error.action(), Action::Retry, "records are in doubt: {error}");
}

fn what_is_aborted_is_never_seen_and_its_records_come_again<W: World>(stage: &Stage<'_, W>) {
    let (input, out) = (stage.topic("undo-in", 2), stage.topic("undo-out", 1));
    stage.fill(&input, 2, 4);
    let mut member = owner(stage, "undo", &input);
    let mut reader = Reader::of(stage, &out);
    member.read_until("all is read", 8);
    send(&mut member.log, &out, &["first"]);
    member.log.commit(&[(0, P0, Offset(3)), (0, P1, Offset(1))]).unwrap();
    for round in 0..2 {
        send(&mut member.log, &out, &["never"]);
        member.log.abort().unwrap();
        member.seen.clear();
        member.read_until("what was not committed comes again", 1 + 3);
        let again: BTreeSet<_> = member.seen.iter().map(|seen| (seen.partition, seen.offset.0)).collect();
        assert_eq!(again, [(P0, 3), (P1, 1), (P1, 2), (P1, 3)].into(), "round {round}");
    }
    send(&mut member.log, &out, &["second"]);
    member.commit();
    reader.sees(&["first", "second"]);
    member.log.leave();
}

fn the_next_owner_ends_what_the_last_left_open<W: World>(stage: &Stage<'_, W>) {
    let (input, out) = (stage.topic("open-in", 2), stage.topic("open-out", 1));
    stage.fill(&input, 2, 2);
    let mut reader = Reader::of(stage, &out);
    let mut careless = owner(stage, "open", &input);
    careless.read_until("all is read", 4);
    send(&mut careless.log, &out, &["never"]);
    drop(careless);
    let mut next = owner(stage, "open", &input);
    next.read_until("all comes again", 4);
    send(&mut next.log, &out, &["by the next"]);
    next.commit();
    reader.sees(&["by the next"]);
    next.log.leave();
}

fn a_member_that_gave_its_partitions_up_commits_nothing<W: World>(stage: &Stage<'_, W>) {
    let (input, out) = (stage.topic("late-in", 2), stage.topic("late-out", 1));
    stage.fill(&input, 2, 2);
    let mut reader = Reader::of(stage, &out);
    let mut first = owner(stage, "late", &input);
    first.read_until("all is read", 4);
    send(&mut first.log, &out, &["never"]);
    let partitions: Vec<_> = first.owned.iter().copied().collect();
    // As its worker does after a revocation that it could not commit for.
    first.log.abort().unwrap();
    first.log.release(&partitions).unwrap();
    let refused = first.log.commit(&[(0, P0, Offset(2))]).err();
    assert!(refused.is_some(), "it gave its partitions up");
    first.log.leave();
    let mut next = owner(stage, "late", &input);
    next.read_until("all comes again", 4);
    send(&mut next.log, &out, &["by the next"]);
    next.commit();
    reader.sees(&["by the next"]);
    next.log.leave();
}

fn at_least_once_what_was_sent_stays_and_records_come_again<W: World>(stage: &Stage<'_, W>) {
    let (input, out) = (stage.topic("plain-in", 1), stage.topic("plain-out", 1));
    stage.fill(&input, 1, 3);
    let mut member = owner_for(stage, "plain", &input, Delivery::AtLeastOnce);
    let mut reader = Reader::of(stage, &out);
    member.read_until("all is read", 3);
    send(&mut member.log, &out, &["stays"]);
    member.log.commit(&[(0, P0, Offset(1))]).unwrap();
    member.log.abort().unwrap();
    member.seen.clear();
    member.read_until("what was not committed comes again", 2);
    assert_eq!(member.seen.iter().map(|seen| seen.offset.0).collect::<Vec<_>>(), [1, 2]);
    reader.sees(&["stays"]);
    member.log.leave();
}
