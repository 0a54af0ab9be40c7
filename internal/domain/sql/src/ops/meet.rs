use millstream_model::{Headers, Value};

use super::agenda::Agenda;
use super::event::{Before, Event};
use super::table_join::{kept, side_by_side, taken};
use super::{Done, Run, StepError, entry, key_values};
use crate::ast::JoinKind;
use crate::plan::{Act, Wire};

/// How late events may come where that was not said, in milliseconds, less what the windows span themselves.
const LATENESS_MS: i64 = 86_400_000;

/// A join of streams, as it was planned.
#[derive(Clone, Copy)]
struct Meeting {
    kind: JoinKind,
    before_ms: i64,
    after_ms: i64,
    grace_ms: i64,
    /// Events without a partner are told when none can come any more, and not at once.
    is_patient: bool,
    widths: (usize, usize),
}

impl Meeting {
    fn of(act: &Act) -> Result<Self, StepError> {
        let Act::Meet { kind, before_ms, after_ms, grace_ms, left_width, right_width } = act else {
            return Err(StepError::Damaged("a join of streams"));
        };
        let span = before_ms.saturating_add(*after_ms);
        Ok(Self {
            kind: *kind,
            before_ms: *before_ms,
            after_ms: *after_ms,
            grace_ms: grace_ms.unwrap_or_else(|| LATENESS_MS.saturating_sub(span).max(0)),
            is_patient: grace_ms.is_some(),
            widths: (*left_width, *right_width),
        })
    }

    /// How long an event is kept.
    fn kept_ms(self) -> i64 {
        self.before_ms.saturating_add(self.after_ms).saturating_add(self.grace_ms)
    }

    fn keeps(self, is_left: bool) -> bool {
        matches!(
            (self.kind, is_left),
            (JoinKind::Full, _) | (JoinKind::Left, true) | (JoinKind::Right, false)
        )
    }

    /// From when to when partners of an event may be.
    fn reach(self, is_left: bool, time: i64) -> (i64, i64) {
        let (before, after) =
            if is_left { (self.before_ms, self.after_ms) } else { (self.after_ms, self.before_ms) };
        (time.saturating_sub(before).max(0), time.saturating_add(after))
    }

    /// The last moment at which an event can still get a partner.
    fn due(self, is_left: bool, time: i64) -> i64 {
        self.reach(is_left, time).1.saturating_add(self.grace_ms)
    }

    fn pair(self, is_left: bool, own: &[Value], other: Option<&[Value]>, key: &[Value]) -> Vec<Value> {
        let (left, right) = if is_left { (Some(own), other) } else { (other, Some(own)) };
        side_by_side(left, right, self.widths, key)
    }
}

