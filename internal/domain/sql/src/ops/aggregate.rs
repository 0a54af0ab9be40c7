use millstream_model::{Value, decode_value};

use super::{Emission, Emissions, SourceRecord, State, StepError, evaluated, row, value_bytes};
use crate::aggregate::Aggregate;
use crate::ast::SourceKind;
use crate::eval::Bound;

/// Prefixes of the state's keys: what a table's row last counted for, and what a group holds.
const ROW: u8 = b'r';
const GROUP: u8 = b'g';

/// The side of an aggregation where records come in.
pub(super) struct Side<'a> {
    pub(super) kind: SourceKind,
    pub(super) filter: Option<&'a Bound>,
    pub(super) group: &'a [Bound],
    pub(super) calls: &'a [(Aggregate, Option<Bound>)],
}

/// The side where groups are kept.
pub(super) struct Grouped<'a> {
    pub(super) kind: SourceKind,
    pub(super) calls: &'a [(Aggregate, Option<Bound>)],
    pub(super) having: Option<&'a Bound>,
    pub(super) value: &'a [Bound],
}

fn prefixed(prefix: u8, key: &[u8]) -> Vec<u8> {
    [&[prefix][..], key].concat()
}

/// Sends a record's arguments to its group. A table's row also takes back, from the group it was in, what it gave there.
pub(super) fn on_source(
    side: &Side<'_>,
    record: &SourceRecord,
    state: &mut dyn State,
) -> Result<Emissions, StepError> {
    let row = row(record, record.value.as_deref().unwrap_or_default());
    let counts = record.value.is_some() && side.filter.is_none_or(|filter| filter.holds(&row));
    let group = counts
        .then(|| evaluated(side.group, &row))
        .filter(|group| group.iter().all(|value| !value.is_null()));
    let group = group.map(|group| value_bytes(&Value::Struct(group)));
    let arguments = side
        .calls
        .iter()
        .map(|(_, argument)| argument.as_ref().map_or(Value::Null, |argument| argument.eval(&row)));
    let id = value_bytes(&Value::Struct(record.key.clone()));
    let message = |arguments: Value| Value::Struct(vec![Value::Bytes(id.clone().into()), arguments]);
    let mut out = Vec::new();
    if side.kind == SourceKind::Table {
        let place = prefixed(ROW, &id);
        let before = match state.get(&place)? {
            Some(Value::Bytes(before)) => Some(before.to_vec()),
            _ => None,
        };
        if let Some(before) = before.clone().filter(|before| Some(before) != group.as_ref()) {
            out.push(Emission::Repartition { key: before, message: message(Value::Null) });
        }
        if before != group {
            state.put(&place, group.clone().map(|group| Value::Bytes(group.into())).as_ref())?;
        }
    }
    if let Some(group) = group {
        out.push(Emission::Repartition { key: group, message: message(Value::Struct(arguments.collect())) });
    }
    Ok(out)
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
    let (id, arguments) = read_message(message)?;
    let place = prefixed(GROUP, key);
    let before = state.get(&place)?;
    let results = match grouped.kind {
        SourceKind::Stream => {
            let after = fold(grouped, before, arguments.as_deref().unwrap_or_default())?;
            let results = results(grouped, &after);
            state.put(&place, Some(&Value::Struct(after)))?;
            Some(results)
        }
        SourceKind::Table => {
            let members = contributions(before, id, arguments)?;
            let results = (!members.is_empty()).then(|| recount(grouped, &members)).transpose()?;
            state.put(&place, (!members.is_empty()).then_some(Value::Array(members)).as_ref())?;
            results
        }
    };
    let row = results.map(|results| [group.clone(), results].concat());
    let shown = row.filter(|row| grouped.having.is_none_or(|having| having.holds(row)));
    Ok(vec![Emission::Sink { key: group, value: shown.map(|row| evaluated(grouped.value, &row)) }])
}

type Message = (Value, Option<Vec<Value>>);

fn read_message(message: Value) -> Result<Message, StepError> {
    let Value::Struct(parts) = message else { return Err(StepError::Damaged("a group's record")) };
    match <[Value; 2]>::try_from(parts) {
        Ok([id, Value::Struct(arguments)]) => Ok((id, Some(arguments))),
        Ok([id, Value::Null]) => Ok((id, None)),
        _ => Err(StepError::Damaged("a group's record")),
    }
}

/// A stream's group keeps only the aggregates' states.
fn fold(grouped: &Grouped<'_>, before: Option<Value>, arguments: &[Value]) -> Result<Vec<Value>, StepError> {
    let states = match before {
        None => grouped.calls.iter().map(|(aggregate, _)| aggregate.begin()).collect(),
        Some(Value::Struct(states)) if states.len() == grouped.calls.len() => states,
        Some(_) => return Err(StepError::Damaged("a group's state")),
    };
    let calls = grouped.calls.iter().zip(states).enumerate();
    Ok(calls
        .map(|(index, ((aggregate, argument), state))| {
            let value = arguments.get(index).unwrap_or(&Value::Null);
            aggregate.add(state, argument.as_ref().map(|_| value))
        })
        .collect())
}

fn results(grouped: &Grouped<'_>, states: &[Value]) -> Vec<Value> {
    grouped.calls.iter().zip(states).map(|((aggregate, _), state)| aggregate.result(state)).collect()
}

/// A table's group keeps what each row gives, by the row's key, in the order of the last change. A row that comes again
/// replaces itself, so that a record delivered twice counts once.
fn contributions(
    before: Option<Value>,
    id: Value,
    arguments: Option<Vec<Value>>,
) -> Result<Vec<Value>, StepError> {
    let mut members = match before {
        None => Vec::new(),
        Some(Value::Array(members)) => members,
        Some(_) => return Err(StepError::Damaged("a group's state")),
    };
    let after = arguments.map(|arguments| Value::Struct(vec![id.clone(), Value::Struct(arguments)]));
    if after.as_ref().is_some_and(|after| members.contains(after)) {
        return Ok(members);
    }
    members.retain(|member| !matches!(member, Value::Struct(parts) if parts.first() == Some(&id)));
    members.extend(after);
    Ok(members)
}

fn recount(grouped: &Grouped<'_>, members: &[Value]) -> Result<Vec<Value>, StepError> {
    let mut states = None;
    for member in members {
        let Value::Struct(parts) = member else { return Err(StepError::Damaged("a group's state")) };
        let Some(Value::Struct(arguments)) = parts.get(1) else {
            return Err(StepError::Damaged("a group's state"));
        };
        states = Some(Value::Struct(fold(grouped, states, arguments)?));
    }
    match states {
        Some(Value::Struct(states)) => Ok(results(grouped, &states)),
        _ => Ok(Vec::new()),
    }
}
