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

mod around;
mod commits;
mod deferral;
mod edges;
mod figures;
mod idle;
mod policies;
mod rejections;
mod repairs;
mod replays;
mod retries;
mod simulation;
mod snapshots;
mod stalled;
mod standbys;
mod threads;
mod timers;
mod visits;
mod windows;
