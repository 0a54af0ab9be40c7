use std::collections::BTreeMap;
use std::ops::ControlFlow;

use millstream_model::{Headers, Offset, Partition, Timestamp, TopicName};

use super::{Seen, Stage, WAIT, offsets, read, record, until};
use crate::{Delivery, GroupLog, Outlet, SendRecord, Start, Tag, Tail, Tally, World};

pub(super) fn suite<W: World>(stage: &Stage<'_, W>) {
    let topic = stage.topic("sends", 2);
    acknowledges_by_tag(&mut stage.world.outlet(&stage.name("outlet")).unwrap(), &topic, 0);
    let inputs = std::slice::from_ref(&topic);
    let mut group = stage.world.join_group(&stage.name("sender"), 0, inputs, Delivery::AtLeastOnce).unwrap();
    acknowledges_by_tag(&mut group, &topic, 4);
    what_is_above_the_line_settles(&mut group, &topic);
    records_arrive_as_they_were_sent(stage);
    the_log_spreads_records_without_a_partition(stage);
    an_absent_partition_fails(stage);
}

/// `first`: the offset that the next record of either partition gets.
fn acknowledges_by_tag(outlet: &mut impl Outlet, topic: &TopicName, first: i64) {
    assert_eq!(outlet.tally(), Tally::default());
    assert_eq!(outlet.acknowledged(Tag(0)), None);
    outlet.settle().unwrap();
    let tags = [(0, Tag(0)), (0, Tag(0)), (1, Tag(7)), (0, Tag::NONE), (1, Tag::NONE)];
    for (partition, tag) in tags {
        outlet.send(&SendRecord { tag, ..record(topic, Partition::new(partition), b"x") }).unwrap();
    }
    outlet.settle().unwrap();
    assert_eq!(outlet.tally(), Tally { delivered: 5, failed: 0 });
    assert_eq!(outlet.acknowledged(Tag(0)), Some(Offset(first + 1)));
    assert_eq!(outlet.acknowledged(Tag(7)), Some(Offset(first)), "tags are numbers of the sender's own");
    assert_eq!(outlet.acknowledged(Tag(3)), None);
    assert_eq!(outlet.acknowledged(Tag::NONE), None);
    for partition in [0, 1, 1] {
        outlet.send(&SendRecord { tag: Tag(7), ..record(topic, Partition::new(partition), b"y") }).unwrap();
    }
    outlet.settle().unwrap();
    let highest = first + 3;
    assert_eq!(outlet.acknowledged(Tag(7)), Some(Offset(highest)), "the highest, whatever the partition");
}

fn what_is_above_the_line_settles(outlet: &mut impl GroupLog, topic: &TopicName) {
    let before = outlet.tally().delivered;
    for round in 1..=3 {
        for partition in [0, 1, 0] {
            outlet.send(&record(topic, Partition::new(partition), b"above")).unwrap();
        }
        outlet.draw_line();
        outlet.send(&record(topic, Partition::new(1), b"below")).unwrap();
        until("what is above the line is acknowledged", || {
            outlet.poll(WAIT, 1, |_| ControlFlow::Continue(())).unwrap();
            outlet.has_settled().unwrap()
        });
        assert!(outlet.tally().delivered >= before + 4 * round - 1, "it may be ahead, and never behind");
    }
    outlet.settle().unwrap();
    assert!(outlet.has_settled().unwrap());
    assert_eq!(outlet.tally().delivered, before + 12);
}

/// Key, value, headers and time.
type Parts = (Option<&'static [u8]>, Option<&'static [u8]>, Headers, Option<Timestamp>);

/// What may be in a record, each with one thing that is easily lost.
fn odd_records() -> Vec<Parts> {
    let headers = |pairs: &[(&str, Option<&[u8]>)]| {
        Headers(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.map(<[u8]>::to_vec))).collect())
    };
    let none = Headers::default;
    let twice = headers(&[("b", Some(b"1")), ("a", Some(b"")), ("b", None), ("b", Some(b"\xff"))]);
    vec![
        (Some(b"key"), Some(b"value"), none(), None),
        (None, Some(b"no key"), none(), Some(Timestamp(1_700_000_000_123))),
        (Some(b""), Some(b"the empty key"), none(), None),
        (Some(b"tombstone"), None, none(), Some(Timestamp(1))),
        (Some(b"an empty value is not a tombstone"), Some(b""), headers(&[("only", Some(b"x"))]), None),
        (None, None, none(), None),
        (Some(b"\x00\xff"), Some(b"\x00\xfe\x00"), twice, None),
    ]
}

