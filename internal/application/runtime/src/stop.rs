use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
