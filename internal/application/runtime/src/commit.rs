//! The only place that writes to topics and tables.

use millstream_model::{NoHeaders, Partition};
use millstream_ports::{Delivery, GroupLog, Outlet, PortError, SendRecord, Tag, World};

use crate::desk::Desk;
use crate::effects::Effect;
use crate::partition::{Phase, Plan};

/// Sends what callbacks emitted. It is in doubt until the next [`commit`].
pub(crate) fn send<W: World>(log: &mut W::Group, desk: &mut Desk<W>) -> Result<(), PortError> {
    for (effect, key, value) in desk.effects.iter() {
        let Some(topic) = desk.plan.graph.names.destinations.get(effect.destination) else { continue };
        log.send(&SendRecord {
            topic,
            partition: effect.partition.or_else(|| key.and_then(|key| partition_of(&desk.plan, effect, key))),
            key,
            value,
            headers: effect.headers.as_deref().map_or(&NoHeaders, |headers| headers),
            timestamp: effect.timestamp,
            tag: Tag::NONE,
        })?;
        desk.status.sent(effect.destination);
    }
    desk.effects.clear();
    Ok(())
}

fn partition_of(plan: &Plan, effect: &Effect, key: &[u8]) -> Option<Partition> {
    let width = *plan.widths.get(effect.destination)?;
    let partitioner = plan.graph.spec.outputs.get(effect.destination).map(|(_, partitioner)| *partitioner);
    Some(Partition::new(partitioner.unwrap_or_default().partition(key, width)))
}

/// Commits all that was processed; answers whether there was anything. At least once, in this order:
///
/// 1. outputs and loop records are acknowledged;
/// 2. changelog entries are sent to the partition of their table, and acknowledged;
/// 3. the entries join those that each table's store is to take, which [`write_behind`] brings about from time to time, in
///    batches, the last of them with the changelog offset;
/// 4. the input offsets are committed.
///
/// A crash between any two steps repeats records and loses none: outputs are safe before the table forgets that they were
/// due (2), the store never holds what the changelog lacks (3), and no input is passed over before all of its effects are
/// safe (4).
///
/// Exactly once, 1, 2 and 4 are one transaction, and 3 follows it: a crash before its end leaves nothing of it, and a crash
/// after its end leaves a store that lacks some of its changelog, which is read from there.
pub(crate) fn commit<W: World>(log: &mut W::Group, desk: &mut Desk<W>) -> Result<bool, PortError> {
    send(log, desk)?;
    match desk.plan.settings.delivery {
        Delivery::AtLeastOnce => {
            log.settle()?;
            send_changelogs(log, desk)?;
            log.settle()?;
            hand_to_stores(log, desk)?;
            commit_offsets(log, desk)
        }
        Delivery::ExactlyOnce => {
            send_changelogs(log, desk)?;
            log.settle()?;
            let committed = commit_offsets(log, desk)?;
            hand_to_stores(log, desk)?;
            Ok(committed)
        }
    }
}

/// Makes undone what was sent, set and passed over since the last commit. Exactly-once alone can do that.
pub(crate) fn take_back<W: World>(log: &mut W::Group, desk: &mut Desk<W>) -> Result<(), PortError> {
    desk.effects.clear();
    for task in desk.owned() {
        task.roll_back();
    }
    log.abort()?;
    // It is read again.
    if desk.stalled.take().is_some() {
        log.resume()?;
    }
    Ok(())
}

fn send_changelogs<W: World>(log: &mut W::Group, desk: &mut Desk<W>) -> Result<(), PortError> {
    let plan = desk.plan.clone();
    let Some(changelog) = &plan.graph.spec.changelog else { return Ok(()) };
    for task in desk.owned() {
        let (partition, tag) = (task.partition, Tag(task.partition.index()));
        for (key, value) in task.own_layer().iter().flat_map(|layer| layer.dirty()) {
            log.send(&SendRecord {
                topic: changelog,
                partition: Some(partition),
                key: Some(key),
                value,
                headers: &NoHeaders,
                timestamp: None,
                tag,
            })?;
        }
    }
    Ok(())
}

fn hand_to_stores<W: World>(log: &W::Group, desk: &mut Desk<W>) -> Result<(), PortError> {
    if desk.plan.graph.spec.changelog.is_none() {
        return Ok(());
    }
    let now = desk.world.elapsed();
    for task in desk.owned() {
        let acknowledged = log.acknowledged(Tag(task.partition.index()));
        let Some(layer) = task.own_layer() else { continue };
        if layer.dirty_bytes() > 0 {
            let offset = acknowledged
                .ok_or_else(|| PortError::stop("a changelog entry was acknowledged without an offset"))?;
            layer.logged(offset.next(), now);
        }
    }
    Ok(())
}

/// Brings stores of running partitions forward by one batch each, where that is due or under way; answers whether there was
/// any. Those that are being recovered are in a hurry.
pub(crate) fn write_behind<W: World>(desk: &mut Desk<W>) -> Result<bool, PortError> {
    let plan = desk.plan.clone();
    let (settings, now, mut wrote) = (&plan.settings, desk.world.elapsed(), false);
    let running = desk.owned().filter(|task| task.phase == Phase::Running);
    for table in running.flat_map(|task| &mut task.tables) {
        if table.layer.is_store_due(now, settings.store_interval, settings.store_bytes_max) {
            table.layer.begin_writing()?;
        }
        wrote |= table.layer.store_some(settings.store_batch_bytes)?;
    }
    Ok(wrote)
}

/// Hands all that is committed to the stores at once: before partitions are given up, and at the end.
pub(crate) fn settle_stores<W: World>(desk: &mut Desk<W>) -> Result<(), PortError> {
    let batch_bytes = desk.plan.settings.store_batch_bytes;
    for table in desk.owned().flat_map(|task| &mut task.tables) {
        table.layer.store_logged(batch_bytes)?;
    }
    Ok(())
}

fn commit_offsets<W: World>(log: &mut W::Group, desk: &mut Desk<W>) -> Result<bool, PortError> {
    let positions: Vec<_> = desk
        .owned()
        .flat_map(|task| {
            task.ledger.uncommitted().map(|(input, next)| (input, task.partition, next)).collect::<Vec<_>>()
        })
        .collect();
    // Idle partitions have effects and no positions: under exactly-once these are a transaction too.
    if positions.is_empty() && desk.plan.settings.delivery == Delivery::AtLeastOnce {
        return Ok(false);
    }
    log.commit(&positions)?;
    if positions.is_empty() {
        return Ok(false);
    }
    for task in desk.owned() {
        task.ledger.committed();
    }
    desk.status.commits += 1;
    Ok(true)
}
