use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use millstream_rule_engine::Fault;
use serde_json::{Value, json};

use crate::names::OBJECTS;

/// What a request comes to that can't be done, in ksqlDB's words: the status, times a hundred and a number.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: u32,
    message: String,
    statement: Option<String>,
    done: Vec<Value>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, number: u32, message: impl Into<String>) -> Self {
        let code = u32::from(status.as_u16()) * 100 + number;
        Self { status, code, message: message.into(), statement: None, done: Vec::new() }
    }

    /// The request can't be understood.
    pub(crate) fn request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 0, message)
    }

    /// A statement can't be carried out.
    pub(crate) fn statement(text: &str, fault: &Fault) -> Self {
        if let Fault::Assertion(said) = fault {
            return Self::new(StatusCode::EXPECTATION_FAILED, 0, said);
        }
        let problem = if fault.is_askers() {
            Self::new(StatusCode::BAD_REQUEST, 1, fault.to_string())
        } else {
            Self::new(StatusCode::INTERNAL_SERVER_ERROR, 0, fault.to_string())
        };
        Self { statement: Some(text.to_owned()), ..problem }
    }

    /// What a statement comes after was not carried out here in time.
    pub(crate) fn late(fault: &Fault) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, 1, fault.to_string())
    }

    /// What the statements before it came to.
    pub(crate) fn behind(self, done: Vec<Value>) -> Self {
        Self { done, ..self }
    }

    pub(crate) fn body(&self) -> Value {
        match &self.statement {
            Some(text) => json!({
                "@type": "statement_error", "error_code": self.code, "message": self.message,
                "statementText": text, "entities": self.done,
            }),
            None => json!({"@type": "generic_error", "error_code": self.code, "message": self.message}),
        }
    }

    pub(crate) fn code(&self) -> u32 {
        self.code
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response =
            (self.status, [(header::CONTENT_TYPE, OBJECTS)], self.body().to_string()).into_response();
        if self.status == StatusCode::UNAUTHORIZED
            && let Ok(asks) = "Basic realm=\"rules\"".parse()
        {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, asks);
        }
        response
    }
}

impl Problem {
    /// A statement that another path takes.
    pub(crate) fn endpoint(text: &str, said: &str) -> Self {
        Self { statement: Some(text.to_owned()), ..Self::new(StatusCode::BAD_REQUEST, 2, said) }
    }
}
