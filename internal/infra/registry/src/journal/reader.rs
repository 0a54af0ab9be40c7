use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use millstream_model::{Offset, Partition, RecordView};
use millstream_ports::{Action, PortError, Start, Tail};
use millstream_registry_rules::{Key, Record, Stamp};

use super::Shared;
use crate::wire;

/// The journal's only partition.
pub(super) const PARTITION: Partition = Partition::new(0);

/// How long a poll waits; also how long it takes to see that it should end.
const POLL_WAIT: Duration = Duration::from_millis(100);

/// Records that are taken in at once.
const BATCH: usize = 1000;

/// Pause after a fault that may pass.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// How long the first reading may stand still.
const STILL_MAX: Duration = Duration::from_mins(1);

/// Reads the journal into the state.
pub(super) struct Reader<T> {
    tail: T,
    shared: Arc<Shared>,
    end: Offset,
    /// The offset that the next record has at least.
    next: Offset,
    /// Whether another make's records were told of, which must not come while this one is at work.
    has_warned: bool,
}

impl<T: Tail> Reader<T> {
    pub(super) fn open(mut tail: T, shared: Arc<Shared>) -> Result<Self, PortError> {
        let (next, end) = tail.add(0, PARTITION, Start::Earliest)?;
        Ok(Self { tail, shared, end, next, has_warned: false })
    }

    /// Reads up to where the journal ended when it was opened.
    pub(super) fn catch_up(&mut self) -> Result<(), PortError> {
        let mut moved = Instant::now();
        while self.tail.position(0, PARTITION)? < self.end {
            let before = self.tail.position(0, PARTITION)?;
            self.step()?;
            if self.tail.position(0, PARTITION)? > before {
                moved = Instant::now();
            } else if moved.elapsed() > STILL_MAX {
                return Err(PortError::retry(
                    "the schemas' journal can't be read to its end; are its brokers up?",
                ));
            }
        }
        tracing::info!(records_until = self.end.0, "the schemas' journal is read");
        Ok(())
    }

    /// Until told to stop, or nothing can be read any more.
    pub(super) fn run(mut self) {
        while !self.shared.progress.is_stopped() {
            match self.step() {
                Ok(()) => {}
                Err(error) if error.action() == Action::Retry => {
                    tracing::warn!(%error, "reading the schemas' journal again");
                    thread::sleep(RETRY_PAUSE);
                }
                Err(error) => {
                    tracing::error!(%error, "the schemas' journal is not read any more");
                    return self.shared.progress.fail(error.to_string());
                }
            }
        }
    }

    fn step(&mut self) -> Result<(), PortError> {
        let mut batch = Vec::new();
        self.tail.poll(POLL_WAIT, BATCH, |view| {
            batch.push(Came::of(&view));
            ControlFlow::Continue(())
        })?;
        let mut own = Vec::new();
        if !batch.is_empty() {
            let mut state = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
            for came in batch {
                if came.offset < self.next {
                    return Err(PortError::stop("the schemas' journal begins anew; it was deleted, or cut"));
                }
                self.next = came.offset.next();
                let Some(record) = came.record else { continue };
                let is_foreign = came.stamp.is_none() && came.offset >= self.end && record.key() != Key::Noop;
                if is_foreign && !std::mem::replace(&mut self.has_warned, true) {
                    tracing::warn!(
                        offset = came.offset.0,
                        "another make of registry writes to the schemas' journal"
                    );
                }
                let verdict = state.apply(&record, came.stamp);
                own.extend(
                    came.stamp
                        .filter(|stamp| stamp.writer == self.shared.writer)
                        .map(|stamp| (stamp.token, verdict)),
                );
            }
        }
        self.shared.progress.advance(self.tail.position(0, PARTITION)?, own);
        Ok(())
    }
}

/// A record that came, read.
struct Came {
    offset: Offset,
    record: Option<Record>,
    stamp: Option<Stamp>,
}

impl Came {
    fn of(view: &RecordView<'_>) -> Self {
        let read =
            view.key.ok_or_else(|| "it has no key".to_owned()).and_then(|key| wire::decode(key, view.value));
        let record = read.unwrap_or_else(|why| {
            tracing::warn!(offset = view.offset.0, why, "passed over a record of the schemas' journal");
            None
        });
        Self { offset: view.offset, record, stamp: wire::stamp_from(view.headers) }
    }
}
