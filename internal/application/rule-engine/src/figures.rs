use std::sync::atomic::{AtomicU64, Ordering};

use millstream_sql::Failure;
use tracing::warn;

/// What a rule has done since it was started here.
///
/// What could not be worked out or worked on is told when there are 1, 2, 4, 8 … of it: a rule that fails in every record must
/// not fill the log.
pub(crate) struct RuleFigures {
    rule: String,
    rows: AtomicU64,
    values: AtomicU64,
    records: AtomicU64,
}

impl RuleFigures {
    pub(crate) fn of(rule: &str) -> Self {
        let zero = || AtomicU64::new(0);
        Self { rule: rule.to_owned(), rows: zero(), values: zero(), records: zero() }
    }

    pub(crate) fn rule(&self) -> &str {
        &self.rule
    }

    /// Rows written; one that is written again after a failure counts again.
    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Values that could not be worked out, and are null.
    pub(crate) fn values(&self) -> u64 {
        self.values.load(Ordering::Relaxed)
    }

    /// Records that the rule could not work on.
    pub(crate) fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    pub(crate) fn wrote(&self) {
        self.rows.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note(&self, failure: &Failure) {
        let count = self.values.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            warn!(rule = self.rule, values = count, reason = %failure, "a value could not be worked out and is null");
        }
    }

    /// Notes a record that the rule could not work on, and whose failure nobody else tells.
    pub(crate) fn set_aside(&self, stage: &str, reason: &str) {
        let count = self.failed();
        if count.is_power_of_two() {
            warn!(rule = self.rule, records = count, stage, reason, "record set aside");
        }
    }

    /// Counts a record that the rule could not work on; answers how many there are.
    pub(crate) fn failed(&self) -> u64 {
        self.records.fetch_add(1, Ordering::Relaxed) + 1
    }
}
