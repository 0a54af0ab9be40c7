//! Topics made, widened and removed.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse, TopicName,
};
use tracing::info;

use super::errors::of_storage;
use super::{Call, NODE, text};
use crate::state::{State, locked};
use crate::topic_settings::{SETTINGS, check};
use crate::topics::Topic;

/// The longest name of a topic.
const NAME_MAX: usize = 249;

/// Partitions of all topics; each holds a file open.
const PARTITIONS_MAX: usize = 20_000;

/// A refusal with a sentence.
type Refusal = (ResponseError, String);

/// Checks a topic's name.
pub(super) fn check_name(name: &str) -> Result<(), Refusal> {
    let good = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let fits = (1..=NAME_MAX).contains(&name.len()) && name != "." && name != "..";
    if fits && name.chars().all(good) {
        return Ok(());
    }
    let said = format!("'{name}' is no name for a topic: 1 to {NAME_MAX} of a-z, A-Z, 0-9, '.', '_' and '-'");
    Err((ResponseError::InvalidTopicException, said))
}

pub(super) fn create(call: &Call<'_>, request: &CreateTopicsRequest) -> CreateTopicsResponse {
    let mut seen = BTreeMap::<_, usize>::new();
    for topic in &request.topics {
        *seen.entry(topic.name.clone()).or_default() += 1;
    }
    let one = |topic: &CreatableTopic| {
        let result = CreatableTopicResult::default().with_name(topic.name.clone());
        let created = if seen.get(&topic.name).is_some_and(|count| *count > 1) {
            Err((ResponseError::InvalidRequest, "the topic is named twice in one request".to_owned()))
        } else {
            create_one(call, topic, request.validate_only)
        };
        match created {
            Ok(created) => told(result, created),
            Err((error, said)) => result
                .with_error_code(error.code())
                .with_error_message(Some(text(said)))
                .with_num_partitions(-1)
                .with_replication_factor(-1),
        }
    };
    let mut topics: Vec<_> = request.topics.iter().map(one).collect();
    topics.dedup_by(|one, other| one.name == other.name);
    CreateTopicsResponse::default().with_topics(topics)
}

/// What came of it: the topic where it was made, the number of partitions and the settings.
struct Created {
    topic: Option<std::sync::Arc<Topic>>,
    partitions: usize,
    settings: BTreeMap<String, String>,
}

fn told(result: CreatableTopicResult, created: Created) -> CreatableTopicResult {
    let config = |(name, default, _): &(&'static str, &'static str, _)| {
        let explicit = created.settings.get(*name);
        CreatableTopicConfigs::default()
            .with_name(text(*name))
            .with_value(Some(text(explicit.map_or(*default, String::as_str))))
            .with_config_source(if explicit.is_some() { 1 } else { 5 })
    };
    result
        .with_topic_id(created.topic.map(|topic| topic.id).unwrap_or_default())
        .with_num_partitions(i32::try_from(created.partitions).unwrap_or(i32::MAX))
        .with_replication_factor(1)
        .with_configs(Some(SETTINGS.iter().map(config).collect()))
}

fn create_one(call: &Call<'_>, asked: &CreatableTopic, validate_only: bool) -> Result<Created, Refusal> {
    check_name(&asked.name)?;
    let exists =
        || (ResponseError::TopicAlreadyExists, format!("topic '{}' already exists", asked.name.as_str()));
    if call.state.topics.find(&asked.name).is_some() {
        return Err(exists());
    }
    let partitions = count_of(asked, call.state.settings.new_topic_partitions.max(1))?;
    has_room(call.state, partitions)?;
    let mut settings = BTreeMap::new();
    for config in &asked.configs {
        let Some(value) = &config.value else { continue };
        check(&config.name, value).map_err(|said| (ResponseError::InvalidConfig, said))?;
        settings.insert(config.name.to_string(), value.to_string());
    }
    if validate_only {
        return Ok(Created { topic: None, partitions, settings });
    }
    let made = call.state.topics.create(&asked.name, partitions, settings.clone());
    let topic = made.map_err(|failure| (of_storage(&failure), failure.to_string()))?.ok_or_else(exists)?;
    info!(topic = topic.name, partitions, "a topic was made");
    Ok(Created { topic: Some(topic), partitions, settings })
}

/// Makes a topic that a client names and that is not there, where the broker was told to.
pub(super) fn make_if_wanted(state: &State, name: &str) -> Result<(), ResponseError> {
    let partitions = state.settings.new_topic_partitions;
    if partitions == 0 || state.topics.find(name).is_some() {
        return Ok(());
    }
    has_room(state, partitions).map_err(|(error, _)| error)?;
    let made = state.topics.create(name, partitions, BTreeMap::new());
    // Where another client was quicker, the topic is there as well.
    if made.map_err(|failure| of_storage(&failure))?.is_some() {
        info!(topic = name, partitions, "a topic was made, as a client named it");
    }
    Ok(())
}

