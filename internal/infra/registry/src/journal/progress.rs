use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use millstream_model::Offset;
use millstream_registry_rules::Verdict;

use super::Fault;

/// How far the journal was read, and what became of this instance's own records.
#[derive(Default)]
pub(super) struct Progress {
    inside: Mutex<Inside>,
    changed: Condvar,
}

#[derive(Default)]
struct Inside {
    next: Offset,
    /// By the token they were written with.
    own: Vec<(u64, Verdict)>,
    fault: Option<String>,
    is_stopped: bool,
}

impl Progress {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reader is at `next`; on its way it came by these of this instance's.
    pub(super) fn advance(&self, next: Offset, own: Vec<(u64, Verdict)>) {
        let mut inside = self.inside();
        inside.next = inside.next.max(next);
        inside.own.extend(own);
        self.changed.notify_all();
    }

    pub(super) fn fail(&self, why: String) {
        self.inside().fault = Some(why);
        self.changed.notify_all();
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        self.inside().fault.clone().map_or(Ok(()), |why| Err(Fault::Store(why)))
    }

    pub(super) fn next(&self) -> Offset {
        self.inside().next
    }

    pub(super) fn stop(&self) {
        self.inside().is_stopped = true;
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.inside().is_stopped
    }

    pub(super) fn forget_own(&self) {
        self.inside().own.clear();
    }

    /// Waits until the record at `offset` is read, and tells how many of this instance's with this token count.
    pub(super) fn await_own(&self, offset: Offset, token: u64, wait: Duration) -> Result<usize, Fault> {
        let deadline = Instant::now() + wait;
        let mut inside = self.inside();
        while inside.next <= offset && inside.fault.is_none() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Fault::Late(wait));
            }
            inside = self.changed.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if let Some(why) = inside.fault.clone() {
            return Err(Fault::Store(why));
        }
        Ok(inside.own.iter().filter(|own| **own == (token, Verdict::Counts)).count())
    }
}
