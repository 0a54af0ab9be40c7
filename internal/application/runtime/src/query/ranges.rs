//! Ranges of the group table where it is owned, and cuts of the whole.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;

use millstream_model::Partition;
use millstream_ports::{KeyRange, PortError, World};

use super::{Query, TableClient, ask};
use crate::desk::Desk;
use crate::layer::TableAccess;
use crate::partition::Phase;

/// Entries that a worker reads for a question, between two batches of records.
const PAGE_ENTRIES_MAX: usize = 1_000;

/// Keys and values as bytes, in the order of the keys.
pub(crate) type Entries = Vec<(Vec<u8>, Vec<u8>)>;

pub(crate) type Reply<T> = SyncSender<Result<T, PortError>>;

/// A cut of one partition: its number.
pub(crate) type CutPlace = (Partition, u64);

impl TableClient {
    /// The first `entries_max` entries of a range of keys, in the partitions of this process, uncommitted ones included.
    ///
    /// # Errors
    /// As [`TableClient::get`].
    pub fn range(&self, range: &KeyRange, entries_max: usize) -> Result<Entries, PortError> {
        let mut all = Vec::new();
        for worker in &self.workers {
            let mut rest = range.clone();
            let mut left = entries_max;
            while left > 0 {
                let count = left.min(PAGE_ENTRIES_MAX);
                let page = ask(worker, |reply| Query::Range(rest.clone(), count, reply))?;
                left -= page.len().min(left);
                let Some((last, _)) = page.last().filter(|_| page.len() == count) else {
                    all.extend(page);
                    break;
                };
                rest = rest.after(last);
                all.extend(page);
            }
        }
        all.sort();
        all.truncate(entries_max);
        Ok(all)
    }

    /// Reads the whole table, or a range of it, while it is processed on: each partition of this process as it was between two
    /// of its records, uncommitted ones included, at the time of the call.
    ///
    /// It is read page by page, and workers keep what is overwritten meanwhile: they go on, and memory is used for as many
    /// keys as change. Partition comes after partition, in no order of theirs; each in the order of its keys.
    ///
    /// # Errors
    /// As [`TableClient::get`].
    pub fn snapshot(&self, range: KeyRange) -> Result<TableSnapshot, PortError> {
        let mut cuts = TableSnapshot {
            client: self.clone(),
            range,
            cuts: VecDeque::new(),
            page: Vec::new().into_iter(),
            rest: None,
        };
        for (index, worker) in self.workers.iter().enumerate() {
            cuts.cuts.extend(ask(worker, Query::BeginCuts)?.into_iter().map(|cut| (index, cut)));
        }
        Ok(cuts)
    }
}

/// The group table's partitions of one process as they were at one moment each; see [`TableClient::snapshot`].
///
/// It ends with an error when a partition goes to another process, or what was not committed is taken back, before all is
/// read. Dropping it frees what workers keep for it.
pub struct TableSnapshot {
    client: TableClient,
    range: KeyRange,
    /// What is still to be read, by worker.
    cuts: VecDeque<(usize, CutPlace)>,
    page: std::vec::IntoIter<(Vec<u8>, Vec<u8>)>,
    /// What is left of the range in the first of the cuts, once its reading has begun.
    rest: Option<KeyRange>,
}

impl TableSnapshot {
    /// Reads the next page; answers whether there is more.
    fn turn(&mut self) -> Result<bool, PortError> {
        let Some((index, cut)) = self.cuts.front().copied() else { return Ok(false) };
        let rest = self.rest.take().unwrap_or_else(|| self.range.clone());
        let Some(worker) = self.client.workers.get(index) else { return Ok(false) };
        let page = ask(worker, |reply| Query::ReadCut(cut, rest.clone(), PAGE_ENTRIES_MAX, reply))?;
        match page.last().filter(|_| page.len() == PAGE_ENTRIES_MAX) {
            Some((last, _)) => self.rest = Some(rest.after(last)),
            None => self.end_first(),
        }
        self.page = page.into_iter();
        Ok(true)
    }

    fn end_first(&mut self) {
        let Some((index, cut)) = self.cuts.pop_front() else { return };
        if let Some(worker) = self.client.workers.get(index) {
            // A worker that can't be told has ended, or forgets the cut with the next that is taken back.
            let _ = worker.send(Query::EndCut(cut));
        }
    }
}

impl Iterator for TableSnapshot {
    type Item = Result<(Vec<u8>, Vec<u8>), PortError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.page.next() {
                return Some(Ok(entry));
            }
            match self.turn() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    while !self.cuts.is_empty() {
                        self.end_first();
                    }
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Drop for TableSnapshot {
    fn drop(&mut self) {
        while !self.cuts.is_empty() {
            self.end_first();
        }
    }
}

pub(super) fn range<W: World>(
    desk: &mut Desk<W>,
    range: &KeyRange,
    count: usize,
) -> Result<Entries, PortError> {
    let mut all = Vec::new();
    for task in desk.owned().filter(|task| task.phase == Phase::Running) {
        let Some(layer) = task.own_layer() else { continue };
        let mut found = Vec::new();
        TableAccess::range(layer, range, &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            found.len() < count
        })?;
        all.append(&mut found);
    }
    all.sort();
    all.truncate(count);
    Ok(all)
}

pub(super) fn begin_cuts<W: World>(desk: &mut Desk<W>) -> Vec<CutPlace> {
    let running = desk.owned().filter(|task| task.phase == Phase::Running);
    running.filter_map(|task| Some((task.partition, task.own_layer()?.begin_cut()))).collect()
}

pub(super) fn read_cut<W: World>(
    desk: &mut Desk<W>,
    (partition, number): CutPlace,
    range: &KeyRange,
    count: usize,
) -> Result<Entries, PortError> {
    let task = desk.task(partition).filter(|task| task.phase == Phase::Running);
    let layer = task.and_then(|task| task.own_layer());
    let layer =
        layer.ok_or_else(|| PortError::retry(format!("partition {partition} has another owner now")))?;
    let mut found = Vec::new();
    layer.read_cut(number, range, &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        found.len() < count
    })?;
    Ok(found)
}

pub(super) fn end_cut<W: World>(desk: &mut Desk<W>, (partition, number): CutPlace) {
    if let Some(layer) = desk.task(partition).and_then(|task| task.own_layer()) {
        layer.end_cut(number);
    }
}
