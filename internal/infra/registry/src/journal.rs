//! The log that the schemas are kept in: one thread reads it, writers take turns, and everybody reads the state in memory.

mod fault;
mod gate;
mod progress;
mod reader;
mod topic;
mod writer;

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::Duration;

use millstream_model::TopicName;
use millstream_ports::World;
use millstream_registry_rules::{Decision, Refusal, State};

pub(crate) use fault::Fault;
use gate::Gate;
use progress::Progress;
use reader::Reader;
use writer::Writer;

use crate::{RegistryError, Settings};

/// What the reading thread and the others share.
pub(crate) struct Shared {
    state: RwLock<State>,
    progress: Progress,
    /// This instance's number as a writer.
    writer: u64,
}

impl Shared {
    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The journal, open. Dropping it ends its thread.
pub(crate) struct Journal {
    shared: Arc<Shared>,
    gate: Gate,
    writer: Mutex<Writer>,
    wait: Duration,
    thread: Option<thread::JoinHandle<()>>,
}

impl Journal {
    /// Opens the journal, creating it where there is none, and reads all of it.
    pub(crate) fn open(world: &impl World, settings: &Settings) -> Result<Self, RegistryError> {
        let name = TopicName::new(&settings.topic)?;
        topic::ensure(world, &name, settings.replication)?;
        let writer = writer::number(world.now());
        let shared = Arc::new(Shared { state: RwLock::default(), progress: Progress::default(), writer });
        let mut reader =
            Reader::open(world.tail("schema-registry", std::slice::from_ref(&name))?, shared.clone())?;
        reader.catch_up()?;
        let writer = Mutex::new(Writer::new(world, name, shared.clone(), settings));
        let body = move || reader.run();
        let thread =
            thread::Builder::new().name("schemas".to_owned()).spawn(body).map_err(RegistryError::Thread)?;
        Ok(Self { shared, gate: Gate::default(), writer, wait: settings.answer_wait, thread: Some(thread) })
    }

    /// Answers from what was read.
    ///
    /// # Errors
    /// [`Fault::Refused`] as `ask` has it, [`Fault::Store`] once the journal can't be read any more.
    pub(crate) fn read<T>(&self, ask: impl FnOnce(&State) -> Result<T, Refusal>) -> Result<T, Fault> {
        self.shared.progress.check()?;
        Ok(ask(&self.shared.state())?)
    }

    /// Decides, and answers once the decision counts. `decide` may be called again on a later state.
    ///
    /// # Errors
    /// [`Fault::Refused`] as `decide` has it on the newest state, or [`Fault`] when the decision could not be written, or it
    /// is not known whether it was.
    pub(crate) fn write<T>(
        &self,
        decide: impl Fn(&State) -> Result<Decision<T>, Refusal>,
    ) -> Result<T, Fault> {
        self.shared.progress.check()?;
        // Most of what is asked for is there already, and needs no writer.
        let at_once = decide(&self.shared.state()).ok().filter(|decision| decision.records.is_empty());
        if let Some(decision) = at_once {
            return Ok(decision.answer);
        }
        let pass = self.gate.enter(self.wait)?;
        let written = self.writer.lock().unwrap_or_else(PoisonError::into_inner).write(decide);
        if let Err(fault @ (Fault::Store(_) | Fault::Late(_))) = &written {
            pass.fail(&fault.to_string());
        }
        written
    }

    /// Whether it is still read.
    pub(crate) fn health(&self) -> Result<(), Fault> {
        self.shared.progress.check()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.progress.stop();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has been told of already.
            let _ = thread.join();
        }
    }
}
