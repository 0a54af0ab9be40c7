use std::collections::BTreeMap;
use std::fmt;

use millstream_json_codec::Document;

use super::Verdict;
use super::case::Case;

/// How many cases came out how.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    passed: usize,
    failed: usize,
    unsupported: usize,
}

/// All verdicts, and their counts.
#[derive(Default)]
pub(crate) struct Tally {
    total: Count,
    data: Count,
    errors: Count,
    areas: BTreeMap<String, Count>,
    cases: Vec<(String, Verdict)>,
}

impl Count {
    fn add(&mut self, verdict: &Verdict) {
        *match verdict {
            Verdict::Passed(_) => &mut self.passed,
            Verdict::Failed(_) => &mut self.failed,
            Verdict::Unsupported(_) => &mut self.unsupported,
        } += 1;
    }

    fn report(self) -> Document {
        let count = |name: &str, count: usize| (name.to_owned(), Document::Number(count.to_string()));
        Document::Object(vec![
            count("passed", self.passed),
            count("failed", self.failed),
            count("unsupported", self.unsupported),
        ])
    }
}

impl Tally {
    pub(crate) fn add(&mut self, case: &Case, verdict: Verdict) {
        let half = if case.expected_error.is_some() { &mut self.errors } else { &mut self.data };
        half.add(&verdict);
        self.total.add(&verdict);
        self.areas.entry(case.area.clone()).or_default().add(&verdict);
        self.cases.push((case.id.clone(), verdict));
    }

    pub(crate) fn report(&self) -> Document {
        let text = |text: &str| Document::Text(text.to_owned());
        let areas = self.areas.iter().map(|(area, count)| (area.clone(), count.report())).collect();
        let case = |(id, verdict): &(String, Verdict)| {
            let (status, reason) = match verdict {
                Verdict::Passed(reason) => ("passed", reason.as_str()),
                Verdict::Failed(reason) => ("failed", reason.as_str()),
                Verdict::Unsupported(reason) => ("unsupported", reason.as_str()),
            };
            let entries = [("id", text(id)), ("status", text(status)), ("reason", text(reason))];
            Document::Object(entries.map(|(name, of)| (name.to_owned(), of)).to_vec())
        };
        let entries = [
            ("total", self.total.report()),
            ("data", self.data.report()),
            ("errors", self.errors.report()),
            ("areas", Document::Object(areas)),
            ("cases", Document::Array(self.cases.iter().map(case).collect())),
        ];
        Document::Object(entries.map(|(name, of)| (name.to_owned(), of)).to_vec())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<24} {:>7} {:>7} {:>12}", "area", "passed", "failed", "unsupported")?;
        let ends = [("must give data", self.data), ("must be refused", self.errors), ("total", self.total)];
        let areas = self.areas.iter().map(|(area, count)| (area.as_str(), *count));
        for (name, count) in areas.chain(ends) {
            let Count { passed, failed, unsupported } = count;
            writeln!(f, "{name:<24} {passed:>7} {failed:>7} {unsupported:>12}")?;
        }
        Ok(())
    }
}
