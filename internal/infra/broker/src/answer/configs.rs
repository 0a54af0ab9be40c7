//! Settings of topics, told and changed. Those of the broker are told only.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_configs_request::AlterableConfig as AlterableWhole;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::incremental_alter_configs_request::AlterableConfig;
use kafka_protocol::messages::incremental_alter_configs_response;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::errors::of_storage;
use super::{Call, NODE, text};
use crate::state::State;
use crate::topic_settings::{Kind, SETTINGS, check, find};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Where a value comes from, in the protocol's numbers.
const OF_TOPIC: i8 = 1;
const OF_FILE: i8 = 4;
const DEFAULT: i8 = 5;

type Refusal = (ResponseError, String);

pub(super) fn describe(call: &Call<'_>, request: &DescribeConfigsRequest) -> DescribeConfigsResponse {
    let one = |resource: &DescribeConfigsResource| {
        let result = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match configs_of(call.state, resource, request.include_synonyms) {
            Ok(configs) => result.with_configs(configs),
            Err((error, said)) => result.with_error_code(error.code()).with_error_message(Some(text(said))),
        }
    };
    DescribeConfigsResponse::default().with_results(request.resources.iter().map(one).collect())
}

fn configs_of(
    state: &State,
    resource: &DescribeConfigsResource,
    synonyms: bool,
) -> Result<Vec<DescribeConfigsResourceResult>, Refusal> {
    let wanted = |name: &str| {
        let keys = resource.configuration_keys.as_ref();
        keys.is_none_or(|keys| keys.iter().any(|key| key.as_str() == name))
    };
    match resource.resource_type {
        TOPIC => {
            let explicit = explicit_of(state, &resource.resource_name)?;
            let settings = SETTINGS.iter().filter(|(name, ..)| wanted(name));
            let config = |(name, default, kind): &(&str, &str, Kind)| {
                config_of(name, default, *kind, explicit.get(*name), synonyms)
            };
            Ok(settings.map(config).collect())
        }
        BROKER => {
            let settings = broker_settings(state).into_iter().filter(|(name, _)| wanted(name));
            let config = |(name, value): (&'static str, String)| {
                DescribeConfigsResourceResult::default()
                    .with_name(text(name))
                    .with_value(Some(text(value)))
                    .with_read_only(true)
                    .with_config_source(OF_FILE)
                    .with_config_type(Kind::Free.code())
            };
            Ok(settings.map(config).collect())
        }
        other => {
            Err((ResponseError::InvalidRequest, format!("resources of type {other} have no settings here")))
        }
    }
}

/// What the broker was told, under the names that Kafka has for it.
fn broker_settings(state: &State) -> Vec<(&'static str, String)> {
    vec![
        ("auto.create.topics.enable", (state.settings.new_topic_partitions > 0).to_string()),
        ("broker.id", NODE.to_string()),
        ("default.replication.factor", "1".to_owned()),
        ("delete.topic.enable", "true".to_owned()),
        ("listeners", format!("PLAINTEXT://{}", state.address)),
        ("log.cleanup.policy", "delete".to_owned()),
        ("log.dirs", state.settings.data.display().to_string()),
        ("log.retention.ms", find("retention.ms").map_or("", |(default, _)| default).to_owned()),
        ("message.max.bytes", find("max.message.bytes").map_or("", |(default, _)| default).to_owned()),
        ("min.insync.replicas", "1".to_owned()),
        ("node.id", NODE.to_string()),
        ("num.partitions", state.settings.new_topic_partitions.max(1).to_string()),
        ("offsets.topic.replication.factor", "1".to_owned()),
        ("process.roles", "broker,controller".to_owned()),
        ("socket.request.max.bytes", state.settings.request_bytes_max.to_string()),
        ("transaction.state.log.replication.factor", "1".to_owned()),
    ]
}

fn config_of(
    name: &str,
    default: &str,
    kind: Kind,
    explicit: Option<&String>,
    synonyms: bool,
) -> DescribeConfigsResourceResult {
    let synonym = |value: &str, source| {
        DescribeConfigsSynonym::default()
            .with_name(text(name))
            .with_value(Some(text(value)))
            .with_source(source)
    };
    let own = explicit.map(|value| synonym(value, OF_TOPIC));
    let all = own.into_iter().chain([synonym(default, DEFAULT)]).filter(|_| synonyms).collect();
    DescribeConfigsResourceResult::default()
        .with_name(text(name))
        .with_value(Some(text(explicit.map_or(default, String::as_str))))
        .with_config_source(if explicit.is_some() { OF_TOPIC } else { DEFAULT })
        .with_config_type(kind.code())
        .with_synonyms(all)
}

