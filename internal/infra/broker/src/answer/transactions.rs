//! Producers with ids, and their transactions.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
    EndTxnRequest, EndTxnResponse, InitProducerIdRequest, InitProducerIdResponse, ProducerId,
    TxnOffsetCommitRequest, TxnOffsetCommitResponse,
};
use millstream_cluster::{Fault, Grant, Part};

use super::Call;
use super::commits::checked;
use super::errors::{code, of_fault, of_storage};
use super::groups::identity;
use crate::groups::staged_fact;
use crate::state::{State, locked};

/// Before a version, clients know a fenced producer by an older name.
fn fenced(call: &Call<'_>, since: i16, error: ResponseError) -> ResponseError {
    if error == ResponseError::ProducerFenced && call.version() < since {
        return ResponseError::InvalidProducerEpoch;
    }
    error
}

pub(super) fn init_producer_id(call: &Call<'_>, request: &InitProducerIdRequest) -> InitProducerIdResponse {
    let claim = Grant { producer: request.producer_id.0, epoch: request.producer_epoch };
    let claim = Some(claim).filter(|claim| claim.producer >= 0);
    let granted = match &request.transactional_id {
        None => call.state.grant().map_err(|failure| of_storage(&failure)),
        Some(id) if id.is_empty() => Err(ResponseError::InvalidRequest),
        Some(id) => init(call.state, id, request.transaction_timeout_ms, claim),
    };
    match granted {
        Ok(grant) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(grant.producer))
            .with_producer_epoch(grant.epoch),
        Err(error) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1)
            .with_error_code(fenced(call, 4, error).code()),
    }
}

/// What an older producer left open is taken back first.
fn init(state: &State, id: &str, timeout_ms: i32, claim: Option<Grant>) -> Result<Grant, ResponseError> {
    let ask = |claim| {
        let asked = state.transact(id, |transactions| transactions.init(id, timeout_ms, claim));
        asked.map_err(|failure| of_storage(&failure))?.map_err(of_fault)
    };
    match ask(claim)? {
        Ok(grant) => Ok(grant),
        Err(ending) => {
            state.carry_out(&ending).map_err(|failure| of_storage(&failure))?;
            // The claim was good, and is over by the epoch that fenced it.
            ask(None)?.map_err(|_| ResponseError::ConcurrentTransactions)
        }
    }
}

fn add(
    state: &State,
    id: &str,
    grant: Grant,
    parts: impl IntoIterator<Item = Part>,
) -> Result<(), ResponseError> {
    let now = state.clock.now();
    let added = state.transact(id, |transactions| transactions.add(now, id, grant, parts));
    added.map_err(|failure| of_storage(&failure))?.map(|_| ()).map_err(of_fault)
}

/// All of the partitions are taken in, or none.
pub(super) fn add_partitions(
    call: &Call<'_>,
    request: &AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    let grant =
        Grant { producer: request.v3_and_below_producer_id.0, epoch: request.v3_and_below_producer_epoch };
    let topics = &request.v3_and_below_topics;
    let is_known = |topic: &str, number: i32| call.state.topics.partition(topic, number).is_some();
    let named =
        || topics.iter().flat_map(|topic| topic.partitions.iter().map(|number| (&topic.name, *number)));
    let all_known = named().all(|(topic, number)| is_known(topic, number));
    let done = if all_known {
        let parts = named().map(|(topic, number)| Part::Partition(topic.to_string(), number));
        add(call.state, &request.v3_and_below_transactional_id, grant, parts.collect::<Vec<_>>())
    } else {
        Err(ResponseError::OperationNotAttempted)
    };
    let done = done.map_err(|error| fenced(call, 2, error));
    let results = topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|number| {
            let unknown = ResponseError::UnknownTopicOrPartition.code();
            let code = if is_known(&topic.name, *number) { code(&done) } else { unknown };
            let result = AddPartitionsToTxnPartitionResult::default().with_partition_index(*number);
            result.with_partition_error_code(code)
        });
        let partitions = partitions.collect();
        let result = AddPartitionsToTxnTopicResult::default().with_name(topic.name.clone());
        result.with_results_by_partition(partitions)
    });
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results.collect())
}

