//! The shapes are those of the messages: what encodes is walked over to its last byte, and what was cut short or changed
//! never gets past the walk with a list that is not there.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use proptest::prelude::*;

use super::shape::walk;
use super::{APIS, Api, Frame, FrameError};

fn text(string: &'static str) -> StrBytes {
    StrBytes::from_static_str(string)
}

/// A request of each kind with something in each list, as a client of a version encodes it.
fn filled(api: &Api, version: i16) -> Vec<u8> {
    match api.key {
        ApiKey::Produce | ApiKey::Fetch | ApiKey::ListOffsets | ApiKey::Metadata => {
            of_records(api.key, version)
        }
        ApiKey::OffsetForLeaderEpoch | ApiKey::DeleteRecords => of_offsets(api.key, version),
        ApiKey::OffsetCommit | ApiKey::OffsetFetch | ApiKey::OffsetDelete => of_commits(api.key, version),
        ApiKey::JoinGroup | ApiKey::SyncGroup | ApiKey::LeaveGroup | ApiKey::Heartbeat => {
            of_members(api.key, version)
        }
        ApiKey::CreateTopics | ApiKey::DeleteTopics | ApiKey::CreatePartitions => of_topics(api.key, version),
        ApiKey::DescribeConfigs | ApiKey::AlterConfigs | ApiKey::IncrementalAlterConfigs => {
            of_configs(api.key, version)
        }
        ApiKey::AddPartitionsToTxn | ApiKey::TxnOffsetCommit => of_transactions(api.key, version),
        _ => of_few_fields(api.key, version),
    }
}

fn encode(request: &impl Encodable, version: i16) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    request.encode(&mut bytes, version).unwrap();
    bytes.to_vec()
}

fn of_records(key: ApiKey, version: i16) -> Vec<u8> {
    let name = TopicName(text("topic"));
    match key {
        ApiKey::Produce => {
            let partition = produce_request::PartitionProduceData::default()
                .with_index(1)
                .with_records(Some(Bytes::from_static(b"some records")));
            let topic = produce_request::TopicProduceData::default().with_name(name);
            let topic = topic.with_partition_data(vec![partition.clone(), partition]);
            let request = ProduceRequest::default().with_transactional_id(Some(TransactionalId(text("id"))));
            encode(&request.with_acks(-1).with_topic_data(vec![topic.clone(), topic]), version)
        }
        ApiKey::Fetch => {
            let partition = fetch_request::FetchPartition::default().with_partition(3).with_fetch_offset(9);
            let topic = fetch_request::FetchTopic::default().with_partitions(vec![partition; 3]);
            let topic = if version < 13 { topic.with_topic(name) } else { topic };
            let forgotten = fetch_request::ForgottenTopic::default().with_partitions(vec![1, 2]);
            let request = FetchRequest::default().with_topics(vec![topic; 2]);
            let seven = version >= 7;
            encode(&request.with_forgotten_topics_data(vec![forgotten; usize::from(seven)]), version)
        }
        ApiKey::ListOffsets => {
            let partition = list_offsets_request::ListOffsetsPartition::default().with_timestamp(5);
            let topic = list_offsets_request::ListOffsetsTopic::default().with_name(name);
            let topics = vec![topic.with_partitions(vec![partition; 2]); 2];
            encode(&ListOffsetsRequest::default().with_topics(topics), version)
        }
        _ => {
            let topic = metadata_request::MetadataRequestTopic::default().with_name(Some(name));
            encode(&MetadataRequest::default().with_topics(Some(vec![topic; 3])), version)
        }
    }
}

fn of_offsets(key: ApiKey, version: i16) -> Vec<u8> {
    let name = TopicName(text("topic"));
    if key == ApiKey::DeleteRecords {
        let partition = delete_records_request::DeleteRecordsPartition::default().with_offset(7);
        let topic = delete_records_request::DeleteRecordsTopic::default().with_name(name);
        let topics = vec![topic.with_partitions(vec![partition; 2])];
        return encode(&DeleteRecordsRequest::default().with_topics(topics), version);
    }
    let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition::default().with_leader_epoch(2);
    let topic = offset_for_leader_epoch_request::OffsetForLeaderTopic::default().with_topic(name);
    let topics = vec![topic.with_partitions(vec![partition; 2])];
    encode(&OffsetForLeaderEpochRequest::default().with_topics(topics), version)
}

