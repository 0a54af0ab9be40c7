use std::collections::BTreeSet;

use millstream_model::{Headers, Value, ValueError, ValueReader, ValueWriter};

use super::agenda::Agenda;
use super::event::{Before, Bounds, Event, struct_bytes};
use super::sum::Sum;
use super::{Done, Run, StepError, entry, evaluated, key_values};
use crate::aggregate::Aggregate;
use crate::ast::{SourceKind, WindowShape};
use crate::plan::{Act, Windows, Wire};

impl Run<'_> {
    /// Sends a row's arguments to its group. A table's row also leaves the group that it was in, to come back as it is now.
    pub(super) fn group(&mut self, wire: Wire, mut event: Event) -> Done {
        let Act::Group { kind, group, arguments } = self.act(wire)? else {
            return Err(StepError::Damaged("a grouping"));
        };
        let Some(next) = self.behind(wire) else { return Ok(()) };
        let row = event.row.take();
        let now = row
            .as_deref()
            .map(|row| evaluated(group, row, &mut self.out))
            .filter(|group| group.iter().all(|value| !value.is_null()));
        let now = now.map(|group| (struct_bytes(&group), group));
        let (row, out) = (row.as_deref().unwrap_or_default(), &mut self.out);
        let argument = |of: &Vec<crate::eval::Bound>| Value::Struct(evaluated(of, row, out));
        let counted = Some(arguments.iter().map(argument).collect());
        event.before = Before::Unknown;
        if *kind == SourceKind::Table {
            let place = Self::place(wire, b'g', &event.place(true));
            let before = match entry::get(self.state, &place)? {
                Some(Value::Bytes(before)) => Some(before.into_vec()),
                _ => None,
            };
            let noted = now.as_ref().map(|(now, _)| Value::Bytes(now.as_slice().into()));
            entry::put(self.state, &place, noted.as_ref())?;
            if let Some(before) = before.filter(|before| Some(before) != now.as_ref().map(|(now, _)| now)) {
                self.send(next, before, event.clone())?;
            }
        }
        if let Some((now, group)) = now {
            self.send(next, now, Event { row: counted, group: Some(group), ..event })?;
        }
        Ok(())
    }

    /// Brings a group up to date, and tells its row.
    pub(super) fn aggregate(&mut self, wire: Wire, key: &[u8], mut event: Event) -> Done {
        let Act::Aggregate { kind, calls, window } = self.act(wire)? else {
            return Err(StepError::Damaged("an aggregation"));
        };
        match (kind, window) {
            (SourceKind::Table, _) if calls.iter().all(Aggregate::undoes_exactly) => {
                self.replace(wire, calls, key, &event)
            }
            (SourceKind::Table, _) => self.recount(wire, calls, key, &event),
            (SourceKind::Stream, None) => {
                let place = Self::place(wire, b'a', key);
                let known = self.state.get(&place)?.map(Sum::of).transpose()?;
                let of = event.group.take().map_or_else(|| key_values(key), Ok)?;
                let before = self.before(wire, known.as_ref(), |sum| row_of(calls, sum, &of, None));
                let mut sum = known.unwrap_or_else(|| Sum::begin(calls));
                if !sum.add(calls, &event)? {
                    return Ok(());
                }
                let told = Event { before, ..told(calls, &sum, of, None, &event.headers) };
                self.state.put(&place, Some(&sum.to_bytes()))?;
                self.push(self.behind(wire), told)
            }
            (SourceKind::Stream, Some(windows)) => self.in_windows(wire, (calls, *windows), key, &event),
        }
    }

    /// The row that a group had, as far as any step behind looks at it.
    fn before(&self, wire: Wire, known: Option<&Sum>, row: impl Fn(&Sum) -> Vec<Value>) -> Before {
        if self.wants_before(wire) { Before::of(known.map(row)) } else { Before::Unknown }
    }

    fn in_windows(
        &mut self,
        wire: Wire,
        (calls, windows): (&[Aggregate], Windows),
        key: &[u8],
        event: &Event,
    ) -> Done {
        let now = self.stream_time(wire, event.time)?;
        self.close(wire, (calls, windows), now)?;
        if let WindowShape::Session { gap_ms } = windows.shape {
            self.in_session(wire, (calls, windows, gap_ms), key, event, now)?;
            return if windows.is_final { self.tell_closed(wire, windows, now) } else { Ok(()) };
        }
        let place = Self::place(wire, b'w', key);
        let mut all = self.windows(&place)?;
        let first_before = first_end(&all);
        all.retain(|(bounds, _)| !windows.is_closed(bounds.end, now));
        for bounds in windows.of(event.time) {
            if windows.is_closed(bounds.end, now) {
                continue;
            }
            let at = all.iter().position(|(known, _)| *known == bounds);
            let (at, mut sum) = match at {
                Some(at) => (at, all.remove(at).1),
                None => (all.partition_point(|(known, _)| *known < bounds), Sum::begin(calls)),
            };
            self.in_window(wire, (calls, windows), (key, bounds), &mut sum, event)?;
            all.insert(at, (bounds, sum));
        }
        if first_end(&all).is_some_and(|first| first_before.is_none_or(|before| first < before)) {
            self.note_windows(wire, windows, key, &all)?;
        }
        self.put_windows(&place, &all)
    }

    /// Counts an event into a window, whose row is told at once, or when the window is closed.
    fn in_window(
        &mut self,
        wire: Wire,
        (calls, windows): (&[Aggregate], Windows),
        (key, bounds): (&[u8], Bounds),
        sum: &mut Sum,
        event: &Event,
    ) -> Done {
        if windows.is_final {
            if sum.add(calls, event)? {
                sum.headers.clone_from(&event.headers);
            }
            return Ok(());
        }
        let of = key_values(key)?;
        let known = (sum.time != i64::MIN).then_some(&*sum);
        let before = self.before(wire, known, |sum| row_of(calls, sum, &of, Some(bounds)));
        if !sum.add(calls, event)? {
            return Ok(());
        }
        let row = told(calls, sum, of, Some(bounds), &event.headers);
        self.push(self.behind(wire), Event { before, ..row })
    }

    /// Tells a session's row at once, or notes it to be told when the session is closed.
    pub(super) fn tell_window(&mut self, wire: Wire, windows: Windows, row: Event) -> Done {
        if !windows.is_final {
            return self.push(self.behind(wire), row);
        }
        let bounds = row.window.unwrap_or(Bounds { start: 0, end: 0 });
        let (start, end) = (Value::Bigint(bounds.start), Value::Bigint(bounds.end));
        let order = Value::Struct(vec![start, end, Value::Struct(row.key.clone())]);
        let agenda = Self::closing(wire, windows);
        if row.row.is_some() {
            agenda.add(self.state, bounds.end, &order, row.sent(wire))
        } else {
            agenda.remove(self.state, bounds.end, &order)
        }
    }

    /// The sessions that wait to be closed, by their ends.
    fn closing(wire: Wire, windows: Windows) -> Agenda {
        Agenda::new(Self::place(wire, b'p', &[]), windows.width_ms())
    }

    pub(super) fn tell_closed(&mut self, wire: Wire, windows: Windows, now: i64) -> Done {
        let closed = Self::closing(wire, windows).take(self.state, |end| windows.is_closed(end, now))?;
        for (_, row) in closed {
            let (_, row) = Event::received(row, &self.rule.query)?;
            // It was never told before.
            self.push(self.behind(wire), Event { before: Before::Nothing, ..row })?;
        }
        Ok(())
    }

    /// Notes when the first of a group's windows is closed, so that it is forgotten then though nothing comes for it.
    pub(super) fn note_windows(
        &mut self,
        wire: Wire,
        windows: Windows,
        key: &[u8],
        all: &[(Bounds, Sum)],
    ) -> Done {
        let Some(first) = first_end(all) else { return Ok(()) };
        Self::open(wire, windows).add(self.state, first, &Value::Bytes(key.into()), Value::Null)
    }

    /// The groups that have windows, by when the first of them ends.
    pub(super) fn open(wire: Wire, windows: Windows) -> Agenda {
        Agenda::new(Self::place(wire, b'o', &[]), windows.width_ms())
    }

    /// Forgets the windows that are closed, of all groups, and tells those that are told then.
    pub(super) fn close(&mut self, wire: Wire, (calls, windows): (&[Aggregate], Windows), now: i64) -> Done {
        let is_told = windows.is_final && !matches!(windows.shape, WindowShape::Session { .. });
        let mut rows = Vec::new();
        for key in self.due(wire, windows, is_told, now)? {
            let place = Self::place(wire, b'w', &key);
            let all = self.windows(&place)?.into_iter();
            let (closed, all): (Vec<_>, Vec<_>) =
                all.partition(|(bounds, _)| windows.is_closed(bounds.end, now));
            for (bounds, sum) in closed.iter().filter(|_| is_told) {
                rows.push(told(calls, sum, key_values(&key)?, Some(*bounds), &sum.headers));
            }
            self.note_windows(wire, windows, &key, &all)?;
            self.put_windows(&place, &all)?;
        }
        rows.sort_by(|one, other| (one.window, &one.key).cmp(&(other.window, &other.key)));
        // They were never told before.
        rows.into_iter()
            .try_for_each(|row| self.push(self.behind(wire), Event { before: Before::Nothing, ..row }))
    }

    /// The groups that have windows to be closed.
    ///
    /// Windows were once told by rows that are kept apart, as sessions still are, and only the first that a group had ever had
    /// was noted: those that were left open then are found by these rows.
    fn due(
        &mut self,
        wire: Wire,
        windows: Windows,
        is_told: bool,
        now: i64,
    ) -> Result<BTreeSet<Vec<u8>>, StepError> {
        let is_due = |end| windows.is_closed(end, now);
        let mut due = Self::open(wire, windows).take(self.state, is_due)?;
        if is_told {
            due.extend(Self::closing(wire, windows).take(self.state, is_due)?);
        }
        let group = |(noted, _)| match noted {
            Value::Bytes(key) => Ok(key.into_vec()),
            Value::Struct(mut parts) => {
                parts.pop().as_ref().map(Value::to_bytes).ok_or(StepError::Damaged("a group's windows"))
            }
            _ => Err(StepError::Damaged("a group's windows")),
        };
        due.into_iter().map(group).collect()
    }

    pub(super) fn windows(&mut self, place: &[u8]) -> Result<Vec<(Bounds, Sum)>, StepError> {
        let Some(bytes) = self.state.get(place)? else { return Ok(Vec::new()) };
        read_windows(bytes).map_err(|_| StepError::Damaged("a group's windows"))
    }

    pub(super) fn put_windows(&mut self, place: &[u8], all: &[(Bounds, Sum)]) -> Done {
        if all.is_empty() {
            return self.state.put(place, None);
        }
        let mut writer = ValueWriter::with_capacity(WINDOWS_BYTES);
        writer.elements(all.len());
        for (bounds, sum) in all {
            writer.fields(3);
            writer.bigint(bounds.start);
            writer.bigint(bounds.end);
            sum.write(&mut writer);
        }
        self.state.put(place, Some(&writer.into_bytes()))
    }

    /// A table's group keeps what each row gives, by the row's key: what a row gave before is taken out, and what it gives
    /// now is counted in. A record that is delivered twice replaces itself.
    fn replace(&mut self, wire: Wire, calls: &[Aggregate], key: &[u8], event: &Event) -> Done {
        let id = struct_bytes(&event.key);
        let member = Self::place(wire, b'm', &[key, &id].concat());
        let place = Self::place(wire, b'a', key);
        let known = self.state.get(&place)?.map(Sum::of).transpose()?;
        let of = key_values(key)?;
        let before = self.before(wire, known.as_ref(), |sum| row_of(calls, sum, &of, None));
        let mut sum = known.unwrap_or_else(|| Sum::begin(calls));
        match entry::get(self.state, &member)? {
            Some(Value::Struct(arguments)) => sum.unfold(calls, &arguments)?,
            Some(_) => return Err(StepError::Damaged("a group's state")),
            None => {}
        }
        if let Some(arguments) = &event.row {
            sum.fold(calls, arguments)?;
        }
        self.state.put(&member, event.row.as_deref().map(struct_bytes).as_deref())?;
        sum.time = sum.time.max(event.time);
        let row = told(calls, &sum, of, None, &event.headers);
        self.state.put(&place, Some(&sum.to_bytes()))?;
        self.push(self.behind(wire), Event { before, ..row })
    }
}

