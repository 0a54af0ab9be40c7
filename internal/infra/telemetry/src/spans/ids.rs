use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use millstream_ports::TraceParent;

/// Identifiers that no other process has: a count, hashed by a key that the system gives at random.
pub(super) struct Ids {
    key: RandomState,
    next: AtomicU64,
}

impl Ids {
    pub(super) fn new() -> Self {
        Self { key: RandomState::new(), next: AtomicU64::new(0) }
    }

    pub(super) fn span(&self) -> u64 {
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        // Zero stands for none.
        self.key.hash_one(count).max(1)
    }

    /// The place of a trace's first span. By its lowest 56 bits the trace is told or not, as W3C Trace Context level 2 says
    /// of random identifiers.
    pub(super) fn root(&self, ratio: f64) -> TraceParent {
        let (high, low) = (self.span(), self.span());
        #[expect(clippy::cast_precision_loss, reason = "a part of all traces needs no more than 53 bits")]
        let part = (low & ((1 << 56) - 1)) as f64 / (1_u64 << 56) as f64;
        let is_sampled = part < ratio || ratio >= 1.0;
        TraceParent { trace: u128::from(high) << 64 | u128::from(low), span: self.span(), is_sampled }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_says_which_part_of_traces_is_told() {
        let ids = Ids::new();
        for (ratio, fewest, most) in [(0.0, 0, 0), (1.0, 4_000, 4_000), (0.25, 700, 1_300)] {
            let told = (0..4_000).filter(|_| ids.root(ratio).is_sampled).count();
            assert!((fewest..=most).contains(&told), "{told} of 4000 at {ratio}");
        }
        assert_ne!(Ids::new().root(1.0).trace, ids.root(1.0).trace);
    }
}
