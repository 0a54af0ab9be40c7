use std::process;
use std::sync::{Arc, OnceLock};

use millstream_runtime::{Running, Stop};

/// What a signal does: it ends a program that has not begun, lets a running one drain, and the second one ends that too.
pub(crate) struct Ending(Arc<OnceLock<Stop>>);

impl Ending {
    /// Takes over SIGINT and SIGTERM.
    pub(crate) fn by_signals() -> anyhow::Result<Self> {
        let running = Arc::new(OnceLock::<Stop>::new());
        let asked = running.clone();
        ctrlc::set_handler(move || match asked.get() {
            None => process::exit(0),
            Some(stop) if stop.is_set() => process::exit(1),
            Some(stop) => stop.set(),
        })?;
        Ok(Self(running))
    }

    /// From now on a signal asks this processor to stop.
    pub(crate) fn stops(&self, running: &Running) {
        let _ = self.0.set(running.stopper());
    }
}
