use millstream_model::{Value, decode_value};

use super::chain::Chain;
use super::{Emission, Emissions, SourceRecord, State, StepError, evaluated, row, value_bytes};
use crate::aggregate::AggregateCall;
use crate::ast::SourceKind;
use crate::eval::Bound;

/// Prefixes of the state's keys: the group that a table's row last counted for, what a stream's group has come to, and
/// what the rows of a table's group give.
const ROW: u8 = b'r';
const GROUP: u8 = b'g';
const MEMBERS: u8 = b'm';

/// The side of an aggregation where records come in.
pub(super) struct Side<'a> {
    pub(super) kind: SourceKind,
    pub(super) filter: Option<&'a Bound>,
    pub(super) group: &'a [Bound],
    pub(super) calls: &'a [AggregateCall],
}

/// The side where groups are kept.
pub(super) struct Grouped<'a> {
    pub(super) kind: SourceKind,
    pub(super) calls: &'a [AggregateCall],
    pub(super) having: Option<&'a Bound>,
    pub(super) value: &'a [Bound],
}

fn prefixed(prefix: u8, key: &[u8]) -> Vec<u8> {
    [&[prefix], key].concat()
}

/// Sends a record's arguments to its group. A table's row also takes back, from the group it was in, what it gave there.
pub(super) fn on_source(
    side: &Side<'_>,
    record: &SourceRecord,
    state: &mut dyn State,
) -> Result<Emissions, StepError> {
    let row = row(record, record.value.as_deref().unwrap_or_default());
    let group = group_of(side, record, &row);
    let arguments = || {
        let arguments = side.calls.iter().map(|call| Value::Struct(evaluated(&call.arguments, &row)));
        Value::Struct(arguments.collect())
    };
    match side.kind {
        SourceKind::Stream => {
            let origin = Value::Struct(vec![Value::Int(record.partition), Value::Bigint(record.offset)]);
            Ok(group.map(|group| send(group, origin, arguments())).into_iter().collect())
        }
        SourceKind::Table => {
            let id = value_bytes(&Value::Struct(record.key.clone()));
            let before = moved(&id, group.as_deref(), state)?;
            let id = Value::Bytes(id.into());
            let left = before.map(|before| send(before, id.clone(), Value::Null));
            Ok(left.into_iter().chain(group.map(|group| send(group, id, arguments()))).collect())
        }
    }
}

fn send(group: Vec<u8>, origin: Value, arguments: Value) -> Emission {
    Emission::Repartition { key: group, message: Value::Struct(vec![origin, arguments]) }
}

/// The group that a record counts for: none when it is deleted, does not pass, or is grouped by a null.
fn group_of(side: &Side<'_>, record: &SourceRecord, row: &[Value]) -> Option<Vec<u8>> {
    record.value.as_ref()?;
    if side.filter.is_some_and(|filter| !filter.holds(row)) {
        return None;
    }
    let group = evaluated(side.group, row);
    let is_whole = group.iter().all(|value| !value.is_null());
    is_whole.then(|| value_bytes(&Value::Struct(group)))
}

/// Notes the group that a table's row is in now, and answers the other one that it was in before.
fn moved(id: &[u8], group: Option<&[u8]>, state: &mut dyn State) -> Result<Option<Vec<u8>>, StepError> {
    let place = prefixed(ROW, id);
    let before = match state.get(&place)? {
        None => None,
        Some(Value::Bytes(before)) => Some(before.into_vec()),
        Some(_) => return Err(StepError::Damaged("a row's group")),
    };
    if before.as_deref() == group {
        return Ok(None);
    }
    state.put(&place, group.map(|group| Value::Bytes(group.into())).as_ref())?;
    Ok(before)
}

/// Brings a group up to date, and tells its row.
pub(super) fn on_group(
    grouped: &Grouped<'_>,
    key: &[u8],
    message: Value,
    state: &mut dyn State,
) -> Result<Emissions, StepError> {
    let Ok(Value::Struct(group)) = decode_value(key) else {
        return Err(StepError::Damaged("a group's key"));
    };
    let (origin, arguments) = read_message(message)?;
    let states = match grouped.kind {
        SourceKind::Stream => {
            let Some(states) = add_event(grouped, key, &origin, arguments, state)? else {
                return Ok(Vec::new());
            };
            Some(states)
        }
        SourceKind::Table => recount(grouped, key, &origin, arguments, state)?,
    };
    let row = states.map(|states| [group.clone(), results(grouped, &states)].concat());
    let shown = row.filter(|row| grouped.having.is_none_or(|having| having.holds(row)));
    Ok(vec![Emission::Sink { key: group, value: shown.map(|row| evaluated(grouped.value, &row)) }])
}

