use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use millstream_ports::{PortError, TableStore, World};

use crate::desk::Desk;
use crate::layer::TableAccess;
use crate::partition::Phase;
pub(crate) use crate::query::answering::Asking;
use crate::query::asking::Question;
pub use crate::query::asking::{Answer, Freshness, Page, QueryError, Reached};

mod answering;
mod asking;

/// Questions that may wait for a worker. One that finds the line full is refused.
const WAITING_MAX: usize = 64;

/// How long an answer may take; a worker answers between two batches.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

pub(crate) enum Query {
    Get(Vec<u8>, SyncSender<Result<Option<Vec<u8>>, PortError>>),
    Count(SyncSender<Result<u64, PortError>>),
    Ask(Question),
}

/// Reads the group table where it is owned: the partitions of this process, uncommitted values included.
#[derive(Clone)]
pub struct TableClient {
    workers: Vec<SyncSender<Query>>,
}

impl TableClient {
    pub(crate) fn new(workers: usize) -> (Self, Vec<Receiver<Query>>) {
        let (senders, receivers) = (0..workers).map(|_| sync_channel(WAITING_MAX)).unzip();
        (Self { workers: senders }, receivers)
    }

    /// The value of `key`, when its partition is owned by this process and the key is in the table.
    ///
    /// # Errors
    /// When the storage fails, or the processor is not answering.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, PortError> {
        for worker in &self.workers {
            if let Some(value) = ask(worker, |reply| Query::Get(key.to_vec(), reply))? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// How many keys the partitions of this process hold, as of the last commit. It walks the table.
    ///
    /// # Errors
    /// As [`TableClient::get`].
    pub fn count(&self) -> Result<u64, PortError> {
        self.workers.iter().map(|worker| ask(worker, Query::Count)).sum()
    }
}

fn ask<T>(
    worker: &SyncSender<Query>,
    query: impl FnOnce(SyncSender<Result<T, PortError>>) -> Query,
) -> Result<T, PortError> {
    let (reply, answer) = sync_channel(1);
    worker.try_send(query(reply)).map_err(|error| match error {
        TrySendError::Full(_) => PortError::retry("too many questions wait for the group table"),
        TrySendError::Disconnected(_) => PortError::stop("the processor has stopped"),
    })?;
    answer.recv_timeout(ANSWER_WAIT).map_err(|_| PortError::retry("the processor did not answer in time"))?
}

/// Answers what has been asked since the last turn.
pub(crate) fn answer<W: World>(questions: &Receiver<Query>, desk: &mut Desk<W>, asking: &mut Asking) {
    while let Ok(query) = questions.try_recv() {
        // Whoever asked may have given up; the answer is then for nobody.
        match query {
            Query::Get(key, reply) => drop(reply.try_send(get(desk, &key))),
            Query::Count(reply) => drop(reply.try_send(count(desk))),
            Query::Ask(question) => asking.take(question, desk.world.elapsed()),
        }
    }
}

pub(crate) fn get<W: World>(desk: &mut Desk<W>, key: &[u8]) -> Result<Option<Vec<u8>>, PortError> {
    for task in desk.owned().filter(|task| task.phase == Phase::Running) {
        let value = task
            .own_layer()
            .map_or(Ok(None), |layer| layer.get(key).map(|value| value.map(<[u8]>::to_vec)))?;
        if value.is_some() {
            return Ok(value);
        }
    }
    Ok(None)
}

fn count<W: World>(desk: &mut Desk<W>) -> Result<u64, PortError> {
    let batch_bytes = desk.plan.settings.store_batch_bytes;
    let mut running = desk.owned().filter(|task| task.phase == Phase::Running);
    running.try_fold(0, |sum, task| {
        let Some(layer) = task.own_layer() else { return Ok(sum) };
        // What is committed may still wait for the store.
        layer.store_logged(batch_bytes)?;
        Ok(sum + layer.store().count()?)
    })
}
