use millstream_model::{Headers, Value, ValueError, ValueReader, ValueWriter};

use super::event::{Before, Event, ROW_BYTES};
use super::{Done, Run, StepError, key_values};
use crate::ast::JoinKind;
use crate::plan::{Act, Wire};

/// A row as it is kept, with its time.
pub(super) fn kept(row: Vec<Value>, time: i64) -> Value {
    Value::Struct(vec![Value::Bigint(time), Value::Struct(row)])
}

/// The same as an entry of the state.
pub(super) fn kept_bytes(row: &[Value], time: i64) -> Vec<u8> {
    let mut writer = ValueWriter::with_capacity(ROW_BYTES);
    writer.fields(2);
    writer.bigint(time);
    writer.row(row);
    writer.into_bytes()
}

/// Appends a row from an entry of the state, and answers its time.
fn append_kept(bytes: &[u8], row: &mut Vec<Value>) -> Result<i64, ValueError> {
    let mut reader = ValueReader::new(bytes)?;
    if reader.fields()? != 2 {
        return Err(ValueError::Damaged("no row is kept so"));
    }
    let time = reader.bigint()?;
    reader.append_row(row)?;
    reader.end(time)
}

const DAMAGED: StepError = StepError::Damaged("a row that was kept");

/// A row that was kept, and its time.
pub(super) fn taken(value: Value) -> Result<(Vec<Value>, i64), StepError> {
    let Value::Struct(parts) = value else { return Err(DAMAGED) };
    match <[Value; 2]>::try_from(parts).map_err(|_| DAMAGED)? {
        [Value::Bigint(time), Value::Struct(row)] => Ok((row, time)),
        _ => Err(DAMAGED),
    }
}

/// Two rows side by side, nulls where one is missing, and the key behind them.
pub(super) fn side_by_side(
    left: Option<&[Value]>,
    right: Option<&[Value]>,
    widths: (usize, usize),
    key: &[Value],
) -> Vec<Value> {
    let mut row = Vec::with_capacity(widths.0 + widths.1 + key.len());
    for (half, width) in [(left, widths.0), (right, widths.1)] {
        match half {
            Some(half) => row.extend_from_slice(half),
            None => row.extend(std::iter::repeat_n(Value::Null, width)),
        }
    }
    row.extend_from_slice(key);
    row
}

impl Run<'_> {
    pub(super) fn kept_row(&mut self, place: &[u8]) -> Result<Option<(Vec<Value>, i64)>, StepError> {
        let Some(bytes) = self.state.get(place)? else { return Ok(None) };
        let mut row = Vec::new();
        let time = append_kept(bytes, &mut row).map_err(|_| DAMAGED)?;
        Ok(Some((row, time)))
    }

    /// Keeps a row in place of the one before, which is answered.
    fn keep_row(&mut self, place: &[u8], event: &Event) -> Result<Option<(Vec<Value>, i64)>, StepError> {
        let before = self.kept_row(place)?;
        let value = event.row.as_deref().map(|row| kept_bytes(row, event.time));
        self.state.put(place, value.as_deref())?;
        Ok(before)
    }

    /// A stream's event meets the table's row as it is.
    pub(super) fn lookup(&mut self, wire: Wire, key: &[u8], mut event: Event) -> Done {
        let Act::Lookup { is_outer, left_width, right_width } = self.act(wire)? else {
            return Err(StepError::Damaged("a lookup"));
        };
        let place = Self::place(wire, b'r', key);
        if wire.side == 1 {
            return self.keep_row(&place, &event).map(drop);
        }
        let Some(mut row) = event.row.take() else { return Ok(()) };
        let right = self.state.get(&place)?;
        if right.is_none() && !is_outer {
            return Ok(());
        }
        row.reserve_exact(*right_width + event.key.len());
        debug_assert_eq!(row.len(), *left_width, "a row has all of its columns");
        match right {
            Some(right) => drop(append_kept(right, &mut row).map_err(|_| DAMAGED)?),
            None => row.extend(std::iter::repeat_n(Value::Null, *right_width)),
        }
        row.extend_from_slice(&event.key);
        event.row = Some(row);
        event.origin = None;
        self.push(self.behind(wire), event)
    }

    /// A table's row changes, and with it the one that it makes together with the other table's.
    pub(super) fn merge(&mut self, wire: Wire, key: &[u8], event: &Event) -> Done {
        let Act::Merge { kind, left_width, right_width } = self.act(wire)? else {
            return Err(StepError::Damaged("a join of tables"));
        };
        let is_left = wire.side == 0;
        let (own, other) = if is_left { (b'l', b'r') } else { (b'r', b'l') };
        let before = self.keep_row(&Self::place(wire, own, key), event)?;
        let partner = self.kept_row(&Self::place(wire, other, key))?;
        let keeps_own = matches!(
            (kind, is_left),
            (JoinKind::Full, _) | (JoinKind::Left, true) | (JoinKind::Right, false)
        );
        let keeps_other = matches!(
            (kind, is_left),
            (JoinKind::Full, _) | (JoinKind::Left, false) | (JoinKind::Right, true)
        );
        let is_pair = match (&event.row, &partner) {
            (Some(_), Some(_)) => true,
            (Some(_), None) => keeps_own,
            (None, Some(_)) => keeps_other,
            (None, None) => false,
        };
        // Without a partner, there is something to delete only where a row stood by itself.
        if partner.is_none() && (!keeps_own || (event.row.is_none() && before.is_none())) {
            return Ok(());
        }
        let time = partner.as_ref().map_or(event.time, |(_, time)| event.time.max(*time));
        let partner = partner.as_ref().map(|(row, _)| row.as_slice());
        let sides = |own| if is_left { (own, partner) } else { (partner, own) };
        let (left, right) = sides(event.row.as_deref());
        let (left_before, right_before) = sides(before.as_ref().map(|(row, _)| row.as_slice()));
        let was_pair = match (&before, partner) {
            (Some(_), Some(_)) => true,
            (Some(_), None) => keeps_own,
            (None, Some(_)) => keeps_other,
            (None, None) => false,
        };
        let sink_key = key_values(key)?.into_iter().take(event.key.len()).collect::<Vec<_>>();
        let widths = (*left_width, *right_width);
        let row = is_pair.then(|| side_by_side(left, right, widths, &sink_key));
        let before = was_pair.then(|| side_by_side(left_before, right_before, widths, &sink_key));
        let headers: Headers = event.headers.clone();
        let next = self.behind(wire);
        self.push(
            next,
            Event {
                key: sink_key,
                row,
                before: Before::of(before),
                time,
                window: event.window,
                headers,
                origin: None,
                group: None,
            },
        )
    }
}