/// What most groups' windows take, in bytes.
const WINDOWS_BYTES: usize = 96;

fn read_windows(bytes: &[u8]) -> Result<Vec<(Bounds, Sum)>, ValueError> {
    let mut reader = ValueReader::new(bytes)?;
    let mut all = Vec::new();
    for _ in 0..reader.elements()? {
        if reader.fields()? != 3 {
            return Err(ValueError::Damaged("no window is so"));
        }
        let bounds = Bounds { start: reader.bigint()?, end: reader.bigint()? };
        all.push((bounds, Sum::read(&mut reader)?));
    }
    reader.end(all)
}

/// When the first of a group's windows ends.
fn first_end(all: &[(Bounds, Sum)]) -> Option<i64> {
    all.iter().map(|(bounds, _)| bounds.end).min()
}

/// A group's row: what it is grouped by, its window's bounds, and the results.
pub(super) fn told(
    calls: &[Aggregate],
    sum: &Sum,
    key: Vec<Value>,
    window: Option<Bounds>,
    headers: &Headers,
) -> Event {
    let row = Some(row_of(calls, sum, &key, window));
    let headers = headers.clone();
    Event { key, row, before: Before::Unknown, time: sum.time, window, headers, origin: None, group: None }
}

/// The row alone, of a group that nobody wants any more.
pub(super) fn row_into(calls: &[Aggregate], sum: Sum, key: &[Value]) -> Vec<Value> {
    let mut row = Vec::with_capacity(key.len() + calls.len());
    row.extend_from_slice(key);
    row.extend(calls.iter().zip(sum.states).map(|(call, state)| call.result_of(state)));
    row
}

/// The row alone.
pub(super) fn row_of(calls: &[Aggregate], sum: &Sum, key: &[Value], window: Option<Bounds>) -> Vec<Value> {
    let mut row = Vec::with_capacity(key.len() + calls.len() + 2);
    row.extend_from_slice(key);
    if let Some(Bounds { start, end }) = window {
        row.push(Value::Bigint(start));
        row.push(Value::Bigint(end));
    }
    for (call, state) in calls.iter().zip(&sum.states) {
        row.push(call.result(state));
    }
    row
}
