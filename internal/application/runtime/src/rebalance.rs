use std::collections::BTreeMap;

use millstream_model::Partition;
use millstream_ports::{Delivery, GroupLog, PortError, World};

use crate::commit::{commit, take_back};
use crate::desk::Desk;
use crate::partition::{PartitionTask, Phase};
use crate::recovery::Recovery;

/// Partitions between a revocation and the next assignment: their tables stay as they are, in case they come back.
pub(crate) type Parked<S> = BTreeMap<Partition, PartitionTask<S>>;

/// Takes over what the group assigned.
pub(crate) fn assigned<W: World>(
    log: &mut W::Group,
    desk: &mut Desk<W>,
    parked: &mut Parked<W::Store>,
    partitions: &[Partition],
) -> Result<(), PortError> {
    tracing::info!(?partitions, "partitions assigned");
    log.accept(partitions)?;
    let inputs = desk.plan.graph.spec.inputs.len();
    for partition in partitions {
        let mut task = PartitionTask::new(*partition, inputs);
        task.tables = parked.remove(partition).map(|old| old.tables).unwrap_or_default();
        desk.put_task(task);
    }
    // What did not come back belongs to others, who wait for its stores.
    parked.clear();
    Ok(())
}

/// Commits what was processed, and nothing more, then lets the partitions go. What their stores lack is in their
/// changelogs: to read it from there takes the next owner no longer than it would take to write it here, with the whole
/// group waiting.
pub(crate) fn revoked<W: World>(
    log: &mut W::Group,
    desk: &mut Desk<W>,
    recovery: &mut Recovery<W>,
    parked: &mut Parked<W::Store>,
    partitions: &[Partition],
) -> Result<(), PortError> {
    tracing::info!(?partitions, "partitions revoked");
    if let Err(error) = commit(log, desk) {
        // The next owner repeats what could not be committed.
        tracing::warn!(%error, "could not commit before giving partitions up");
        forget(log, desk)?;
    }
    let_go(log, desk, recovery, parked, partitions)
}

/// Gives up partitions that are somebody else's already. Nothing of theirs is committed.
pub(crate) fn lost<W: World>(
    log: &mut W::Group,
    desk: &mut Desk<W>,
    recovery: &mut Recovery<W>,
    parked: &mut Parked<W::Store>,
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
    let_go(log, desk, recovery, parked, partitions)
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
    parked: &mut Parked<W::Store>,
    partitions: &[Partition],
) -> Result<(), PortError> {
    for partition in partitions {
        let Some(mut task) = desk.tasks.get_mut(partition.index()).and_then(Option::take) else { continue };
        task.roll_back();
        task.phase = Phase::Opening;
        parked.insert(*partition, task);
    }
    recovery.release(partitions)?;
    log.release(partitions)?;
    desk.visits_lose(partitions);
    Ok(())
}
