use std::ops::ControlFlow;

use millstream_model::{Offset, Partition, TopicName};

use super::{Stage, WAIT, a_while, offsets, read, until};
use crate::{Start, Tail, World};

const P0: Partition = Partition::new(0);
const P1: Partition = Partition::new(1);

pub(super) fn suite<W: World>(stage: &Stage<'_, W>) {
    begins_where_it_is_told(stage);
    an_empty_partition_is_read_to_its_end_at_once(stage);
    partitions_come_and_go_without_disturbing_others(stage);
    ends_a_poll_when_told(stage);
    what_is_not_read_has_no_position(stage);
}

fn begins_where_it_is_told<W: World>(stage: &Stage<'_, W>) {
    let topic = stage.topic("starts", 1);
    stage.fill(&topic, 1, 6);
    for (start, first) in
        [(Start::Earliest, 0), (Start::At(Offset(4)), 4), (Start::At(Offset(6)), 6), (Start::Latest, 6)]
    {
        let mut tail = stage.world.tail(&stage.name("starts"), std::slice::from_ref(&topic)).unwrap();
        assert_eq!(tail.add(0, P0, start).unwrap(), (Offset(first), Offset(6)), "{start:?}");
        assert_eq!(tail.position(0, P0).unwrap(), Offset(first), "{start:?}");
        let mut seen = Vec::new();
        until("the end was reached", || {
            read(&mut tail, &mut seen);
            tail.position(0, P0).unwrap() >= Offset(6)
        });
        assert!(seen.iter().map(|seen| seen.offset.0).eq(first..6), "{start:?}: {seen:?}");
    }
    follows_what_is_written_later(stage, &topic);
}

fn follows_what_is_written_later<W: World>(stage: &Stage<'_, W>, topic: &TopicName) {
    let mut tail = stage.world.tail(&stage.name("later"), std::slice::from_ref(topic)).unwrap();
    tail.add(0, P0, Start::Latest).unwrap();
    let mut seen = Vec::new();
    a_while(|| read(&mut tail, &mut seen));
    assert_eq!(seen, [], "nothing older than the end");
    stage.fill(topic, 1, 2);
    until("the new records came", || {
        read(&mut tail, &mut seen);
        seen.len() == 2
    });
    assert_eq!(tail.position(0, P0).unwrap(), Offset(8));
}

fn an_empty_partition_is_read_to_its_end_at_once<W: World>(stage: &Stage<'_, W>) {
    let topic = stage.topic("empty", 1);
    for start in [Start::Earliest, Start::Latest, Start::At(Offset(0))] {
        let mut tail = stage.world.tail(&stage.name("empty"), std::slice::from_ref(&topic)).unwrap();
        assert_eq!(tail.add(0, P0, start).unwrap(), (Offset(0), Offset(0)));
        assert_eq!(tail.position(0, P0).unwrap(), Offset(0));
    }
}

fn partitions_come_and_go_without_disturbing_others<W: World>(stage: &Stage<'_, W>) {
    let topics = [stage.topic("come", 2), stage.topic("go", 2)];
    stage.fill_all(&topics, 2, 5);
    let mut tail = stage.world.tail(&stage.name("come-and-go"), &topics).unwrap();
    let mut seen = Vec::new();
    tail.add(1, P1, Start::Earliest).unwrap();
    until("the first partition is read", || {
        read(&mut tail, &mut seen);
        seen.len() == 5
    });
    tail.add(0, P0, Start::Earliest).unwrap();
    tail.add(1, P0, Start::At(Offset(3))).unwrap();
    until("the others are read", || {
        read(&mut tail, &mut seen);
        seen.len() >= 5 + 5 + 2
    });
    let expected = [((0, P0), (0..5).collect()), ((1, P0), vec![3, 4]), ((1, P1), (0..5).collect())];
    assert_eq!(offsets(&seen), expected.into());
    a_removed_partition_is_not_read(stage, &topics, &mut tail);
}

fn a_removed_partition_is_not_read<W: World>(stage: &Stage<'_, W>, topics: &[TopicName], tail: &mut W::Tail) {
    tail.remove(1, P1).unwrap();
    stage.fill_all(topics, 2, 1);
    let mut seen = Vec::new();
    until("those that stayed are read on", || {
        read(tail, &mut seen);
        seen.len() >= 2
    });
    a_while(|| read(tail, &mut seen));
    assert_eq!(offsets(&seen), [((0, P0), vec![5]), ((1, P0), vec![5])].into());
    assert_eq!(tail.add(1, P1, Start::At(Offset(4))).unwrap(), (Offset(4), Offset(6)));
    until("it is read again, from where it was told", || {
        read(tail, &mut seen);
        seen.len() >= 4
    });
    assert_eq!(offsets(&seen)[&(1, P1)], [4, 5]);
}

fn ends_a_poll_when_told<W: World>(stage: &Stage<'_, W>) {
    let topic = stage.topic("bites", 1);
    stage.fill(&topic, 1, 9);
    let mut tail = stage.world.tail(&stage.name("bites"), std::slice::from_ref(&topic)).unwrap();
    tail.add(0, P0, Start::Earliest).unwrap();
    let mut seen = Vec::new();
    until("three came", || {
        let before = seen.len();
        let count = tail.poll(WAIT, 2, |record| {
            seen.push(record.offset.0);
            if seen.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(count.unwrap(), seen.len() - before);
        assert!(seen.len() - before <= 2, "no more than asked for");
        seen.len() == 3
    });
    assert_eq!(tail.position(0, P0).unwrap(), Offset(3));
    let broken = seen.len();
    until("one more came", || {
        tail.poll(WAIT, 5, |record| {
            seen.push(record.offset.0);
            ControlFlow::Break(())
        })
        .unwrap();
        seen.len() > broken
    });
    assert_eq!(seen, [0, 1, 2, 3], "each once, and one for each time it was broken off");
}

fn what_is_not_read_has_no_position<W: World>(stage: &Stage<'_, W>) {
    let topic = stage.topic("unread", 2);
    let mut tail = stage.world.tail(&stage.name("unread"), std::slice::from_ref(&topic)).unwrap();
    tail.add(0, P0, Start::Latest).unwrap();
    assert!(tail.position(0, P1).is_err());
    tail.remove(0, P1).unwrap();
    tail.remove(0, P0).unwrap();
    assert!(tail.position(0, P0).is_err());
    assert!(tail.add(0, Partition::new(7), Start::Earliest).is_err(), "there is no such partition");
}
