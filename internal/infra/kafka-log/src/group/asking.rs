use std::time::{Duration, Instant};

/// After so long without a change the group is taken to be at rest, and asked as often as its brokers want.
const RESTLESS: Duration = Duration::from_secs(10);

/// The least time between two questions.
const ASK_AGAIN_MIN: Duration = Duration::from_millis(100);

/// When to ask the group for news of its own accord.
///
/// By KIP-848 a member hears what it has to give up, and what others gave up for it, with the answer to its heartbeat: each
/// five seconds, where the broker is not set up otherwise. While members come and go, nobody would have the partitions on
/// their way for as long. So a member asks soon after each change, and the longer it lasts the less often.
pub(super) struct Asking {
    changed: Instant,
    asked: Instant,
}

impl Asking {
    /// As of now something has changed.
    pub(super) fn begin() -> Self {
        let now = Instant::now();
        Self { changed: now, asked: now }
    }

    /// Whether to ask now; the answer is given once.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let lasted = now.saturating_duration_since(self.changed);
        let due =
            lasted < RESTLESS && now.saturating_duration_since(self.asked) >= (lasted / 5).max(ASK_AGAIN_MIN);
        if due {
            self.asked = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_nothing_changes_the_less_often_it_asks() {
        let mut asking = Asking::begin();
        let begun = asking.changed;
        let asked: Vec<_> =
            (0..20_000_u64).filter(|ms| asking.is_due(begun + Duration::from_millis(*ms))).collect();
        assert_eq!(asked.get(..3), Some(&[100, 200, 300][..]));
        assert!((15..35).contains(&asked.len()), "{asked:?}");
        assert!(asked.iter().all(|ms| *ms < 10_000), "then it rests");
        asking.changed = begun + Duration::from_secs(20);
        assert!(asking.is_due(begun + Duration::from_secs(21)), "until something changes");
    }
}
