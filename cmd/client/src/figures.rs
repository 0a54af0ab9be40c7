//! What the client tells Prometheus while it searches, where somebody names an address for it.

use std::sync::atomic::{AtomicU64, Ordering};

use millstream_ports::{Meter, Sample, SampleKind};

/// What was asked, and what came.
#[derive(Default)]
pub(crate) struct Figures {
    asked: AtomicU64,
    refused: AtomicU64,
    came: AtomicU64,
}

impl Figures {
    /// Counts a prompt by whether it could be sent, and hands that on.
    pub(crate) fn asked<T, E>(&self, outcome: Result<T, E>) -> Result<T, E> {
        let counter = if outcome.is_ok() { &self.asked } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        outcome
    }

    /// Counts recommendations, and hands them on.
    pub(crate) fn came<T>(&self, answers: Vec<T>) -> Vec<T> {
        self.came.fetch_add(answers.len() as u64, Ordering::Relaxed);
        answers
    }
}

impl Meter for Figures {
    fn samples(&self, out: &mut Vec<Sample>) {
        for (name, help, count) in [
            ("millstream_client_prompts_total", "Prompts that were sent.", &self.asked),
            ("millstream_client_prompts_failed_total", "Prompts that could not be sent.", &self.refused),
            (
                "millstream_client_recommendations_total",
                "Recommendations that came, each time one changed.",
                &self.came,
            ),
        ] {
            let (kind, value) = (SampleKind::Counter, float(count.load(Ordering::Relaxed)));
            out.push(Sample { name, help, kind, labels: Vec::new(), value });
        }
    }
}

/// Exact up to 2^53, far beyond what a process counts.
#[expect(clippy::cast_precision_loss, reason = "Prometheus' values are floats")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_and_recommendations_are_counted() {
        let figures = Figures::default();
        assert_eq!(figures.asked(Ok::<_, ()>(1)), Ok(1));
        assert_eq!(figures.asked(Err::<(), _>("no")), Err("no"));
        assert_eq!(figures.came(vec![1, 2, 3]).len(), 3);
        let mut told = Vec::new();
        figures.samples(&mut told);
        assert_eq!(told.iter().map(|sample| sample.value).collect::<Vec<_>>(), [1.0, 1.0, 3.0]);
    }
}
