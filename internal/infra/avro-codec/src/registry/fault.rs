use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use millstream_ports::PortError;
use reqwest::blocking::Response;
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::RawError;
use serde::Deserialize;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// What the registry calls things that it does not have: 404 and its finer codes, of a subject, a version or a schema.
const NOT_FOUND: u32 = 404;
const CONFLICT: u32 = 409;

/// Why a request to the registry came to nothing. It never tells the address, which may hold a password.
#[derive(Debug)]
pub(super) enum Fault {
    /// The registry can't be reached, or is not well: it may be later.
    Passing(String),
    /// It answered, and the answer is no.
    Refused {
        /// The HTTP status.
        status: u32,
        /// The registry's own code, of which the first digits are a status; 0 when the answer was not the registry's.
        code: u32,
        said: String,
    },
}

impl Fault {
    /// Of a request that got no answer.
    pub(super) fn unanswered(error: reqwest::Error) -> Self {
        Self::Passing(cause(&error.without_url()))
    }

    /// Of an answer that is not a success.
    pub(super) fn of(answer: Response) -> Self {
        #[derive(Deserialize)]
        struct Said {
            error_code: u32,
            message: String,
        }
        let status = u32::from(answer.status().as_u16());
        let body = answer.text().unwrap_or_default();
        let said = serde_json::from_str(&body).unwrap_or(Said { error_code: 0, message: body });
        Self::answered(status, said.error_code, said.message)
    }

    fn answered(status: u32, code: u32, said: String) -> Self {
        match status {
            408 | 429 | 500.. => Self::Passing(format!("{status}: {said}")),
            _ => Self::Refused { status, code, said },
        }
    }

    /// Whether the registry itself says that it has no such thing; a wrong path in its address says so too, but not in the
    /// registry's words.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == NOT_FOUND || code / 100 == NOT_FOUND)
    }

    /// Whether the registry found a schema not compatible with those before it.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status: CONFLICT, .. })
    }

    /// The error that a caller of the port sees.
    pub(super) fn told(self, attempt: &str) -> PortError {
        match self {
            Self::Passing(why) => PortError::retry(format!(
                "{attempt}: the schema registry does not answer; is it up, and is SCHEMA_REGISTRY_URL right?"
            ))
            .because(why),
            Self::Refused { status, said, .. } => {
                let remedy = match status {
                    401 | 403 => "; are the user and password in SCHEMA_REGISTRY_URL right?",
                    NOT_FOUND => "; is the path in SCHEMA_REGISTRY_URL right?",
                    _ => "",
                };
                PortError::stop(format!("{attempt}{remedy}")).because(format!("{status}: {said}"))
            }
        }
    }
}

impl From<SRCError> for Fault {
    fn from(error: SRCError) -> Self {
        let source = error.source();
        let raw = source.and_then(|source| source.downcast_ref::<RawError>());
        match (raw, status_in(&error.error)) {
            (Some(raw), Some(status)) => Self::answered(status, raw.error_code, raw.message.clone()),
            _ if error.retriable => Self::Passing(source.map_or_else(|| error.error.clone(), cause)),
            _ => Self::Refused { status: 200, code: 0, said: error.error },
        }
    }
}

/// The library keeps the status of a refusal only in its text, `… failed with status 409 Conflict`; a test holds it to that.
fn status_in(text: &str) -> Option<u32> {
    text.split_once(" status ")?.1.split(' ').next()?.parse().ok()
}

/// The innermost cause; what is around it says only that something failed, or tells the address.
fn cause(mut error: &(dyn Error + 'static)) -> String {
    while let Some(inner) = error.source() {
        error = inner;
    }
    error.to_string()
}

/// Asks again while the fault may pass, with growing pauses, for as long as `patience`.
pub(super) fn retried<T>(patience: Duration, ask: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match ask() {
            Err(Fault::Passing(why)) if begun.elapsed() + pause < patience => {
                tracing::debug!(why, "asking the schema registry again");
                thread::sleep(pause);
                pause = (pause * 2).min(PAUSE_MAX);
            }
            answered => return answered,
        }
    }
}