pub(super) fn add_offsets(call: &Call<'_>, request: &AddOffsetsToTxnRequest) -> AddOffsetsToTxnResponse {
    let grant = Grant { producer: request.producer_id.0, epoch: request.producer_epoch };
    let part = Part::Group(request.group_id.to_string());
    let done = add(call.state, &request.transactional_id, grant, [part]);
    AddOffsetsToTxnResponse::default().with_error_code(code(&done.map_err(|error| fenced(call, 2, error))))
}

pub(super) fn end(call: &Call<'_>, request: &EndTxnRequest) -> EndTxnResponse {
    let (state, id) = (call.state, request.transactional_id.as_str());
    let grant = Grant { producer: request.producer_id.0, epoch: request.producer_epoch };
    let ended = || {
        let decided = state.transact(id, |transactions| transactions.end(id, grant, request.committed));
        let decided = decided.map_err(|failure| of_storage(&failure))?.map_err(of_fault)?;
        // Decided and written down: from here on a crash only delays it.
        let carried_out = decided.map(|ending| state.carry_out(&ending)).transpose();
        carried_out.map_err(|failure| of_storage(&failure))
    };
    EndTxnResponse::default().with_error_code(code(&ended().map_err(|error| fenced(call, 2, error))))
}

pub(super) fn commit_offsets(call: &Call<'_>, request: &TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
    let (state, group) = (call.state, request.group_id.as_str());
    let producer = request.producer_id.0;
    let mut groups = state.groups.lock();
    let allowed = may_commit(call, request, &mut groups);
    let entry = groups.all.entry(group.to_owned()).or_default();
    let (mut facts, mut staged) = (Vec::new(), Vec::new());
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in &topic.partitions {
            let offset = (asked.committed_offset, asked.committed_leader_epoch);
            let metadata = asked.committed_metadata.as_ref();
            let one =
                allowed.and_then(|()| checked(state, &topic.name, asked.partition_index, offset, metadata));
            let response =
                TxnOffsetCommitResponsePartition::default().with_partition_index(asked.partition_index);
            partitions.push(response.with_error_code(code(&one)));
            if let Ok((place, at)) = one {
                facts.push(staged_fact(group, producer, &place, &at));
                staged.push((place, at));
            }
        }
        topics.push(
            TxnOffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions),
        );
    }
    match locked(&state.journal).write(&facts) {
        Ok(()) => staged.into_iter().for_each(|(place, at)| entry.offsets.stage(producer, place, at)),
        Err(failure) => {
            let code = of_storage(&failure).code();
            topics.iter_mut().flat_map(|topic| &mut topic.partitions).for_each(|each| each.error_code = code);
        }
    }
    groups.hand_out(group);
    TxnOffsetCommitResponse::default().with_topics(topics)
}

/// The member must be of the group's present generation, where it says who it is (KIP-447), and the group in the transaction.
fn may_commit(
    call: &Call<'_>,
    request: &TxnOffsetCommitRequest,
    groups: &mut crate::groups::Inner,
) -> Result<(), ResponseError> {
    if request.generation_id >= 0 || !request.member_id.is_empty() {
        let member = identity(&request.member_id, request.group_instance_id.as_ref(), request.generation_id);
        let entry = groups.all.get_mut(request.group_id.as_str());
        let unknown =
            if request.generation_id >= 0 { Fault::IllegalGeneration } else { Fault::UnknownMember };
        entry
            .ok_or(unknown)
            .and_then(|entry| entry.group.may_commit(call.state.clock.now(), member))
            .map_err(of_fault)?;
    }
    let grant = Grant { producer: request.producer_id.0, epoch: request.producer_epoch };
    let part = Part::Group(request.group_id.to_string());
    let mut coordinator = locked(&call.state.coordinator);
    let held = coordinator.transactions.holds(&request.transactional_id, grant, &part).map_err(of_fault);
    held.map_err(|error| fenced(call, i16::MAX, error))
}
