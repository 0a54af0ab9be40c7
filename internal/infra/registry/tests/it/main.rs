//! A registry over a log in memory and over Kafka, asked through a real socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod api;
mod asked;
mod journal;
mod kafka;
mod oracle;
mod sharing;
mod world;
