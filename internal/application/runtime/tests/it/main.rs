//! The framework on a world in memory.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    missing_docs,
    reason = "tests"
)]

mod edges;
mod idle;
mod policies;
mod simulation;
mod stalled;
mod threads;
