use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Fault;

/// Lets writers through one by one. Those who wait while one fails fail with it: with the journal away, everybody would
/// otherwise wait for everybody else's time to run out.
#[derive(Default)]
pub(super) struct Gate {
    inside: Mutex<Inside>,
    freed: Condvar,
}

#[derive(Default)]
struct Inside {
    is_taken: bool,
    failures: u64,
    last_failure: String,
}

/// Leave to write, until it is dropped.
pub(super) struct Pass<'a>(&'a Gate);

impl Gate {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its turn.
    ///
    /// # Errors
    /// [`Fault::Store`] when another failed meanwhile, [`Fault::Late`] when the turn does not come in time.
    pub(super) fn enter(&self, wait: Duration) -> Result<Pass<'_>, Fault> {
        let deadline = Instant::now() + wait;
        let mut inside = self.inside();
        let failures = inside.failures;
        while inside.is_taken {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Fault::Late(wait));
            }
            inside = self.freed.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0;
            if inside.failures > failures {
                return Err(Fault::Store(inside.last_failure.clone()));
            }
        }
        inside.is_taken = true;
        Ok(Pass(self))
    }
}

impl Pass<'_> {
    /// Tells those who wait that the journal fails.
    pub(super) fn fail(&self, why: &str) {
        let mut inside = self.0.inside();
        inside.failures += 1;
        why.clone_into(&mut inside.last_failure);
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.inside().is_taken = false;
        self.0.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn one_goes_after_the_other_and_nobody_waits_for_ever() {
        let gate = Gate::default();
        let pass = gate.enter(LONG).unwrap();
        assert!(matches!(gate.enter(Duration::from_millis(1)), Err(Fault::Late(_))));
        drop(pass);
        assert!(gate.enter(Duration::ZERO).is_ok());
    }

    #[test]
    fn those_who_wait_fail_with_the_one_who_fails_and_later_ones_do_not() {
        let gate = Gate::default();
        let pass = gate.enter(LONG).unwrap();
        thread::scope(|scope| {
            let (told, waits) = std::sync::mpsc::channel();
            let gate = &gate;
            let waiting = scope.spawn(move || {
                told.send(()).unwrap();
                gate.enter(LONG).map(drop).map_err(|fault| fault.to_string())
            });
            waits.recv().unwrap();
            // It waits by now, or will enter after the failure; the failure is told until it has waited.
            while !waiting.is_finished() {
                pass.fail("no brokers");
                gate.freed.notify_all();
                thread::yield_now();
            }
            assert!(waiting.join().unwrap().unwrap_err().contains("no brokers"));
        });
        drop(pass);
        assert!(gate.enter(LONG).is_ok());
    }
}