fn records_arrive_as_they_were_sent<W: World>(stage: &Stage<'_, W>) {
    let (topic, sent) = (stage.topic("odd", 1), odd_records());
    let before = stage.world.now();
    let mut outlet = stage.world.outlet(&stage.name("odd")).unwrap();
    for (key, value, headers, timestamp) in &sent {
        let partition = Some(Partition::new(0));
        let (topic, key, value, timestamp) = (&topic, *key, *value, *timestamp);
        outlet
            .send(&SendRecord { topic, partition, key, value, headers, timestamp, tag: Tag::NONE })
            .unwrap();
    }
    outlet.settle().unwrap();
    let seen = all_of(stage, &topic, 1, sent.len());
    for (seen, (offset, (key, value, headers, timestamp))) in seen.iter().zip((0..).zip(sent)) {
        assert_eq!(seen.offset, Offset(offset));
        assert_eq!((seen.key.as_deref(), seen.value.as_deref()), (key, value), "record {offset}");
        assert_eq!(seen.headers, headers, "record {offset}");
        match timestamp {
            Some(timestamp) => assert_eq!(seen.timestamp, timestamp),
            None => assert!(seen.timestamp >= before, "record {offset} has the time of its sending"),
        }
    }
}

/// Reads a topic from its start until `count` records came.
fn all_of<W: World>(stage: &Stage<'_, W>, topic: &TopicName, partitions: u32, count: usize) -> Vec<Seen> {
    let mut tail = stage.world.tail(&stage.name("all"), std::slice::from_ref(topic)).unwrap();
    for partition in 0..partitions {
        tail.add(0, Partition::new(partition), Start::Earliest).unwrap();
    }
    let mut seen = Vec::new();
    until("all records came", || {
        read(&mut tail, &mut seen);
        seen.len() >= count
    });
    assert_eq!(seen.len(), count);
    seen
}

fn the_log_spreads_records_without_a_partition<W: World>(stage: &Stage<'_, W>) {
    let topic = stage.topic("spread", 3);
    let mut outlet = stage.world.outlet(&stage.name("spread")).unwrap();
    for number in 0..100_u8 {
        let value = [number];
        let sent = SendRecord { partition: None, ..record(&topic, Partition::new(0), &value) };
        outlet.send(&sent).unwrap();
    }
    outlet.settle().unwrap();
    let seen = all_of(stage, &topic, 3, 100);
    let mut values: Vec<_> = seen.iter().filter_map(|seen| seen.value.clone()).flatten().collect();
    values.sort_unstable();
    assert_eq!(values, (0..100).collect::<Vec<u8>>(), "each comes once");
    for (place, offsets) in offsets(&seen) {
        assert!((0..).zip(&offsets).all(|(at, offset)| at == *offset), "{place:?} in order: {offsets:?}");
    }
}

fn an_absent_partition_fails<W: World>(stage: &Stage<'_, W>) {
    let topic = stage.topic("narrow", 1);
    let mut outlet = stage.world.outlet(&stage.name("astray")).unwrap();
    outlet.send(&record(&topic, Partition::new(0), b"fine")).unwrap();
    outlet.settle().unwrap();
    let sent = outlet.send(&record(&topic, Partition::new(9), b"astray"));
    let failed = sent.and_then(|()| outlet.settle());
    assert!(failed.is_err(), "a record for a partition that does not exist can't be acknowledged");
    assert_eq!(outlet.tally().delivered, 1);
    outlet.send(&record(&topic, Partition::new(0), b"fine again")).unwrap();
    outlet.settle().unwrap();
    assert_eq!(offsets(&all_of(stage, &topic, 1, 2)), BTreeMap::from([((0, Partition::new(0)), vec![0, 1])]));
}
