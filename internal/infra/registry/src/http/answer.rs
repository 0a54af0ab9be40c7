use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use millstream_registry_rules::Refusal;
use serde_json::{Value, json};

use crate::journal::Fault;

/// In what an answer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// Confluent's own name for it, unless asked otherwise.
    Registry,
    /// Plain JSON.
    Json,
}

impl Media {
    pub(super) fn asked_for(headers: &HeaderMap) -> Self {
        let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_plain = accepted.contains("application/json") && !accepted.contains("vnd.schemaregistry");
        if is_plain { Self::Json } else { Self::Registry }
    }

    fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Registry => "application/vnd.schemaregistry.v1+json",
            Self::Json => "application/json",
        })
    }

    /// Whether a body of this kind is read. One of no kind is.
    pub(super) fn is_taken(headers: &HeaderMap) -> bool {
        let kinds = [
            "application/vnd.schemaregistry.v1+json",
            "application/vnd.schemaregistry+json",
            "application/json",
            "application/octet-stream",
        ];
        headers.get(CONTENT_TYPE).is_none_or(|value| {
            let kind = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
            kinds.iter().any(|known| known.eq_ignore_ascii_case(kind))
        })
    }
}

/// Why a request is not answered as wished, as clients are told.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: u32,
    message: String,
}

impl Problem {
    fn new(status: StatusCode, message: String) -> Self {
        Self { status, code: status.as_u16().into(), message }
    }

    /// A status that says all.
    pub(super) fn plain(status: StatusCode) -> Self {
        Self::new(status, format!("HTTP {status}"))
    }

    pub(super) fn unreadable(why: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, format!("the request can't be read: {why}"))
    }

    pub(super) fn body_too_large(max: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the request's body has more than {max} bytes, or broke off"),
        )
    }

    pub(super) fn late(wait: Duration) -> Self {
        Self {
            code: 50002,
            ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, format!("not done within {} s", wait.as_secs()))
        }
    }

    /// Whether the rules find a schema to be none.
    pub(super) fn is_of_schema(&self) -> bool {
        self.code == 42201
    }

    pub(super) fn message(self) -> String {
        self.message
    }

    pub(super) fn told(&self, media: Media) -> Response {
        let body = json!({ "error_code": self.code, "message": self.message });
        told(self.status, media, &body, false)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { status, code: refusal.code(), message: refusal.to_string() }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let (status, code) = match fault {
            Fault::Refused(refusal) => return refusal.into(),
            Fault::Store(_) | Fault::Contended(_) => (StatusCode::INTERNAL_SERVER_ERROR, 50001),
            Fault::Late(_) => (StatusCode::INTERNAL_SERVER_ERROR, 50002),
            Fault::TooLarge { .. } => (StatusCode::UNPROCESSABLE_ENTITY, 42209),
        };
        tracing::warn!(code, %fault, "a request to the schema registry failed");
        Self { status, code, message: fault.to_string() }
    }
}

/// An answer's bytes. `is_text` tells a JSON string as the text that it is.
pub(super) fn told(status: StatusCode, media: Media, value: &Value, is_text: bool) -> Response {
    let body = match value {
        Value::String(text) if is_text => text.clone(),
        other => other.to_string(),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, media.name());
    response
}
