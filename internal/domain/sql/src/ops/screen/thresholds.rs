use crate::eval::Comparison;

/// A bound, and whether it is itself within.
#[derive(Clone, Copy, Debug)]
struct Threshold<T> {
    bound: T,
    is_within: bool,
    rule: usize,
}

/// Lower bounds from the lowest on, and upper ones; of equal ones first those that more values meet, or fewer.
#[derive(Clone, Debug)]
pub(super) struct Thresholds<T> {
    above: Vec<Threshold<T>>,
    below: Vec<Threshold<T>>,
}

impl<T> Default for Thresholds<T> {
    fn default() -> Self {
        Self { above: Vec::new(), below: Vec::new() }
    }
}

impl<T: PartialOrd + Copy> Thresholds<T> {
    pub(super) fn add(&mut self, comparison: Comparison, bound: T, rule: usize) {
        let is_within = matches!(comparison, Comparison::LtEq | Comparison::GtEq);
        let is_above = matches!(comparison, Comparison::Gt | Comparison::GtEq);
        let all = if is_above { &mut self.above } else { &mut self.below };
        let comes_before = |other: &Threshold<T>| {
            other.bound < bound || (other.bound == bound && other.is_within == is_above)
        };
        let place = all.partition_point(comes_before);
        all.insert(place, Threshold { bound, is_within, rule });
    }

    pub(super) fn met(&self, value: T, found: &mut Vec<usize>) {
        let is_met = |over: &Threshold<T>| over.bound < value || (over.is_within && over.bound == value);
        let is_missed =
            |under: &Threshold<T>| !(value < under.bound || (under.is_within && under.bound == value));
        let above = self.above.iter().take(self.above.partition_point(is_met));
        let below = self.below.iter().skip(self.below.partition_point(is_missed));
        found.extend(above.chain(below).map(|threshold| threshold.rule));
    }
}

impl<T> Thresholds<T> {
    pub(super) fn is_empty(&self) -> bool {
        self.above.is_empty() && self.below.is_empty()
    }
}
