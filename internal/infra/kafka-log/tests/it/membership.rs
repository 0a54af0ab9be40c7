//! Members that leave with questions open, that are taken for dead, and that are given parts of their inputs only.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use millstream_kafka_log::{KafkaGroup, KafkaWorld, NoTables};
use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{
    Action, Delivery, GroupLog, Groups, Outlet, Polled, PortError, Start, Tail, TopicSpec, Topics as _, World,
};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::broker::{Broker, fill, record, unique, until};

const WAIT: Duration = Duration::from_millis(50);
const P0: Partition = Partition::new(0);

pub fn run(broker: &Broker) {
    one_that_is_named_comes_back_without_a_rebalance(broker);
    leaves_with_a_question_open(broker);
    one_that_was_given_nothing_is_not_waited_for(broker);
    one_that_does_not_poll_is_lost(broker);
    one_that_was_replaced_commits_nothing(broker);
    inputs_that_grow_apart_stop_the_member(broker, 0);
    inputs_that_grow_apart_stop_the_member(broker, 1);
    an_input_that_is_deleted_stops_the_member(broker);
    an_input_that_is_made_anew_is_not_passed_over(broker);
    one_that_is_at_work_is_seen_from_outside(broker);
}

fn poll(member: &mut KafkaGroup) -> Result<Polled, PortError> {
    member.poll(WAIT, 3, |_| ControlFlow::Continue(()))
}

/// Waits for an event, passing over records.
fn event(member: &mut KafkaGroup) -> Polled {
    let mut event = Polled::Records(0);
    until("the group says something", || {
        event = poll(member).unwrap();
        !matches!(event, Polled::Records(_))
    });
    event
}

fn leaves_with_a_question_open(broker: &Broker) {
    let (world, group) = (broker.world(&[]), unique("open-questions"));
    let topic = broker.topic("questions", 2, &[]);
    let inputs = std::slice::from_ref(&topic);
    let both = vec![P0, Partition::new(1)];
    world.join_group(&group, 0, inputs, Delivery::AtLeastOnce).unwrap().leave();

    let mut unanswered = world.join_group(&group, 0, inputs, Delivery::AtLeastOnce).unwrap();
    assert_eq!(event(&mut unanswered), Polled::Assigned(both.clone()));
    unanswered.leave();
    assert!(poll(&mut unanswered).is_err(), "it has left");

    let mut first = world.join_group(&group, 0, inputs, Delivery::AtLeastOnce).unwrap();
    assert_eq!(event(&mut first), Polled::Assigned(both.clone()));
    first.accept(&both).unwrap();
    let mut second = world.join_group(&group, 1, inputs, Delivery::AtLeastOnce).unwrap();
    let mut revoked = false;
    until("the first is asked for its partitions", || {
        poll(&mut second).unwrap();
        revoked = revoked || matches!(poll(&mut first).unwrap(), Polled::Revoked(_));
        revoked
    });
    drop(first);
    assert_eq!(event(&mut second), Polled::Assigned(both));
}

/// Else the group would ask it to join again until its session is over, and let all others wait.
fn one_that_was_given_nothing_is_not_waited_for(broker: &Broker) {
    let (world, group) = (broker.world(&[("group.protocol", "classic")]), unique("spare"));
    let topic = broker.topic("spare", 1, &[]);
    let observer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", broker.brokers()).create().unwrap();
    let members = || {
        let list = observer.fetch_group_list(Some(&group), Duration::from_secs(10)).unwrap();
        list.groups().iter().map(|group| (group.state().to_owned(), group.members().len())).next()
    };
    let mut busy = join_and_start(&world, &group, 0, &topic);
    let mut spare = world.join_group(&group, 1, &[topic], Delivery::AtLeastOnce).unwrap();
    until("there are two members", || {
        assert_eq!(poll(&mut spare).unwrap(), Polled::Records(0));
        poll(&mut busy).unwrap();
        members() == Some(("Stable".to_owned(), 2))
    });
    // The brokers call a group stable before its last member has heard so, and until then that one can't say that it goes.
    for _ in 0..40 {
        assert_eq!(poll(&mut spare).unwrap(), Polled::Records(0));
        poll(&mut busy).unwrap();
    }
    spare.leave();
    assert_eq!(members().unwrap().1, 1, "it has said that it goes");
}

