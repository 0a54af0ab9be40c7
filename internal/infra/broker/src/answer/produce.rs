//! Batches that come in.

use std::io;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};
use millstream_cluster::{Grant, Part, Verdict};

use super::errors::{of_fault, of_storage};
use super::{Call, text};
use crate::state::{State, locked};
use crate::storage::batch::{self, BatchError, Head};
use crate::storage::log::Log;
use crate::storage::{compression, records};
use crate::topic_settings::TopicSettings;

type Refusal = (ResponseError, String);

/// A batch that is in the log.
struct Done {
    base_offset: i64,
    append_time: i64,
    start: i64,
}

/// Answers nobody who wants no answer; such a client learns of a refusal by the connection's end.
pub(super) fn produce(call: &Call<'_>, request: &ProduceRequest) -> io::Result<Option<ProduceResponse>> {
    let (acks, mut refused) = (request.acks, None);
    let transactional_id = request.transactional_id.as_ref().map(|id| id.as_str());
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for topic in &request.topic_data {
        let mut partitions = Vec::with_capacity(topic.partition_data.len());
        for partition in &topic.partition_data {
            let place = (topic.name.as_str(), partition.index);
            let done = if matches!(acks, -1..=1) {
                produce_one(call.state, transactional_id, place, partition.records.as_ref())
            } else {
                Err((ResponseError::InvalidRequiredAcks, "acks are -1, 0 or 1".to_owned()))
            };
            refused = refused.or(done.as_ref().err().cloned());
            partitions.push(told(partition.index, done));
        }
        let response = TopicProduceResponse::default().with_name(topic.name.clone());
        responses.push(response.with_partition_responses(partitions));
    }
    match (acks, refused) {
        (0, Some((error, said))) => Err(io::Error::other(format!("{error}: {said}"))),
        (0, None) => Ok(None),
        _ => Ok(Some(ProduceResponse::default().with_responses(responses))),
    }
}

fn told(index: i32, done: Result<Done, Refusal>) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index);
    match done {
        Ok(done) => response
            .with_base_offset(done.base_offset)
            .with_log_append_time_ms(done.append_time)
            .with_log_start_offset(done.start),
        Err((error, said)) => response
            .with_error_code(error.code())
            .with_error_message(Some(text(said)))
            .with_base_offset(-1)
            .with_log_append_time_ms(-1)
            .with_log_start_offset(-1),
    }
}

fn produce_one(
    state: &State,
    transactional_id: Option<&str>,
    (topic, number): (&str, i32),
    records: Option<&Bytes>,
) -> Result<Done, Refusal> {
    let unknown = || (ResponseError::UnknownTopicOrPartition, format!("there is no {topic}/{number}"));
    let partition = state.topics.partition(topic, number).ok_or_else(unknown)?;
    let records = records.map(Bytes::as_ref).unwrap_or_default();
    let head = Head::read_proven(records).map_err(of_batch)?;
    check(&head, records)?;
    let done = {
        let mut log = partition.log();
        let (mut head, mut batch) = prepare(log.settings(), head, records, state)?;
        if let Some(done) = check_producer(state, &log, &head, transactional_id, (topic, number))? {
            return Ok(done);
        }
        let append_time = if log.settings().append_time { state.clock.timestamp() } else { -1 };
        if append_time >= 0 {
            batch::set_append_time(&mut batch, head.attributes, append_time);
            head = Head::read(&batch).map_err(of_batch)?;
        }
        let appended = log.append(&head, &mut batch, state.clock.now());
        let base_offset = appended.map_err(|failure| (of_storage(&failure), failure.to_string()))?;
        Done { base_offset, append_time, start: log.start() }
    };
    partition.waiters.ring();
    Ok(done)
}

fn of_batch(error: BatchError) -> Refusal {
    let refusal = match error {
        BatchError::Short | BatchError::Checksum => ResponseError::CorruptMessage,
        BatchError::Magic(_) => ResponseError::UnsupportedForMessageFormat,
        BatchError::Nonsense => ResponseError::InvalidRecord,
    };
    (refusal, error.to_string())
}

/// What holds of every batch that a client may send.
fn check(head: &Head, records: &[u8]) -> Result<(), Refusal> {
    let invalid = |said: &str| Err((ResponseError::InvalidRecord, said.to_owned()));
    if head.size != records.len() {
        return invalid("a request carries one batch for a partition");
    }
    if head.is_control() {
        return invalid("clients do not write markers");
    }
    if head.count != head.last_delta.saturating_add(1) {
        return invalid("the batch's offsets and the number of its records differ");
    }
    if head.producer < 0 && head.is_transactional() {
        return invalid("a transaction needs a producer id");
    }
    if head.producer >= 0 && (head.epoch < 0 || head.sequence < 0) {
        return invalid("a producer id needs an epoch and a sequence");
    }
    Ok(())
}

/// The batch as the topic wants it.
fn prepare(
    settings: &TopicSettings,
    head: Head,
    records: &[u8],
    state: &State,
) -> Result<(Head, Vec<u8>), Refusal> {
    if head.size > settings.max_message_bytes {
        let said = format!(
            "a batch of {} bytes is larger than max.message.bytes allows, {}",
            head.size, settings.max_message_bytes
        );
        return Err((ResponseError::MessageTooLarge, said));
    }
    let ahead = head.max_timestamp.saturating_sub(state.clock.timestamp());
    if !settings.append_time && (ahead > settings.after_max_ms || -ahead > settings.before_max_ms) {
        let said = format!("the time {} is too far from now", head.max_timestamp);
        return Err((ResponseError::InvalidTimestamp, said));
    }
    let recompress = settings.codec.filter(|codec| *codec != head.codec());
    if !settings.compacts && recompress.is_none() {
        return Ok((head, records.to_vec()));
    }
    let broken = |error: io::Error| (ResponseError::CorruptMessage, error.to_string());
    let opened = records::open(&head, records).map_err(broken)?;
    if settings.compacts
        && !records::each(&opened).all(|record| record.is_some_and(|record| record.key.is_some()))
    {
        return Err((
            ResponseError::InvalidRecord,
            "a compacted topic takes records with keys only".to_owned(),
        ));
    }
    let Some(codec) = recompress else { return Ok((head, records.to_vec())) };
    let closed = compression::close(codec, &opened).map_err(broken)?;
    let batch = batch::write(&head.with_codec(codec), &closed);
    Ok((Head::read(&batch).map_err(of_batch)?, batch))
}

/// Whether the batch is its producer's next; answers where it is, if it is there already.
fn check_producer(
    state: &State,
    log: &Log,
    head: &Head,
    transactional_id: Option<&str>,
    (topic, number): (&str, i32),
) -> Result<Option<Done>, Refusal> {
    if head.producer < 0 {
        return Ok(None);
    }
    let refused = |fault| (of_fault(fault), format!("{topic}/{number}: {fault}"));
    let last = millstream_cluster::Producers::last_sequence(head.sequence, head.last_delta);
    let verdict = log.producers().check(head.producer, head.epoch, head.sequence, last);
    if let Verdict::Duplicate { base_offset } = verdict.map_err(refused)? {
        return Ok(Some(Done { base_offset, append_time: -1, start: log.start() }));
    }
    if head.is_transactional() && log.producers().open(head.producer).is_none() {
        let id = transactional_id.unwrap_or_default();
        let grant = Grant { producer: head.producer, epoch: head.epoch };
        let part = Part::Partition(topic.to_owned(), number);
        locked(&state.coordinator).transactions.holds(id, grant, &part).map_err(refused)?;
    }
    Ok(None)
}
