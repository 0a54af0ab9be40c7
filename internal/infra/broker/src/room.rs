//! Memory that many share, handed out in parts so that all of them together take no more than was allowed.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::state::locked;

/// Bytes that may be taken.
#[derive(Debug)]
pub(crate) struct Pool {
    all: usize,
    free: Mutex<usize>,
    freed: Condvar,
}

/// A part of them; given back when dropped.
#[derive(Debug)]
pub(crate) struct Room {
    of: Arc<Pool>,
    count: usize,
}

impl Pool {
    pub(crate) fn new(all: usize) -> Arc<Self> {
        Arc::new(Self { all, free: Mutex::new(all), freed: Condvar::new() })
    }

    /// Waits until there is room. Who holds some already must not wait for more.
    pub(crate) fn take(self: &Arc<Self>, count: usize) -> Room {
        let count = count.min(self.all);
        let free = self.freed.wait_while(locked(&self.free), |free| *free < count);
        *free.unwrap_or_else(PoisonError::into_inner) -= count;
        Room { of: Arc::clone(self), count }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        *locked(&self.of.free) += self.count;
        self.of.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn there_is_never_more_taken_than_there_is() {
        let pool = Pool::new(10);
        let (some, rest) = (pool.take(7), pool.take(3));
        let waits = thread::spawn({
            let pool = Arc::clone(&pool);
            move || drop(pool.take(1_000))
        });
        drop(rest);
        assert!(!waits.is_finished(), "seven are still taken");
        drop(some);
        waits.join().unwrap();
        assert_eq!(*locked(&pool.free), 10);
    }
}