fn of_commits(key: ApiKey, version: i16) -> Vec<u8> {
    let (name, group) = (TopicName(text("topic")), GroupId(text("group")));
    match key {
        ApiKey::OffsetCommit => {
            let partition = offset_commit_request::OffsetCommitRequestPartition::default();
            let partition = partition.with_committed_offset(5).with_committed_metadata(Some(text("note")));
            let topic = offset_commit_request::OffsetCommitRequestTopic::default().with_name(name);
            let topics = vec![topic.with_partitions(vec![partition; 2]); 2];
            let request = OffsetCommitRequest::default().with_group_id(group).with_member_id(text("member"));
            encode(&request.with_topics(topics), version)
        }
        ApiKey::OffsetFetch if version >= 8 => {
            let topic = offset_fetch_request::OffsetFetchRequestTopics::default().with_name(name);
            let topics = Some(vec![topic.with_partition_indexes(vec![1, 2, 3]); 2]);
            let group = offset_fetch_request::OffsetFetchRequestGroup::default().with_group_id(group);
            encode(&OffsetFetchRequest::default().with_groups(vec![group.with_topics(topics); 2]), version)
        }
        ApiKey::OffsetFetch => {
            let topic = offset_fetch_request::OffsetFetchRequestTopic::default().with_name(name);
            let topics = Some(vec![topic.with_partition_indexes(vec![1, 2, 3]); 2]);
            encode(&OffsetFetchRequest::default().with_group_id(group).with_topics(topics), version)
        }
        _ => {
            let partition =
                offset_delete_request::OffsetDeleteRequestPartition::default().with_partition_index(4);
            let topic = offset_delete_request::OffsetDeleteRequestTopic::default().with_name(name);
            let topics = vec![topic.with_partitions(vec![partition; 2]); 2];
            encode(&OffsetDeleteRequest::default().with_group_id(group).with_topics(topics), version)
        }
    }
}

fn of_members(key: ApiKey, version: i16) -> Vec<u8> {
    let (group, bytes) = (GroupId(text("group")), Bytes::from_static(b"bytes"));
    match key {
        ApiKey::JoinGroup => {
            let protocol = join_group_request::JoinGroupRequestProtocol::default().with_name(text("range"));
            let protocols = vec![protocol.with_metadata(bytes); 2];
            let request =
                JoinGroupRequest::default().with_group_id(group).with_protocol_type(text("consumer"));
            encode(&request.with_protocols(protocols), version)
        }
        ApiKey::SyncGroup => {
            let part =
                sync_group_request::SyncGroupRequestAssignment::default().with_member_id(text("member"));
            let parts = vec![part.with_assignment(bytes); 3];
            encode(&SyncGroupRequest::default().with_group_id(group).with_assignments(parts), version)
        }
        ApiKey::LeaveGroup => {
            let member = leave_group_request::MemberIdentity::default().with_member_id(text("member"));
            let members = vec![member; if version >= 3 { 2 } else { 0 }];
            encode(&LeaveGroupRequest::default().with_group_id(group).with_members(members), version)
        }
        _ => {
            encode(&HeartbeatRequest::default().with_group_id(group).with_member_id(text("member")), version)
        }
    }
}

fn of_topics(key: ApiKey, version: i16) -> Vec<u8> {
    let name = TopicName(text("topic"));
    match key {
        ApiKey::CreateTopics => {
            let config =
                create_topics_request::CreatableTopicConfig::default().with_name(text("retention.ms"));
            let part = create_topics_request::CreatableReplicaAssignment::default();
            let topic = create_topics_request::CreatableTopic::default().with_name(name);
            let topic = topic.with_configs(vec![config.with_value(Some(text("1"))); 2]);
            let topic = topic.with_assignments(vec![part.with_broker_ids(vec![BrokerId(1)]); 2]);
            encode(&CreateTopicsRequest::default().with_topics(vec![topic; 2]), version)
        }
        ApiKey::DeleteTopics if version >= 6 => {
            let topic = delete_topics_request::DeleteTopicState::default().with_name(Some(name));
            encode(&DeleteTopicsRequest::default().with_topics(vec![topic; 2]), version)
        }
        ApiKey::DeleteTopics => {
            encode(&DeleteTopicsRequest::default().with_topic_names(vec![name.clone(), name]), version)
        }
        _ => {
            let part = create_partitions_request::CreatePartitionsAssignment::default();
            let parts = Some(vec![part.with_broker_ids(vec![BrokerId(1)]); 2]);
            let topic = create_partitions_request::CreatePartitionsTopic::default().with_name(name);
            let topics = vec![topic.with_count(3).with_assignments(parts)];
            encode(&CreatePartitionsRequest::default().with_topics(topics), version)
        }
    }
}

