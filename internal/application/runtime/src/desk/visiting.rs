use std::collections::VecDeque;

use millstream_model::Partition;
use millstream_ports::{KeyRange, PortError, World};

use super::Desk;
use super::alarms::{NO_INPUT, apart};
use crate::layer::TableAccess;
use crate::partition::{PartitionTask, Phase};
use crate::policy::Verdict;
use crate::processor::ProcessorError;
use crate::visit::{Key, Visit};

/// Keys visited in one go, before the log is looked after again.
const KEYS_MAX: usize = 500;

/// What became of a key that was to be visited.
enum Seen {
    Now,
    /// It is to be visited once more.
    Later,
    /// It is gone, or what wrote it was taken back.
    Never,
}

impl<W: World> Desk<W> {
    /// Takes a visit on, of the partitions that are here now.
    pub(crate) fn begin_visit(&mut self, mut visit: Visit) {
        visit.partitions = self.owned().map(|task| task.partition).collect();
        self.visits.push_back(visit);
    }

    /// Goes on with the visit that came first. Answers whether it came forward.
    pub(crate) fn visit_some(&mut self) -> Result<bool, ProcessorError> {
        let Some(mut visit) = self.visits.pop_front() else { return Ok(false) };
        let visited = self.visit_keys(&mut visit);
        self.visits.push_front(visit);
        visited
    }

    fn visit_keys(&mut self, visit: &mut Visit) -> Result<bool, ProcessorError> {
        if !self.look_keys_up(visit)? {
            return Ok(false);
        }
        let mut todo = std::mem::take(&mut visit.todo);
        let mut visited = false;
        for _ in 0..todo.len().min(KEYS_MAX) {
            let Some((partition, key)) = todo.pop_front() else { break };
            match self.visit(visit, partition, &key)? {
                Seen::Now => {
                    visit.uncommitted.push((partition, key));
                    visited = true;
                }
                Seen::Never => visited = true,
                Seen::Later if visit.tried.0 > 0 => {
                    // The key at hand is to be tried again.
                    todo.push_front((partition, key));
                    break;
                }
                Seen::Later => todo.push_back((partition, key)),
            }
        }
        visit.todo = todo;
        Ok(visited)
    }

    /// Sees that there are enough keys at hand, as long as there are more. Answers whether the visit's partitions have been
    /// recovered, before which it does not begin.
    fn look_keys_up(&mut self, visit: &mut Visit) -> Result<bool, PortError> {
        if visit.rest.is_none() {
            let mut owned = self.owned().filter(|task| visit.partitions.contains(&task.partition));
            if owned.any(|task| task.phase != Phase::Running) {
                return Ok(false);
            }
            visit.rest =
                Some(visit.partitions.iter().map(|partition| (*partition, KeyRange::all())).collect());
        }
        let Visit { todo, rest: Some(rest), .. } = visit else { return Ok(false) };
        // Those that have to wait keep no others from being visited.
        while todo.len() < KEYS_MAX / 2 {
            let Some((partition, range)) = rest.pop_front() else { break };
            let last = self.next_keys(partition, &range, todo)?;
            if let Some(last) = last {
                rest.push_front((partition, range.after(&last)));
            }
        }
        Ok(true)
    }

    /// Adds the next keys of a partition; answers the last where there may be more behind it.
    fn next_keys(
        &mut self,
        partition: Partition,
        range: &KeyRange,
        todo: &mut VecDeque<Key>,
    ) -> Result<Option<Box<[u8]>>, PortError> {
        let Some(layer) = self.task(partition).and_then(PartitionTask::own_layer) else { return Ok(None) };
        let mut count = 0;
        TableAccess::range(layer, range, &mut |key, _| {
            todo.push_back((partition, key.into()));
            count += 1;
            count < KEYS_MAX
        })?;
        let last = || todo.back().map(|(_, key)| key.clone());
        Ok(if count < KEYS_MAX { None } else { last() })
    }

    /// Visits a key, unless it is gone meanwhile.
    fn visit(&mut self, visit: &mut Visit, partition: Partition, key: &[u8]) -> Result<Seen, ProcessorError> {
        let (plan, elapsed) = (self.plan.clone(), self.world.elapsed());
        let Some(step) = plan.graph.visitors.get(visit.visitor) else { return Ok(Seen::Never) };
        let Some(task) = self.running(partition) else { return Ok(Seen::Never) };
        if task.held.has_key(key) || visit.tried.1 > elapsed {
            return Ok(Seen::Later);
        }
        if !self.has(partition, key)? {
            return Ok(Seen::Never);
        }
        let (record, mark) = (apart(partition, key, self.world.now()), self.effects.mark());
        let argument = visit.argument.clone();
        let (outcome, aside) = self.call_apart(&record, |context| step(context, &record, &*argument))?;
        let Err(error) = outcome else {
            visit.tried = Default::default();
            self.count(&aside);
            self.accept(partition);
            return Ok(Seen::Now);
        };
        self.reject(partition, mark);
        match aside.policy.unwrap_or(plan.graph.rules.callback(NO_INPUT)).after(visit.tried.0) {
            Verdict::Again(wait) => {
                self.status.retried += 1;
                visit.tried = (visit.tried.0 + 1, elapsed + wait);
                Ok(Seen::Later)
            }
            Verdict::End(end) => {
                visit.tried = Default::default();
                self.end_at("visitor", &record, &error.to_string(), end).map(|()| Seen::Now)
            }
        }
    }

    fn has(&mut self, partition: Partition, key: &[u8]) -> Result<bool, PortError> {
        let layer = self.task(partition).and_then(PartitionTask::own_layer);
        layer.map_or(Ok(false), |layer| TableAccess::get(layer, key).map(|value| value.is_some()))
    }

    /// What visits have done is committed.
    pub(crate) fn visits_committed(&mut self) {
        let visits = std::mem::take(&mut self.visits);
        for mut visit in visits {
            if visit.commit() {
                visit.end(Ok(()));
            } else {
                self.visits.push_back(visit);
            }
        }
    }

    /// Visits that were to see partitions which go away can't be carried out.
    pub(crate) fn visits_lose(&mut self, partitions: &[Partition]) {
        let (lost, kept) =
            std::mem::take(&mut self.visits).into_iter().partition(|visit| visit.is_of(partitions));
        self.visits = kept;
        for visit in Vec::<Visit>::from(lost) {
            let said = "a partition moved to another member in the midst of the visit; visit again";
            visit.end(Err(PortError::retry(said)));
        }
    }
}
