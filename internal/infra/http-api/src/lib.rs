//! The HTTP face of a long-running program: metrics, health, tables, and a page to watch it by.
//!
//! `GET /metrics` tells the figures, `/healthz` whether the program does its work at all, `/readyz` whether it is caught
//! up enough to be counted on. [`Tables`] answers for group tables and views under `/v1/tables`: a key, a span of keys, how many there
//! are; a request to any instance is passed on to the one that has the partition. [`Console`] is a page that shows it
//! all, with what else a program lets people do. [`Access`] says who may ask. Loopback is
//! for the caller to choose: the server listens where it is told.
//!
//! ```
//! use std::sync::Arc;
//! use millstream_http_api::{Routes, Server};
//!
//! let routes = Routes { metrics: Arc::new(String::new), healthy: Arc::new(|| Ok(())), ready: Arc::new(|| Ok(())) };
//! let server = Server::start("127.0.0.1:0", routes)?;
//! println!("listening on {}", server.address());
//! # Ok::<(), millstream_http_api::HttpError>(())
//! ```

mod access;
mod console;
mod problem;
mod server;
mod tables;

pub use access::{Access, Token};
pub use console::{Console, DeadLetter, DeadLetters, FilterControl, RuleList, ShownRule, WatchedGroup};
pub use server::{HttpError, Listening, Routes, Server, Site};
pub use tables::{KeyForm, Label, LocalTable, Peers, ServedTable, ServedView, Tables, ToJson};
