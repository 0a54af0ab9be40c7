use millstream_model::Partition;
use millstream_ports::{Action, Delivery, GroupLog, Outlet, PortError, World};

use crate::commit::{commit, take_back};
use crate::desk::Desk;
use crate::partition::{PartitionTable, PartitionTask};
use crate::recovery::Recovery;
use crate::standby::SharedShelf;

/// Where a worker's tables come from and go to beside their stores: the process's standbys, if it has any.
pub(crate) struct Kept<W: World> {
    pub(crate) worker: usize,
    pub(crate) standbys: Option<SharedShelf<W>>,
}

impl<W: World> Kept<W> {
    /// The tables of a partition that comes, as far as they are here.
    fn take(&self, partition: Partition) -> Vec<PartitionTable<W::Store>> {
        let take = |shelf: &SharedShelf<W>| shelf.take(self.worker, partition);
        self.standbys.as_ref().map(take).unwrap_or_default()
    }

    /// The worker owns nothing any more, and keeps no table.
    pub(crate) fn forget(&self) {
        if let Some(standbys) = &self.standbys {
            standbys.forget(self.worker);
        }
    }

    /// Takes the tables of a partition that goes. Without standbys their stores are closed, since others may wait for them.
    fn keep(&self, partition: Partition, tables: Vec<PartitionTable<W::Store>>) {
        if let Some(standbys) = &self.standbys {
            standbys.give(self.worker, partition, tables);
        }
    }
}

/// Takes over what the group assigned.
pub(crate) fn assigned<W: World>(
    log: &mut W::Group,
    desk: &mut Desk<W>,
    kept: &Kept<W>,
    partitions: &[Partition],
) -> Result<(), PortError> {
    tracing::info!(?partitions, "partitions assigned");
    log.accept(partitions)?;
    let inputs = desk.plan.graph.spec.inputs.len();
    for partition in partitions {
        let mut task = PartitionTask::new(*partition, inputs);
        task.tables = kept.take(*partition);
        desk.put_task(task);
    }
    Ok(())
}

/// Commits what was processed, and nothing more, then lets the partitions go. What their stores lack is in their
/// changelogs: to read it from there takes the next owner no longer than it would take to write it here, with the whole
/// group waiting.
pub(crate) fn revoked<W: World>(
    log: &mut W::Group,
    desk: &mut Desk<W>,
    recovery: &mut Recovery<W>,
    kept: &Kept<W>,
    partitions: &[Partition],
) -> Result<(), PortError> {
    tracing::info!(?partitions, "partitions revoked");
    if let Err(error) = commit(log, desk) {
        let is_refused = desk.suspects.hear(log.rejections(), &desk.plan)?.is_some();
        if !is_refused
            && error.action() != Action::Retry
            && desk.plan.settings.delivery == Delivery::AtLeastOnce
        {
            // What was not delivered is of partitions that stay, too, and can't be taken back.
            return Err(error);
        }
        // The next owner repeats what could not be committed.
        tracing::warn!(%error, "could not commit before giving partitions up");
        if is_refused { take_back(log, desk)? } else { forget(log, desk)? }
    }
    let_go(log, desk, recovery, kept, partitions)
}

/// Gives up partitions that are somebody else's already. Nothing of theirs is committed.
pub(crate) fn lost<W: World>(
    log: &mut W::Group,
    desk: &mut Desk<W>,
    recovery: &mut Recovery<W>,
    kept: &Kept<W>,
    partitions: &[Partition],
) -> Result<(), PortError> {
    tracing::warn!(
        ?partitions,
        "partitions lost to another member; what was not committed is repeated there"
    );
    forget(log, desk)?;
    for partition in partitions {
        if let Some(task) = desk.task(*partition) {
            task.discard();
        }
    }
    let_go(log, desk, recovery, kept, partitions)
}

/// Leaves what was not committed to the next owner.
fn forget<W: World>(log: &mut W::Group, desk: &mut Desk<W>) -> Result<(), PortError> {
    desk.effects.clear();
    desk.refusal = None;
    match desk.plan.settings.delivery {
        Delivery::AtLeastOnce => Ok(()),
        Delivery::ExactlyOnce => take_back(log, desk),
    }
}

fn let_go<W: World>(
    log: &mut W::Group,
    desk: &mut Desk<W>,
    recovery: &mut Recovery<W>,
    kept: &Kept<W>,
    partitions: &[Partition],
) -> Result<(), PortError> {
    for partition in partitions {
        let Some(mut task) = desk.tasks.get_mut(partition.index()).and_then(Option::take) else { continue };
        task.roll_back();
        kept.keep(*partition, task.tables);
    }
    recovery.release(partitions)?;
    log.release(partitions)?;
    desk.visits_lose(partitions);
    Ok(())
}