fn of_configs(key: ApiKey, version: i16) -> Vec<u8> {
    let (topic, name) = (text("topic"), text("retention.ms"));
    match key {
        ApiKey::DescribeConfigs => {
            let resource = describe_configs_request::DescribeConfigsResource::default();
            let resource = resource.with_resource_name(topic).with_configuration_keys(Some(vec![name; 2]));
            encode(&DescribeConfigsRequest::default().with_resources(vec![resource; 2]), version)
        }
        ApiKey::AlterConfigs => {
            let config = alter_configs_request::AlterableConfig::default().with_name(name);
            let resource = alter_configs_request::AlterConfigsResource::default().with_resource_name(topic);
            let resources = vec![resource.with_configs(vec![config; 2])];
            encode(&AlterConfigsRequest::default().with_resources(resources), version)
        }
        _ => {
            let config = incremental_alter_configs_request::AlterableConfig::default().with_name(name);
            let resource = incremental_alter_configs_request::AlterConfigsResource::default();
            let resources = vec![resource.with_resource_name(topic).with_configs(vec![config; 2])];
            encode(&IncrementalAlterConfigsRequest::default().with_resources(resources), version)
        }
    }
}

fn of_transactions(key: ApiKey, version: i16) -> Vec<u8> {
    let (name, id) = (TopicName(text("topic")), TransactionalId(text("id")));
    if key == ApiKey::AddPartitionsToTxn {
        let topic = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default().with_name(name);
        let topics = vec![topic.with_partitions(vec![1, 2]); 2];
        let request = AddPartitionsToTxnRequest::default().with_v3_and_below_transactional_id(id);
        return encode(&request.with_v3_and_below_topics(topics), version);
    }
    let partition = txn_offset_commit_request::TxnOffsetCommitRequestPartition::default();
    let partition = partition.with_committed_metadata(Some(text("note")));
    let topic = txn_offset_commit_request::TxnOffsetCommitRequestTopic::default().with_name(name);
    let topics = vec![topic.with_partitions(vec![partition; 2]); 2];
    encode(&TxnOffsetCommitRequest::default().with_transactional_id(id).with_topics(topics), version)
}

fn of_few_fields(key: ApiKey, version: i16) -> Vec<u8> {
    let (group, id) = (GroupId(text("group")), TransactionalId(text("id")));
    match key {
        ApiKey::FindCoordinator if version >= 4 => {
            encode(&FindCoordinatorRequest::default().with_coordinator_keys(vec![text("group"); 2]), version)
        }
        ApiKey::FindCoordinator => {
            encode(&FindCoordinatorRequest::default().with_key(text("group")), version)
        }
        ApiKey::DescribeGroups => {
            encode(&DescribeGroupsRequest::default().with_groups(vec![group; 2]), version)
        }
        ApiKey::ListGroups => encode(&ListGroupsRequest::default(), version),
        ApiKey::DeleteGroups => {
            encode(&DeleteGroupsRequest::default().with_groups_names(vec![group; 2]), version)
        }
        ApiKey::ApiVersions => {
            encode(&ApiVersionsRequest::default().with_client_software_name(text("it")), version)
        }
        ApiKey::InitProducerId => {
            encode(&InitProducerIdRequest::default().with_transactional_id(Some(id)), version)
        }
        ApiKey::AddOffsetsToTxn => {
            encode(&AddOffsetsToTxnRequest::default().with_transactional_id(id).with_group_id(group), version)
        }
        ApiKey::EndTxn => encode(&EndTxnRequest::default().with_transactional_id(id), version),
        ApiKey::DescribeCluster => encode(&DescribeClusterRequest::default(), version),
        ApiKey::DescribeLogDirs => {
            let topic = describe_log_dirs_request::DescribableLogDirTopic::default();
            let topics = vec![topic.with_partitions(vec![1, 2]); 2];
            encode(&DescribeLogDirsRequest::default().with_topics(Some(topics)), version)
        }
        ApiKey::DescribeProducers => {
            let topic =
                describe_producers_request::TopicRequest::default().with_partition_indexes(vec![1, 2]);
            encode(&DescribeProducersRequest::default().with_topics(vec![topic; 2]), version)
        }
        ApiKey::DescribeTransactions => {
            encode(&DescribeTransactionsRequest::default().with_transactional_ids(vec![id; 2]), version)
        }
        ApiKey::ListTransactions => {
            let request = ListTransactionsRequest::default().with_state_filters(vec![text("Ongoing"); 2]);
            encode(&request.with_producer_id_filters(vec![ProducerId(1); 2]), version)
        }
        other => panic!("{other:?} is not filled"),
    }
}

