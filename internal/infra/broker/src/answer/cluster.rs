//! What the cluster is: its one node, its topics, and what it understands.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsResponse, BrokerId, DescribeClusterRequest, DescribeClusterResponse,
    FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest, MetadataResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::{Answer, Call, NODE, text};
use crate::topics::Topic;
use crate::wire::APIS;

pub(super) fn api_versions(call: &Call<'_>) -> Answer {
    let describe = |api: &crate::wire::Api| {
        // Some librdkafkas give up on brokers that do not speak Produce from the first version on (KAFKA-18659).
        let min = if api.key == ApiKey::Produce { 0 } else { api.min };
        ApiVersion::default().with_api_key(api.key as i16).with_min_version(min).with_max_version(api.max)
    };
    let response = ApiVersionsResponse::default().with_api_keys(APIS.iter().map(describe).collect());
    if call.frame.is_too_new {
        let refusal = response.with_error_code(ResponseError::UnsupportedVersion.code());
        return call.encode(&refusal, 0).map(Some);
    }
    call.encode(&response, call.version()).map(Some)
}

pub(super) fn metadata(call: &Call<'_>, request: &MetadataRequest) -> MetadataResponse {
    let all = || call.state.topics.all().iter().map(|topic| described(topic)).collect();
    let topics = match &request.topics {
        None => all(),
        Some(topics) if topics.is_empty() && call.version() == 0 => all(),
        Some(topics) => {
            let may_make = request.allow_auto_topic_creation;
            topics.iter().map(|topic| find(call, topic, may_make)).collect()
        }
    };
    let broker = MetadataResponseBroker::default()
        .with_node_id(BrokerId(NODE))
        .with_host(text(call.advertised.ip().to_string()))
        .with_port(i32::from(call.advertised.port()));
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(text(call.state.cluster_id.as_str())))
        .with_controller_id(BrokerId(NODE))
        .with_topics(topics)
}

fn find(call: &Call<'_>, asked: &MetadataRequestTopic, may_make: bool) -> MetadataResponseTopic {
    let Some(name) = &asked.name else {
        let unknown = || {
            let name = Some(TopicName(StrBytes::new())).filter(|_| call.version() < 12);
            let code = ResponseError::UnknownTopicId.code();
            MetadataResponseTopic::default()
                .with_topic_id(asked.topic_id)
                .with_name(name)
                .with_error_code(code)
        };
        return call.state.topics.find_id(asked.topic_id).map_or_else(unknown, |topic| described(&topic));
    };
    let refused = |error: ResponseError| {
        MetadataResponseTopic::default().with_name(Some(name.clone())).with_error_code(error.code())
    };
    if super::topics::check_name(name).is_err() {
        return refused(ResponseError::InvalidTopicException);
    }
    if may_make && let Err(error) = super::topics::make_if_wanted(call.state, name) {
        return refused(error);
    }
    let unknown = || refused(ResponseError::UnknownTopicOrPartition);
    call.state.topics.find(name).map_or_else(unknown, |topic| described(&topic))
}

fn described(topic: &Topic) -> MetadataResponseTopic {
    let partition = |number| {
        MetadataResponsePartition::default()
            .with_partition_index(number)
            .with_leader_id(BrokerId(NODE))
            .with_leader_epoch(0)
            .with_replica_nodes(vec![BrokerId(NODE)])
            .with_isr_nodes(vec![BrokerId(NODE)])
    };
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(text(topic.name.as_str()))))
        .with_topic_id(topic.id)
        .with_partitions(topic.numbers().map(partition).collect())
}

pub(super) fn describe(call: &Call<'_>, request: &DescribeClusterRequest) -> DescribeClusterResponse {
    let response = DescribeClusterResponse::default()
        .with_endpoint_type(request.endpoint_type)
        .with_cluster_id(text(call.state.cluster_id.as_str()))
        .with_controller_id(BrokerId(NODE));
    if request.endpoint_type != 1 {
        let code = ResponseError::MismatchedEndpointType.code();
        return response.with_error_code(code).with_error_message(Some(text("this is a broker's endpoint")));
    }
    let broker = DescribeClusterBroker::default()
        .with_broker_id(BrokerId(NODE))
        .with_host(text(call.advertised.ip().to_string()))
        .with_port(i32::from(call.advertised.port()));
    response.with_brokers(vec![broker])
}

/// The one node coordinates every group (0) and transaction (1).
pub(super) fn find_coordinator(call: &Call<'_>, request: &FindCoordinatorRequest) -> FindCoordinatorResponse {
    let known = matches!(request.key_type, 0 | 1);
    let code = if known { 0 } else { ResponseError::InvalidRequest.code() };
    let (node, port) = if known { (NODE, i32::from(call.advertised.port())) } else { (-1, -1) };
    let host = if known { text(call.advertised.ip().to_string()) } else { StrBytes::new() };
    let response = FindCoordinatorResponse::default();
    if call.version() < 4 {
        return response.with_error_code(code).with_node_id(BrokerId(node)).with_host(host).with_port(port);
    }
    let coordinator = |key| {
        Coordinator::default()
            .with_key(key)
            .with_error_code(code)
            .with_node_id(BrokerId(node))
            .with_host(host.clone())
            .with_port(port)
    };
    response.with_coordinators(request.coordinator_keys.iter().cloned().map(coordinator).collect())
}
