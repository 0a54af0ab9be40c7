//! The only place that writes to topics and tables.

use std::time::Duration;

use millstream_model::{NoHeaders, Offset, Partition};
use millstream_ports::{Action, GroupLog, Outlet, PortError, SendRecord, Tag, World};

use crate::desk::Desk;
use crate::effects::Effect;
use crate::layer::TableAccess as _;
use crate::partition::{PartitionTask, Phase, Plan};
use crate::refused::{Refusal, Refused};
use crate::timers::{Timers, is_reserved};
use crate::visit::Visit;

/// Values that are looked at between two batches, to see whether their time is over.
const EXPIRY_KEYS_MAX: usize = 256;

/// How long it counts that the group took this member's commit: less than any group waits for a member. One that has not
/// committed for longer asks before it writes to changelogs.
const STANDING_MAX: Duration = Duration::from_secs(5);

/// Sends what callbacks emitted. It is in doubt until it is committed.
pub(crate) fn send<W: World>(log: &mut W::Group, desk: &mut Desk<W>) -> Result<(), PortError> {
    if desk.refusal.as_ref().is_some_and(|refusal| refusal.due > desk.world.elapsed()) {
        return Ok(());
    }
    let (plan, mut sent, mut refusal) = (desk.plan.clone(), 0, desk.refusal.take());
    for (effect, key, value) in desk.effects.iter() {
        let Some(topic) = plan.graph.names.destinations.get(effect.destination) else { continue };
        let record = SendRecord {
            topic,
            partition: effect.partition.or_else(|| key.and_then(|key| partition_of(&plan, effect, key))),
            key,
            value,
            headers: effect.headers.as_deref().map_or(&NoHeaders, |headers| headers),
            timestamp: effect.timestamp,
            tag: Tag::NONE,
        };
        match desk.suspects.offer(log, &plan, &record) {
            Ok(true) => {
                desk.status.sent(effect.destination);
                desk.status.measures.sent(effect.destination, key, value);
            }
            Ok(false) => {
                refusal = Some(refusal.unwrap_or_else(Refusal::by_full_queue));
                break;
            }
            Err(error) => {
                let refused = Refused { record: &record, destination: effect.destination, error };
                let (status, suspects) = (&mut desk.status, &mut desk.suspects);
                refusal = refused.goes_by(log, &plan, refusal, (status, suspects))?;
                if refusal.is_some() {
                    break;
                }
            }
        }
        (refusal, sent) = (None, sent + 1);
    }
    match refusal {
        Some(refusal) => {
            desk.effects.drop_first(sent);
            desk.refusal = Some(Refusal { due: desk.world.elapsed() + refusal.wait, ..refusal });
        }
        None => desk.effects.clear(),
    }
    Ok(())
}

fn partition_of(plan: &Plan, effect: &Effect, key: &[u8]) -> Option<Partition> {
    let width = *plan.widths.get(effect.destination)?;
    let output = plan.graph.spec.outputs.get(effect.destination).map(|(_, partitioner)| *partitioner);
    let partitioner = output.unwrap_or(plan.graph.names.partitioner);
    Some(Partition::new(partitioner.partition(key, width)))
}

/// How far a commit is, and what it tells the group. Records are worked on meanwhile, for the next one.
pub(crate) struct UnderWay {
    step: Step,
    positions: Vec<(usize, Partition, Offset)>,
}

/// What a commit waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Outputs,
    Changelogs,
    /// Under exactly-once it is the whole transaction.
    Positions,
}

/// What came of a commit so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    UnderWay,
    /// There is none, or no position was to be committed by it.
    Nothing,
    Committed,
}

/// Begins a commit of all that was processed so far; [`go_on`] brings it to its end. There is one at a time.
pub(crate) fn begin<W: World>(log: &mut W::Group, desk: &mut Desk<W>) -> Result<(), PortError> {
    if desk.is_exact() && desk.has_gaps() {
        return Err(PortError::retry("records are done that come after one that is not"));
    }
    send(log, desk)?;
    if desk.refusal.is_some() {
        return Err(PortError::retry("a record that was refused is to be sent again"));
    }
    keep_event_times(desk);
    desk.owned().for_each(PartitionTask::begin_commit);
    desk.visits.iter_mut().for_each(Visit::mark);

    log.draw_line();
    desk.under_way = Some(UnderWay { step: Step::Outputs, positions: Vec::new() });
    Ok(())
}