/// What it read goes to another, and it can't commit it.
fn one_that_does_not_poll_is_lost(broker: &Broker) {
    let hasty = [("consumer.session.timeout.ms", "6000"), ("consumer.max.poll.interval.ms", "6000")];
    let (world, group) = (broker.world(&hasty), unique("lost"));
    let topic = broker.topic("lost", 1, &[]);
    let mut outlet = world.outlet("fill").unwrap();
    fill(&mut outlet, &topic, 5);
    outlet.settle().unwrap();

    let mut slow = join_and_start(&world, &group, 0, &topic);
    until("records came", || poll(&mut slow).unwrap() != Polled::Records(0));
    // To commit is not to poll: in the end the group takes the member for dead.
    let refused = loop {
        if let Err(refused) = slow.commit(&[(0, P0, Offset(0))]) {
            break refused;
        }
    };
    assert_eq!(refused.action(), Action::Retry, "the group has moved on: {refused}");
    assert_eq!(event(&mut slow), Polled::Lost(vec![P0]));
    slow.release(&[P0]).unwrap();
    slow.leave();

    let mut next = join_and_start(&world, &group, 1, &topic);
    let mut count = 0;
    until("all came again", || {
        count += match poll(&mut next).unwrap() {
            Polled::Records(records) => records,
            other => panic!("{other:?}"),
        };
        count == 5
    });
    next.commit(&[(0, P0, Offset(5))]).unwrap();
}

fn join_and_start(
    world: &impl World<Group = KafkaGroup>,
    group: &str,
    instance: usize,
    topic: &TopicName,
) -> KafkaGroup {
    let mut member =
        world.join_group(group, instance, std::slice::from_ref(topic), Delivery::AtLeastOnce).unwrap();
    assert_eq!(event(&mut member), Polled::Assigned(vec![P0]));
    member.accept(&[P0]).unwrap();
    member.start(P0).unwrap();
    member
}

/// Exactly once: the group took a member for dead, and another has its partition. It finds out, and comes again.
fn one_that_was_replaced_commits_nothing(broker: &Broker) {
    let hasty = [("consumer.session.timeout.ms", "6000"), ("consumer.max.poll.interval.ms", "6000")];
    let (world, group) = (broker.world(&hasty), unique("replaced"));
    let (input, out) = (broker.topic("replaced-in", 1, &[]), broker.topic("replaced-out", 1, &[]));
    let mut outlet = world.outlet("fill").unwrap();
    fill(&mut outlet, &input, 5);
    outlet.settle().unwrap();
    let join = |instance| {
        world.join_group(&group, instance, std::slice::from_ref(&input), Delivery::ExactlyOnce).unwrap()
    };
    let mut slow = join(0);
    read_five(&mut slow);
    slow.send(&record(&out, b"by the slow")).unwrap();
    slow.settle().unwrap();
    let mut next = join(1);
    read_five(&mut next);
    let refused = slow.commit(&[(0, P0, Offset(5))]).unwrap_err();
    assert_eq!(refused.action(), Action::Retry, "{refused}");
    slow.abort().unwrap();
    next.send(&record(&out, b"by the next")).unwrap();
    next.settle().unwrap();
    next.commit(&[(0, P0, Offset(5))]).unwrap();
    until("the slow one learns of it", || {
        let event = poll(&mut slow).unwrap();
        let is_lost = matches!(event, Polled::Lost(_));
        take(&mut slow, &event);
        is_lost
    });
    next.leave();
    fill(&mut outlet, &input, 1);
    outlet.settle().unwrap();
    until("it owns the partition again, and goes on", || {
        let event = poll(&mut slow).unwrap();
        take(&mut slow, &event);
        event == Polled::Records(1)
    });
    slow.send(&record(&out, b"by the slow, come again")).unwrap();
    slow.settle().unwrap();
    slow.commit(&[(0, P0, Offset(6))]).unwrap();
    assert_eq!(values(&world, &out, 2), ["by the next", "by the slow, come again"]);
}

fn read_five(member: &mut KafkaGroup) {
    let mut read = 0;
    until("all is read", || {
        match poll(member).unwrap() {
            Polled::Records(count) => read += count,
            event => take(member, &event),
        }
        read == 5
    });
}

/// Answers an event as a worker does.
fn take(member: &mut KafkaGroup, event: &Polled) {
    match event {
        Polled::Records(_) => {}
        Polled::Assigned(partitions) => {
            member.accept(partitions).unwrap();
            for partition in partitions {
                member.start(*partition).unwrap();
            }
        }
        Polled::Revoked(partitions) | Polled::Lost(partitions) => {
            member.abort().unwrap();
            member.release(partitions).unwrap();
        }
    }
}

