use std::time::Duration;

use millstream_model::Timestamp;

use crate::timers::is_reserved;

/// Bytes before a value that say when it was written, big-endian milliseconds.
const TIME_BYTES: usize = 8;

/// How long the values of a table last, and what time it is: the time of its records, never that of a clock.
///
/// Where values do not last for ever, each is kept with the time of the record that set it. The changelog has that time as
/// its own records' time, and the value as it is.
#[derive(Clone, Copy)]
pub(super) struct Age {
    ttl_ms: Option<i64>,
    /// The highest time of a record so far.
    now: Timestamp,
    /// The time of the record at hand.
    at: Timestamp,
}

impl Age {
    pub(super) fn new(ttl: Option<Duration>) -> Self {
        let ttl_ms = ttl.map(|ttl| i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
        Self { ttl_ms, now: Timestamp(i64::MIN), at: Timestamp(0) }
    }

    pub(super) fn is_kept(&self) -> bool {
        self.ttl_ms.is_some()
    }

    /// A record of this time is at hand.
    pub(super) fn begin(&mut self, at: Timestamp) {
        (self.now, self.at) = (self.now.max(at), at);
    }

    /// What is of no record is at hand, as of this time: a timer, or a visit.
    pub(super) fn begin_apart(&mut self, at: Timestamp) {
        self.at = at;
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// How the record at hand's value is kept.
    pub(super) fn stamped(&self, value: &[u8]) -> Box<[u8]> {
        let mut kept = Vec::new();
        self.stamp(self.at, value, &mut kept);
        kept.into()
    }

    /// Appends how a value of time `at` is kept.
    pub(super) fn stamp(&self, at: Timestamp, value: &[u8], out: &mut Vec<u8>) {
        if self.is_kept() {
            out.extend_from_slice(&at.0.to_be_bytes());
        }
        out.extend_from_slice(value);
    }

    /// The value and its time, whatever its age.
    pub(super) fn read<'a>(&self, kept: &'a [u8]) -> (Option<Timestamp>, &'a [u8]) {
        match kept.split_first_chunk::<TIME_BYTES>() {
            Some((time, value)) if self.is_kept() => (Some(Timestamp(i64::from_be_bytes(*time))), value),
            _ => (None, kept),
        }
    }

    /// The value, unless its time is over. What the framework keeps for itself lasts.
    pub(super) fn live<'a>(&self, key: &[u8], kept: &'a [u8]) -> Option<&'a [u8]> {
        let (time, value) = self.read(kept);
        (!self.is_over(time) || is_reserved(key)).then_some(value)
    }

    /// Whether a round of looking for values whose time is over should begin, the last having begun at `begun`.
    pub(super) fn is_round_due(&self, begun: Timestamp) -> bool {
        self.ttl_ms.is_some_and(|ttl| self.now.0.saturating_sub(begun.0) >= (ttl / 8).max(1))
    }

    fn is_over(&self, time: Option<Timestamp>) -> bool {
        let (Some(time), Some(ttl)) = (time, self.ttl_ms) else { return false };
        time.0.saturating_add(ttl) <= self.now.0
    }
}
