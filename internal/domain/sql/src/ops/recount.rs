//! Groups of a table's rows that are counted anew, since some aggregate can't take a row out again.

use millstream_model::{Headers, Value};

use super::aggregate::row_into;
use super::chain::Chain;
use super::event::{Before, Event, headers_of, headers_value, struct_bytes};
use super::sum::Sum;
use super::{Done, Emissions, Run, State, StepError, entry, key_values};
use crate::aggregate::Aggregate;
use crate::ast::SourceKind;
use crate::eval::Bound;
use crate::plan::{Act, Rule, Step, Wire};

/// What the place of a group begins with that has changed and is not told yet, and that of the headers to tell it with.
const UNTOLD: u8 = b'n';
const HEADERS: u8 = b'h';

const DAMAGED: StepError = StepError::Damaged("a group that is told later");

impl Rule {
    /// Whether it has groups that may be told once for all changes that come together. Then [`Rule::on_later`] is to be called
    /// with what [`State::tell_later`] was given, in an earlier run and under other settings too.
    pub fn tells_later(&self) -> bool {
        self.query.steps.iter().any(|step| self.can_put_off(step))
    }

    /// Whether a step's groups are counted anew for each change, and their rows go to the sink alone.
    ///
    /// What is behind a step that keeps something would not do: after a crash other changes come together than before it, and
    /// what was told in between by then is taken back by nothing. In the sink a group's next row takes its place.
    fn can_put_off(&self, step: &Step) -> bool {
        let Act::Aggregate { kind: SourceKind::Table, calls, .. } = &step.act else { return false };
        let mut behind = std::iter::successors(self.behind(step), |step| self.behind(step));
        !calls.iter().all(Aggregate::undoes_exactly)
            && behind.all(|step| {
                matches!(
                    step.act,
                    Act::Filter { .. } | Act::Extend { .. } | Act::Select { .. } | Act::Sink { .. }
                )
            })
    }

    fn behind(&self, step: &Step) -> Option<&Step> {
        self.query.steps.get(step.next?.step)
    }

    /// Tells what was put off, at a place that [`State::tell_later`] was given.
    ///
    /// # Errors
    /// When the state fails or is damaged, or no such place was given.
    pub fn on_later(&self, place: &[u8], state: &mut dyn State) -> Result<Emissions, StepError> {
        let mut run = Run { rule: self, state, out: Vec::new() };
        run.tell_late(place)?;
        Ok(run.out)
    }
}

