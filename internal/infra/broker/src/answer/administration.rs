//! What administrators ask about groups, transactions, producers and disks.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeProducersRequest, DescribeProducersResponse,
    DescribeTransactionsRequest, DescribeTransactionsResponse, GroupId, ListGroupsRequest,
    ListGroupsResponse, ListTransactionsRequest, ListTransactionsResponse, ProducerId, TopicName,
    list_transactions_response,
};
use kafka_protocol::protocol::StrBytes;
use millstream_cluster::{DescribedMember, Part, TxnPhase};

use super::errors::of_storage;
use super::{Call, text};
use crate::groups::Entry;
use crate::journal::Fact;
use crate::state::{State, locked};

fn is_among(wanted: &[StrBytes], name: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|each| each.eq_ignore_ascii_case(name))
}

pub(super) fn list_groups(call: &Call<'_>, request: &ListGroupsRequest) -> ListGroupsResponse {
    let groups = call.state.groups.lock();
    let listed = groups.all.iter().map(|(id, entry)| (id, entry.group.describe()));
    let wanted = listed.filter(|(_, group)| {
        is_among(&request.states_filter, group.phase.name()) && is_among(&request.types_filter, "classic")
    });
    let listed = wanted.map(|(id, group)| {
        ListedGroup::default()
            .with_group_id(GroupId(text(id.as_str())))
            .with_protocol_type(text(group.protocol_type))
            .with_group_state(text(group.phase.name()))
            .with_group_type(text("classic"))
    });
    ListGroupsResponse::default().with_groups(listed.collect())
}

pub(super) fn describe_groups(call: &Call<'_>, request: &DescribeGroupsRequest) -> DescribeGroupsResponse {
    let groups = call.state.groups.lock();
    let one = |id: &GroupId| {
        let described = DescribedGroup::default().with_group_id(id.clone());
        match groups.all.get(id.as_str()) {
            Some(entry) => describe_group(described, entry),
            None if call.version() >= 6 => described
                .with_group_state(text("Dead"))
                .with_error_code(ResponseError::GroupIdNotFound.code())
                .with_error_message(Some(text(format!("Group {} not found.", id.as_str())))),
            None => described.with_group_state(text("Dead")),
        }
    };
    DescribeGroupsResponse::default().with_groups(request.groups.iter().map(one).collect())
}

fn describe_group(described: DescribedGroup, entry: &Entry) -> DescribedGroup {
    let group = entry.group.describe();
    let member = |member: DescribedMember| {
        DescribedGroupMember::default()
            .with_member_id(text(member.id))
            .with_group_instance_id(member.instance.map(text))
            .with_client_id(text(member.client_id))
            .with_client_host(text(member.client_host))
            .with_member_metadata(Bytes::from(member.metadata))
            .with_member_assignment(Bytes::from(member.assignment))
    };
    described
        .with_group_state(text(group.phase.name()))
        .with_protocol_type(text(group.protocol_type))
        .with_protocol_data(text(group.protocol))
        .with_members(group.members.into_iter().map(member).collect())
}

pub(super) fn delete_groups(call: &Call<'_>, request: &DeleteGroupsRequest) -> DeleteGroupsResponse {
    let one = |id: GroupId| {
        let done = delete_group(call.state, &id);
        DeletableGroupResult::default().with_error_code(super::errors::code(&done)).with_group_id(id)
    };
    DeleteGroupsResponse::default().with_results(request.groups_names.iter().cloned().map(one).collect())
}

fn delete_group(state: &State, id: &str) -> Result<(), ResponseError> {
    let mut groups = state.groups.lock();
    let entry = groups.all.get(id).ok_or(ResponseError::GroupIdNotFound)?;
    if !entry.group.is_empty() {
        return Err(ResponseError::NonEmptyGroup);
    }
    let forgotten = entry.offsets.all().map(|((topic, partition), _)| {
        let (group, topic, partition) = (id.to_owned(), topic.clone(), *partition);
        Fact::Forgotten { group, topic, partition }
    });
    let facts: Vec<_> = forgotten.collect();
    locked(&state.journal).write(&facts).map_err(|failure| of_storage(&failure))?;
    groups.all.remove(id);
    Ok(())
}