impl Run<'_> {
    /// An event of one stream meets those of the other that have its key and are near in time.
    pub(super) fn meet(&mut self, wire: Wire, key: &[u8], event: Event) -> Done {
        let meeting = Meeting::of(self.act(wire)?)?;
        let is_left = wire.side == 0;
        let Some(row) = event.row.clone() else { return Ok(()) };
        let now = self.stream_time(wire, event.time)?;
        if meeting.is_patient && event.time == now {
            self.tell_unmet(wire, meeting, now)?;
        }
        let own = Events { wire, meeting, is_left, key };
        let other = Events { wire, meeting, is_left: !is_left, key };
        // Each side forgets by its own time: one that is far ahead does not make the other forget.
        let (own_now, other_now) = self.side_times(wire, event.time)?;
        self.forget_events(&own, own_now)?;
        self.keep_event(&own, kept(row.clone(), event.time), event.time, own_now)?;
        let (from, to) = meeting.reach(is_left, event.time);
        let mut is_met = false;
        for partner in self.events(&other, (from, to))? {
            let (partner, time) = taken(partner)?;
            if time < from || time > to || time <= other_now.saturating_sub(meeting.kept_ms()) {
                continue;
            }
            is_met = true;
            if meeting.is_patient && meeting.keeps(!is_left) {
                self.forget_unmet(wire, (meeting, !is_left), key, time)?;
            }
            let row = meeting.pair(is_left, &row, Some(&partner), &event.key);
            let joined = Event { row: Some(row), time: event.time.max(time), origin: None, ..event.clone() };
            self.push(self.behind(wire), joined)?;
        }
        if is_met || !meeting.keeps(is_left) {
            return Ok(());
        }
        let alone = meeting.pair(is_left, &row, None, &event.key);
        if meeting.is_patient && to >= now {
            return self.note_unmet(wire, (meeting, is_left), key, (event.time, alone));
        }
        self.push(self.behind(wire), Event { row: Some(alone), origin: None, ..event })
    }

    /// Time goes on with no event: those that can't get a partner any more are told.
    pub(super) fn rest(&mut self, wire: Wire, time: i64) -> Done {
        let meeting = Meeting::of(self.act(wire)?)?;
        if !meeting.is_patient {
            return Ok(());
        }
        let now = self.stream_time(wire, time)?;
        self.tell_unmet(wire, meeting, now)
    }

    /// The latest times that this side and the other have seen.
    fn side_times(&mut self, wire: Wire, time: i64) -> Result<(i64, i64), StepError> {
        let side = |side: usize| Self::place(wire, b's', &[u8::from(side == 0)]);
        let own = entry::number(self.state, &side(wire.side))?.unwrap_or(i64::MIN);
        let other = entry::number(self.state, &side(1 - wire.side.min(1)))?.unwrap_or(i64::MIN);
        if time > own {
            entry::put_number(self.state, &side(wire.side), time)?;
        }
        Ok((own.max(time), other))
    }

    /// Keeps an event among those of its key, in the order of their times, and lets go of what is too old.
    fn keep_event(&mut self, of: &Events<'_>, event: Value, time: i64, now: i64) -> Done {
        let oldest = now.saturating_sub(of.meeting.kept_ms());
        let mut buckets = self.list(&of.index())?;
        let (known, was_known) = (buckets.clone(), !buckets.is_empty());
        let is_old = |bucket: &Value| of.end(bucket) <= oldest;
        for bucket in known.iter().filter(|bucket| is_old(bucket)) {
            self.put_list(&of.place(bucket), Vec::new())?;
        }
        buckets.retain(|bucket| !is_old(bucket));
        if time > oldest {
            let bucket = of.bucket(time);
            if let Err(place) = buckets.binary_search(&bucket) {
                buckets.insert(place, bucket.clone());
            }
            let mut all = self.list(&of.place(&bucket))?;
            // A row says which record it is of, so that an equal one is the same record, delivered again.
            if !all.contains(&event) {
                let behind = all.partition_point(|value| time_of(value) <= time);
                all.insert(behind, event);
                self.put_list(&of.place(&bucket), all)?;
            }
        }
        if !was_known {
            self.note_events(of, &buckets)?;
        }
        if buckets == known { Ok(()) } else { self.put_list(&of.index(), buckets) }
    }

    /// Notes when the first of a key's events are too old, so that they go then though nothing comes for it.
    fn note_events(&mut self, of: &Events<'_>, buckets: &[Value]) -> Done {
        let Some(first) = buckets.first() else { return Ok(()) };
        of.kept().add(self.state, of.end(first), &Value::Bytes(of.key.into()), Value::Null)
    }

    /// Lets go of what is too old of one side, of all keys.
    fn forget_events(&mut self, of: &Events<'_>, now: i64) -> Done {
        let oldest = now.saturating_sub(of.meeting.kept_ms());
        for (key, _) in of.kept().take(self.state, |end| end <= oldest)? {
            let Value::Bytes(key) = key else { return Err(StepError::Damaged("a join's events")) };
            let of = Events { key: &key, ..*of };
            let buckets = self.list(&of.index())?;
            let (old, rest): (Vec<_>, Vec<_>) =
                buckets.into_iter().partition(|bucket| of.end(bucket) <= oldest);
            for bucket in &old {
                self.put_list(&of.place(bucket), Vec::new())?;
            }
            self.note_events(&of, &rest)?;
            self.put_list(&of.index(), rest)?;
        }
        Ok(())
    }

    /// The events of a key from one time to another, in the order of their times.
    fn events(&mut self, of: &Events<'_>, (from, to): (i64, i64)) -> Result<Vec<Value>, StepError> {
        let (first, last) = (of.bucket(from), of.bucket(to));
        let mut all = Vec::new();
        for bucket in self.list(&of.index())?.iter().filter(|bucket| (&first..=&last).contains(bucket)) {
            all.extend(self.list(&of.place(bucket))?);
        }
        Ok(all)
    }

    /// Notes an event that has no partner yet. Two events of one moment, key and side are one here, and the later counts.
    fn note_unmet(
        &mut self,
        wire: Wire,
        (meeting, is_left): (Meeting, bool),
        key: &[u8],
        (time, row): (i64, Vec<Value>),
    ) -> Done {
        let due = meeting.due(is_left, time);
        Self::unmet(wire, meeting).add(self.state, due, &order(is_left, key, time), Value::Struct(row))
    }

    fn forget_unmet(
        &mut self,
        wire: Wire,
        (meeting, is_left): (Meeting, bool),
        key: &[u8],
        time: i64,
    ) -> Done {
        let due = meeting.due(is_left, time);
        Self::unmet(wire, meeting).remove(self.state, due, &order(is_left, key, time))
    }

    /// The events without a partner, by the last moment at which one can come.
    fn unmet(wire: Wire, meeting: Meeting) -> Agenda {
        Agenda::new(Self::place(wire, b'u', &[]), meeting.kept_ms() / 16)
    }

    /// Tells the events that can't get a partner any more, the oldest first.
    fn tell_unmet(&mut self, wire: Wire, meeting: Meeting, now: i64) -> Done {
        let told = Self::unmet(wire, meeting).take(self.state, |due| due < now)?;
        for (order, row) in told {
            let damaged = || StepError::Damaged("an event without a partner");
            let (Value::Struct(order), Value::Struct(row)) = (order, row) else { return Err(damaged()) };
            let [Value::Bigint(time), _, Value::Bytes(key)] =
                <[Value; 3]>::try_from(order).map_err(|_| damaged())?
            else {
                return Err(damaged());
            };
            let event = Event {
                key: key_values(&key)?,
                row: Some(row),
                before: Before::Unknown,
                time,
                window: None,
                headers: Headers::default(),
                origin: None,
                group: None,
            };
            self.push(self.behind(wire), event)?;
        }
        Ok(())
    }
}

