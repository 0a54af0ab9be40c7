//! How a reader waits for records without asking again and again.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Instant;

/// Somebody who waits for any of several partitions to grow.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    rung: Mutex<bool>,
    bell: Condvar,
}

impl Waiter {
    pub(crate) fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_one();
    }

    /// Waits until it was rung, and answers `true`, or until the deadline.
    pub(crate) fn wait(&self, deadline: Instant) -> bool {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        while !*rung {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            rung = self.bell.wait_timeout(rung, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *rung = false;
        true
    }
}

/// Those who wait at one partition.
#[derive(Debug, Default)]
pub(crate) struct Waiters(Mutex<Vec<Weak<Waiter>>>);

impl Waiters {
    pub(crate) fn add(&self, waiter: &Arc<Waiter>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(waiter));
    }

    pub(crate) fn remove(&self, waiter: &Arc<Waiter>) {
        let gone = Arc::downgrade(waiter);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|each| !each.ptr_eq(&gone));
    }

    pub(crate) fn ring(&self) {
        let waiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiters.iter().filter_map(Weak::upgrade).for_each(|waiter| waiter.ring());
    }
}
