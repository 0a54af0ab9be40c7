//! A broker that goes away and comes back costs time, and nothing else.

use std::ops::ControlFlow;
use std::time::Duration;

use millstream_model::{Offset, Partition};
use millstream_ports::{Delivery, GroupLog, Outlet, Polled, World};

use crate::broker::{Broker, fill, record, unique, until};

const P0: Partition = Partition::new(0);

pub fn run(broker: &Broker) {
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
