//! Groups of one to five members that come, go, and commit.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::admin::AdminOptions;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use crate::stage::{Stage, WAIT, poll, send, unique, until};

const PARTITIONS: i32 = 5;

pub fn run(stage: &Stage) {
    for protocol in ["range", "roundrobin", "cooperative-sticky"] {
        members_come_and_go(stage, protocol);
    }
    commits_are_found_again(stage);
    offsets_that_make_no_sense_are_refused(stage);
    a_static_member_comes_back_to_its_own(stage);
    a_silent_member_is_replaced(stage);
    groups_are_listed_described_and_removed(stage);
}

fn join(stage: &Stage, group: &str, topic: &str, pairs: &[(&str, &str)]) -> BaseConsumer {
    let always = [
        ("group.id", group),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
        ("heartbeat.interval.ms", "200"),
        ("session.timeout.ms", "6000"),
    ];
    let all: Vec<_> = always.iter().chain(pairs).copied().collect();
    let member: BaseConsumer = stage.config(&all).create().unwrap();
    member.subscribe(&[topic]).unwrap();
    member
}

fn owned(member: &BaseConsumer) -> BTreeSet<i32> {
    member
        .assignment()
        .unwrap()
        .elements()
        .iter()
        .map(rdkafka::topic_partition_list::TopicPartitionListElem::partition)
        .collect()
}

/// Whether all partitions are owned by one each, and no member is without.
fn are_divided(members: &[BaseConsumer]) -> bool {
    let all: Vec<_> = members.iter().flat_map(owned).collect();
    let each_once: BTreeSet<_> = all.iter().copied().collect();
    all.len() == 5 && each_once.len() == 5 && members.iter().all(|member| !owned(member).is_empty())
}

fn members_come_and_go(stage: &Stage, protocol: &str) {
    let topic = stage.topic(&format!("shared-{protocol}"), PARTITIONS, &[]);
    let group = unique(&format!("group-{protocol}"));
    let producer = stage.producer(&[]);
    let mut sent = 0;
    let mut seen = BTreeMap::<String, usize>::new();
    let mut members: Vec<BaseConsumer> = Vec::new();
    let steps = [1, 2, 3, 4, 5, 3, 1];
    for count in steps {
        while members.len() < count {
            members.push(join(stage, &group, &topic, &[("partition.assignment.strategy", protocol)]));
        }
        members.truncate(count);
        until("the partitions are divided", || {
            read(&members, &mut seen);
            are_divided(&members)
        });
        for _ in 0..20 {
            let value = sent.to_string();
            let record = rdkafka::producer::BaseRecord::<(), _>::to(&topic).partition(sent % PARTITIONS);
            producer.send(record.payload(&value)).map_err(|(error, _)| error).unwrap();
            sent += 1;
        }
        let total = usize::try_from(sent).unwrap();
        until("all is read", || {
            rdkafka::producer::Producer::flush(&producer, WAIT).unwrap();
            read(&members, &mut seen);
            seen.len() == total
        });
    }
    // Each position was committed after it was read, so what is read twice was read at a change of hands.
    assert!(seen.values().all(|times| *times <= steps.len()), "{seen:?}");
}

fn read(members: &[BaseConsumer], seen: &mut BTreeMap<String, usize>) {
    for member in members {
        while let Some(Ok(record)) = member.poll(std::time::Duration::from_millis(10)) {
            *seen.entry(crate::stage::text(&record)).or_default() += 1;
            // At a change of hands the commit may come too late.
            let _ = member.commit_message(&record, CommitMode::Sync);
        }
    }
}

fn offsets_of(topic: &str, offsets: &[(i32, i64, &str)]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (partition, offset, metadata) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset)).unwrap();
        list.find_partition(topic, *partition).unwrap().set_metadata(*metadata);
    }
    list
}

fn committed(stage: &Stage, group: &str, topic: &str) -> Vec<(Offset, String)> {
    let consumer: BaseConsumer = stage.config(&[("group.id", group)]).create().unwrap();
    let mut asked = TopicPartitionList::new();
    asked.add_partition_range(topic, 0, 2);
    let told = consumer.committed_offsets(asked, WAIT).unwrap();
    told.elements().iter().map(|each| (each.offset(), each.metadata().to_owned())).collect()
}

