//! The broker's clock, and who wakes when something is due.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use millstream_cluster::Millis;

/// A clock that never goes back while the process lives, and goes on where it was after a restart.
#[derive(Debug)]
pub(crate) struct Clock {
    wall: Millis,
    begun: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { wall: millis(since), begun: Instant::now() }
    }

    pub(crate) fn now(&self) -> Millis {
        self.wall + millis(self.begun.elapsed())
    }

    /// The same as a record's timestamp.
    pub(crate) fn timestamp(&self) -> i64 {
        i64::try_from(self.now()).unwrap_or(i64::MAX)
    }
}

fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

/// When its one waiter is to wake.
#[derive(Debug)]
pub(crate) struct Alarm {
    at: Mutex<Millis>,
    bell: Condvar,
}

impl Alarm {
    pub(crate) fn new() -> Self {
        Self { at: Mutex::new(Millis::MAX), bell: Condvar::new() }
    }

    /// Sees to it that the waiter wakes at `at` or earlier.
    pub(crate) fn set(&self, at: Millis) {
        let mut set = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        if at < *set {
            *set = at;
            self.bell.notify_one();
        }
    }

    /// Waits until it is time, and clears it.
    pub(crate) fn wait(&self, clock: &Clock) {
        let mut set = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = clock.now();
            if *set <= now {
                *set = Millis::MAX;
                return;
            }
            let left = Duration::from_millis((*set - now).min(3_600_000));
            set = self.bell.wait_timeout(set, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
