use std::time::Duration;

use millstream_model::{Offset, Partition};
use millstream_ports::{Delivery, GroupLog, KeyRange, PortError, World};

use crate::desk::Desk;
use crate::layer::{TableAccess, TableLayer};
use crate::measures::behind;
use crate::partition::{PartitionTask, Phase};
use crate::query::asking::{Answer, Find, Freshness, Page, QueryError, Question, Reached, Reply};
use crate::status::lag;

/// How long after a question the next one is expected, so that it finds the worker awake.
const MORE_EXPECTED: Duration = Duration::from_secs(1);

/// Questions to be answered between two batches, and those that wait for records to be processed.
#[derive(Default)]
pub(crate) struct Asking {
    questions: Vec<Question>,
    asked_at: Option<Duration>,
}

impl Asking {
    pub(super) fn take(&mut self, question: Question, now: Duration) {
        self.asked_at = Some(now);
        self.questions.push(question);
    }

    /// Whether a question waits, or was asked a moment ago: the worker should look again soon.
    pub(crate) fn goes_on(&self, now: Duration) -> bool {
        self.asked_at.is_some_and(|at| now.saturating_sub(at) < MORE_EXPECTED) || !self.questions.is_empty()
    }

    /// Answers what need not wait.
    pub(crate) fn answer<W: World>(&mut self, log: &W::Group, desk: &mut Desk<W>) {
        // Whoever asked may have given up; the answer is then for nobody.
        self.questions.retain_mut(|question| match question {
            Question::Page(partition, range, limit, reply) => {
                let _ = reply.try_send(page(log, desk, *partition, range, *limit));
                false
            }
            Question::Find(find) => {
                let Some(answer) = answered(log, desk, find) else { return true };
                let _ = find.reply.try_send(answer);
                false
            }
        });
    }
}

/// The answer to a question, or `None` while it has to wait.
fn answered<W: World>(log: &W::Group, desk: &mut Desk<W>, find: &mut Find) -> Option<Reply<Option<Vec<u8>>>> {
    if let Some(reached) = &find.after {
        let now = desk.world.elapsed();
        let due = *find.due.get_or_insert(now + find.patience);
        match lacks(log, desk, find.partition, reached) {
            Ok(None) => {}
            Ok(Some(_)) if now < due => return None,
            Ok(Some(behind)) | Err(behind) => return Some(Err(behind)),
        }
    }
    Some(look(log, desk, find.partition, |layer, is_fresh| {
        if is_fresh { Ok(layer.get(&find.key)?.map(<[u8]>::to_vec)) } else { layer.committed(&find.key) }
    }))
}

/// What keeps an answer from knowing of the record that is to be in it.
fn lacks<W: World>(
    log: &W::Group,
    desk: &mut Desk<W>,
    partition: Partition,
    reached: &Reached,
) -> Result<Option<QueryError>, QueryError> {
    let (plan, exactly_once) = (desk.plan.clone(), is_exactly_once(desk));
    let inputs = &plan.graph.spec.inputs;
    let place =
        reached.input.as_ref().map_or(Some(0), |name| inputs.iter().position(|input| input.as_str() == name));
    let input = place.and_then(|place| Some((place, inputs.get(place)?)));
    let (place, name) =
        input.ok_or_else(|| QueryError::NoInput(reached.input.clone().unwrap_or_default()))?;
    let task = running(desk, partition)?;
    let mut next = if exactly_once { task.ledger.committed_to(place) } else { task.ledger.done_to(place) };
    if next == Offset::ZERO {
        // Nothing came since this owner has the partition; the ones before it have said how far they came.
        next = log.committed(place, partition)?.unwrap_or_default();
    }
    let (input, wanted) = (name.clone(), reached.offset);
    Ok((next <= wanted).then_some(QueryError::Behind { partition, input, wanted, next }))
}

fn is_exactly_once<W: World>(desk: &Desk<W>) -> bool {
    desk.plan.settings.delivery == Delivery::ExactlyOnce
}

/// The partition, where it is this worker's and its table is current.
fn running<W: World>(
    desk: &mut Desk<W>,
    partition: Partition,
) -> Result<&mut PartitionTask<W::Store>, QueryError> {
    let task = desk.task(partition).ok_or(QueryError::Elsewhere(partition))?;
    if task.phase == Phase::Running {
        return Ok(task);
    }
    Err(QueryError::Recovering { partition, remaining: task.remaining() })
}

fn page<W: World>(
    log: &W::Group,
    desk: &mut Desk<W>,
    partition: Partition,
    range: &KeyRange,
    limit: usize,
) -> Reply<Page> {
    look(log, desk, partition, |layer, is_fresh| layer.page(range, limit, is_fresh))
}

/// Reads a partition's own table; `read` learns whether it may see what waits for the commit.
fn look<W: World, T>(
    log: &W::Group,
    desk: &mut Desk<W>,
    partition: Partition,
    read: impl FnOnce(&mut TableLayer<W::Store>, bool) -> Result<T, PortError>,
) -> Reply<T> {
    let exactly_once = is_exactly_once(desk);
    if !desk.plan.graph.names.has_table {
        return Err(QueryError::NoTable);
    }
    let freshness = freshness(log, desk, partition)?;
    let layer = running(desk, partition)?.own_layer().ok_or(QueryError::NoTable)?;
    Ok(Answer { partition, content: read(layer, !exactly_once)?, freshness })
}

fn freshness<W: World>(
    log: &W::Group,
    desk: &mut Desk<W>,
    partition: Partition,
) -> Result<Freshness, QueryError> {
    let (plan, now, is_committed) = (desk.plan.clone(), desk.world.now(), is_exactly_once(desk));
    let inputs = &plan.graph.spec.inputs;
    let task = running(desk, partition)?;
    let lag_records = lag(log, inputs.len(), partition);
    let behind = behind(lag_records, task.seen, now);
    let position =
        |input| if is_committed { task.ledger.committed_to(input) } else { task.ledger.done_to(input) };
    let positions = inputs.iter().enumerate().map(|(input, name)| (name.clone(), position(input))).collect();
    Ok(Freshness { lag_records, behind, positions, is_committed })
}
