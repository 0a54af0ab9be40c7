use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use millstream_ports::{KeyRange, PortError, TableStore, World};

use crate::desk::Desk;
use crate::graph::GroupGraph;
use crate::layer::TableAccess;
use crate::partition::Phase;
pub(crate) use crate::query::answering::Asking;
use crate::query::asking::Question;
pub use crate::query::asking::{Answer, Freshness, Page, QueryError, Reached};
pub(crate) use crate::query::asking::{Reply as Told, count_pages};
pub(crate) use crate::query::ranges::Entries;
pub use crate::query::ranges::TableSnapshot;
use crate::query::ranges::{CutPlace, Reply};
use crate::timers::RESERVED;
use crate::visit::{Argument, Visit, Visiting};

mod answering;
mod asking;
mod ranges;

/// Questions that may wait for a worker. One that finds the line full is refused.
const WAITING_MAX: usize = 64;

/// How long an answer may take; a worker answers between two batches.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

pub(crate) enum Query {
    Get(Vec<u8>, SyncSender<Result<Option<Vec<u8>>, PortError>>),
    Count(SyncSender<Result<u64, PortError>>),
    Ask(Question),
    Range(KeyRange, usize, Reply<Entries>),
    BeginCuts(Reply<Vec<CutPlace>>),
    ReadCut(CutPlace, KeyRange, usize, Reply<Entries>),
    EndCut(CutPlace),
    Visit(Visit),
}

/// Reads the group table where it is owned: the partitions of this process, uncommitted values included.
#[derive(Clone)]
pub struct TableClient {
    group: Arc<GroupGraph>,
    workers: Vec<SyncSender<Query>>,
}

impl TableClient {
    pub(crate) fn new(group: &Arc<GroupGraph>, workers: usize) -> (Self, Vec<Receiver<Query>>) {
        let (senders, receivers) = (0..workers).map(|_| sync_channel(WAITING_MAX)).unzip();
        (Self { group: group.clone(), workers: senders }, receivers)
    }

    pub(crate) fn visit(&self, name: &str, argument: &Argument) -> Result<Visiting, PortError> {
        let names = &self.group.names;
        let visitor = names.visitors.iter().position(|known| known == name).ok_or_else(|| {
            PortError::stop(format!(
                "group '{}' has no visitor '{name}'; declare it when defining the group",
                names.group
            ))
        })?;
        let ask = |worker: &SyncSender<Query>| {
            let (reply, answer) = sync_channel(1);
            worker
                .try_send(Query::Visit(Visit::new(visitor, argument.clone(), reply)))
                .map_err(|error| refused(&error))?;
            Ok(answer)
        };
        Ok(Visiting::new(self.workers.iter().map(ask).collect::<Result<_, PortError>>()?))
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
    worker.try_send(query(reply)).map_err(|error| refused(&error))?;
    answer.recv_timeout(ANSWER_WAIT).map_err(|_| PortError::retry("the processor did not answer in time"))?
}

fn refused(error: &TrySendError<Query>) -> PortError {
    match error {
        TrySendError::Full(_) => PortError::retry("too many questions wait for the group table"),
        TrySendError::Disconnected(_) => PortError::stop("the processor has stopped"),
    }
}

/// Answers what has been asked since the last turn.
pub(crate) fn answer<W: World>(questions: &Receiver<Query>, desk: &mut Desk<W>, asking: &mut Asking) {
    while let Ok(query) = questions.try_recv() {
        // Whoever asked may have given up; the answer is then for nobody.
        match query {
            Query::Get(key, reply) => drop(reply.try_send(get(desk, &key))),
            Query::Count(reply) => drop(reply.try_send(count(desk))),
            Query::Ask(question) => asking.take(question, desk.world.elapsed()),
            Query::Range(range, max, reply) => drop(reply.try_send(ranges::range(desk, &range, max))),
            Query::BeginCuts(reply) => begin_cuts(desk, &reply),
            Query::ReadCut(cut, range, max, reply) => {
                drop(reply.try_send(ranges::read_cut(desk, cut, &range, max)));
            }
            Query::EndCut(cut) => ranges::end_cut(desk, cut),
            Query::Visit(visit) => desk.begin_visit(visit),
        }
    }
}

/// Begins cuts for whoever is still there to read them.
fn begin_cuts<W: World>(desk: &mut Desk<W>, reply: &Reply<Vec<CutPlace>>) {
    let cuts = ranges::begin_cuts(desk);
    if reply.try_send(Ok(cuts.clone())).is_err() {
        for cut in cuts {
            ranges::end_cut(desk, cut);
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
        layer.store_all(batch_bytes)?;
        // What the framework keeps for itself is none of the table's keys.
        let mut reserved = 0;
        layer.store().scan(RESERVED, &mut |_, _| {
            reserved += 1;
            true
        })?;
        Ok(sum + layer.store().count()?.saturating_sub(reserved))
    })
}
