use std::sync::atomic::{AtomicU64, Ordering};

use millstream_sql::Failure;
use tracing::warn;

/// How many values of a rule could not be worked out.
///
/// They are told when there are 1, 2, 4, 8 … of them: a rule that fails in every record must not fill the log.
pub(crate) struct Failures {
    rule: String,
    count: AtomicU64,
    records: AtomicU64,
}

impl Failures {
    pub(crate) fn of(rule: &str) -> Self {
        Self { rule: rule.to_owned(), count: AtomicU64::new(0), records: AtomicU64::new(0) }
    }

    pub(crate) fn note(&self, failure: &Failure) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            warn!(rule = self.rule, values = count, reason = %failure, "a value could not be worked out and is null");
        }
    }

    /// Notes a record that the rule could not work on.
    pub(crate) fn set_aside(&self, stage: &str, reason: &str) {
        let count = self.records.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            warn!(rule = self.rule, records = count, stage, reason, "record set aside");
        }
    }
}
