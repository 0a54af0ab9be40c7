use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use millstream_model::{Offset, Partition};
use millstream_ports::KeyRange;
use millstream_runtime::Reached;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::tables::Tables;
use crate::tables::answer::Cursor;
use crate::tables::ask::{Asked, Scope};
use crate::tables::peers::PASSED_ON;
use crate::tables::served::Served;

/// Entries of a page unless told otherwise, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// How long an answer waits for `min_offset` unless told otherwise, and at most.
const PATIENCE: Duration = Duration::from_secs(5);
const PATIENCE_MAX: Duration = Duration::from_mins(1);

/// The tables' part of a server.
pub(crate) fn router(tables: Tables) -> Router {
    Router::new()
        .route("/v1/tables", get(list))
        .route("/v1/tables/{table}/entries", get(entries))
        .route("/v1/tables/{table}/entries/{key}", get(entry))
        .route("/v1/tables/{table}/entry", get(entry_of_any_key))
        .route("/v1/tables/{table}/count", get(count))
        .with_state(tables)
}

/// All that a request may say behind its question mark.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    min_offset: Option<i64>,
    input: Option<String>,
    timeout_ms: Option<u64>,
    partition: Option<u32>,
    partitions: Option<String>,
    prefix: Option<String>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
    key: Option<String>,
}

type Parameters = Result<Query<Given>, QueryRejection>;

fn given(parameters: Parameters) -> Result<Given, Problem> {
    let given =
        parameters.map(|Query(given)| given).map_err(|rejection| Problem::bad(rejection.body_text()))?;
    if given.key.is_some() {
        return Err(Problem::bad("'key' is asked for as /v1/tables/T/entry?key=K"));
    }
    Ok(given)
}

/// What a path names, which may be no text.
fn named<T>(path: Result<Path<T>, PathRejection>) -> Result<T, Problem> {
    path.map(|Path(named)| named).map_err(|rejection| Problem::bad(rejection.body_text()))
}

async fn list(State(tables): State<Tables>) -> Json<Value> {
    let told = |table: &Served| {
        let keys = format!("{:?}", table.key).to_lowercase();
        let (partitions, owners, role) = (table.width(), table.owners(), table.role());
        json!({"name": table.name, "role": role, "partitions": partitions, "keys": keys, "owners": owners})
    };
    Json(json!({"tables": tables.all().iter().map(|table| told(table)).collect::<Vec<_>>()}))
}

async fn entry(
    State(tables): State<Tables>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let (name, key) = named(path)?;
    found(&tables, (&name, key), given(parameters)?, &headers).await
}

/// For keys that no path can hold too: the empty one, `.` and `..`.
async fn entry_of_any_key(
    State(tables): State<Tables>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let name = named(path)?;
    let mut given =
        parameters.map(|Query(given)| given).map_err(|rejection| Problem::bad(rejection.body_text()))?;
    let key =
        given.key.take().ok_or_else(|| Problem::bad("'key' is missing: ask for /v1/tables/T/entry?key=K"))?;
    found(&tables, (&name, key), given, &headers).await
}

async fn found(
    tables: &Tables,
    (name, key): (&str, String),
    given: Given,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let table = tables.named(name)?;
    let asked = asked(tables, table, &given, headers)?;
    let bytes = asked.table.key.read(&key)?;
    let partition = match given.partition {
        Some(number) => Partition::new(number),
        None => asked.partition_of(&bytes).await?,
    };
    asked.check(partition)?;
    let after = given.min_offset.map(|offset| Reached { input: given.input.clone(), offset: Offset(offset) });
    if after.is_none() && given.input.is_some() {
        return Err(Problem::bad("'input' says which input 'min_offset' is of, and there is none"));
    }
    let (status, body) = asked.entry(partition, &key, bytes, after).await?;
    Ok((status, Json(body)).into_response())
}

async fn entries(
    State(tables): State<Tables>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let (table, given) = (tables.named(&named(path)?)?, given(parameters)?);
    let asked = asked(&tables, table, &given, &headers)?;
    let limit = given.limit.unwrap_or(LIMIT);
    if limit == 0 || limit > LIMIT_MAX {
        return Err(Problem::bad(format!("'limit' is from 1 to {LIMIT_MAX}")));
    }
    let cursor = given
        .cursor
        .as_deref()
        .map(|text| Cursor::read(text).ok_or_else(|| Problem::bad("'cursor' is none that this server gave")));
    let scope = scope(&asked, &given, cursor.transpose()?)?;
    Ok(Json(asked.entries(&scope, limit).await?))
}

async fn count(
    State(tables): State<Tables>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let (table, given) = (tables.named(&named(path)?)?, given(parameters)?);
    let asked = asked(&tables, table, &given, &headers)?;
    let scope = scope(&asked, &given, None)?;
    Ok(Json(asked.count(&scope).await?))
}

fn asked(
    tables: &Tables,
    table: std::sync::Arc<Served>,
    given: &Given,
    headers: &HeaderMap,
) -> Result<Asked, Problem> {
    let patience = given.timeout_ms.map_or(PATIENCE, Duration::from_millis);
    if patience > PATIENCE_MAX {
        return Err(Problem::bad(format!("'timeout_ms' is at most {}", PATIENCE_MAX.as_millis())));
    }
    let is_passed_on = headers.contains_key(PASSED_ON);
    Ok(Asked { peers: tables.peers.clone(), table, is_passed_on, patience })
}

fn scope(asked: &Asked, given: &Given, cursor: Option<Cursor>) -> Result<Scope, Problem> {
    let key = asked.table.key;
    let end = |text: &Option<String>| text.as_deref().map(|text| key.read(text)).transpose();
    let prefix = KeyRange::prefix(&key.read_prefix(given.prefix.as_deref().unwrap_or_default())?);
    let range = within(&prefix, end(&given.from)?, end(&given.to)?);
    let partitions = given.partitions.as_deref().map_or_else(|| Ok(asked.table.partitions()), numbers)?;
    partitions.iter().try_for_each(|partition| asked.check(*partition))?;
    let texts = [("prefix", &given.prefix), ("from", &given.from), ("to", &given.to)];
    let texts = texts.iter().filter_map(|(name, text)| Some(((*name).to_owned(), text.as_ref()?.clone())));
    Ok(Scope { texts: texts.collect(), range, partitions, cursor })
}

/// The part of `range` from one key, up to but without another.
fn within(range: &KeyRange, from: Option<Vec<u8>>, to: Option<Vec<u8>>) -> KeyRange {
    let from = from.unwrap_or_default().max(range.from().to_vec());
    let own = range.to().map(<[u8]>::to_vec);
    KeyRange::new(from, [own, to].into_iter().flatten().min())
}

fn numbers(text: &str) -> Result<Vec<Partition>, Problem> {
    let number = |part: &str| {
        let number = part.trim().parse().map(Partition::new);
        number.map_err(|_| Problem::bad("'partitions' are numbers with commas between"))
    };
    text.split(',').map(number).collect()
}
