//! The paths, and what each does.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::desk::Desk;
use crate::names::{Layout, OBJECTS};
use crate::problem::Problem;
use crate::request::{CloseRequest, StatementRequest, read};
use crate::{answer, insert, query};

/// The version of ksqlDB whose API this is, as clients ask for it.
const VERSION: &str = "0.29.0";

/// All that a server of its own answers.
pub(crate) fn router(desk: Desk) -> Router {
    paths(desk)
        .route("/", get(async || Redirect::temporary("/info")))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, 0, "there is no such path"))
}

/// What another server can answer beside what is its own: `/`, and what is nobody's, stay with it.
pub(crate) fn paths(desk: Desk) -> Router {
    Router::new()
        .route("/info", get(info))
        .route("/healthcheck", get(health))
        .route("/clusterStatus", get(cluster))
        .route("/v1/metadata", get(metadata))
        .route("/v1/metadata/id", get(cluster_id))
        .route("/status", get(statuses))
        .route("/status/{kind}/{name}/{deed}", get(status))
        .route("/is_valid_property/{name}", get(is_valid))
        .route("/ksql", post(ksql))
        .route("/query", post(rows))
        .route("/query-stream", post(rows_by_line))
        .route("/close-query", post(close))
        .route("/inserts-stream", post(inserts))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, 0, "the path has no such method")
        })
        .layer(from_fn_with_state(desk.clone(), guard))
        .with_state(desk)
}

/// Lets in who may ask.
async fn guard(State(desk): State<Desk>, request: Request, next: Next) -> Response {
    if desk.access.is_shown(request.headers()) {
        next.run(request).await
    } else {
        Problem::new(StatusCode::UNAUTHORIZED, 0, "show a name and password, or a token").into_response()
    }
}

pub(crate) fn json_of(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, OBJECTS)], value.to_string()).into_response()
}

/// Does what may wait on a thread of its own.
pub(crate) async fn apart<T: Send + 'static>(
    desk: &Desk,
    deed: impl FnOnce(Desk) -> T + Send + 'static,
) -> Result<T, Problem> {
    let closed = |_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, 0, "the server is ending");
    let turn = desk.turns.clone().acquire_owned().await.map_err(closed)?;
    let desk = desk.clone();
    let work = spawn_blocking(move || {
        let _turn = turn;
        deed(desk)
    });
    let defect = "the request could not be worked on; this is a defect, please report it with the log";
    work.await.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, 0, defect))
}

pub(crate) async fn whole(desk: &Desk, body: Body) -> Result<Bytes, Problem> {
    let said = format!("the request is longer than {} bytes", desk.body_bytes_max);
    to_bytes(body, desk.body_bytes_max)
        .await
        .map_err(|_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, 0, said))
}

async fn info(State(desk): State<Desk>) -> Response {
    let id = desk.statements.service_id();
    json_of(&json!({"KsqlServerInfo": {
        "version": VERSION, "kafkaClusterId": "kafka", "ksqlServiceId": id, "serverStatus": "RUNNING",
    }}))
}

async fn health(State(desk): State<Desk>) -> Response {
    let is_healthy = desk.statements.health().is_ok();
    let part = json!({"isHealthy": is_healthy});
    let state = if is_healthy { "READY" } else { "ERROR" };
    let body = json_of(&json!({
        "isHealthy": is_healthy, "serverState": state,
        "details": {"metastore": part, "kafka": part, "commandRunner": part},
    }));
    if is_healthy { body } else { (StatusCode::SERVICE_UNAVAILABLE, body).into_response() }
}

/// Each server knows itself alone: it answers for whole tables, and so needs to ask none of the others.
async fn cluster(State(desk): State<Desk>) -> Response {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let now = u64::try_from(now).unwrap_or(u64::MAX);
    let host = json!({"hostAlive": desk.statements.health().is_ok(), "lastStatusUpdateMs": now,
        "activeStandbyPerQuery": {}, "hostStoreLags": {"stateStoreLags": {}, "updateTimeMs": 0}});
    json_of(&json!({"clusterStatus": {desk.address.as_str(): host}}))
}

async fn metadata(State(desk): State<Desk>) -> Response {
    json_of(&json!({"version": VERSION, "clusterId": clusters(&desk)}))
}

async fn cluster_id(State(desk): State<Desk>) -> Response {
    json_of(&clusters(&desk))
}

fn clusters(desk: &Desk) -> Value {
    let id = desk.statements.service_id();
    json!({"id": "", "scope": {"path": [], "clusters": {"kafka-cluster": "kafka", "ksql-cluster": id}}})
}

async fn statuses(State(desk): State<Desk>) -> Response {
    let all: serde_json::Map<String, Value> =
        desk.kept().into_iter().map(|(subject, _)| (subject, json!("SUCCESS"))).collect();
    json_of(&json!({"commandStatuses": all}))
}

async fn status(State(desk): State<Desk>, Path(parts): Path<(String, String, String)>) -> Response {
    let (kind, name, deed) = parts;
    let plain = |subject: &str| subject.replace('`', "");
    let asked = plain(&format!("{kind}/{name}/{deed}"));
    let found = desk.kept().into_iter().rfind(|(subject, _)| plain(subject) == asked);
    match found {
        Some((_, told)) => {
            json_of(&json!({"status": "SUCCESS", "message": told.message, "queryId": told.query}))
        }
        None => Problem::new(StatusCode::NOT_FOUND, 0, "no such statement is known here").into_response(),
    }
}

async fn is_valid(Path(name): Path<String>) -> Response {
    if millstream_sql::is_property(&name) {
        json_of(&json!(true))
    } else {
        Problem::new(StatusCode::BAD_REQUEST, 1, format!("the property '{name}' can't be set"))
            .into_response()
    }
}

async fn ksql(State(desk): State<Desk>, body: Body) -> Result<Response, Problem> {
    let body = whole(&desk, body).await?;
    let request: StatementRequest = read(&body)?;
    let done = apart(&desk, move |desk| answer::statements(&desk, &request)).await??;
    Ok(json_of(&Value::Array(done)))
}

async fn rows(State(desk): State<Desk>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    told(desk, Layout::asked_for(&headers, Layout::Objects), body, true).await
}

async fn rows_by_line(State(desk): State<Desk>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    told(desk, Layout::asked_for(&headers, Layout::Lines), body, false).await
}

async fn told(desk: Desk, layout: Layout, body: Body, is_old: bool) -> Result<Response, Problem> {
    let body = whole(&desk, body).await?;
    let request: StatementRequest = read(&body)?;
    // The older path has objects only; what it calls JSON is them.
    let layout = if is_old && layout == Layout::Array { Layout::Objects } else { layout };
    apart(&desk, move |desk| query::told(&desk, &request, layout)).await?
}

async fn close(State(desk): State<Desk>, body: Body) -> Result<Response, Problem> {
    let request: CloseRequest = read(&whole(&desk, body).await?)?;
    if desk.close(&request.query_id) {
        return Ok(StatusCode::OK.into_response());
    }
    let said = format!("there is no query {}", request.query_id);
    Err(Problem::new(StatusCode::BAD_REQUEST, 0, said))
}

async fn inserts(State(desk): State<Desk>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let layout = Layout::asked_for(&headers, Layout::Lines);
    insert::taken(desk, layout, body).await
}