type Message = (Value, Option<Vec<Value>>);

fn read_message(message: Value) -> Result<Message, StepError> {
    let Value::Struct(parts) = message else { return Err(StepError::Damaged("a group's record")) };
    match <[Value; 2]>::try_from(parts) {
        Ok([origin, Value::Struct(arguments)]) => Ok((origin, Some(arguments))),
        Ok([origin, Value::Null]) => Ok((origin, None)),
        _ => Err(StepError::Damaged("a group's record")),
    }
}

/// A stream's group keeps the aggregates' states, and up to which offset of each partition they count. A record that comes
/// again has such an offset, and is passed over: `None`.
fn add_event(
    grouped: &Grouped<'_>,
    key: &[u8],
    origin: &Value,
    arguments: Option<Vec<Value>>,
    state: &mut dyn State,
) -> Result<Option<Vec<Value>>, StepError> {
    let place = prefixed(GROUP, key);
    let (states, mut seen) = match state.get(&place)? {
        None => (begin(grouped), Vec::new()),
        Some(Value::Struct(parts)) => match <[Value; 2]>::try_from(parts) {
            Ok([Value::Struct(states), Value::Array(seen)]) => (states, seen),
            _ => return Err(StepError::Damaged("a group's state")),
        },
        Some(_) => return Err(StepError::Damaged("a group's state")),
    };
    if !advance(&mut seen, origin)? {
        return Ok(None);
    }
    let states = fold(grouped, states, &arguments.unwrap_or_default())?;
    state.put(&place, Some(&Value::Struct(vec![Value::Struct(states.clone()), Value::Array(seen)])))?;
    Ok(Some(states))
}

/// Whether `origin`, a partition and an offset, is ahead of all seen of its partition; it is then noted.
fn advance(seen: &mut Vec<Value>, origin: &Value) -> Result<bool, StepError> {
    let (partition, offset) = position(origin)?;
    for known in &mut *seen {
        let (known_partition, known_offset) = position(known)?;
        if known_partition == partition {
            let is_ahead = offset > known_offset;
            if is_ahead {
                *known = origin.clone();
            }
            return Ok(is_ahead);
        }
    }
    seen.push(origin.clone());
    Ok(true)
}

fn position(origin: &Value) -> Result<(i32, i64), StepError> {
    match origin {
        Value::Struct(parts) => match parts.as_slice() {
            [Value::Int(partition), Value::Bigint(offset)] => Ok((*partition, *offset)),
            _ => Err(StepError::Damaged("a record's origin")),
        },
        _ => Err(StepError::Damaged("a record's origin")),
    }
}

/// A table's group keeps what each row gives, by the row's key, in the order in which each last came. A row that comes
/// again replaces itself, so that a record delivered twice counts once. A group without rows is gone: `None`.
fn recount(
    grouped: &Grouped<'_>,
    key: &[u8],
    id: &Value,
    arguments: Option<Vec<Value>>,
    state: &mut dyn State,
) -> Result<Option<Vec<Value>>, StepError> {
    let Value::Bytes(id) = id else { return Err(StepError::Damaged("a row's key")) };
    let members = Chain::new(MEMBERS, key);
    match arguments {
        Some(arguments) => members.push(state, id, Value::Struct(arguments))?,
        None => members.remove(state, id)?,
    };
    let mut states = None;
    for member in members.contents(state)? {
        let Value::Struct(arguments) = member else { return Err(StepError::Damaged("a group's state")) };
        states = Some(fold(grouped, states.unwrap_or_else(|| begin(grouped)), &arguments)?);
    }
    Ok(states)
}

fn begin(grouped: &Grouped<'_>) -> Vec<Value> {
    grouped.calls.iter().map(|call| call.aggregate.begin()).collect()
}

fn fold(grouped: &Grouped<'_>, states: Vec<Value>, arguments: &[Value]) -> Result<Vec<Value>, StepError> {
    if states.len() != grouped.calls.len() || arguments.len() != states.len() {
        return Err(StepError::Damaged("a group's state"));
    }
    let added =
        grouped.calls.iter().zip(states).zip(arguments).map(|((call, state), arguments)| match arguments {
            Value::Struct(arguments) => Ok(call.aggregate.add(state, arguments)),
            _ => Err(StepError::Damaged("a group's record")),
        });
    added.collect()
}

fn results(grouped: &Grouped<'_>, states: &[Value]) -> Vec<Value> {
    grouped.calls.iter().zip(states).map(|(call, state)| call.aggregate.result(state)).collect()
}
