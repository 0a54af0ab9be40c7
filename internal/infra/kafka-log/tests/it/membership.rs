//! Members that leave with questions open, that are taken for dead, and that are given parts of their inputs only.

use std::ops::ControlFlow;
use std::time::Duration;

use millstream_kafka_log::KafkaGroup;
use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{Action, Delivery, GroupLog, Outlet, Polled, PortError, World};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;

use crate::broker::{Broker, fill, unique, until};

const WAIT: Duration = Duration::from_millis(50);
const P0: Partition = Partition::new(0);

pub fn run(broker: &Broker) {
    leaves_with_a_question_open(broker);
    one_that_does_not_poll_is_lost(broker);
    inputs_that_grow_apart_stop_the_member(broker);
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

fn inputs_that_grow_apart_stop_the_member(broker: &Broker) {
    let world = broker.world(&[("consumer.topic.metadata.refresh.interval.ms", "200")]);
    let inputs = [broker.topic("grows", 2, &[]), broker.topic("stays", 2, &[])];
    let mut member = world.join_group(&unique("apart"), 0, &inputs, Delivery::AtLeastOnce).unwrap();
    assert!(matches!(event(&mut member), Polled::Assigned(_)));
    member.accept(&[P0, Partition::new(1)]).unwrap();
    add_partition(broker, &inputs[0]);
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
        text.contains(&format!("{} 3", inputs[0])) && text.contains(&format!("{} 2", inputs[1])),
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
