//! ksqlDB's REST API over a server of statements, so that its clients work: `/ksql`, `/query`, `/query-stream`,
//! `/inserts-stream`, `/close-query`, `/info`, `/healthcheck`, `/clusterStatus`, `/status` and `/is_valid_property`, over
//! HTTP/1.1 and, in clear text and without an upgrade, HTTP/2.
//!
//! What it is not: the statements, which are `millstream-rule-engine`'s. Shapes and codes follow ksqlDB's REST reference
//! (`docs/developer-guide/ksqldb-rest-api`).

mod answer;
mod auth;
mod desk;
mod entity;
mod http;
mod insert;
mod names;
mod problem;
mod query;
mod request;
mod rows;
mod server;
mod stream;
mod values;

pub use auth::Access;
pub use server::{ApiError, ApiSettings, RulesApi};
