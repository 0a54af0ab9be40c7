//! Offsets that groups commit and ask for.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest,
    OffsetFetchResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use millstream_cluster::{Committed, Offsets, Place};

use super::errors::{of_fault, of_storage};
use super::groups::identity;
use super::{Call, text};
use crate::groups::{Entry, committed_fact};
use crate::journal::Fact;
use crate::state::{State, locked};

/// Bytes that a consumer may note with an offset.
pub(super) const METADATA_MAX: usize = 4_096;

/// An offset, if it may be committed.
pub(super) fn checked(
    state: &State,
    topic: &str,
    partition: i32,
    offset: (i64, i32),
    metadata: Option<&StrBytes>,
) -> Result<(Place, Committed), ResponseError> {
    let metadata = metadata.map(ToString::to_string).unwrap_or_default();
    if metadata.len() > METADATA_MAX {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    if state.topics.partition(topic, partition).is_none() {
        return Err(ResponseError::UnknownTopicOrPartition);
    }
    let (offset, leader_epoch) = offset;
    Ok(((topic.to_owned(), partition), Committed { offset, leader_epoch, metadata }))
}

pub(super) fn commit(call: &Call<'_>, request: &OffsetCommitRequest) -> OffsetCommitResponse {
    let (state, now) = (call.state, call.state.clock.now());
    let member = identity(
        &request.member_id,
        request.group_instance_id.as_ref(),
        request.generation_id_or_member_epoch,
    );
    let mut groups = state.groups.lock();
    let entry = groups.all.entry(request.group_id.to_string()).or_default();
    let allowed = entry.group.may_commit(now, member).map_err(of_fault);
    let (mut facts, mut places) = (Vec::new(), Vec::new());
    let mut one =
        |topic: &str,
         asked: &kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition| {
            allowed?;
            let offset = (asked.committed_offset, asked.committed_leader_epoch);
            let metadata = asked.committed_metadata.as_ref();
            let (place, at) = checked(state, topic, asked.partition_index, offset, metadata)?;
            facts.push(committed_fact(&request.group_id, &place, &at));
            places.push((place, at));
            Ok(())
        };
    let mut topics: Vec<_> = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let partitions = topic.partitions.iter().map(|asked| {
            let response =
                OffsetCommitResponsePartition::default().with_partition_index(asked.partition_index);
            response.with_error_code(super::errors::code(&one(&topic.name, asked)))
        });
        let partitions = partitions.collect();
        topics.push(
            OffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions),
        );
    }
    let written = locked(&state.journal).write(&facts);
    if let Err(failure) = written {
        let code = of_storage(&failure).code();
        topics.iter_mut().flat_map(|topic| &mut topic.partitions).for_each(|each| each.error_code = code);
    } else {
        for (place, at) in places {
            entry.offsets.commit(place, at);
        }
    }
    groups.hand_out(&request.group_id);
    OffsetCommitResponse::default().with_topics(topics)
}

/// One partition's answer, whatever the version's name for it.
struct Told {
    partition: i32,
    offset: i64,
    epoch: i32,
    metadata: StrBytes,
    code: i16,
}

fn tell(offsets: Option<&Offsets>, topic: &str, partition: i32, stable: bool) -> Told {
    let place = (topic.to_owned(), partition);
    let none = Told { partition, offset: -1, epoch: -1, metadata: StrBytes::new(), code: 0 };
    let Some(offsets) = offsets else { return none };
    if stable && offsets.is_unstable(&place) {
        return Told { code: ResponseError::UnstableOffsetCommit.code(), ..none };
    }
    let Some(at) = offsets.get(&place) else { return none };
    Told { offset: at.offset, epoch: at.leader_epoch, metadata: text(at.metadata.as_str()), ..none }
}

/// All places of a group, by topic.
fn all_places(offsets: Option<&Offsets>) -> Vec<(TopicName, Vec<i32>)> {
    let mut topics = Vec::<(TopicName, Vec<i32>)>::new();
    for ((topic, partition), _) in offsets.into_iter().flat_map(Offsets::all) {
        match topics.last_mut() {
            Some((name, partitions)) if name.as_str() == topic => partitions.push(*partition),
            _ => topics.push((TopicName(text(topic.as_str())), vec![*partition])),
        }
    }
    topics
}