fn order(is_left: bool, key: &[u8], time: i64) -> Value {
    Value::Struct(vec![Value::Bigint(time), Value::Boolean(!is_left), Value::Bytes(key.into())])
}

/// Where the events of one side and key are: in lists by time, each as long as events can be apart.
struct Events<'k> {
    wire: Wire,
    meeting: Meeting,
    is_left: bool,
    key: &'k [u8],
}

impl Events<'_> {
    fn width(&self) -> i64 {
        self.meeting.before_ms.saturating_add(self.meeting.after_ms).max(1)
    }

    /// The keys that have events, by when the first of them are too old.
    fn kept(&self) -> Agenda {
        let side = if self.is_left { b'g' } else { b'h' };
        Agenda::new(Run::place(self.wire, b'k', &[side]), self.width())
    }

    fn bucket(&self, time: i64) -> Value {
        Value::Bigint(time.div_euclid(self.width()))
    }

    /// The last moment of a bucket.
    fn end(&self, bucket: &Value) -> i64 {
        match bucket {
            Value::Bigint(bucket) => bucket.saturating_add(1).saturating_mul(self.width()).saturating_sub(1),
            _ => i64::MIN,
        }
    }

    /// Which buckets there are.
    fn index(&self) -> Vec<u8> {
        Run::place(self.wire, if self.is_left { b'L' } else { b'R' }, self.key)
    }

    fn place(&self, bucket: &Value) -> Vec<u8> {
        let owner = [self.key, &bucket.to_bytes()].concat();
        Run::place(self.wire, if self.is_left { b'l' } else { b'r' }, &owner)
    }
}

fn time_of(event: &Value) -> i64 {
    match event {
        Value::Struct(parts) => match parts.first() {
            Some(Value::Bigint(time)) => *time,
            _ => i64::MIN,
        },
        _ => i64::MIN,
    }
}
