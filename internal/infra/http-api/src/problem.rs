use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use millstream_runtime::QueryError;
use serde_json::{Map, Value, json};

/// Why a request has no answer: a status, a word for programs and a sentence for people.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    message: String,
    more: Map<String, Value>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), more: Map::new() }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(crate) fn missing(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(crate) fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }

    pub(crate) fn unauthorized() -> Self {
        let message = "a bearer token is needed: send it as 'Authorization: Bearer …'";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    pub(crate) fn foreign_host() -> Self {
        let message = "this server is not known under that host name; ask by address, set the advertised URL, or set a token";
        Self::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", message)
    }

    pub(crate) fn foreign_page() -> Self {
        Self::new(StatusCode::FORBIDDEN, "cross_origin", "a page of another site may not write here")
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Adds a field to what is told.
    pub(crate) fn with(mut self, name: &str, value: Value) -> Self {
        self.more.insert(name.to_owned(), value);
        self
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let (status, code) = match &error {
            QueryError::Elsewhere(_) => (StatusCode::MISDIRECTED_REQUEST, "elsewhere"),
            QueryError::Recovering { .. } => (StatusCode::SERVICE_UNAVAILABLE, "recovering"),
            QueryError::Behind { .. } => (StatusCode::GATEWAY_TIMEOUT, "behind"),
            QueryError::NoInput(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            QueryError::NoTable => (StatusCode::NOT_FOUND, "no_such_table"),
            QueryError::Failed(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        let problem = Self::new(status, code, error.to_string());
        match error {
            QueryError::Behind { partition, next, wanted, .. } => problem
                .with("partition", json!(partition.index()))
                .with("processed_before", json!(next.0))
                .with("min_offset", json!(wanted.0)),
            QueryError::Elsewhere(partition) | QueryError::Recovering { partition, .. } => {
                problem.with("partition", json!(partition.index()))
            }
            _ => problem,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = self.more;
        body.insert("error".to_owned(), json!(self.code));
        body.insert("message".to_owned(), json!(self.message));
        let mut response = (self.status, Json(Value::Object(body))).into_response();
        if [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT].contains(&self.status) {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
