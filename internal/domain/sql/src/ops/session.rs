use super::aggregate::{row_of, told};
use super::event::{Before, Bounds, Event};
use super::sum::Sum;
use super::{Done, Run, key_values};
use crate::aggregate::Aggregate;
use crate::plan::{Windows, Wire};

impl Run<'_> {
    /// An event joins the sessions that it is near to into one. Those that are gone by that are told so first.
    pub(super) fn in_session(
        &mut self,
        wire: Wire,
        (calls, windows, gap_ms): (&[Aggregate], Windows, i64),
        key: &[u8],
        event: &Event,
        now: i64,
    ) -> Done {
        let place = Self::place(wire, b'w', key);
        let mut all = self.windows(&place)?;
        let was_known = !all.is_empty();
        all.retain(|(bounds, _)| !windows.is_closed(bounds.end, now));
        let is_near = |bounds: &Bounds| {
            bounds.start <= event.time.saturating_add(gap_ms)
                && bounds.end >= event.time.saturating_sub(gap_ms)
        };
        let (near, mut apart): (Vec<_>, Vec<_>) = all.into_iter().partition(|(bounds, _)| is_near(bounds));
        let mut merged = Bounds { start: event.time, end: event.time };
        for (bounds, _) in &near {
            merged = Bounds { start: merged.start.min(bounds.start), end: merged.end.max(bounds.end) };
        }
        if windows.is_closed(merged.end, now) {
            return Ok(());
        }
        let of = key_values(key)?;
        let mut sum: Option<Sum> = None;
        let mut gone = Vec::new();
        let mut before = None;
        for (bounds, other) in near {
            let row = row_of(calls, &other, &of, Some(bounds));
            if bounds == merged {
                before = Some(row);
            } else {
                gone.push((bounds, row));
            }
            sum = Some(match sum {
                None => other,
                Some(sum) => sum.merged(calls, other),
            });
        }
        let mut sum = sum.unwrap_or_else(|| Sum::begin(calls));
        let is_new = sum.add(calls, event)?;
        if is_new {
            for (bounds, row) in gone {
                let (key, time, window) = (of.clone(), bounds.end, Some(bounds));
                let before = Before::Row(row);
                let gone = Event { key, row: None, before, time, window, origin: None, ..event.clone() };
                self.tell_window(wire, windows, gone)?;
            }
            sum.time = merged.end;
            let row = told(calls, &sum, of, Some(merged), &event.headers);
            self.tell_window(wire, windows, Event { before: Before::of(before), ..row })?;
        }
        let at = apart.partition_point(|(bounds, _)| *bounds < merged);
        apart.insert(at, (merged, sum));
        if !was_known {
            self.note_windows(wire, windows, key, &apart)?;
        }
        self.put_windows(&place, &apart)
    }
}

impl Sum {
    /// Both together; what `other` has counted, this has too.
    fn merged(mut self, calls: &[Aggregate], other: Self) -> Self {
        let states = self.states.into_iter().zip(other.states).zip(calls);
        self.states = states.map(|((one, two), call)| call.merge(one, two)).collect();
        self.time = self.time.max(other.time);
        for origin in other.seen {
            origin.advance(&mut self.seen);
        }
        self
    }
}
