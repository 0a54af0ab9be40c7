//! Rules at work on the world in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod sharing;
mod sharing_state;
