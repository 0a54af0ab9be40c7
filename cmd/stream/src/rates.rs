use std::collections::VecDeque;
use std::time::{Duration, Instant};

use millstream_runtime::Snapshot;

/// Rates are those of the last so many seconds.
const WINDOW: Duration = Duration::from_secs(10);

/// Counts are kept at most this often.
const STEP: Duration = Duration::from_secs(1);

/// Records that went in and out, as counted at a moment.
#[derive(Clone, Copy)]
struct Count {
    at: Instant,
    records_in: u64,
    records_out: u64,
}

/// Remembers the last seconds' counts, to tell rates.
pub(crate) struct Rates {
    counts: VecDeque<Count>,
}

impl Rates {
    pub(crate) fn new(now: &Snapshot, at: Instant) -> Self {
        Self { counts: VecDeque::from([count(now, at)]) }
    }

    /// Takes a look at the counts.
    pub(crate) fn note(&mut self, now: &Snapshot, at: Instant) {
        if self.counts.back().is_some_and(|last| at.duration_since(last.at) < STEP) {
            return;
        }
        self.counts.push_back(count(now, at));
        // The oldest that is kept is the newest of those that are a window old.
        while self.counts.get(1).is_some_and(|second| at.duration_since(second.at) >= WINDOW) {
            self.counts.pop_front();
        }
    }

    /// Records a second, in and out.
    pub(crate) fn per_second(&self, now: &Snapshot, at: Instant) -> (f64, f64) {
        let (now, Some(then)) = (count(now, at), self.counts.front()) else { return (0.0, 0.0) };
        let seconds = at.duration_since(then.at).as_secs_f64().max(0.001);
        #[expect(clippy::cast_precision_loss, reason = "rates are told in whole records")]
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
        (rate(now.records_in, then.records_in), rate(now.records_out, then.records_out))
    }
}

fn count(now: &Snapshot, at: Instant) -> Count {
    let sum = |counts: &[(millstream_model::TopicName, u64)]| counts.iter().map(|(_, count)| count).sum();
    Count { at, records_in: sum(&now.records_in), records_out: sum(&now.records_out) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_model::TopicName;

    fn counted(records_in: u64) -> Snapshot {
        let topic = TopicName::new("t").unwrap();
        Snapshot {
            records_in: vec![(topic.clone(), records_in)],
            records_out: vec![(topic, records_in / 2)],
            ..Snapshot::default()
        }
    }

    #[test]
    fn rates_are_those_of_the_last_seconds() {
        let begun = Instant::now();
        let mut rates = Rates::new(&counted(0), begun);
        // A hundred a second for a minute, then nothing.
        for second in 1..=60 {
            rates.note(&counted(second * 100), begun + Duration::from_secs(second));
        }
        let at = begun + Duration::from_mins(1);
        let near = |(a, b): (f64, f64), (c, d): (f64, f64)| (a - c).abs() < 0.01 && (b - d).abs() < 0.01;
        assert!(near(rates.per_second(&counted(6_000), at), (100.0, 50.0)));
        for second in 61..=71 {
            rates.note(&counted(6_000), begun + Duration::from_secs(second));
        }
        let at = begun + Duration::from_secs(71);
        assert!(near(rates.per_second(&counted(6_000), at), (0.0, 0.0)));
        assert!(rates.counts.len() < 13, "{} counts are kept", rates.counts.len());
    }
}
