//! Batches that go out, waited for where there are none yet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse, ProducerId};

use super::Call;
use super::errors::of_storage;
use crate::fetch_wait::Waiter;
use crate::topics::{Partition, Topic};

/// Bytes of one answer, whatever a client asks for.
const BYTES_MAX: usize = 55 << 20;

/// What an answer has gathered so far.
struct Gathered {
    bytes: usize,
    refused: bool,
    responses: Vec<FetchableTopicResponse>,
}

/// No sessions are kept: each request names all that it wants (KIP-227 lets a broker decline).
pub(super) fn fetch(call: &Call<'_>, request: &FetchRequest) -> FetchResponse {
    if request.session_id != 0 {
        return FetchResponse::default().with_error_code(ResponseError::FetchSessionIdNotFound.code());
    }
    let found: Vec<_> = request.topics.iter().map(|topic| find(call, topic)).collect();
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let deadline = Instant::now() + wait;
    let enough = usize::try_from(request.min_bytes).unwrap_or(0);
    let mut gathered = gather(call, request, &found);
    if gathered.bytes < enough && !gathered.refused && !wait.is_zero() {
        let waiter = Arc::new(Waiter::default());
        let places = places(request, &found);
        for partition in &places {
            partition.waiters.add(&waiter);
        }
        loop {
            // Once more, as something may have come before the waiter was there.
            gathered = gather(call, request, &found);
            let done = gathered.bytes >= enough || gathered.refused || call.state.is_stopping();
            if done || !waiter.wait(deadline) {
                break;
            }
        }
        for partition in &places {
            partition.waiters.remove(&waiter);
        }
    }
    FetchResponse::default().with_responses(gathered.responses)
}

fn find(call: &Call<'_>, topic: &FetchTopic) -> Option<Arc<Topic>> {
    if call.version() >= 13 {
        call.state.topics.find_id(topic.topic_id)
    } else {
        call.state.topics.find(&topic.topic)
    }
}

fn places(request: &FetchRequest, found: &[Option<Arc<Topic>>]) -> Vec<Arc<Partition>> {
    let of_topic = |(asked, topic): (&FetchTopic, &Option<Arc<Topic>>)| {
        let numbers = asked.partitions.iter().map(|partition| partition.partition);
        numbers.filter_map(|number| topic.as_ref()?.partition(number)).collect::<Vec<_>>()
    };
    request.topics.iter().zip(found).flat_map(of_topic).collect()
}

fn gather(call: &Call<'_>, request: &FetchRequest, found: &[Option<Arc<Topic>>]) -> Gathered {
    call.rooms.borrow_mut().clear();
    let mut gathered = Gathered { bytes: 0, refused: false, responses: Vec::with_capacity(found.len()) };
    let most = usize::try_from(request.max_bytes).unwrap_or(0).min(BYTES_MAX);
    for (asked, topic) in request.topics.iter().zip(found) {
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for partition in &asked.partitions {
            let room = most.saturating_sub(gathered.bytes);
            let data = read(call, request, topic.as_deref(), partition, room, gathered.bytes == 0);
            gathered.bytes += data.records.as_ref().map_or(0, Bytes::len);
            gathered.refused |= data.error_code != 0;
            partitions.push(data);
        }
        let response = FetchableTopicResponse::default().with_partitions(partitions);
        gathered.responses.push(response.with_topic(asked.topic.clone()).with_topic_id(asked.topic_id));
    }
    gathered
}

/// Reads from one partition, at most `room` bytes; but one batch at least where it is the answer's `first`.
fn read(
    call: &Call<'_>,
    request: &FetchRequest,
    topic: Option<&Topic>,
    asked: &FetchPartition,
    room: usize,
    first: bool,
) -> PartitionData {
    let data = PartitionData::default()
        .with_partition_index(asked.partition)
        .with_preferred_read_replica(BrokerId(-1))
        .with_high_watermark(-1)
        .with_last_stable_offset(-1)
        .with_log_start_offset(-1)
        .with_records(Some(Bytes::new()));
    let unknown = if call.version() >= 13 {
        ResponseError::UnknownTopicId
    } else {
        ResponseError::UnknownTopicOrPartition
    };
    let Some(topic) =
        topic.filter(|topic| call.state.topics.find(&topic.name).is_some_and(|now| now.id == topic.id))
    else {
        return data.with_error_code(unknown.code());
    };
    let Some(partition) = topic.partition(asked.partition) else {
        return data.with_error_code(ResponseError::UnknownTopicOrPartition.code());
    };
    if asked.current_leader_epoch > 0 {
        return data.with_error_code(ResponseError::UnknownLeaderEpoch.code());
    }
    let max = usize::try_from(asked.partition_max_bytes).unwrap_or(0).min(room);
    read_log(call, &partition, asked.fetch_offset, request.isolation_level == 1, (max, first), data)
}

fn read_log(
    call: &Call<'_>,
    partition: &Partition,
    offset: i64,
    committed_only: bool,
    (max, first): (usize, bool),
    data: PartitionData,
) -> PartitionData {
    let log = partition.log();
    let data = data
        .with_high_watermark(log.next())
        .with_last_stable_offset(log.stable())
        .with_log_start_offset(log.start());
    if !(log.start()..=log.next()).contains(&offset) {
        return data.with_error_code(ResponseError::OffsetOutOfRange.code());
    }
    let limit = if committed_only { log.stable() } else { log.next() };
    let stretch = log.stretch(offset, limit);
    let aborted = log.producers().aborted_between(offset, limit);
    // What is read from the file now is not what others wait for.
    drop(log);
    let aborted = aborted.into_iter().map(|each| {
        let transaction = AbortedTransaction::default().with_producer_id(ProducerId(each.producer));
        transaction.with_first_offset(each.first_offset)
    });
    let data = data.with_aborted_transactions(committed_only.then(|| aborted.collect()));
    let read = stretch.and_then(|stretch| {
        let stretch = stretch.filter(|stretch| has_room(call, stretch.size().min(max)));
        stretch.map(|stretch| stretch.read(max, first)).transpose()
    });
    match read {
        Ok(records) => data.with_records(Some(Bytes::from(records.unwrap_or_default()))),
        Err(failure) => data.with_error_code(of_storage(&failure).code()),
    }
}

/// Takes room for what is read: the first of an answer waits for it, and others go without.
fn has_room(call: &Call<'_>, size: usize) -> bool {
    let mut rooms = call.rooms.borrow_mut();
    let answers = &call.state.answers;
    let room = if rooms.is_empty() { Some(answers.take(size)) } else { answers.try_take(size) };
    let has_room = room.is_some();
    rooms.extend(room);
    has_room
}
