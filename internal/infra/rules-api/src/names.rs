//! The media types of ksqlDB's API.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// Objects with rows in them, one JSON array in all.
pub(crate) const OBJECTS: &str = "application/vnd.ksql.v1+json";

/// A line of JSON a row.
pub(crate) const LINES: &str = "application/vnd.ksqlapi.delimited.v1";

/// One JSON array of rows.
pub(crate) const ARRAY: &str = "application/json";

/// How rows are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Objects,
    Lines,
    Array,
    /// A line of text a row.
    Text,
}

impl Layout {
    /// What a request for a query's rows asks for, and what it gets when it does not say.
    pub(crate) fn asked_for(headers: &HeaderMap, otherwise: Self) -> Self {
        let accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let accepts: Vec<_> = accepts.flat_map(|value| value.split(',')).map(str::trim).collect();
        let first = accepts.iter().find_map(|each| match each.split(';').next().unwrap_or_default() {
            OBJECTS | "application/vnd.ksql+json" => Some(Self::Objects),
            LINES => Some(Self::Lines),
            ARRAY => Some(Self::Array),
            _ => None,
        });
        first.unwrap_or(otherwise)
    }

    pub(crate) fn media(self) -> &'static str {
        match self {
            Self::Objects => OBJECTS,
            Self::Lines => LINES,
            Self::Array => ARRAY,
            Self::Text => "text/plain; charset=utf-8",
        }
    }
}
