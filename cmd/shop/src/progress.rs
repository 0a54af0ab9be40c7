use std::io::{Write, stderr};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use millstream_storefront::Emitted;
use millstream_telemetry::{Lines, Verbosity, init_logs_to};

/// Time between two lines where there is no terminal to draw a bar on.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Time between two looks at the rate beside a bar.
const RATE_EVERY: Duration = Duration::from_millis(200);

/// How far the emission is: a bar on a terminal, a line now and then elsewhere; on standard error.
pub(crate) struct Progress {
    bar: ProgressBar,
    count: u64,
    begun: Instant,
    said: Instant,
}

impl Progress {
    pub(crate) fn towards(count: u64) -> Self {
        let template = "{bar:40} {pos}/{len} products  {msg}  {eta} left";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let now = Instant::now();
        Self { bar: ProgressBar::new(count).with_style(style), count, begun: now, said: now }
    }

    /// Rates count from now on.
    pub(crate) fn begin(&mut self) {
        self.bar.reset();
        (self.begun, self.said) = (Instant::now(), Instant::now());
    }

    /// Sends logs to standard error in such a way that they leave the bar whole.
    pub(crate) fn let_logs_pass(&self, verbosity: Verbosity) {
        let bar = self.bar.clone();
        let is_terminal = !bar.is_hidden();
        init_logs_to(verbosity, is_terminal, move || {
            let bar = bar.clone();
            Lines(move |text: &str| {
                bar.suspend(|| {
                    // Nobody is left to be told when standard error is closed.
                    let _ = stderr().write_all(text.as_bytes());
                });
            })
        });
    }

    pub(crate) fn show(&mut self, so_far: Emitted) {
        self.bar.set_position(so_far.products);
        let is_hidden = self.bar.is_hidden();
        if self.said.elapsed() < if is_hidden { LINE_EVERY } else { RATE_EVERY } {
            return;
        }
        self.said = Instant::now();
        let rate = rate(so_far, self.begun.elapsed());
        if is_hidden {
            let Emitted { products, messages, .. } = so_far;
            // Nobody is left to be told when standard error is closed.
            let _ =
                writeln!(stderr(), "{products} of {} products in {messages} messages, {rate}", self.count);
        } else {
            self.bar.set_message(rate);
        }
    }

    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn rate(so_far: Emitted, elapsed: Duration) -> String {
    format!("{} messages/s", u128::from(so_far.messages) * 1000 / elapsed.as_millis().max(1))
}

/// What was emitted, and by which seed it can be emitted again.
pub(crate) fn summary(seed: u64, total: Emitted) -> String {
    let Emitted { products, messages, delivered, failed } = total;
    format!(
        "{products} products in {messages} messages (seed {seed}): {delivered} delivered, {failed} failed"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOTAL: Emitted = Emitted { products: 10, messages: 12, delivered: 11, failed: 1 };

    #[test]
    fn the_rate_is_that_of_messages() {
        assert_eq!(rate(TOTAL, Duration::from_secs(2)), "6 messages/s");
        assert_eq!(rate(Emitted::default(), Duration::ZERO), "0 messages/s");
    }

    #[test]
    fn the_summary_tells_the_seed_and_what_failed() {
        assert_eq!(summary(7, TOTAL), "10 products in 12 messages (seed 7): 11 delivered, 1 failed");
    }
}
