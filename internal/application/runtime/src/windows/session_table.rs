use std::ops::ControlFlow;
use std::time::Duration;

use millstream_model::Timestamp;
use millstream_ports::Codec;

use crate::context::{Context, ContextError};
use crate::edges::Table;
use crate::windows::{Window, key, millis, plus};

/// A group table with an entry for each key and session: records of a key that follow each other within a *gap*.
///
/// A session begins and ends with a record. One that comes within the gap of several joins them. A session is kept until the
/// time of the partition is a *retention* past its end and the gap; then it is seen no more, and no record begins one so old.
///
/// ```
/// use std::time::Duration;
/// use millstream_ports::{DecimalText, Utf8};
/// use millstream_runtime::{GroupGraph, SessionTable};
///
/// let visits = SessionTable::new(DecimalText, Duration::from_secs(1_800));
/// let kept = visits.clone();
/// let graph = GroupGraph::define("visits")
///     .input("clicks", Utf8, Utf8, move |context, user: &str, _: &str| {
///         let at = context.timestamp();
///         if let Some((session, clicks)) = kept.join(context, user.as_bytes(), at, 1, |sum, clicks| sum + clicks)? {
///             kept.set(context, user.as_bytes(), session, &clicks)?;
///         }
///         Ok(())
///     })
///     .persist(visits.table())
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionTable<V> {
    table: Table<V>,
    gap_ms: i64,
    retention_ms: i64,
}

impl<V> SessionTable<V> {
    /// Sessions whose records are no further apart than `gap`. They are kept for as long after their end.
    pub fn new(codec: V, gap: Duration) -> Self {
        Self { table: Table::new(codec), gap_ms: millis(gap), retention_ms: 0 }.retention(gap)
    }

    /// Keeps sessions until the time of the partition is so far past their end and the gap.
    #[must_use]
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention_ms = millis(retention);
        let ttl_ms = self.gap_ms.saturating_add(self.retention_ms);
        self.table = self.table.ttl(Duration::from_millis(u64::try_from(ttl_ms).unwrap_or(u64::MAX)));
        self
    }

    /// The table that it is kept in, for [`crate::GroupBuilder::persist`].
    pub fn table(&self) -> &Table<V> {
        &self.table
    }

    /// The key and the session that an entry of the table stands for, as views and queries see it; `None` for another's key.
    pub fn read_key(&self, entry: &[u8]) -> Option<(Vec<u8>, Window)> {
        let (key, [end, start]) = key::parts(entry)?;
        Some((key, Window { start, end }))
    }

    /// The key of an entry, for views and queries.
    pub fn entry_key(&self, key: &[u8], session: Window) -> Vec<u8> {
        key::composite(key, &[session.end, session.start])
    }

    fn is_over(&self, end: Timestamp, now: Timestamp) -> bool {
        plus(plus(end, self.gap_ms), self.retention_ms) <= now
    }
}

impl<V: Codec> SessionTable<V> {
    /// Calls `each` with a key's sessions that have a moment in `from..=to`, in the order of their ends, until it breaks off.
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
        let ends = key::moments(key, from, Timestamp(i64::MAX));
        context.range(&self.table, &ends, |entry, value| match self.read_key(entry) {
            Some((_, session)) if session.start <= to => each(session, value),
            // Sessions of a key lie apart, so that all that follow begin later.
            _ => ControlFlow::Break(()),
        })
    }

    /// Joins a record of time `at` with the sessions within the gap of it: deletes them, and answers the session of all and
    /// what `fold` makes of `first` and their values, which is to be [set](Self::set). `None` says that the record is too
    /// late for any session.
    ///
    /// # Errors
    /// As [`Context::range`].
    pub fn join<A>(
        &self,
        context: &mut Context<'_>,
        key: &[u8],
        at: Timestamp,
        first: A,
        mut fold: impl FnMut(A, V::Value<'_>) -> A,
    ) -> Result<Option<(Window, A)>, ContextError> {
        let (mut session, mut folded, mut joined) = (Window { start: at, end: at }, Some(first), Vec::new());
        let reach = (plus(at, self.gap_ms.saturating_neg()), plus(at, self.gap_ms));
        self.range(context, key, reach, |other, value| {
            session.start = session.start.min(other.start);
            session.end = session.end.max(other.end);
            joined.push(other);
            folded = folded.take().map(|before| fold(before, value));
            ControlFlow::Continue(())
        })?;
        if self.is_over(session.end, context.partition_time()?) {
            return Ok(None);
        }
        for other in joined {
            self.delete(context, key, other)?;
        }
        Ok(folded.map(|folded| (session, folded)))
    }

    /// Sets what a key has in a session.
    ///
    /// # Errors
    /// As [`Context::set_at`].
    pub fn set(
        &self,
        context: &mut Context<'_>,
        key: &[u8],
        session: Window,
        value: &V::Value<'_>,
    ) -> Result<(), ContextError> {
        // It lasts from its end on, also when a late record was the last to join it.
        context.set_as_of(&self.table, &self.entry_key(key, session), value, session.end)
    }

    /// Deletes a session of a key.
    ///
    /// # Errors
    /// As [`Context::delete_at`].
    pub fn delete(&self, context: &mut Context<'_>, key: &[u8], session: Window) -> Result<(), ContextError> {
        context.delete_at(&self.table, &self.entry_key(key, session))
    }
}