pub(super) fn fetch(call: &Call<'_>, request: &OffsetFetchRequest) -> OffsetFetchResponse {
    let groups = call.state.groups.lock();
    let offsets = |group: &str| groups.all.get(group).map(|entry| &entry.offsets);
    if call.version() < 8 {
        let offsets = offsets(&request.group_id);
        let asked = request
            .topics
            .as_ref()
            .map(|topics| topics.iter().map(|each| (each.name.clone(), each.partition_indexes.clone())));
        let asked = asked.map_or_else(|| all_places(offsets), Iterator::collect);
        let topics = asked.into_iter().map(|(name, partitions)| {
            let told = partitions.into_iter().map(|partition| {
                let told = tell(offsets, &name, partition, request.require_stable);
                OffsetFetchResponsePartition::default()
                    .with_partition_index(told.partition)
                    .with_committed_offset(told.offset)
                    .with_committed_leader_epoch(told.epoch)
                    .with_metadata(Some(told.metadata))
                    .with_error_code(told.code)
            });
            let told = told.collect();
            OffsetFetchResponseTopic::default().with_name(name).with_partitions(told)
        });
        return OffsetFetchResponse::default().with_topics(topics.collect());
    }
    let told = request.groups.iter().map(|group| {
        let offsets = offsets(&group.group_id);
        let asked = group
            .topics
            .as_ref()
            .map(|topics| topics.iter().map(|each| (each.name.clone(), each.partition_indexes.clone())));
        let asked = asked.map_or_else(|| all_places(offsets), Iterator::collect);
        let topics = asked.into_iter().map(|topic| topic_of_group(offsets, topic, request.require_stable));
        let topics = topics.collect();
        OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone()).with_topics(topics)
    });
    OffsetFetchResponse::default().with_groups(told.collect())
}

fn topic_of_group(
    offsets: Option<&Offsets>,
    (name, partitions): (TopicName, Vec<i32>),
    stable: bool,
) -> OffsetFetchResponseTopics {
    let told = partitions.into_iter().map(|partition| {
        let told = tell(offsets, &name, partition, stable);
        OffsetFetchResponsePartitions::default()
            .with_partition_index(told.partition)
            .with_committed_offset(told.offset)
            .with_committed_leader_epoch(told.epoch)
            .with_metadata(Some(told.metadata))
            .with_error_code(told.code)
    });
    let told = told.collect();
    OffsetFetchResponseTopics::default().with_name(name).with_partitions(told)
}

pub(super) fn delete(call: &Call<'_>, request: &OffsetDeleteRequest) -> OffsetDeleteResponse {
    let mut groups = call.state.groups.lock();
    let Some(entry) = groups.all.get_mut(request.group_id.as_str()) else {
        return OffsetDeleteResponse::default().with_error_code(ResponseError::GroupIdNotFound.code());
    };
    if !entry.group.is_empty() && entry.group.protocol_type() != Some("consumer") {
        return OffsetDeleteResponse::default().with_error_code(ResponseError::NonEmptyGroup.code());
    }
    let (subscribed, mut facts) = (subscribed(entry), Vec::new());
    let topics = request.topics.iter().map(|topic| {
        let is_read = subscribed.iter().any(|name| *name == topic.name.as_str());
        let partitions = topic.partitions.iter().map(|asked| {
            let response =
                OffsetDeleteResponsePartition::default().with_partition_index(asked.partition_index);
            if is_read {
                return response.with_error_code(ResponseError::GroupSubscribedToTopic.code());
            }
            let (group, topic, partition) =
                (request.group_id.to_string(), topic.name.to_string(), asked.partition_index);
            entry.offsets.forget(&(topic.clone(), partition));
            facts.push(Fact::Forgotten { group, topic, partition });
            response
        });
        let partitions = partitions.collect();
        OffsetDeleteResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions)
    });
    let topics = topics.collect();
    let code =
        locked(&call.state.journal).write(&facts).map_or_else(|failure| of_storage(&failure).code(), |()| 0);
    groups.hand_out(&request.group_id);
    OffsetDeleteResponse::default().with_topics(topics).with_error_code(code)
}

/// The topics that a group's consumers have subscribed to, from what they said when they joined: a version, and a list of
/// strings (`ConsumerProtocolSubscription`).
fn subscribed(entry: &Entry) -> Vec<String> {
    let members = entry.group.subscriptions();
    let topics = members.iter().flat_map(|said| read_subscription(said).unwrap_or_default());
    topics.collect()
}

fn read_subscription(said: &[u8]) -> Option<Vec<String>> {
    let (_, rest) = said.split_first_chunk::<2>()?;
    let (count, mut rest) = rest.split_first_chunk::<4>()?;
    let mut topics = Vec::new();
    for _ in 0..i32::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (name, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        topics.push(String::from_utf8(name.to_vec()).ok()?);
        rest = after;
    }
    Some(topics)
}
