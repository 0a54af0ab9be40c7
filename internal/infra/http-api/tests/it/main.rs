//! The HTTP face with real sockets, over processors in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::must_use_candidate,
    unreachable_pub,
    missing_docs,
    reason = "tests"
)]

mod browser;
mod console;
mod instance;
mod rules;
mod secured;
mod tables;
mod views;
