use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use foldhash::fast::RandomState;
use millstream_model::Timestamp;
use millstream_ports::{KeyRange, PortError, TableStore};

use crate::layer::{Staged, TableAccess as _, TableLayer};

/// What the group table's keys begin with that the framework keeps for itself.
pub(crate) const RESERVED: &[u8] = b"\0millstream/";

/// Whether a key is the framework's own.
pub(crate) fn is_reserved(key: &[u8]) -> bool {
    key.starts_with(RESERVED)
}

const TIMER: &[u8] = b"\0millstream/timer/";
const EVENT_TIME: &[u8] = b"\0millstream/event-time";

/// Calls the group back for a key when a time has come: an edge of a group with a table.
///
/// A key has one time for each timer; setting another moves it. It is kept in the group table and its changelog, under a key
/// of the framework's own, so that it goes where the key goes and survives what the table survives.
#[derive(Clone, Debug)]
pub struct Timer<K> {
    pub(crate) name: String,
    pub(crate) key: K,
}

impl<K> Timer<K> {
    /// The timer `name`, whose callback is given its key by `key`. The name stays: what is set is found by it.
    pub fn new(name: impl Into<String>, key: K) -> Self {
        Self { name: name.into(), key }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// When a timer calls back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// As soon as a record of the partition has this time or a later one, after that record.
    EventTime(Timestamp),
    /// At this time of day, or soon after it.
    WallClock(Timestamp),
}

impl When {
    pub(crate) fn time(self) -> Timestamp {
        match self {
            Self::EventTime(time) | Self::WallClock(time) => time,
        }
    }

    fn bytes(self) -> [u8; 9] {
        let mut bytes = [0; 9];
        let (clock, time) = bytes.split_at_mut(1);
        clock.fill(if matches!(self, Self::EventTime(_)) { b'e' } else { b'w' });
        time.copy_from_slice(&self.time().0.to_be_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (clock, time) = bytes.split_first()?;
        let time = Timestamp(i64::from_be_bytes(time.try_into().ok()?));
        match clock {
            b'e' => Some(Self::EventTime(time)),
            b'w' => Some(Self::WallClock(time)),
            _ => None,
        }
    }
}

/// The table's entry for a timer: its name with the length before it, then the key.
pub(crate) fn entry_key(name: &str, key: &[u8]) -> Vec<u8> {
    let length = u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes();
    [TIMER, &length, name.as_bytes(), key].concat()
}

pub(crate) fn entry_value(when: When) -> [u8; 9] {
    when.bytes()
}

fn read_key(entry: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = entry.strip_prefix(TIMER)?.split_first_chunk::<2>()?;
    let (name, key) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((std::str::from_utf8(name).ok()?, key))
}

/// A timer's place in the graph, and a key.
pub(crate) type Alarm = (usize, Box<[u8]>);

/// The timers of one partition in the order of their times, beside their entries in the table.
///
/// **Invariant:** it has what the table's accepted entries say. What is taken back is read from the table anew.
#[derive(Default)]
pub(crate) struct Timers {
    by_time: BTreeSet<(When, Alarm)>,
    by_key: HashMap<Alarm, When, RandomState>,
    /// Those that failed, how often they were tried again, and until when they wait.
    postponed: HashMap<Alarm, (u32, Duration), RandomState>,
    /// The latest time of a record; `None` before the first.
    pub(crate) event_time: Option<Timestamp>,
    kept_event_time: Option<Timestamp>,
}

impl Timers {
    /// Reads what the table has.
    pub(crate) fn load<S: TableStore>(
        names: &[String],
        layer: &mut TableLayer<S>,
    ) -> Result<Self, PortError> {
        let mut timers = Self::default();
        layer.range(&KeyRange::prefix(RESERVED), &mut |key, value| {
            timers.note(names, key, Some(value));
            if let (EVENT_TIME, Ok(time)) = (key, <[u8; 8]>::try_from(value)) {
                timers.event_time = Some(Timestamp(i64::from_be_bytes(time)));
            }
            true
        })?;
        timers.kept_event_time = timers.event_time;
        Ok(timers)
    }

    /// Takes in what a record that succeeded has written.
    pub(crate) fn note_staged(&mut self, names: &[String], staged: &[Staged]) {
        for (key, value) in staged {
            self.note(names, key, value.as_deref());
        }
    }