fn explicit_of(state: &State, topic: &str) -> Result<BTreeMap<String, String>, Refusal> {
    let unknown = || (ResponseError::UnknownTopicOrPartition, format!("there is no topic '{topic}'"));
    state.topics.find(topic).map(|topic| topic.explicit()).ok_or_else(unknown)
}

/// Puts checked settings in place of all that a topic had.
fn set(
    state: &State,
    kind: i8,
    name: &str,
    validate_only: bool,
    change: impl FnOnce(BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Refusal>,
) -> Result<(), Refusal> {
    if kind != TOPIC {
        return Err((
            ResponseError::InvalidRequest,
            "only settings of topics can be changed here".to_owned(),
        ));
    }
    let changed = change(explicit_of(state, name)?)?;
    for (name, value) in &changed {
        check(name, value).map_err(|said| (ResponseError::InvalidConfig, said))?;
    }
    let Some(topic) = state.topics.find(name).filter(|_| !validate_only) else { return Ok(()) };
    topic.set(changed).map_err(|failure| (of_storage(&failure), failure.to_string()))
}

pub(super) fn alter(call: &Call<'_>, request: &AlterConfigsRequest) -> AlterConfigsResponse {
    let responses = request.resources.iter().map(|resource| {
        let explicit =
            |config: &AlterableWhole| Some((config.name.to_string(), config.value.as_ref()?.to_string()));
        let wanted = resource.configs.iter().filter_map(explicit);
        let (kind, name) = (resource.resource_type, &resource.resource_name);
        let done = set(call.state, kind, name, request.validate_only, |_| Ok(wanted.collect()));
        let (code, said) = told(done);
        AlterConfigsResourceResponse::default()
            .with_resource_type(kind)
            .with_resource_name(name.clone())
            .with_error_code(code)
            .with_error_message(said)
    });
    AlterConfigsResponse::default().with_responses(responses.collect())
}

pub(super) fn alter_incrementally(
    call: &Call<'_>,
    request: &IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let responses = request.resources.iter().map(|resource| {
        let (kind, name) = (resource.resource_type, &resource.resource_name);
        let change = |explicit| resource.configs.iter().try_fold(explicit, change_one);
        let (code, said) = told(set(call.state, kind, name, request.validate_only, change));
        incremental_alter_configs_response::AlterConfigsResourceResponse::default()
            .with_resource_type(kind)
            .with_resource_name(name.clone())
            .with_error_code(code)
            .with_error_message(said)
    });
    IncrementalAlterConfigsResponse::default().with_responses(responses.collect())
}

/// One operation: set 0, delete 1, append 2, subtract 3 (KIP-339).
fn change_one(
    mut settings: BTreeMap<String, String>,
    config: &AlterableConfig,
) -> Result<BTreeMap<String, String>, Refusal> {
    let name = config.name.to_string();
    let invalid = |said: String| (ResponseError::InvalidConfig, said);
    let (default, kind) =
        find(&name).ok_or_else(|| invalid(format!("there is no topic setting '{name}'")))?;
    let value = || {
        config.value.as_ref().map(StrBytes::as_str).ok_or_else(|| invalid(format!("'{name}' needs a value")))
    };
    match config.config_operation {
        0 => settings.insert(name.clone(), value()?.to_owned()),
        1 => settings.remove(&name),
        operation @ (2 | 3) if matches!(kind, Kind::List(_)) => {
            let present = settings.get(&name).map_or(default, String::as_str).to_owned();
            let named: Vec<_> = value()?.split(',').map(str::trim).collect();
            let kept =
                present.split(',').map(str::trim).filter(|word| !word.is_empty() && !named.contains(word));
            let added = named.iter().copied().filter(|_| operation == 2);
            let words: Vec<_> = kept.chain(added).collect();
            settings.insert(name.clone(), words.join(","))
        }
        other => return Err(invalid(format!("operation {other} can't be done to '{name}'"))),
    };
    Ok(settings)
}

fn told(done: Result<(), Refusal>) -> (i16, Option<StrBytes>) {
    done.err().map_or((0, None), |(error, said)| (error.code(), Some(text(said))))
}
