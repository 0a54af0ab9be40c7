use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Asks threads to end what they are doing and come home. Clones share the request; it can't be taken back.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A request nobody has made yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the request.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether it was made.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A request to stop as a worker has heard of it, on its world's clock.
#[derive(Clone, Default)]
pub(crate) struct Heard {
    stop: Stop,
    at: Arc<OnceLock<Duration>>,
}

impl Heard {
    pub(crate) fn of(stop: &Stop) -> Self {
        Self { stop: stop.clone(), at: Arc::default() }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.stop.is_set()
    }

    /// Whether it is known for so long now.
    pub(crate) fn is_older(&self, now: Duration, than: Duration) -> bool {
        self.since(now).is_some_and(|since| since >= than)
    }

    /// How long it is known now; none where nobody has asked to stop.
    pub(crate) fn since(&self, now: Duration) -> Option<Duration> {
        self.is_set().then(|| now.saturating_sub(*self.at.get_or_init(|| now)))
    }
}
