//! The suites that every adapter passes. They panic where a promise is broken, as tests do.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "these are tests, kept where every adapter can call them"
)]

mod log;
mod table;

pub use log::log;
pub use table::table_store;
