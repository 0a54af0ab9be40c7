//! Where partitions begin and end, and what was written when.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse, ListOffsetsRequest, ListOffsetsResponse,
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};

use super::Call;
use super::errors::of_storage;
use crate::state::State;
use crate::storage::log::{Log, Moment};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;
const EARLIEST_PENDING: i64 = -6;

const NOWHERE: Moment = Moment { timestamp: -1, offset: -1 };

/// The one leader's epoch.
const EPOCH: i32 = 0;

pub(super) fn list(call: &Call<'_>, request: &ListOffsetsRequest) -> ListOffsetsResponse {
    let committed_only = request.isolation_level == 1;
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let response =
                ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index);
            let place = (topic.name.as_str(), asked.partition_index);
            match find(call.state, place, asked.current_leader_epoch, asked.timestamp, committed_only) {
                Ok(moment) => {
                    let known = moment.offset >= 0 && call.version() >= 4;
                    let response = response.with_timestamp(moment.timestamp).with_offset(moment.offset);
                    response.with_leader_epoch(if known { EPOCH } else { -1 })
                }
                Err(error) => response.with_error_code(error.code()).with_timestamp(-1).with_offset(-1),
            }
        });
        let partitions = partitions.collect();
        ListOffsetsTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn find(
    state: &State,
    (topic, number): (&str, i32),
    epoch: i32,
    timestamp: i64,
    committed_only: bool,
) -> Result<Moment, ResponseError> {
    let partition = state.topics.partition(topic, number).ok_or(ResponseError::UnknownTopicOrPartition)?;
    if epoch > EPOCH {
        return Err(ResponseError::UnknownLeaderEpoch);
    }
    let log = partition.log();
    let limit = if committed_only { log.stable() } else { log.next() };
    look_up(&log, timestamp, limit)
}

fn look_up(log: &Log, timestamp: i64, limit: i64) -> Result<Moment, ResponseError> {
    let at = |offset| Moment { timestamp: -1, offset };
    let found = match timestamp {
        LATEST => return Ok(at(limit)),
        EARLIEST | EARLIEST_LOCAL | EARLIEST_PENDING => return Ok(at(log.start())),
        LATEST_TIERED => return Ok(NOWHERE),
        MAX_TIMESTAMP => log.find_latest_time(),
        timestamp if timestamp >= 0 => log.find_time(timestamp, limit),
        _ => return Err(ResponseError::UnsupportedVersion),
    };
    found.map(|moment| moment.unwrap_or(NOWHERE)).map_err(|failure| of_storage(&failure))
}

pub(super) fn for_leader_epoch(
    call: &Call<'_>,
    request: &OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let end = EpochEndOffset::default().with_partition(asked.partition);
            let Some(partition) = call.state.topics.partition(&topic.topic, asked.partition) else {
                return end.with_error_code(ResponseError::UnknownTopicOrPartition.code());
            };
            if asked.current_leader_epoch > EPOCH {
                return end.with_error_code(ResponseError::UnknownLeaderEpoch.code());
            }
            // All was written in the one epoch; of others nothing is known.
            let known = asked.leader_epoch == EPOCH;
            let offset = if known { partition.log().next() } else { -1 };
            end.with_leader_epoch(if known { EPOCH } else { -1 }).with_end_offset(offset)
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult::default().with_topic(topic.topic.clone()).with_partitions(partitions)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

pub(super) fn delete_records(call: &Call<'_>, request: &DeleteRecordsRequest) -> DeleteRecordsResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let result = DeleteRecordsPartitionResult::default().with_partition_index(asked.partition_index);
            match delete_before(call.state, &topic.name, asked.partition_index, asked.offset) {
                Ok(low) => result.with_low_watermark(low),
                Err(error) => result.with_low_watermark(-1).with_error_code(error.code()),
            }
        });
        let partitions = partitions.collect();
        DeleteRecordsTopicResult::default().with_name(topic.name.clone()).with_partitions(partitions)
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

/// -1 is the end.
fn delete_before(state: &State, topic: &str, number: i32, offset: i64) -> Result<i64, ResponseError> {
    let found = state.topics.find(topic).ok_or(ResponseError::UnknownTopicOrPartition)?;
    let partition = found.partition(number).ok_or(ResponseError::UnknownTopicOrPartition)?;
    let mut log = partition.log();
    if !log.settings().deletes {
        return Err(ResponseError::PolicyViolation);
    }
    let offset = if offset == -1 { log.next() } else { offset };
    if !(0..=log.next()).contains(&offset) {
        return Err(ResponseError::OffsetOutOfRange);
    }
    log.delete_before(offset).map_err(|failure| of_storage(&failure))
}