pub(super) fn describe_log_dirs(
    call: &Call<'_>,
    request: &DescribeLogDirsRequest,
) -> DescribeLogDirsResponse {
    let wanted = |topic: &str, number: i32| {
        let asked = request.topics.as_ref();
        asked.is_none_or(|asked| {
            asked.iter().any(|each| each.topic.as_str() == topic && each.partitions.contains(&number))
        })
    };
    let mut topics = Vec::new();
    for topic in call.state.topics.all() {
        let numbers = topic.numbers().filter(|number| wanted(&topic.name, *number));
        let sized = numbers.filter_map(|number| {
            let size = i64::try_from(topic.partition(number)?.log().size()).unwrap_or(i64::MAX);
            Some(DescribeLogDirsPartition::default().with_partition_index(number).with_partition_size(size))
        });
        let partitions: Vec<_> = sized.collect();
        if !partitions.is_empty() {
            let name = TopicName(text(topic.name.as_str()));
            topics.push(DescribeLogDirsTopic::default().with_name(name).with_partitions(partitions));
        }
    }
    let dir = text(call.state.settings.data.display().to_string());
    let result = DescribeLogDirsResult::default().with_log_dir(dir).with_topics(topics);
    DescribeLogDirsResponse::default().with_results(vec![result])
}

pub(super) fn describe_producers(
    call: &Call<'_>,
    request: &DescribeProducersRequest,
) -> DescribeProducersResponse {
    let topics = request.topics.iter().map(|topic| {
        let partitions =
            topic.partition_indexes.iter().map(|number| producers_of(call.state, &topic.name, *number));
        let partitions = partitions.collect();
        TopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions)
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

fn producers_of(state: &State, topic: &str, number: i32) -> PartitionResponse {
    let response = PartitionResponse::default().with_partition_index(number);
    let Some(partition) = state.topics.partition(topic, number) else {
        return response.with_error_code(ResponseError::UnknownTopicOrPartition.code());
    };
    let known = partition.log().producers().remember().into_iter().map(|known| {
        let last = known.batches.last().map_or(-1, |(_, last, _)| *last);
        ProducerState::default()
            .with_producer_id(ProducerId(known.producer))
            .with_producer_epoch(i32::from(known.epoch))
            .with_last_sequence(last)
            .with_last_timestamp(i64::try_from(known.at).unwrap_or(-1))
            .with_coordinator_epoch(0)
            .with_current_txn_start_offset(known.open.unwrap_or(-1))
    });
    response.with_active_producers(known.collect())
}

pub(super) fn describe_transactions(
    call: &Call<'_>,
    request: &DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let coordinator = locked(&call.state.coordinator);
    let states = request.transactional_ids.iter().map(|id| {
        let state = TransactionState::default().with_transactional_id(id.clone());
        let Some(known) = coordinator.transactions.get(id) else {
            return state.with_error_code(ResponseError::TransactionalIdNotFound.code());
        };
        let places = known.parts.iter().filter_map(|part| match part {
            Part::Partition(topic, number) => Some((topic, *number)),
            Part::Group(_) => None,
        });
        let topic = |(topic, number): (&String, i32)| {
            TopicData::default().with_topic(TopicName(text(topic.as_str()))).with_partitions(vec![number])
        };
        let begun = i64::try_from(known.begun).unwrap_or(-1);
        state
            .with_transaction_state(text(known.phase.name()))
            .with_transaction_timeout_ms(known.timeout_ms)
            .with_transaction_start_time_ms(if known.phase == TxnPhase::Ongoing { begun } else { -1 })
            .with_producer_id(ProducerId(known.grant.producer))
            .with_producer_epoch(known.grant.epoch)
            .with_topics(places.map(topic).collect())
    });
    DescribeTransactionsResponse::default().with_transaction_states(states.collect())
}

pub(super) fn list_transactions(
    call: &Call<'_>,
    request: &ListTransactionsRequest,
) -> ListTransactionsResponse {
    let coordinator = locked(&call.state.coordinator);
    let producers = &request.producer_id_filters;
    let wanted = coordinator.transactions.all().filter(|(_, known)| {
        let of_producer = producers.is_empty() || producers.contains(&ProducerId(known.grant.producer));
        of_producer && is_among(&request.state_filters, known.phase.name())
    });
    let states = wanted.map(|(id, known)| {
        list_transactions_response::TransactionState::default()
            .with_transactional_id(kafka_protocol::messages::TransactionalId(text(id.as_str())))
            .with_producer_id(ProducerId(known.grant.producer))
            .with_transaction_state(text(known.phase.name()))
    });
    ListTransactionsResponse::default().with_transaction_states(states.collect())
}
