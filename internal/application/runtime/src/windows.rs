//! Tables with an entry for each key and stretch of time, in the group table under composite keys.

use std::fmt;
use std::time::Duration;

use millstream_model::Timestamp;

pub use crate::windows::session_table::SessionTable;
pub use crate::windows::window_table::WindowTable;

mod key;
mod session_table;
mod window_table;

/// A stretch of time. What its end means is said by whoever gives it: a window ends before it, a session with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// The first moment in it.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// Milliseconds, as times are counted in.
fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn plus(time: Timestamp, millis: i64) -> Timestamp {
    Timestamp(time.0.saturating_add(millis))
}

#[cfg(test)]
mod tests;
