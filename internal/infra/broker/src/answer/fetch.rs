//! Batches that go out, waited for where there are none yet.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::{AbortedTransaction, PartitionData};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse, ProducerId};

use super::errors::of_storage;
use super::{Answer, Call};
use crate::fetch_wait::Waiter;
use crate::storage::segment::Stretch;
use crate::topics::{Partition, Topic};

mod writing;

use writing::Part;

/// Bytes of one answer, whatever a client asks for.
const BYTES_MAX: usize = 55 << 20;

/// What an answer has gathered so far. Batches are found and not yet read.
struct Gathered<'a> {
    bytes: usize,
    refused: bool,
    topics: Vec<(&'a FetchTopic, Vec<Part>)>,
}

/// No sessions are kept: each request names all that it wants (KIP-227 lets a broker decline).
pub(super) fn fetch(call: &Call<'_>) -> Answer {
    let request: FetchRequest = call.decode()?;
    if request.session_id != 0 {
        let unknown = ResponseError::FetchSessionIdNotFound.code();
        return call.encode(&FetchResponse::default().with_error_code(unknown), call.version()).map(Some);
    }
    let gathered = wait(call, &request);
    writing::write(call.frame, &gathered.topics).map(Some)
}

/// Gathers until there is enough, or the time is over.
fn wait<'a>(call: &Call<'_>, request: &'a FetchRequest) -> Gathered<'a> {
    let found: Vec<_> = request.topics.iter().map(|topic| find(call, topic)).collect();
    let deadline = Instant::now() + Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let enough = usize::try_from(request.min_bytes).unwrap_or(0);
    let is_done = |gathered: &Gathered<'_>| gathered.bytes >= enough || gathered.refused;
    let mut gathered = gather(call, request, &found);
    if is_done(&gathered) || request.max_wait_ms <= 0 {
        return gathered;
    }
    let waiter = Arc::new(Waiter::default());
    let places = places(request, &found);
    for partition in &places {
        partition.waiters.add(&waiter);
    }
    loop {
        // Once more, as something may have come before the waiter was there.
        gathered = gather(call, request, &found);
        if is_done(&gathered) || call.state.is_stopping() || !waiter.wait(deadline) {
            break;
        }
    }
    for partition in &places {
        partition.waiters.remove(&waiter);
    }
    gathered
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

fn gather<'a>(call: &Call<'_>, request: &'a FetchRequest, found: &[Option<Arc<Topic>>]) -> Gathered<'a> {
    let mut gathered = Gathered { bytes: 0, refused: false, topics: Vec::with_capacity(found.len()) };
    let most = usize::try_from(request.max_bytes).unwrap_or(0).min(BYTES_MAX);
    for (asked, topic) in request.topics.iter().zip(found) {
        let mut parts = Vec::with_capacity(asked.partitions.len());
        for partition in &asked.partitions {
            let room = (most.saturating_sub(gathered.bytes), gathered.bytes == 0);
            let (data, stretch) = look(call, request, topic.as_deref(), partition, room);
            gathered.bytes += stretch.as_ref().map_or(0, Stretch::size);
            gathered.refused |= data.error_code != 0;
            parts.push((data, stretch));
        }
        gathered.topics.push((asked, parts));
    }
    gathered
}

/// Looks for batches in one partition, for as many bytes as there is room; but for one batch at least where it is the
/// answer's first.
fn look(
    call: &Call<'_>,
    request: &FetchRequest,
    topic: Option<&Topic>,
    asked: &FetchPartition,
    (room, first): (usize, bool),
) -> Part {
    let data = PartitionData::default()
        .with_partition_index(asked.partition)
        .with_preferred_read_replica(BrokerId(-1))
        .with_high_watermark(-1)
        .with_last_stable_offset(-1)
        .with_log_start_offset(-1)
        .with_records(Some(Bytes::new()));
    let refused = |error: ResponseError| (data.clone().with_error_code(error.code()), None);
    let is_there = |topic: &&Topic| call.state.topics.find(&topic.name).is_some_and(|now| now.id == topic.id);
    let Some(topic) = topic.filter(is_there) else {
        let by_id = call.version() >= 13;
        let unknown =
            if by_id { ResponseError::UnknownTopicId } else { ResponseError::UnknownTopicOrPartition };
        return refused(unknown);
    };
    let Some(partition) = topic.partition(asked.partition) else {
        return refused(ResponseError::UnknownTopicOrPartition);
    };
    if asked.current_leader_epoch > 0 {
        return refused(ResponseError::UnknownLeaderEpoch);
    }
    let max = usize::try_from(asked.partition_max_bytes).unwrap_or(0).min(room);
    look_in_log(&partition, asked.fetch_offset, request.isolation_level == 1, (max, first), data)
}

fn look_in_log(
    partition: &Partition,
    offset: i64,
    committed_only: bool,
    (max, first): (usize, bool),
    data: PartitionData,
) -> Part {
    let log = partition.log();
    let data = data
        .with_high_watermark(log.next())
        .with_last_stable_offset(log.stable())
        .with_log_start_offset(log.start());
    if !(log.start()..=log.next()).contains(&offset) {
        return (data.with_error_code(ResponseError::OffsetOutOfRange.code()), None);
    }
    let limit = if committed_only { log.stable() } else { log.next() };
    let stretch: io::Result<_> = log.part(offset, limit, max, first);
    let aborted = log.producers().aborted_between(offset, limit);
    drop(log);
    let aborted = aborted.into_iter().map(|each| {
        let transaction = AbortedTransaction::default().with_producer_id(ProducerId(each.producer));
        transaction.with_first_offset(each.first_offset)
    });
    let data = data.with_aborted_transactions(committed_only.then(|| aborted.collect()));
    match stretch {
        Ok(stretch) => (data, stretch),
        Err(failure) => (data.with_error_code(of_storage(&failure).code()), None),
    }
}
