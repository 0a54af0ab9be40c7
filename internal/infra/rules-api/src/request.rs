use std::collections::BTreeMap;

use axum::body::Bytes;
use millstream_rule_engine::Session;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::problem::Problem;

/// Statements, or for `/query` and `/query-stream` a query: both names of each field are clients' words.
#[derive(Deserialize)]
pub(crate) struct StatementRequest {
    #[serde(alias = "sql")]
    pub(crate) ksql: String,
    #[serde(default, rename = "streamsProperties", alias = "properties")]
    properties: Option<BTreeMap<String, Value>>,
    #[serde(default, rename = "sessionVariables")]
    variables: Option<BTreeMap<String, Value>>,
    /// Where the journal has the statement that this one comes after, whichever server took that.
    #[serde(default, rename = "commandSequenceNumber")]
    pub(crate) after: Option<i64>,
}

impl StatementRequest {
    /// What whoever asks has set.
    pub(crate) fn session(&self) -> Session {
        let mut session = Session::new();
        for (name, value) in self.properties.iter().flatten() {
            session.set(name, text(value).as_deref());
        }
        for (name, value) in self.variables.iter().flatten() {
            session.define(name, text(value).as_deref());
        }
        session
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// `/close-query`.
#[derive(Deserialize)]
pub(crate) struct CloseRequest {
    #[serde(rename = "queryId")]
    pub(crate) query_id: String,
}

/// The first line of `/inserts-stream`.
#[derive(Deserialize)]
pub(crate) struct InsertsRequest {
    pub(crate) target: String,
}

pub(crate) fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::request(format!("the request can't be read: {error}")))
}