/// Takes the commit under way as far as it goes without waiting, or to its end where it `waits`. At least once, in this order:
///
/// 1. outputs and loop records are acknowledged;
/// 2. changelog entries are sent to the partition of their table, and acknowledged;
/// 3. the entries join those that each table's store is to take, which [`write_behind`] brings about from time to time, in
///    batches, the last of them with the changelog offset;
/// 4. the input offsets are committed.
///
/// A crash between any two steps repeats records and loses none: outputs are safe before the table forgets that they were
/// due (2), the store never holds what the changelog lacks (3), and no input is passed over before all of its effects are
/// safe (4). All of it is of what was done when the commit began, and of that alone.
///
/// Exactly once, 1, 2 and 4 are one transaction, and 3 follows it: a crash before its end leaves nothing of it, and a crash
/// after its end leaves a store that lacks some of its changelog, which is read from there. It is waited for: records that are
/// worked on meanwhile would be of the next one.
pub(crate) fn go_on<W: World>(
    log: &mut W::Group,
    desk: &mut Desk<W>,
    waits: bool,
) -> Result<Progress, PortError> {
    let is_exact = desk.is_exact();
    if desk.is_at(Step::Outputs) {
        if !is_exact && !is_settled(log, desk, waits)? {
            return Ok(Progress::UnderWay);
        }
        if !is_exact && let Err(error) = ask_for_standing(log, desk) {
            // What leaves goes with the next commit, if there is one.
            desk.under_way = None;
            return Err(error);
        }
        if send_changelogs(log, desk)? {
            log.draw_line();
        }
        desk.step_to(Step::Changelogs);
    }
    if desk.is_at(Step::Changelogs) {
        if !is_exact {
            if !is_settled(log, desk, waits)? {
                return Ok(Progress::UnderWay);
            }
            hand_to_stores(log, desk)?;
        }
        begin_positions(log, desk)?;
        desk.step_to(Step::Positions);
    }
    let Some(under_way) = &desk.under_way else { return Ok(Progress::Nothing) };
    match are_committed(log, &under_way.positions, is_exact, waits) {
        Ok(false) => Ok(Progress::UnderWay),
        outcome => {
            desk.under_way = None;
            outcome?;
            if is_exact {
                hand_to_stores(log, desk)?;
            }
            Ok(committed(desk))
        }
    }
}

/// Commits all that was processed, and waits for it; answers whether there was anything.
pub(crate) fn commit<W: World>(log: &mut W::Group, desk: &mut Desk<W>) -> Result<bool, PortError> {
    let before = go_on(log, desk, true)?;
    begin(log, desk)?;
    let last = go_on(log, desk, true)?;
    Ok([before, last].contains(&Progress::Committed))
}

/// A worker that is to stop waits so long and no longer; what is not acknowledged by then is not committed.
fn is_settled<W: World>(log: &mut W::Group, desk: &mut Desk<W>, waits: bool) -> Result<bool, PortError> {
    let settled = if waits { log.settle().map(|()| true) } else { log.has_settled() };
    settled.map_err(|error| undelivered(desk, error))
}

/// What callbacks have sent is not kept to be sent again, so it can't be made good by a later commit. Where it was waited for as
/// long as it may be, nothing is known of it yet.
fn undelivered<W: World>(desk: &mut Desk<W>, error: PortError) -> PortError {
    if desk.gave_up(&error) {
        desk.under_way = None;
        return error;
    }
    if error.action() == Action::Retry { PortError::stop(error.to_string()) } else { error }
}

/// Makes undone what was sent, set and passed over since the last commit. At least once what was sent stays, as after a crash.
pub(crate) fn take_back<W: World>(log: &mut W::Group, desk: &mut Desk<W>) -> Result<(), PortError> {
    end_under_way(log, desk)?;
    desk.effects.clear();
    for task in desk.owned() {
        task.roll_back();
    }
    log.abort()?;
    desk.visits.iter_mut().for_each(Visit::roll_back);
    (desk.refusal, desk.has_worked_apart) = (None, false);
    Ok(())
}

