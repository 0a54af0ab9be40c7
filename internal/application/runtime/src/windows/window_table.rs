use std::ops::ControlFlow;
use std::time::Duration;

use millstream_model::Timestamp;
use millstream_ports::Codec;

use crate::context::{Context, ContextError};
use crate::edges::Table;
use crate::windows::{Window, key, millis, plus};

/// A group table with an entry for each key and window of time, such as a count an hour.
///
/// A window has its start in it and ends before its end. It is kept until the time of the partition is a *retention* past its
/// end; then it is seen no more, and writes to it are refused.
///
/// ```
/// use std::time::Duration;
/// use millstream_ports::{DecimalText, Utf8};
/// use millstream_runtime::{GroupGraph, WindowTable};
///
/// let hourly = WindowTable::tumbling(DecimalText, Duration::from_secs(3_600)).retention(Duration::from_secs(86_400));
/// let counts = hourly.clone();
/// let graph = GroupGraph::define("hourly")
///     .input("visits", Utf8, Utf8, move |context, page: &str, _: &str| {
///         for window in counts.windows_at(context.timestamp()) {
///             let count = counts.get(context, page.as_bytes(), window)?.unwrap_or(0);
///             counts.set(context, page.as_bytes(), window, &(count + 1))?;
///         }
///         Ok(())
///     })
///     .persist(hourly.table())
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct WindowTable<V> {
    table: Table<V>,
    size_ms: i64,
    advance_ms: i64,
    retention_ms: i64,
}

impl<V> WindowTable<V> {
    /// Windows that begin where the last ended, counted from 1970. They are kept for as long as they are.
    pub fn tumbling(codec: V, size: Duration) -> Self {
        Self::hopping(codec, size, size)
    }

    /// Windows of one size that begin every `advance`, counted from 1970; at least a millisecond each.
    pub fn hopping(codec: V, size: Duration, advance: Duration) -> Self {
        let (size_ms, advance_ms) = (millis(size).max(1), millis(advance).max(1));
        Self { table: Table::new(codec), size_ms, advance_ms, retention_ms: 0 }.retention(size)
    }

    /// Keeps windows until the time of the partition is so far past their end: so late a record may come.
    #[must_use]
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention_ms = millis(retention);
        let ttl_ms = self.size_ms.saturating_add(self.retention_ms);
        self.table = self.table.ttl(Duration::from_millis(u64::try_from(ttl_ms).unwrap_or(u64::MAX)));
        self
    }

    /// The table that it is kept in, for [`crate::GroupBuilder::persist`].
    pub fn table(&self) -> &Table<V> {
        &self.table
    }

    /// The windows that a moment is in, the oldest first.
    pub fn windows_at(&self, time: Timestamp) -> impl Iterator<Item = Window> + use<V> {
        let (size_ms, advance_ms) = (self.size_ms, self.advance_ms);
        let last = time.0.saturating_sub(time.0.rem_euclid(advance_ms));
        let before = time.0.saturating_sub(last);
        // Windows may be further apart than they are long.
        let more = (size_ms - 1).saturating_sub(before).div_euclid(advance_ms);
        (0..=more).rev().map(move |back| {
            let start = Timestamp(last.saturating_sub(back.saturating_mul(advance_ms)));
            Window { start, end: plus(start, size_ms) }
        })
    }

    /// The key and the window that an entry of the table stands for, as views and queries see it; `None` for another's key.
    pub fn read_key(&self, entry: &[u8]) -> Option<(Vec<u8>, Window)> {
        let (key, [start]) = key::parts(entry)?;
        Some((key, Window { start, end: plus(start, self.size_ms) }))
    }

    /// The key of an entry, for views and queries.
    pub fn entry_key(&self, key: &[u8], window: Window) -> Vec<u8> {
        key::composite(key, &[window.start])
    }

    fn is_over(&self, window: Window, now: Timestamp) -> bool {
        plus(window.end, self.retention_ms) <= now
    }
}

impl<V: Codec> WindowTable<V> {
    /// What a key has in a window.
    ///
    /// # Errors
    /// As [`Context::get_at`].
    pub fn get<'c>(
        &self,
        context: &'c mut Context<'_>,
        key: &[u8],
        window: Window,
    ) -> Result<Option<V::Value<'c>>, ContextError> {
        let is_over = self.is_over(window, context.partition_time()?);
        let value = context.get_at(&self.table, &self.entry_key(key, window))?;
        Ok(value.filter(|_| !is_over))
    }

    /// Sets what a key has in a window that the record at hand is in. Answers whether it was done: a window whose time is
    /// over takes no more.
    ///
    /// # Errors
    /// As [`Context::set_at`].
    pub fn set(
        &self,
        context: &mut Context<'_>,
        key: &[u8],
        window: Window,
        value: &V::Value<'_>,
    ) -> Result<bool, ContextError> {
        if self.is_over(window, context.partition_time()?) {
            return Ok(false);
        }
        // A window that is written from elsewhere lasts no shorter.
        let at = context.timestamp().max(window.start);
        context.set_as_of(&self.table, &self.entry_key(key, window), value, at)?;
        Ok(true)
    }

    /// Deletes what a key has in a window.
    ///
    /// # Errors
    /// As [`Context::delete_at`].
    pub fn delete(&self, context: &mut Context<'_>, key: &[u8], window: Window) -> Result<(), ContextError> {
        context.delete_at(&self.table, &self.entry_key(key, window))
    }

    /// Calls `each` with a key's windows that begin in `from..=to`, the oldest first, until it breaks off.
    ///
    /// # Errors
    /// As [`Context::range`].
    pub fn range(
        &self,
        context: &mut Context<'_>,
        key: &[u8],
        (from, to): (Timestamp, Timestamp),
        mut each: impl FnMut(Window, V::Value<'_>) -> ControlFlow<()>,
    ) -> Result<(), ContextError> {
        let now = context.partition_time()?;
        context.range(&self.table, &key::moments(key, from, to), |entry, value| match self.read_key(entry) {
            Some((_, window)) if !self.is_over(window, now) => each(window, value),
            _ => ControlFlow::Continue(()),
        })
    }
}
