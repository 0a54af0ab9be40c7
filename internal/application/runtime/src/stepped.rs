use std::sync::Arc;
use std::time::Duration;

use millstream_model::TopicName;
use millstream_ports::{PortError, World};

use crate::processor::{Crew, ProcessorError};
use crate::query::{self, TableClient};
use crate::standby::Standbys;
use crate::status::Status;
use crate::view::{Follower, ReadTable};
use crate::visit::{Argument, Visiting, Visitor};
use crate::worker::Worker;

/// A processor that works only while it is stepped, on the caller's thread: what a test or a simulation needs.
///
/// Dropping it ends it as a crash does: what was not committed never is. [`Stepped::stop`] ends it well.
pub struct Stepped<W: World> {
    workers: Vec<Worker<W>>,
    lookups: Vec<Follower<W>>,
    status: Arc<Status>,
    questions: TableClient,
    standbys: Option<Standbys<W>>,
}

impl<W: World> Stepped<W> {
    pub(crate) fn new(crew: Crew<W>, lookups: Vec<Follower<W>>) -> Self {
        let (workers, status, questions, standbys) = (crew.workers, crew.status, crew.table, crew.standbys);
        Self { workers, lookups, status, questions, standbys }
    }

    /// Lets each worker take a turn, once all lookups have what was in their topics at the start. Answers whether anything
    /// came up.
    ///
    /// # Errors
    /// When a worker can't go on. It has left the group then, and the others should be stopped.
    pub fn step(&mut self) -> Result<bool, ProcessorError> {
        let mut came_up = false;
        for lookup in &mut self.lookups {
            came_up |= lookup.step(Duration::ZERO)?;
        }
        if !self.lookups.iter().all(|lookup| lookup.copy.state().is_ready) {
            return Ok(came_up);
        }
        if let Some(standbys) = &mut self.standbys {
            came_up |= standbys.step();
            standbys.publish(&self.status);
        }
        for index in 0..self.workers.len() {
            came_up |= self.step_worker(index)?;
        }
        Ok(came_up)
    }

    fn step_worker(&mut self, index: usize) -> Result<bool, ProcessorError> {
        let Some(worker) = self.workers.get_mut(index) else { return Ok(false) };
        worker.step(&self.status).or_else(|error| {
            let worker = self.workers.remove(index);
            worker.end(Err(error), &self.status).map(|()| false)
        })
    }

    /// What it is doing.
    pub fn status(&self) -> Arc<Status> {
        self.status.clone()
    }

    /// As [`Running::visit`](crate::Running::visit): the keys are visited, and what is done committed, in the next steps.
    ///
    /// # Errors
    /// When the group has no such visitor.
    pub fn visit<K, A: Send + Sync + 'static>(
        &self,
        visitor: &Visitor<K, A>,
        argument: A,
    ) -> Result<Visiting, PortError> {
        let argument: Argument = Arc::new(argument);
        self.questions.visit(&visitor.name, &argument)
    }

    /// The group table's value of `key`, uncommitted ones included, when a worker of this processor owns it.
    ///
    /// # Errors
    /// When the storage fails.
    pub fn table(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, PortError> {
        for worker in &mut self.workers {
            if let Some(value) = query::get(&mut worker.desk, key)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The value that this processor's own copy of a lookup has under `key`.
    ///
    /// # Errors
    /// When the group has no such lookup, or its storage fails.
    pub fn lookup(&self, topic: &TopicName, key: &[u8]) -> Result<Option<Arc<[u8]>>, PortError> {
        let lookup = self.lookups.iter().find(|lookup| lookup.copy.topic == *topic);
        lookup.ok_or_else(|| PortError::stop(format!("the group has no lookup '{topic}'")))?.copy.read(key)
    }

    /// Commits what was processed, and leaves the group.
    ///
    /// # Errors
    /// The first worker's failure.
    pub fn stop(self) -> Result<(), ProcessorError> {
        let mut outcome = Ok(());
        for worker in self.workers {
            outcome = outcome.and(worker.end(Ok(()), &self.status));
        }
        outcome
    }
}
