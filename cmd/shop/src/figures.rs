//! What the shop tells Prometheus while it emits, where somebody names an address for it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use millstream_ports::{Meter, Sample, SampleKind};
use millstream_storefront::Emitted;

/// How far the emission is.
#[derive(Default)]
pub(crate) struct Figures(Mutex<Emitted>);

impl Figures {
    pub(crate) fn note(&self, so_far: Emitted) {
        *self.now() = so_far;
    }

    fn now(&self) -> MutexGuard<'_, Emitted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter for Figures {
    fn samples(&self, out: &mut Vec<Sample>) {
        let Emitted { products, messages, delivered, failed } = *self.now();
        for (name, help, count) in [
            ("millstream_shop_products_total", "Products announced for the first time.", products),
            (
                "millstream_shop_messages_total",
                "Messages handed over, those that complete images included.",
                messages,
            ),
            (
                "millstream_shop_messages_delivered_total",
                "Messages that the brokers acknowledged.",
                delivered,
            ),
            ("millstream_shop_messages_failed_total", "Messages that were refused or given up.", failed),
        ] {
            let kind = SampleKind::Counter;
            out.push(Sample { name, help, kind, labels: Vec::new(), value: float(count) });
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
    fn they_are_those_of_the_last_look() {
        let figures = Figures::default();
        figures.note(Emitted { products: 3, messages: 5, delivered: 4, failed: 1 });
        let mut told = Vec::new();
        figures.samples(&mut told);
        assert_eq!(told.iter().map(|sample| sample.value).collect::<Vec<_>>(), [3.0, 5.0, 4.0, 1.0]);
    }
}