/// What has gone to the changelog or to the group can't be called back: it is waited for. A transaction that is open is called
/// back whole.
fn end_under_way<W: World>(log: &mut W::Group, desk: &mut Desk<W>) -> Result<(), PortError> {
    let Some(UnderWay { step, .. }) = desk.under_way else { return Ok(()) };
    let is_exact = desk.is_exact();
    if !is_exact {
        settle_others(log, desk)?;
    }
    if step == Step::Positions || (step == Step::Changelogs && !is_exact) {
        match go_on(log, desk, true) {
            Err(error) if !is_exact && error.action() != Action::Retry => return Err(error),
            Err(error) => tracing::warn!(%error, "what was to be committed last is not"),
            Ok(_) => {}
        }
    }
    desk.under_way = None;
    Ok(())
}

/// Waits for all that is on its way, whatever is refused of it.
fn settle_others<W: World>(log: &mut W::Group, desk: &mut Desk<W>) -> Result<(), PortError> {
    while let Err(error) = log.settle() {
        if error.action() != Action::DeadLetter {
            return Err(undelivered(desk, error));
        }
        desk.suspects.hear(log.rejections(), &desk.plan)?;
    }
    Ok(())
}

/// Keeps the time that timers go by beside them.
fn keep_event_times<W: World>(desk: &mut Desk<W>) {
    for task in desk.owned() {
        let entry = task.timers.as_mut().and_then(Timers::event_time_entry);
        if let (Some((key, time)), Some(layer)) = (entry, task.own_layer()) {
            layer.put(key, Some(&time));
            layer.accept_staged();
        }
    }
}

/// Answers whether there was any entry.
fn send_changelogs<W: World>(log: &mut W::Group, desk: &mut Desk<W>) -> Result<bool, PortError> {
    let plan = desk.plan.clone();
    let Some(changelog) = &plan.graph.spec.changelog else { return Ok(false) };
    let mut any = false;
    for task in desk.owned() {
        let (partition, tag) = (task.partition, Tag(task.partition.index()));
        let Some(layer) = task.own_layer() else { continue };
        // That a timer has called counts only behind what it did: of entries on their way the first ones arrive.
        let is_reserved = |(key, ..): &(&[u8], _, _)| is_reserved(key);
        let reserved = layer.leaving().filter(is_reserved);
        for (key, value, timestamp) in layer.leaving().filter(|entry| !is_reserved(entry)).chain(reserved) {
            any = true;
            log.send(&SendRecord {
                topic: changelog,
                partition: Some(partition),
                key: Some(key),
                value,
                headers: &NoHeaders,
                timestamp,
                tag,
            })?;
        }
    }
    Ok(any)
}