fn has_room(state: &State, more: usize) -> Result<(), Refusal> {
    if state.topics.partition_count() + more <= PARTITIONS_MAX {
        return Ok(());
    }
    Err((ResponseError::PolicyViolation, format!("this broker has room for {PARTITIONS_MAX} partitions")))
}

/// How many partitions are asked for, by number or by saying who is to hold each.
fn count_of(asked: &CreatableTopic, usual: usize) -> Result<usize, Refusal> {
    if !asked.assignments.is_empty() {
        let numbers: BTreeSet<_> = asked.assignments.iter().map(|each| each.partition_index).collect();
        let complete = numbers.iter().copied().eq(0..i32::try_from(asked.assignments.len()).unwrap_or(0));
        let held = asked.assignments.iter().all(|each| each.broker_ids == [BrokerId(NODE)]);
        let numbers_too = asked.num_partitions != -1 || asked.replication_factor != -1;
        if !complete || !held || numbers_too {
            let said =
                format!("partitions from 0 on can each be held by broker {NODE}, with no numbers beside");
            return Err((ResponseError::InvalidReplicaAssignment, said));
        }
        return Ok(numbers.len());
    }
    if !matches!(asked.replication_factor, -1 | 1) {
        let said = format!("{} replicas can't be had of the one broker there is", asked.replication_factor);
        return Err((ResponseError::InvalidReplicationFactor, said));
    }
    match asked.num_partitions {
        -1 => Ok(usual),
        count if count > 0 => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
        count => Err((ResponseError::InvalidPartitions, format!("a topic can't have {count} partitions"))),
    }
}

pub(super) fn delete(call: &Call<'_>, request: &DeleteTopicsRequest) -> DeleteTopicsResponse {
    let named =
        request.topic_names.iter().map(|name| DeleteTopicState::default().with_name(Some(name.clone())));
    let asked: Vec<_> = if call.version() >= 6 { request.topics.clone() } else { named.collect() };
    let one = |asked: DeleteTopicState| {
        let result =
            DeletableTopicResult::default().with_topic_id(asked.topic_id).with_name(asked.name.clone());
        match delete_one(call.state, &asked) {
            Ok(topic) => result.with_topic_id(topic.id).with_name(Some(TopicName(text(topic.name.as_str())))),
            Err(error) => {
                result.with_error_code(error.code()).with_error_message(Some(text(error.to_string())))
            }
        }
    };
    DeleteTopicsResponse::default().with_responses(asked.into_iter().map(one).collect())
}

fn delete_one(state: &State, asked: &DeleteTopicState) -> Result<std::sync::Arc<Topic>, ResponseError> {
    let name = match &asked.name {
        Some(name) => name.to_string(),
        None => state.topics.find_id(asked.topic_id).ok_or(ResponseError::UnknownTopicId)?.name.clone(),
    };
    let removed = state.topics.remove(&name).map_err(|failure| of_storage(&failure))?;
    let topic = removed.ok_or(ResponseError::UnknownTopicOrPartition)?;
    let mut groups = state.groups.lock();
    let facts = groups.forget_topic(&name);
    locked(&state.journal).write(&facts).map_err(|failure| of_storage(&failure))?;
    info!(topic = name, "a topic was removed");
    Ok(topic)
}

pub(super) fn create_partitions(
    call: &Call<'_>,
    request: &CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let one = |asked: &CreatePartitionsTopic| {
        let result = CreatePartitionsTopicResult::default().with_name(asked.name.clone());
        match widen(call.state, asked, request.validate_only) {
            Ok(()) => result,
            Err((error, said)) => result.with_error_code(error.code()).with_error_message(Some(text(said))),
        }
    };
    CreatePartitionsResponse::default().with_results(request.topics.iter().map(one).collect())
}

fn widen(state: &State, asked: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refusal> {
    let topic = state.topics.find(&asked.name);
    let unknown = || (ResponseError::UnknownTopicOrPartition, "there is no such topic".to_owned());
    let topic = topic.ok_or_else(unknown)?;
    let present = topic.numbers().len();
    let wanted = usize::try_from(asked.count).unwrap_or(0);
    if wanted <= present {
        let said = format!("the topic has {present} partitions, and can only be given more than that");
        return Err((ResponseError::InvalidPartitions, said));
    }
    has_room(state, wanted - present)?;
    let held = |assignments: &Vec<
        kafka_protocol::messages::create_partitions_request::CreatePartitionsAssignment,
    >| {
        assignments.len() == wanted - present
            && assignments.iter().all(|each| each.broker_ids == [BrokerId(NODE)])
    };
    if !asked.assignments.as_ref().is_none_or(held) {
        let said = format!("each new partition can be held by broker {NODE} only");
        return Err((ResponseError::InvalidReplicaAssignment, said));
    }
    if validate_only {
        return Ok(());
    }
    state.topics.grow(&topic, wanted).map_err(|failure| (of_storage(&failure), failure.to_string()))
}
