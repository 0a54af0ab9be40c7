use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::answer::{Media, Problem, told};
use super::{Call, Deed};
use crate::Settings;
use crate::journal::Journal;

/// Requests of a kind that are worked on at once; others wait their turn, and their bodies are not read before. Those that
/// only read are a kind of their own, so that they go on while the journal lets writers wait.
pub(crate) const REQUESTS_MAX: usize = 64;

/// By this header, with the value `true`, clients of Confluent's say that answers may grow.
const TAKES_MORE: &str = "confluent-accept-unknown-properties";

/// Where requests are taken in.
#[derive(Clone)]
pub(super) struct Desk {
    journal: Arc<Journal>,
    readers: Arc<Semaphore>,
    others: Arc<Semaphore>,
    body_bytes_max: usize,
    wait: Duration,
}

impl Desk {
    pub(super) fn new(journal: Arc<Journal>, settings: &Settings) -> Self {
        // The journal gives up first, and says why.
        let wait = settings.answer_wait.saturating_mul(2);
        let turns = || Arc::new(Semaphore::new(REQUESTS_MAX));
        Self { journal, readers: turns(), others: turns(), body_bytes_max: settings.body_bytes_max, wait }
    }

    /// Does `deed` on a thread that may wait.
    pub(super) async fn answer(self, deed: Deed, request: Request) -> Response {
        let media = Media::asked_for(request.headers());
        let wait = self.wait;
        match timeout(wait, self.done(deed, request)).await {
            Ok(Ok((value, is_text))) => told(StatusCode::OK, media, &value, is_text),
            Ok(Err(problem)) => problem.told(media),
            Err(_) => Problem::late(wait).told(media),
        }
    }

    async fn done(self, deed: Deed, request: Request) -> Result<(Value, bool), Problem> {
        let turns = if request.method() == Method::GET { &self.readers } else { &self.others };
        let turn = turns.clone().acquire_owned().await;
        let turn = turn.map_err(|_| Problem::plain(StatusCode::SERVICE_UNAVAILABLE))?;
        let (mut parts, body) = request.into_parts();
        let body = self.body(&parts, body).await?;
        let is_text = parts.uri.path().trim_end_matches('/').ends_with("/schema");
        let path = match Path::from_request_parts(&mut parts, &()).await {
            Ok(Path(path)) => path,
            // Paths of no parameters have none to give.
            Err(PathRejection::MissingPathParams(_)) => HashMap::new(),
            Err(error) => return Err(Problem::unreadable(&error.to_string())),
        };
        let query = Query::from_request_parts(&mut parts, &()).await;
        let Query(query) = query.map_err(|error| Problem::unreadable(&error.to_string()))?;
        let takes_more = parts.headers.get(TAKES_MORE).is_some_and(|value| value.as_bytes() == b"true");
        let call = Call { path, query, body, takes_more };
        // Who asked may go away; what was begun is brought to its end, and keeps its turn until then.
        let work = spawn_blocking(move || {
            let _turn = turn;
            deed(&self.journal, &call)
        });
        let value = work.await.map_err(|_| Problem::plain(StatusCode::INTERNAL_SERVER_ERROR))??;
        Ok((value, is_text))
    }

    async fn body(&self, parts: &Parts, body: Body) -> Result<Bytes, Problem> {
        if !matches!(parts.method, Method::POST | Method::PUT) {
            return Ok(Bytes::new());
        }
        if !Media::is_taken(&parts.headers) {
            return Err(Problem::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        to_bytes(body, self.body_bytes_max).await.map_err(|_| Problem::body_too_large(self.body_bytes_max))
    }
}
