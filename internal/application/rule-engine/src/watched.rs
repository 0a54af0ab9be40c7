use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_ports::{Meter, Sample, SampleKind};
use millstream_runtime::{Status, TableClient};

use crate::QueryState;
use crate::deploy::RunningRule;
use crate::figures::RuleFigures;

/// A rule, what it is doing and what it has done, for people and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedRule {
    /// The rule's name, or the query's id.
    pub rule: String,
    /// Its consumer group.
    pub group: String,
    /// What it is doing.
    pub state: QueryState,
    /// Rows written since it was started here; one that is written again after a failure counts again.
    pub rows: u64,
    /// Times that it could not work on a record, each try of one that is tried again.
    pub failed: u64,
    /// Values that could not be worked out, and are null.
    pub nulls: u64,
}

/// Looks at rules that run together.
#[derive(Clone)]
pub struct RuleWatch {
    status: Arc<Status>,
    figures: Vec<Arc<RuleFigures>>,
    table: TableClient,
    numbers: Arc<BTreeMap<u32, String>>,
}

impl RunningRule {
    /// Looks at its rules from now on.
    pub fn watch(&self) -> RuleWatch {
        let (status, table) = (self.processor.status(), self.processor.table());
        RuleWatch { status, figures: self.figures.clone(), table, numbers: self.numbers.clone() }
    }
}

impl RuleWatch {
    /// What the rules' processor is doing.
    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// The table that the rules keep their state in, by its topic's name, where they keep any.
    pub fn table(&self) -> Option<(String, TableClient)> {
        Some((self.status.spec().changelog.as_ref()?.to_string(), self.table.clone()))
    }

    /// The name of the rule that has a number among those that share the table.
    pub fn numbered(&self, number: u32) -> Option<&str> {
        self.numbers.get(&number).map(String::as_str)
    }

    /// The rules as of now.
    pub fn rules(&self) -> Vec<WatchedRule> {
        let state = self.state();
        self.figures.iter().map(|figures| watched(&self.status, figures, figures.rule(), &state)).collect()
    }

    fn state(&self) -> QueryState {
        let now = self.status.snapshot();
        match (now.failure, now.stalled) {
            (Some(why), _) => QueryState::Failed(why),
            (None, Some(why)) => QueryState::Stalled(why),
            (None, None) => self.status.ready().err().map_or(QueryState::Running, QueryState::Starting),
        }
    }
}

/// A rule by another name and in another state than its processor has for it.
pub(crate) fn watched(status: &Status, figures: &RuleFigures, rule: &str, state: &QueryState) -> WatchedRule {
    WatchedRule {
        rule: rule.to_owned(),
        group: status.group().to_owned(),
        state: state.clone(),
        rows: figures.rows(),
        failed: figures.records(),
        nulls: figures.values(),
    }
}

impl Meter for WatchedRule {
    fn samples(&self, out: &mut Vec<Sample>) {
        let rule = ("rule", self.rule.clone());
        let mut add = |name, help, kind, labels, value| out.push(Sample { name, help, kind, labels, value });
        for (name, help, count) in [
            (
                "millstream_rule_rows_out_total",
                "Rows that a rule wrote, those written again after a failure included.",
                self.rows,
            ),
            (
                "millstream_rule_records_failed_total",
                "Times that a rule could not work on a record, each try of one that is tried again.",
                self.failed,
            ),
            (
                "millstream_rule_values_null_total",
                "Values that a rule could not work out, and that are null.",
                self.nulls,
            ),
        ] {
            add(name, help, SampleKind::Counter, vec![rule.clone()], float(count));
        }
        let state = ("state", self.state.word().to_lowercase());
        let help =
            "1 for the state that a rule is in: running, starting, unresponsive, paused, error, unknown.";
        add("millstream_rule_state", help, SampleKind::Gauge, vec![rule, state], 1.0);
    }
}

impl Meter for RuleWatch {
    fn samples(&self, out: &mut Vec<Sample>) {
        self.rules().iter().for_each(|rule| rule.samples(out));
    }
}

/// Exact up to 2^53, far beyond what a process counts.
#[expect(clippy::cast_precision_loss, reason = "Prometheus' values are floats")]
fn float(count: u64) -> f64 {
    count as f64
}
