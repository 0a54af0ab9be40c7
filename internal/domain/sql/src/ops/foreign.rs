use millstream_model::{Headers, Value};

use super::event::{Before, Event, struct_bytes};
use super::table_join::{kept, kept_bytes, side_by_side, taken};
use super::{Done, Run, StepError, entry, evaluated};
use crate::plan::{Act, Wire};

impl Run<'_> {
    /// A left table's row goes to where its foreign key belongs, and leaves where it belonged before.
    pub(super) fn subscribe(&mut self, wire: Wire, event: Event) -> Done {
        let Act::Subscribe { foreign, is_outer, right_width } = self.act(wire)? else {
            return Err(StepError::Damaged("a foreign key"));
        };
        let Some(refer) = self.behind(wire) else { return Ok(()) };
        let place = Self::place(wire, b'f', &event.place(true));
        let before = match entry::get(self.state, &place)? {
            Some(Value::Bytes(before)) => Some(before.into_vec()),
            _ => None,
        };
        let key = event.row.as_ref().map(|row| evaluated(foreign, row, &mut self.out));
        let key = key.filter(|key| key.iter().all(|value| !value.is_null()));
        let now = key.map(|key| struct_bytes(&key));
        let noted = now.as_ref().map(|now| Value::Bytes(now.as_slice().into()));
        entry::put(self.state, &place, noted.as_ref())?;
        let has_moved = before.is_some() && before != now;
        if let Some(before) = before.filter(|_| has_moved) {
            // The last that is heard of the row from there is that it is gone, unless it is told from elsewhere now.
            let is_gone = now.is_none() && !(*is_outer && event.row.is_some());
            let leaving = Event { row: None, key: marked(&event.key, is_gone), ..event.clone() };
            self.send(Wire { side: 2, ..refer }, before, leaving)?;
        }
        match now {
            Some(now) => {
                let key = marked(&event.key, has_moved);
                self.send(refer, now, Event { key, ..event })?;
            }
            None if *is_outer && !(has_moved && event.row.is_none()) => {
                let row = event.row.as_deref();
                let row = row.map(|row| side_by_side(Some(row), None, (row.len(), *right_width), &[]));
                self.push(self.behind(refer), Event { row, origin: None, ..event })?;
            }
            None => {}
        }
        Ok(())
    }

    /// Where a foreign key belongs, the right row and the left ones that refer to it are kept, and told together. On side 0
    /// left rows come, on side 1 the right one, and on side 2 left ones leave.
    pub(super) fn refer(&mut self, wire: Wire, key: &[u8], event: Event) -> Done {
        let right_place = Self::place(wire, b'r', key);
        let lefts_place = Self::place(wire, b'l', key);
        let mut lefts = self.list(&lefts_place)?;
        if wire.side == 1 {
            let right = event.row.as_deref().map(|row| kept_bytes(row, event.time));
            self.state.put(&right_place, right.as_deref())?;
            for left in lefts {
                self.tell(wire, left, (Some(&event), &event.headers), true)?;
            }
            return Ok(());
        }
        let (left_key, is_told) = unmarked(event.key.clone())?;
        let event = Event { key: left_key, ..event };
        let id = Value::Struct(event.key.clone());
        lefts.retain(|left| !matches!(left, Value::Struct(parts) if parts.first() == Some(&id)));
        if wire.side == 2 {
            self.put_list(&lefts_place, lefts)?;
            let gone = Event { row: None, origin: None, ..event };
            return if is_told { self.push(self.behind(wire), gone) } else { Ok(()) };
        }
        let left = Value::Struct(vec![id, kept(event.row.clone().unwrap_or_default(), event.time)]);
        lefts.push(left.clone());
        lefts.sort();
        self.put_list(&lefts_place, lefts)?;
        let right = self.kept_row(&right_place)?;
        let right = right.map(|(row, time)| Event { row: Some(row), time, ..event.clone() });
        self.tell(wire, left, (right.as_ref(), &event.headers), is_told)
    }

    /// Tells a left row with the right one. Where there is none, it is told that the row is gone, if that was asked for.
    fn tell(
        &mut self,
        wire: Wire,
        left: Value,
        (right, headers): (Option<&Event>, &Headers),
        is_gone_told: bool,
    ) -> Done {
        let Act::Refer { is_outer, left_width, right_width, .. } = self.act(wire)? else {
            return Err(StepError::Damaged("a foreign key"));
        };
        let damaged = || StepError::Damaged("a row that refers to another");
        let Value::Struct(parts) = left else { return Err(damaged()) };
        let [Value::Struct(key), row] = <[Value; 2]>::try_from(parts).map_err(|_| damaged())? else {
            return Err(damaged());
        };
        let (row, time) = taken(row)?;
        let right_row = right.and_then(|right| right.row.as_deref());
        if right_row.is_none() && !is_outer && !is_gone_told {
            return Ok(());
        }
        let time = right.map_or(time, |right| right.time.max(time));
        let pair = side_by_side(Some(&row), right_row, (*left_width, *right_width), &[]);
        let row = (right_row.is_some() || *is_outer).then_some(pair);
        let headers = headers.clone();
        self.push(
            self.behind(wire),
            Event {
                key,
                row,
                before: Before::Unknown,
                time,
                window: None,
                headers,
                origin: None,
                group: None,
            },
        )
    }
}

/// A left row's key with what is to be told where there is no right row.
fn marked(key: &[Value], mark: bool) -> Vec<Value> {
    key.iter().cloned().chain([Value::Boolean(mark)]).collect()
}

fn unmarked(mut key: Vec<Value>) -> Result<(Vec<Value>, bool), StepError> {
    match key.pop() {
        Some(Value::Boolean(mark)) => Ok((key, mark)),
        _ => Err(StepError::Damaged("a row that refers to another")),
    }
}
