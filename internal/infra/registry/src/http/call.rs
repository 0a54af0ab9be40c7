use std::collections::HashMap;

use axum::body::Bytes;
use axum::http::StatusCode;
use millstream_registry_rules::{Filter, Refusal, Scope, Subject, VersionRange};
use serde::de::DeserializeOwned;

use super::Problem;

/// A request, taken apart.
pub(super) struct Call {
    pub(super) path: HashMap<String, String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// Whether the client passes over what it does not know in an answer; old ones break on it.
    pub(super) takes_more: bool,
}

impl Call {
    fn named(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    pub(super) fn subject(&self) -> Result<Subject, Refusal> {
        Subject::new(self.named("subject"))
    }

    /// The subject, where the path names one.
    pub(super) fn scope(&self) -> Result<Scope, Refusal> {
        self.path.get("subject").map(Subject::new).transpose()
    }

    pub(super) fn version(&self) -> Result<VersionRange, Refusal> {
        VersionRange::parse(self.named("version"))
    }

    /// An id. What is no number is no path of the API's.
    pub(super) fn id(&self) -> Result<u32, Problem> {
        self.named("id").parse().map_err(|_| Problem::plain(StatusCode::NOT_FOUND))
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_default()
    }

    /// The values of a parameter that may come more than once.
    pub(super) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.text(name).eq_ignore_ascii_case("true")
    }

    pub(super) fn filter(&self) -> Filter {
        if self.is_set("deletedOnly") {
            Filter::OnlyDeleted
        } else if self.is_set("deleted") {
            Filter::WithDeleted
        } else {
            Filter::Live
        }
    }

    /// The part of a list that is asked for, by `offset` and `limit`; a negative limit is none.
    pub(super) fn page<T>(&self, all: impl IntoIterator<Item = T>) -> Vec<T> {
        let number = |name| self.text(name).parse::<usize>().ok();
        let limit = number("limit").unwrap_or(usize::MAX);
        all.into_iter().skip(number("offset").unwrap_or_default()).take(limit).collect()
    }

    pub(super) fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.body).map_err(|error| Problem::unreadable(&error.to_string()))
    }
}