fn hand_to_stores<W: World>(log: &W::Group, desk: &mut Desk<W>) -> Result<(), PortError> {
    if desk.plan.graph.spec.changelog.is_none() {
        return Ok(());
    }
    let now = desk.world.elapsed();
    for task in desk.owned() {
        let acknowledged = log.acknowledged(Tag(task.partition.index()));
        let Some(layer) = task.own_layer() else { continue };
        if layer.is_leaving() {
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
    // Where a table is still being read, that comes first, as long as there is room in memory.
    if desk.owned().any(|task| task.recovering_since().is_some()) && !settings.memory.is_full() {
        return Ok(false);
    }
    let running = desk.owned().filter(|task| task.phase == Phase::Running);
    for table in running.flat_map(|task| &mut task.tables) {
        let is_full = settings.memory.is_full();
        if is_full || table.layer.is_store_due(now, settings.store_interval, settings.store_bytes_max) {
            table.layer.begin_writing()?;
        }
        wrote |= table.layer.store_some(settings.store_batch_bytes)?;
        // Writes come faster than the store takes them: records wait for it.
        while settings.memory.is_full() && table.layer.store_some(settings.store_batch_bytes)? {}
        table.layer.account();
    }
    Ok(wrote)
}

/// Deletes some of the values whose time is over, in tables whose values do not last for ever. Only beside records, whose
/// commit takes the deletions along.
pub(crate) fn expire<W: World>(desk: &mut Desk<W>) -> Result<(), PortError> {
    if desk.plan.graph.ttl.is_none() {
        return Ok(());
    }
    for task in desk.owned().filter(|task| task.phase == Phase::Running) {
        if task.ledger.uncommitted().next().is_some()
            && let Some(layer) = task.own_layer()
        {
            layer.expire_some(EXPIRY_KEYS_MAX)?;
        }
    }
    Ok(())
}

/// Hands all that is committed to the stores at once: before partitions are given up, and at the end.
pub(crate) fn settle_stores<W: World>(desk: &mut Desk<W>) -> Result<(), PortError> {
    let batch_bytes = desk.plan.settings.store_batch_bytes;
    for table in desk.owned().flat_map(|task| &mut task.tables) {
        table.layer.store_all(batch_bytes)?;
    }
    Ok(())
}

/// A position that the group knows already. A transaction without one is not held against who owns what, and that of a member
/// which was replaced and does not know it would be accepted.
fn standing<W: World>(
    log: &W::Group,
    desk: &mut Desk<W>,
) -> Result<Vec<(usize, Partition, Offset)>, PortError> {
    let inputs = desk.plan.graph.spec.inputs.len();
    for task in desk.owned() {
        for input in 0..inputs {
            let known = Some(task.ledger.committed_to(input)).filter(|next| *next > Offset::ZERO);
            let next = known.map_or_else(|| log.committed(input, task.partition), |next| Ok(Some(next)))?;
            if let Some(next) = next {
                return Ok(vec![(input, task.partition, next)]);
            }
        }
    }
    Ok(Vec::new())
}

/// Has the group say that it still counts this member in, where it has not for a while. A member that was held up may have been
/// replaced and not know it; its changelog entries would come behind those of the new owner.
fn ask_for_standing<W: World>(log: &mut W::Group, desk: &mut Desk<W>) -> Result<(), PortError> {
    let now = desk.world.elapsed();
    let writes = desk.owned().any(|task| task.own_layer().is_some_and(|layer| layer.is_leaving()));
    if !writes || now.saturating_sub(desk.counted_at) < STANDING_MAX {
        return Ok(());
    }
    let known = standing(log, desk)?;
    log.commit(&known)?;
    desk.counted_at = now;
    Ok(())
}

fn begin_positions<W: World>(log: &mut W::Group, desk: &mut Desk<W>) -> Result<(), PortError> {
    let marked = |task: &mut PartitionTask<W::Store>| {
        task.ledger.marked().map(|(input, next)| (input, task.partition, next)).collect::<Vec<_>>()
    };
    let mut positions: Vec<_> = desk.owned().flat_map(marked).collect();
    // What timers, visits and idle partitions did is of no position: under exactly-once it is a transaction too.
    if positions.is_empty() && desk.is_exact() && desk.has_worked_apart {
        positions = standing(log, desk)?;
    }
    desk.has_worked_apart = false;
    if !positions.is_empty() || desk.is_exact() {
        log.begin_commit(&positions)?;
    }
    if let Some(under_way) = &mut desk.under_way {
        under_way.positions = positions;
    }
    Ok(())
}

fn are_committed<L: GroupLog>(
    log: &mut L,
    positions: &[(usize, Partition, Offset)],
    is_exact: bool,
    waits: bool,
) -> Result<bool, PortError> {
    match (waits, positions.is_empty() && !is_exact) {
        (_, true) => Ok(true),
        (true, _) => log.commit(positions).map(|()| true),
        (false, _) => log.has_committed(),
    }
}

/// Notes that what was marked when the commit began is committed.
fn committed<W: World>(desk: &mut Desk<W>) -> Progress {
    let had_any = desk.owned().any(|task| task.ledger.marked().next().is_some());
    for task in desk.owned() {
        task.ledger.committed();
    }
    desk.visits_committed();
    // A commit of nothing may come before what was taken back is read again.
    if !had_any {
        return Progress::Nothing;
    }
    desk.counted_at = desk.world.elapsed();
    desk.status.commits += 1;
    desk.setback = None;
    desk.suspects.clear();
    Progress::Committed
}

impl<W: World> Desk<W> {
    fn is_at(&self, step: Step) -> bool {
        self.under_way.as_ref().is_some_and(|under_way| under_way.step == step)
    }

    fn step_to(&mut self, step: Step) {
        if let Some(under_way) = &mut self.under_way {
            under_way.step = step;
        }
    }
}