/// The first records that readers see in a topic.
fn values(world: &impl World, topic: &TopicName, count: usize) -> Vec<String> {
    let mut tail = world.tail("values", std::slice::from_ref(topic)).unwrap();
    let mut seen = Vec::new();
    until("all is decided", || tail.add(0, P0, Start::Earliest).is_ok());
    until("the records can be seen", || {
        tail.poll(WAIT, 100, |record| {
            seen.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
        seen.len() >= count
    });
    seen
}

/// A member of a name that ends and comes back within its session's time-out has its partitions as before, and the other
/// member hears nothing of it.
fn one_that_is_named_comes_back_without_a_rebalance(broker: &Broker) {
    let (topic, group) = (broker.topic("named", 2, &[]), unique("named"));
    let join = |name: &str| {
        let world = KafkaWorld::without_tables(broker.log(&[]).with_instance_id(name));
        world.join_group(&group, 0, std::slice::from_ref(&topic), Delivery::AtLeastOnce).unwrap()
    };
    let (mut first, mut owned) = (join("one"), BTreeSet::new());
    until("the first has both", || {
        follow(&mut first, &mut owned);
        owned.len() == 2
    });
    let (mut second, mut others) = (join("other"), BTreeSet::new());
    until("they share", || {
        follow(&mut first, &mut owned);
        follow(&mut second, &mut others);
        owned.len() == 1 && others.len() == 1
    });
    tells_who_is_in_it(broker, &group, &owned);
    drop(first);
    let (mut again, mut back) = (join("one"), BTreeSet::new());
    until("it is back", || {
        assert!(
            matches!(poll(&mut second).unwrap(), Polled::Records(_)),
            "the other is not asked for anything"
        );
        follow(&mut again, &mut back);
        !back.is_empty()
    });
    assert_eq!(back, owned, "what it had");
}

/// A group's members are told by process, and one's own among them.
fn tells_who_is_in_it(broker: &Broker, group: &str, owned: &BTreeSet<Partition>) {
    let world = KafkaWorld::without_tables(broker.log(&[]).with_instance_id("one"));
    let mut members = Vec::new();
    until("the group tells", || {
        std::thread::sleep(WAIT);
        members = world.members(group).unwrap_or_default().unwrap_or_default();
        members.len() == 2
    });
    let here: Vec<_> = members.iter().filter(|member| member.is_here).collect();
    assert_eq!(here.len(), 1, "{members:?}");
    assert_eq!(here[0].partitions, owned.iter().copied().collect::<Vec<_>>(), "{members:?}");
}

/// One poll, whose event is answered.
fn follow(member: &mut KafkaGroup, owned: &mut BTreeSet<Partition>) {
    match poll(member).unwrap() {
        Polled::Records(_) => {}
        Polled::Assigned(partitions) => {
            member.accept(&partitions).unwrap();
            owned.extend(partitions);
        }
        Polled::Revoked(partitions) | Polled::Lost(partitions) => {
            member.release(&partitions).unwrap();
            owned.retain(|one| !partitions.contains(one));
        }
    }
}

fn inputs_that_grow_apart_stop_the_member(broker: &Broker, grows: usize) {
    let world = broker.world(&[("consumer.topic.metadata.refresh.interval.ms", "200")]);
    let inputs = ["left", "right"].map(|side| broker.topic(&format!("apart-{grows}-{side}"), 2, &[]));
    let mut member =
        world.join_group(&unique(&format!("apart-{grows}")), 0, &inputs, Delivery::AtLeastOnce).unwrap();
    assert!(matches!(event(&mut member), Polled::Assigned(_)));
    member.accept(&[P0, Partition::new(1)]).unwrap();
    member.start(P0).unwrap();
    add_partition(broker, &inputs[grows]);
    let mut said = None;
    until("it stops", || {
        match poll(&mut member) {
            Ok(Polled::Revoked(partitions)) => member.release(&partitions).unwrap(),
            Ok(_) => {}
            Err(error) => said = Some(error),
        }
        said.is_some()
    });
    let said = said.unwrap();
    assert_eq!(said.action(), Action::Stop);
    let text = said.to_string();
    assert!(
        text.contains(&format!("{} 3", inputs[grows])) && text.contains(&format!("{} 2", inputs[1 - grows])),
        "{text}"
    );
}

fn add_partition(broker: &Broker, topic: &TopicName) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", broker.brokers()).create().unwrap();
    let wider = NewPartitions::new(topic.as_str(), 3);
    let answers = pollster::block_on(admin.create_partitions([&wider], &AdminOptions::new())).unwrap();
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

const SWIFT: [(&str, &str); 2] = [
    ("consumer.topic.metadata.refresh.interval.ms", "200"),
    ("consumer.topic.metadata.propagation.max.ms", "1000"),
];

/// A member that has read five records of a topic.
fn has_read_five(broker: &Broker, name: &str) -> (KafkaWorld<NoTables>, KafkaGroup, TopicName) {
    let (world, input) = (broker.world(&SWIFT), broker.topic(name, 1, &[]));
    let mut outlet = world.outlet("fill").unwrap();
    fill(&mut outlet, &input, 5);
    outlet.settle().unwrap();
    let inputs = std::slice::from_ref(&input);
    let mut member = world.join_group(&unique(name), 0, inputs, Delivery::AtLeastOnce).unwrap();
    read_five(&mut member);
    member.commit(&[(0, P0, Offset(5))]).unwrap();
    (world, member, input)
}

/// What ends a member, and how many records it handed over before.
fn ends(member: &mut KafkaGroup) -> (String, usize) {
    let (mut said, mut records) = (None, 0);
    until("it stops", || {
        match poll(member) {
            Ok(Polled::Records(count)) => records += count,
            Ok(event) => take(member, &event),
            Err(error) => {
                assert_eq!(error.action(), Action::Stop, "{error}");
                said = Some(error.to_string());
            }
        }
        said.is_some()
    });
    (said.unwrap(), records)
}

fn an_input_that_is_deleted_stops_the_member(broker: &Broker) {
    let (world, mut member, input) = has_read_five(broker, "deleted");
    world.delete_topic(&input).unwrap();
    let (said, records) = ends(&mut member);
    assert!(said.contains(&format!("input '{input}'")) && said.contains("does not exist any more"), "{said}");
    assert_eq!(records, 0);
}

/// The new records have offsets that the member knows of the old ones: it reads them all, or says that it can't go on.
fn an_input_that_is_made_anew_is_not_passed_over(broker: &Broker) {
    let (world, mut member, input) = has_read_five(broker, "anew");
    world.delete_topic(&input).unwrap();
    let settings = std::collections::BTreeMap::new();
    let spec = TopicSpec { name: input.clone(), partitions: 1, replication: None, settings };
    until("it is there again", || world.create_topic(&spec).is_ok());
    let mut outlet = world.outlet("fill again").unwrap();
    fill(&mut outlet, &input, 3);
    outlet.settle().unwrap();
    let (mut said, mut records) = (None, 0);
    until("they are read, or it stops", || {
        match poll(&mut member) {
            Ok(Polled::Records(count)) => records += count,
            Ok(event) => take(&mut member, &event),
            Err(error) => said = Some(error.to_string()),
        }
        said.is_some() || records == 3
    });
    assert!(
        said.as_ref().is_none_or(|said| said.contains("begins anew") || said.contains("not exist any more")),
        "{said:?}"
    );
}

/// By either protocol, though the client can't read who is in a group of the newer one.
fn one_that_is_at_work_is_seen_from_outside(broker: &Broker) {
    let (topic, other) = (broker.topic("seen", 1, &[]), broker.topic("beside", 1, &[]));
    for properties in [&[][..], &[("group.protocol", "classic")]] {
        let (world, group) = (broker.world(properties), unique("seen"));
        let rests = || world.rests(&group, &other).unwrap();
        assert!(rests(), "nobody was ever in it");
        let mut member = join_and_start(&world, &group, 0, &topic);
        assert!(!rests());
        world.place(&group, &topic, &[(P0, Offset(3))]).unwrap_err();
        world.forget(&group).unwrap_err();
        member.leave();
        until("it has gone", rests);
        world.place(&group, &topic, &[(P0, Offset(3))]).unwrap();
        assert_eq!(world.positions(&group, &topic).unwrap(), [(P0, Offset(3))]);
        world.forget(&group).unwrap();
        assert_eq!(world.positions(&group, &topic).unwrap(), []);
        world.forget(&group).unwrap();
    }
}
