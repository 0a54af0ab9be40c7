use std::time::Duration;

use millstream_ports::Buckets;

/// The upper ends of the buckets in microseconds; what takes longer than the last is in one more bucket.
const ENDS_US: [u64; 17] = [
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    10_000_000,
    30_000_000,
    60_000_000,
    600_000_000,
];

/// How often things took how long. Noting one takes no lock and no memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; ENDS_US.len() + 1],
    sum_us: u64,
}

impl Histogram {
    /// Notes one more.
    pub(crate) fn note(&mut self, took: Duration) {
        self.note_us(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    fn note_us(&mut self, took_us: u64) {
        let place = ENDS_US.partition_point(|end| *end < took_us);
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
        self.sum_us = self.sum_us.saturating_add(took_us);
    }

    pub(crate) fn note_millis(&mut self, took_ms: i64) {
        self.note_us(u64::try_from(took_ms).unwrap_or(0).saturating_mul(1_000));
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }

    /// How many were noted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How long all of them took together.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us)
    }

    /// The buckets in seconds, each with those before it.
    pub fn buckets(&self) -> Buckets {
        let mut so_far = 0;
        let ends = ENDS_US.iter().zip(&self.counts).map(|(end, count)| {
            so_far += count;
            (Duration::from_micros(*end).as_secs_f64(), so_far)
        });
        Buckets { ends: ends.collect(), count: self.count() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_bucket_counts_what_took_no_longer_than_its_end(
            one in proptest::collection::vec(0_u64..2_000_000_000, 0..50),
            other in proptest::collection::vec(0_u64..3_000, 0..50),
        ) {
            let (mut histogram, mut more) = (Histogram::default(), Histogram::default());
            for us in &one {
                histogram.note(Duration::from_micros(*us));
            }
            for us in &other {
                more.note(Duration::from_micros(*us));
            }
            histogram.add(&more);
            let all: Vec<_> = one.iter().chain(&other).copied().collect();
            let Buckets { ends, count } = histogram.buckets();
            prop_assert_eq!(count, all.len() as u64);
            prop_assert_eq!(histogram.sum(), Duration::from_micros(all.iter().sum()));
            for (end, below) in ends {
                let within = all.iter().filter(|us| Duration::from_micros(**us).as_secs_f64() <= end).count();
                prop_assert_eq!(below, within as u64, "up to {} s", end);
            }
        }
    }

    #[test]
    fn a_clock_that_is_behind_a_records_time_makes_it_new() {
        let mut histogram = Histogram::default();
        histogram.note_millis(-5);
        histogram.note_millis(40);
        assert_eq!((histogram.count(), histogram.sum()), (2, Duration::from_millis(40)));
    }
}
