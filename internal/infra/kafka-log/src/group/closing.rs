//! How a member's client is closed, by which it leaves its group.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use rdkafka::consumer::BaseConsumer;

use crate::group::membership::GroupContext;

/// How long a client may take to close, which is a matter of milliseconds while brokers answer and while they are away.
const CLOSE_WAIT: Duration = Duration::from_secs(15);

/// More than the events that wait for a member that polls.
const EVENTS_MAX: usize = 100;

/// Takes in what waits for the member: rebalances that it has answered before it heard of them.
///
/// Once a client is closed, one that is heard of then is answered in vain: librdkafka (2.12) drops the answer of a group that
/// is over (`rd_kafka_cgrp_op_serve`), and whoever gives it waits for ever. With brokers away a group is over at once.
pub(super) fn hear_out(consumer: &BaseConsumer<GroupContext>) {
    let mut silent = 0;
    while silent < EVENTS_MAX {
        // An event that is no record is no news here, but there may be another behind it.
        silent = if consumer.poll(Duration::ZERO).is_some() { 0 } else { silent + 1 };
    }
}

/// Closes a client, or leaves it to itself where that never ends: a program that is to end must.
pub(super) fn close(consumer: Arc<BaseConsumer<GroupContext>>, group: &str) {
    let (tell, closed) = channel::<()>();
    let work = move || {
        drop(consumer);
        drop(tell);
    };
    // Where there is no thread to be had, the client is closed with what was meant for it.
    drop(thread::Builder::new().name("closing".to_owned()).spawn(work));
    if closed.recv_timeout(CLOSE_WAIT) == Err(RecvTimeoutError::Timeout) {
        tracing::warn!(
            group,
            "a member's client does not close; its group will miss it when its session is over"
        );
    }
}
