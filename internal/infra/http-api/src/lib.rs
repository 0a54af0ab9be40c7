//! The HTTP face of a long-running program: metrics, health and readiness.
//!
//! `GET /metrics` tells the figures, `/healthz` whether the program does its work at all, `/readyz` whether it is caught
//! up enough to be counted on. Loopback is for the caller to choose: the server listens where it is told.
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

mod server;

pub use server::{HttpError, Routes, Server};