    fn note(&mut self, names: &[String], entry: &[u8], value: Option<&[u8]>) {
        let Some((name, key)) = read_key(entry) else { return };
        // One that the group no longer has stays in the table, and waits for a version that has it.
        let Some(index) = names.iter().position(|known| known == name) else { return };
        let alarm: Alarm = (index, key.into());
        if let Some(before) = self.by_key.remove(&alarm) {
            self.by_time.remove(&(before, alarm.clone()));
        }
        self.postponed.remove(&alarm);
        if let Some(when) = value.and_then(When::read) {
            self.by_time.insert((when, alarm.clone()));
            self.by_key.insert(alarm, when);
        }
    }

    /// A record of this time was processed.
    pub(crate) fn pass(&mut self, time: Timestamp) {
        self.event_time = Some(self.event_time.map_or(time, |before| before.max(time)));
    }

    /// Whether a timer of event time may be due.
    pub(crate) fn has_event_due(&self) -> bool {
        match (self.by_time.first(), self.event_time) {
            (Some((When::EventTime(due), _)), Some(now)) => *due <= now,
            _ => false,
        }
    }

    /// The first timer that is due and not held up.
    pub(crate) fn next_due(
        &self,
        now: Timestamp,
        elapsed: Duration,
        is_held: impl Fn(&[u8]) -> bool,
    ) -> Option<(When, Alarm)> {
        let free = |(_, alarm): &&(When, Alarm)| {
            !is_held(&alarm.1) && self.postponed.get(alarm).is_none_or(|(_, until)| *until <= elapsed)
        };
        let event = self.event_time.and_then(|time| {
            let due = self.by_time.iter().take_while(|(when, _)| *when <= When::EventTime(time));
            due.into_iter().find(free)
        });
        let wall = || {
            let all = self.by_time.range((When::WallClock(Timestamp(i64::MIN)), (0, Box::default()))..);
            all.take_while(|(when, _)| *when <= When::WallClock(now)).find(free)
        };
        event.or_else(wall).cloned()
    }

    /// Lets a timer that failed wait; answers nothing else changes.
    pub(crate) fn postpone(&mut self, alarm: Alarm, tried: u32, until: Duration) {
        self.postponed.insert(alarm, (tried, until));
    }

    pub(crate) fn tried(&self, alarm: &Alarm) -> u32 {
        self.postponed.get(alarm).map_or(0, |(tried, _)| *tried)
    }

    /// The entry that keeps the event time over a restart, when it has moved on since the last call.
    pub(crate) fn event_time_entry(&mut self) -> Option<(&'static [u8], [u8; 8])> {
        if self.event_time == self.kept_event_time {
            return None;
        }
        self.kept_event_time = self.event_time;
        self.event_time.map(|time| (EVENT_TIME, time.0.to_be_bytes()))
    }

    /// How many are set.
    pub(crate) fn count(&self) -> usize {
        self.by_key.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: i64) -> When {
        When::EventTime(Timestamp(time))
    }

    #[test]
    fn entries_are_read_back_whatever_the_names_and_keys() {
        for (name, key) in [("t", &b"k"[..]), ("", b""), ("a\0b", b"\0\xff"), ("t", b"")] {
            let entry = entry_key(name, key);
            assert!(entry.starts_with(RESERVED));
            assert_eq!(read_key(&entry), Some((name, key)));
        }
        for when in [at(-3), at(i64::MAX), When::WallClock(Timestamp(0))] {
            assert_eq!(When::read(&entry_value(when)), Some(when));
        }
        assert_eq!(read_key(b"\0millstream/event-time"), None);
        assert_eq!(When::read(b"x"), None);
    }

    #[test]
    fn a_key_has_one_time_for_each_timer() {
        let names = ["a".to_owned(), "b".to_owned()];
        let mut timers = Timers::default();
        let mut set = |name: &str, key: &[u8], when: Option<When>| {
            let value = when.map(|when| Box::from(entry_value(when).as_slice()));
            timers.note_staged(&names, &[(entry_key(name, key).into(), value)]);
        };
        set("a", b"k", Some(at(10)));
        set("a", b"k", Some(at(20)));
        set("b", b"k", Some(at(15)));
        set("b", b"l", Some(at(5)));
        set("b", b"l", None);
        set("gone", b"k", Some(at(1)));
        assert_eq!(timers.count(), 2);
        timers.pass(Timestamp(20));
        let next = |timers: &Timers, held: &[u8]| {
            timers.next_due(Timestamp(0), Duration::ZERO, |key| key == held).map(|(when, _)| when)
        };
        assert_eq!(next(&timers, b""), Some(at(15)));
        assert_eq!(next(&timers, b"k"), None, "its key waits");
        timers.postpone((1, b"k"[..].into()), 1, Duration::from_secs(1));
        assert_eq!(next(&timers, b""), Some(at(20)), "the one that failed waits");
    }
}