fn is_flexible(api: &Api, version: i16) -> bool {
    api.key.request_header_version(version) >= 2
}

fn each_version() -> impl Iterator<Item = (&'static Api, i16)> {
    APIS.iter().flat_map(|api| (api.min..=api.max).map(move |version| (api, version)))
}

#[test]
fn every_shape_is_that_of_its_message_to_the_last_byte() {
    for (api, version) in each_version() {
        let bytes = filled(api, version);
        assert_eq!(
            walk(api.shape, version, is_flexible(api, version), &bytes),
            Some(0),
            "{:?} {version}",
            api.key
        );
    }
}

#[test]
fn what_is_cut_short_is_malformed() {
    for (api, version) in each_version() {
        let bytes = filled(api, version);
        for length in 0..bytes.len() {
            let walked = walk(api.shape, version, is_flexible(api, version), &bytes[..length]);
            assert_eq!(walked, None, "{:?} {version} at {length}", api.key);
        }
    }
}

/// A whole request, as it comes without its length.
fn request(api: &Api, version: i16) -> Vec<u8> {
    let header =
        RequestHeader::default().with_request_api_key(api.key as i16).with_request_api_version(version);
    let mut bytes = BytesMut::new();
    header
        .with_client_id(Some(text("me")))
        .encode(&mut bytes, api.key.request_header_version(version))
        .unwrap();
    bytes.put_slice(&filled(api, version));
    bytes.to_vec()
}

#[test]
fn heads_are_read_and_refused() {
    for (api, version) in each_version() {
        let frame = Frame::decode(request(api, version).into()).unwrap();
        assert_eq!((frame.key, frame.version, frame.client_id.as_str()), (api.key, version, "me"));
        assert_eq!(frame.body, filled(api, version));
    }
    let decode = |bytes: &[u8]| Frame::decode(Bytes::copy_from_slice(bytes)).map(|_| ());
    assert_eq!(decode(b""), Err(FrameError::Head));
    assert_eq!(decode(&[0, 4, 0, 0, 0, 0, 0, 0, 0, 0]), Err(FrameError::Unknown { key: 4, version: 0 }));
    assert_eq!(decode(&[0, 3, 0, 99, 0, 0, 0, 0, 0, 0]), Err(FrameError::Unknown { key: 3, version: 99 }));
    assert_eq!(decode(&[0, 3, 0, 1, 0, 0, 0, 0, 0, 9]), Err(FrameError::Head));
}

/// Decodes as the answering half does.
fn decode(frame: &Frame) {
    macro_rules! each {
        ($($kind:ident => $request:ty),* $(,)?) => {
            match frame.key {
                $(ApiKey::$kind => drop(<$request>::decode(&mut frame.body.clone(), frame.version)),)*
                _ => {}
            }
        };
    }
    each! {
        Produce => ProduceRequest, Fetch => FetchRequest, ListOffsets => ListOffsetsRequest,
        Metadata => MetadataRequest, OffsetCommit => OffsetCommitRequest, OffsetFetch => OffsetFetchRequest,
        JoinGroup => JoinGroupRequest, SyncGroup => SyncGroupRequest, CreateTopics => CreateTopicsRequest,
        DescribeConfigs => DescribeConfigsRequest, TxnOffsetCommit => TxnOffsetCommitRequest,
        AddPartitionsToTxn => AddPartitionsToTxnRequest, DeleteTopics => DeleteTopicsRequest,
    }
}

proptest! {
    /// Neither the walk nor the decoder panics, or asks for memory that a list only claims to need, whatever is changed.
    #[test]
    fn changed_bytes_are_refused_or_decoded(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let all: Vec<_> = each_version().collect();
        let (api, version) = all[which.index(all.len())];
        let mut bytes = request(api, version);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len() - cut.index(bytes.len()) / 8);
        if let Ok(frame) = Frame::decode(bytes.into()) {
            decode(&frame);
        }
    }

    #[test]
    fn random_bytes_are_refused_or_decoded(bytes: Vec<u8>) {
        if let Ok(frame) = Frame::decode(bytes.into()) {
            decode(&frame);
        }
    }
}