impl Run<'_> {
    /// A table's group keeps what each row gives, by the row's key, in the order in which each last came. A row that comes
    /// again replaces itself, so that a record delivered twice counts once.
    ///
    /// The group's row takes as long as it has members. So it is told once for all changes that come together, where the state
    /// can see to that.
    pub(super) fn recount(&mut self, wire: Wire, calls: &[Aggregate], key: &[u8], event: &Event) -> Done {
        let untold = Self::place(wire, UNTOLD, key);
        let step = self.rule.query.steps.get(wire.step);
        let puts_off = step.is_some_and(|step| self.rule.can_put_off(step)) && !self.rule.tells_each_change;
        if puts_off && self.state.tell_later(&untold)? {
            return self.change_untold(wire, calls, key, event, &untold);
        }
        let id = struct_bytes(&event.key);
        let owner = Self::place(wire, b'm', key);
        let members = Chain::new(b'm', &owner);
        let of = key_values(key)?;
        let time = self.pass(wire, key, event.time)?;
        let known = time.is_known.then_some(of.as_slice());
        let (row, before) = match &event.row {
            Some(arguments) if !members.has(self.state, &id)? => {
                // It stands behind all others.
                let mut sum = self.counted(&members, calls)?;
                sum.fold(calls, arguments)?;
                let row = row_into(calls, sum, &of);
                let looks = self.looks_before(wire, &row);
                let before = self.members_before(looks, &members, calls, known)?;
                self.change(&members, &id, event)?;
                (row, before)
            }
            _ => {
                let looks = self.wants_before(wire);
                let before = self.members_before(looks, &members, calls, known)?;
                self.change(&members, &id, event)?;
                (row_into(calls, self.counted(&members, calls)?, &of), before)
            }
        };
        self.push(self.behind(wire), group_as_told(of, row, before, time.latest, event.headers.clone()))
    }

    /// Changes a group, and notes what was told of it last where it has not changed since. Where it has, that does not say
    /// whether what it was between was told before a crash: then it is taken back where it does not pass now.
    fn change_untold(
        &mut self,
        wire: Wire,
        calls: &[Aggregate],
        key: &[u8],
        event: &Event,
        untold: &[u8],
    ) -> Done {
        let owner = Self::place(wire, b'm', key);
        let members = Chain::new(b'm', &owner);
        let time = self.pass(wire, key, event.time)?;
        let noted = if entry::get(self.state, untold)?.is_some() {
            Value::Null
        } else {
            let of = key_values(key)?;
            let known = time.is_known.then_some(of.as_slice());
            let before = self.members_before(self.wants_before(wire), &members, calls, known)?;
            noted(before, self.last_condition(wire))
        };
        entry::put(self.state, untold, Some(&noted))?;
        let headers = (!event.headers.is_empty()).then(|| headers_value(event.headers.clone()));
        entry::put(self.state, &Self::place(wire, HEADERS, key), headers.as_ref())?;
        self.change(&members, &struct_bytes(&event.key), event)
    }

    /// Tells a group as it is now; one that was told since it was put off is not told again.
    fn tell_late(&mut self, untold: &[u8]) -> Done {
        let number = untold.strip_prefix(&[UNTOLD]).and_then(<[u8]>::split_first_chunk::<2>);
        let (number, key) = number.ok_or(DAMAGED)?;
        let wire = self.rule.query.keeper(usize::from(u16::from_be_bytes(*number)), 0).ok_or(DAMAGED)?;
        let Act::Aggregate { calls, .. } = self.act(wire)? else { return Err(DAMAGED) };
        let Some(before) = entry::get(self.state, untold)? else { return Ok(()) };
        let with_headers = Self::place(wire, HEADERS, key);
        let headers = entry::get(self.state, &with_headers)?;
        entry::put(self.state, untold, None)?;
        entry::put(self.state, &with_headers, None)?;
        let owner = Self::place(wire, b'm', key);
        let of = key_values(key)?;
        let row = row_into(calls, self.counted(&Chain::new(b'm', &owner), calls)?, &of);
        let headers =
            headers.map(|headers| headers_of(headers).ok_or(DAMAGED)).transpose()?.unwrap_or_default();
        let time = entry::number(self.state, &Self::place(wire, b'a', key))?.ok_or(DAMAGED)?;
        self.push(self.behind(wire), group_as_told(of, row, read_noted(before)?, time, headers))
    }

    /// Puts a row among a group's members, at their end, or takes it out.
    fn change(&mut self, members: &Chain<'_>, id: &[u8], event: &Event) -> Done {
        match &event.row {
            Some(arguments) => members.push(self.state, id, Value::Struct(arguments.clone())),
            None => members.remove(self.state, id),
        }
        .map(drop)
    }

    /// Brings a group's time up to that of a row.
    fn pass(&mut self, wire: Wire, key: &[u8], time: i64) -> Result<Passed, StepError> {
        let place = Self::place(wire, b'a', key);
        let before = entry::number(self.state, &place)?;
        let latest = before.unwrap_or(i64::MIN).max(time);
        entry::put_number(self.state, &place, latest)?;
        Ok(Passed { is_known: before.is_some(), latest })
    }

    /// The condition that stands behind a step, if nothing behind it looks back: it needs to know no more of the row before
    /// than whether it passed.
    fn last_condition(&self, wire: Wire) -> Option<&Bound> {
        let next = self.behind(wire)?;
        match self.act(next) {
            Ok(Act::Filter { condition, .. }) if !self.wants_before(next) => Some(condition),
            _ => None,
        }
    }

    /// As [`Run::wants_before`], where this is the row now: one that passes a condition that nothing behind looks back from
    /// need not know what was before.
    fn looks_before(&self, wire: Wire, row: &[Value]) -> bool {
        match self.last_condition(wire) {
            Some(condition) => condition.try_holds(row) != Ok(true),
            None => self.wants_before(wire),
        }
    }

    /// The row that a group's members make as they are now, as far as any step behind looks at it; none of a group that was not
    /// there, of which no key is `known`.
    fn members_before(
        &mut self,
        looks: bool,
        members: &Chain<'_>,
        calls: &[Aggregate],
        known: Option<&[Value]>,
    ) -> Result<Before, StepError> {
        match known {
            _ if !looks => Ok(Before::Unknown),
            None => Ok(Before::Nothing),
            Some(of) => Ok(Before::Row(row_into(calls, self.counted(members, calls)?, of))),
        }
    }

    fn counted(&mut self, members: &Chain<'_>, calls: &[Aggregate]) -> Result<Sum, StepError> {
        let mut sum = Sum::begin(calls);
        for member in members.contents(self.state)? {
            let Value::Struct(arguments) = member else { return Err(StepError::Damaged("a group's state")) };
            sum.fold_owned(calls, arguments)?;
        }
        Ok(sum)
    }
}

fn group_as_told(key: Vec<Value>, row: Vec<Value>, before: Before, time: i64, headers: Headers) -> Event {
    Event { key, row: Some(row), before, time, window: None, headers, origin: None, group: None }
}

/// What has become of a group's time.
struct Passed {
    /// Whether the group was there.
    is_known: bool,
    latest: i64,
}

/// A row before, as it is kept: of one that was told by a condition alone, whether it was.
fn noted(before: Before, condition: Option<&Bound>) -> Value {
    match (before, condition) {
        (Before::Unknown, _) => Value::Null,
        (Before::Row(row), Some(condition)) if condition.try_holds(&row) == Ok(true) => Value::Null,
        (Before::Row(row), None) => Value::Array(vec![Value::Struct(row)]),
        (Before::Nothing | Before::Row(_), _) => Value::Array(Vec::new()),
    }
}

fn read_noted(noted: Value) -> Result<Before, StepError> {
    match noted {
        Value::Null => Ok(Before::Unknown),
        Value::Array(mut rows) => match rows.pop() {
            None => Ok(Before::Nothing),
            Some(Value::Struct(row)) => Ok(Before::Row(row)),
            Some(_) => Err(DAMAGED),
        },
        _ => Err(DAMAGED),
    }
}
