use std::thread;
use std::time::{Duration, Instant};

use crate::LONG;

/// Calls `done` until it says so.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < LONG, "never came to pass: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
