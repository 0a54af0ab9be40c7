use super::event::Bounds;
use crate::ast::WindowShape;
use crate::plan::Windows;

impl Windows {
    /// The windows that a moment is in, the earliest first; a session's is found by what is there already.
    pub(super) fn of(self, time: i64) -> Vec<Bounds> {
        let (size, advance) = match self.shape {
            WindowShape::Tumbling { size_ms } => (size_ms, size_ms),
            WindowShape::Hopping { size_ms, advance_ms } => (size_ms, advance_ms),
            WindowShape::Session { .. } => return Vec::new(),
        };
        let mut start = time.saturating_sub(size).saturating_add(advance).max(0) / advance.max(1) * advance;
        let mut all = Vec::new();
        while start <= time {
            all.push(Bounds { start, end: start.saturating_add(size) });
            start = start.saturating_add(advance.max(1));
        }
        all
    }

    /// How long a window is, or how far apart sessions are.
    pub(super) fn width_ms(self) -> i64 {
        let (WindowShape::Tumbling { size_ms: width }
        | WindowShape::Hopping { size_ms: width, .. }
        | WindowShape::Session { gap_ms: width }) = self.shape;
        width
    }

    /// Whether a window takes nothing more at this time.
    pub(super) fn is_closed(self, end: i64, now: i64) -> bool {
        match self.shape {
            WindowShape::Session { gap_ms } => end.saturating_add(gap_ms).saturating_add(self.grace_ms) < now,
            _ => end.saturating_add(self.grace_ms) <= now,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_windows_of_a_moment_are_all_that_hold_it(
            size_ms in 1_i64..60, advance in 1_i64..60, time in 0_i64..500,
        ) {
            let advance_ms = advance.min(size_ms);
            let shape = WindowShape::Hopping { size_ms, advance_ms };
            let windows = Windows { shape, grace_ms: 0, is_final: false };
            let naive: Vec<_> = (0..=time / advance_ms)
                .map(|n| Bounds { start: n * advance_ms, end: n * advance_ms + size_ms })
                .filter(|bounds| bounds.start <= time && time < bounds.end)
                .collect();
            prop_assert_eq!(windows.of(time), naive);
        }
    }
}