fn commits_are_found_again(stage: &Stage) {
    let (topic, group) = (stage.topic("commits", 3, &[]), unique("commits"));
    let consumer: BaseConsumer = stage.config(&[("group.id", &group)]).create().unwrap();
    consumer.commit(&offsets_of(&topic, &[(0, 5, "noted"), (2, 7, "")]), CommitMode::Sync).unwrap();
    consumer.commit(&offsets_of(&topic, &[(2, 3, "back")]), CommitMode::Sync).unwrap();
    let expected = [(Offset::Offset(5), "noted"), (Offset::Invalid, ""), (Offset::Offset(3), "back")];
    let told = committed(stage, &group, &topic);
    assert!(told.iter().map(|(offset, metadata)| (*offset, metadata.as_str())).eq(expected), "{told:?}");
    let other = committed(stage, &unique("another"), &topic);
    assert!(other.iter().all(|(offset, _)| *offset == Offset::Invalid), "{other:?}");
}

fn offsets_that_make_no_sense_are_refused(stage: &Stage) {
    let (topic, group) = (stage.topic("refused-commits", 1, &[]), unique("refused-commits"));
    let consumer: BaseConsumer = stage.config(&[("group.id", &group)]).create().unwrap();
    let long = "x".repeat(5_000);
    for (offsets, code) in [
        (offsets_of(&topic, &[(9, 1, "")]), Code::UnknownTopicOrPartition),
        (offsets_of(&topic, &[(0, 1, &long)]), Code::OffsetMetadataTooLarge),
    ] {
        let refused = consumer.commit(&offsets, CommitMode::Sync).unwrap_err();
        assert_eq!(refused.rdkafka_error_code(), Some(code));
    }
}

fn a_static_member_comes_back_to_its_own(stage: &Stage) {
    let (topic, group) = (stage.topic("static", PARTITIONS, &[]), unique("static"));
    let named = |name: &str| join(stage, &group, &topic, &[("group.instance.id", name)]);
    let mut members = vec![named("one"), named("two")];
    let turn = |members: &[BaseConsumer]| members.iter().for_each(|member| drop(poll(member)));
    until("two divide", || {
        turn(&members);
        are_divided(&members)
    });
    let own = owned(&members[1]);
    drop(members.pop());
    members.push(named("two"));
    let first = owned(&members[0]);
    until("it has its own again", || {
        turn(&members);
        assert_eq!(owned(&members[0]), first, "the other is not disturbed");
        owned(&members[1]) == own
    });
    let usurper = named("two");
    let mut fenced = None;
    until("the former holder of the name is fenced", || {
        let _ = usurper.poll(std::time::Duration::from_millis(20));
        drop(poll(&members[0]));
        fenced = members[1].poll(std::time::Duration::from_millis(20)).and_then(Result::err);
        fenced.is_some()
    });
    let code = fenced.unwrap().rdkafka_error_code();
    assert!(matches!(code, Some(Code::Fatal | Code::FencedInstanceId)), "{code:?}");
}

/// It holds its partition, and then its process stops without a word.
fn a_silent_member_is_replaced(stage: &Stage) {
    let (topic, group) = (stage.topic("silent", 1, &[]), unique("silent"));
    stage.send(&topic, &["x"]);
    let silent = join(stage, &group, &topic, &[("group.instance.id", "silent")]);
    until("it owns the partition", || {
        drop(poll(&silent));
        owned(&silent).len() == 1
    });
    // A static member says no farewell.
    drop(silent);
    let next = join(stage, &group, &topic, &[]);
    until("the next has it", || poll(&next).is_some_and(|record| record.offset() == 0));
}

fn groups_are_listed_described_and_removed(stage: &Stage) {
    let (topic, group) = (stage.topic("told", 2, &[]), unique("told"));
    let producer = stage.producer(&[]);
    send(&producer, &topic, "x");
    let member = join(
        stage,
        &group,
        &topic,
        &[("client.id", "the-client"), ("partition.assignment.strategy", "range")],
    );
    until("it is stable", || {
        drop(poll(&member));
        owned(&member).len() == 2
    });
    until("it is told so", || {
        let list = member.fetch_group_list(Some(&group), WAIT).unwrap();
        let told = &list.groups()[0];
        told.state() == "Stable"
            && told.protocol() == "range"
            && told.protocol_type() == "consumer"
            && told.members().len() == 1
            && told.members()[0].client_id() == "the-client"
    });
    let remove = || {
        let done = pollster::block_on(stage.admin().delete_groups(&[&group], &AdminOptions::new())).unwrap();
        done.into_iter().next().unwrap().map(|_| ()).map_err(|(_, code)| code)
    };
    assert_eq!(remove(), Err(Code::NonEmptyGroup));
    member.commit(&offsets_of(&topic, &[(0, 1, "")]), CommitMode::Sync).unwrap();
    drop(member);
    until("it is empty and goes", || remove() == Ok(()));
    let told = committed(stage, &group, &topic);
    assert!(told.iter().all(|(offset, _)| *offset == Offset::Invalid), "its offsets went with it: {told:?}");
    assert_eq!(remove(), Err(Code::GroupIdNotFound));
}
