//! A broker that goes away and comes back costs time, and nothing else.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use millstream_model::{Offset, Partition};
use millstream_ports::{Action, Delivery, GroupLog, Outlet, Polled, World};

use crate::broker::{Broker, fill, record, unique, until};

const P0: Partition = Partition::new(0);

pub fn run(broker: &Broker) {
    is_waited_out(broker);
    is_not_waited_out_by_who_is_called_off(broker);
    nor_are_acknowledgements(broker);
    nor_is_a_farewell(broker);
}

/// Of a member that was given its partition, and has not heard of it.
fn nor_is_a_farewell(broker: &Broker) {
    let topic = broker.topic("farewell", 1, &[]);
    let group = unique("farewell");
    let member =
        broker.world(&[]).join_group(&group, 0, std::slice::from_ref(&topic), Delivery::AtLeastOnce).unwrap();
    thread::sleep(Duration::from_secs(2));
    broker.interrupt(|| {
        thread::sleep(Duration::from_secs(1));
        let begun = Instant::now();
        drop(member);
        let took = begun.elapsed();
        println!("a member left in the dark in {took:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
    });
}

fn nor_are_acknowledgements(broker: &Broker) {
    let topic = broker.topic("unacknowledged", 1, &[]);
    let group = unique("unacknowledged");
    let mut member =
        broker.world(&[]).join_group(&group, 0, std::slice::from_ref(&topic), Delivery::AtLeastOnce).unwrap();
    fill(&mut member, &topic, 1);
    member.settle().unwrap();
    let was_away = broker.interrupt(|| {
        member.send(&record(&topic, b"in the dark")).unwrap();
        let begun = Instant::now();
        member.heed(Arc::new(move || begun.elapsed() > Duration::from_secs(1)));
        let error = member.settle().unwrap_err();
        assert_eq!(error.action(), Action::Retry, "{error}");
        let took = begun.elapsed();
        assert!(took > Duration::from_secs(1) && took < Duration::from_secs(10), "{took:?}");
        member.heed(Arc::new(|| false));
    });
    if was_away {
        member.settle().unwrap();
    }
}

fn is_not_waited_out_by_who_is_called_off(broker: &Broker) {
    let topic = broker.topic("called-off", 1, &[]);
    let world = broker.world(&[]);
    let group = unique("called-off");
    let mut member =
        world.join_group(&group, 0, std::slice::from_ref(&topic), Delivery::ExactlyOnce).unwrap();
    let mut seen = Vec::new();
    until("it has its partition", || {
        turn(&mut member, &mut seen);
        member.send(&record(&topic, b"in the light")).is_ok()
    });
    member.commit(&[]).unwrap();
    broker.interrupt(|| {
        member.send(&record(&topic, b"in the dark")).unwrap();
        let begun = Instant::now();
        member.heed(Arc::new(move || begun.elapsed() > Duration::from_secs(1)));
        let error = member.commit(&[]).unwrap_err();
        assert_eq!(error.action(), Action::Retry, "{error}");
        if let Err(error) = member.abort() {
            assert_eq!(error.action(), Action::Retry, "{error}");
        }
        let took = begun.elapsed();
        assert!(took > Duration::from_secs(1) && took < Duration::from_secs(10), "{took:?}");
    });
}

fn is_waited_out(broker: &Broker) {
    let topic = broker.topic("outage", 1, &[]);
    let world = broker.world(&[("reconnect.backoff.max.ms", "500")]);
    let mut member =
        world.join_group(&unique("outage"), 0, std::slice::from_ref(&topic), Delivery::AtLeastOnce).unwrap();
    fill(&mut member, &topic, 10);
    member.settle().unwrap();
    let mut seen = Vec::new();
    until("all is read", || {
        turn(&mut member, &mut seen);
        seen.len() == 10
    });
    let was_away = broker.interrupt(|| {
        member.send(&record(&topic, b"in the dark")).unwrap();
        (0..40).for_each(|_| turn(&mut member, &mut seen));
    });
    if !was_away {
        println!("the broker is not ours to stop: no outage was tried");
        return;
    }
    member.settle().unwrap();
    until("what was sent in the dark is read", || {
        turn(&mut member, &mut seen);
        seen.last() == Some(&10)
    });
    until("what was read is committed", || {
        turn(&mut member, &mut seen);
        member.commit(&[(0, P0, Offset(11))]).is_ok()
    });
    seen.dedup();
    assert!(seen.iter().rev().take(11).rev().copied().eq(0..11), "each in order: {seen:?}");
}

fn turn(member: &mut impl GroupLog, seen: &mut Vec<i64>) {
    let polled = member.poll(Duration::from_millis(50), 100, |record| {
        seen.push(record.offset.0);
        ControlFlow::Continue(())
    });
    match polled.unwrap() {
        Polled::Records(_) => {}
        Polled::Assigned(partitions) => {
            member.accept(&partitions).unwrap();
            for partition in partitions {
                member.start(partition).unwrap();
            }
        }
        // The outage is shorter than the session, and the broker knows its members again.
        Polled::Revoked(_) | Polled::Lost(_) => panic!("the member lost its partitions"),
    }
}
