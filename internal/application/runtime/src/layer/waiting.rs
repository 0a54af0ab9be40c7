use std::collections::VecDeque;
use std::time::Duration;

use millstream_model::Offset;
use millstream_ports::KeyRange;

use crate::layer::merge::Source;
use crate::layer::overlay::{Found, Overlay};

/// Entries that the changelog has and the store lacks, and how far they bring it.
pub(super) struct Segment {
    pub(super) entries: Overlay,
    pub(super) next: Offset,
    /// When the first of them began to wait.
    since: Duration,
}

/// What waits for the store, in *segments*: stretches of the changelog, each coalesced to the newest write of a key.
///
/// The store takes a segment in key order and says how far it is once it has all of it. So much is lost to a kill, and no
/// more, however much waits.
#[derive(Default)]
pub(super) struct Waiting {
    /// Oldest first; they take no more.
    sealed: VecDeque<Segment>,
    open: Overlay,
    /// The offset that the open entries bring the store to, and since when there are any.
    reached: Option<(Offset, Duration)>,
    /// What the sealed ones take.
    sealed_bytes: usize,
}

impl Waiting {
    /// Bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.sealed_bytes + self.open.bytes()
    }

    /// The newest write of `key`; `None` where none waits.
    pub(super) fn get(&self, key: &[u8]) -> Option<Found<'_>> {
        let hash = self.open.hash(key);
        let sealed = || self.sealed.iter().rev().find_map(|segment| segment.entries.find(hash, key));
        self.open.find(hash, key).or_else(sealed)
    }

    /// Whether what has waited longest has waited long enough, or the open segment is large enough.
    pub(super) fn is_due(&self, now: Duration, interval: Duration, bytes_max: usize) -> bool {
        let oldest = self.sealed.front().map(|segment| segment.since);
        let since = oldest.or(self.reached.map(|(_, since)| since));
        since.is_some_and(|since| now.saturating_sub(since) >= interval)
            || (self.reached.is_some() && self.open.bytes() >= bytes_max)
    }

    /// Takes in a write, newer than all before.
    pub(super) fn insert(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.open.insert(key, value);
    }

    /// All of the changelog before `next` has been taken in.
    pub(super) fn reach(&mut self, next: Offset, now: Duration) {
        let since = self.reached.map_or(now, |(_, since)| since);
        self.reached = Some((next, since));
    }

    /// How far what waits brings the store; `None` where nothing does.
    pub(super) fn reached(&self) -> Option<Offset> {
        self.reached.map(|(next, _)| next).or_else(|| self.sealed.back().map(|segment| segment.next))
    }

    /// Makes the open entries a segment, when they are at least so many bytes.
    pub(super) fn seal_from(&mut self, bytes_min: usize) {
        if self.open.bytes() < bytes_min {
            return;
        }
        if let Some((next, since)) = self.reached.take() {
            let entries = self.open.take();
            self.sealed_bytes += entries.bytes();
            self.sealed.push_back(Segment { entries, next, since });
        }
    }

    /// The oldest segment, which waits no more.
    pub(super) fn take_oldest(&mut self) -> Option<Segment> {
        if self.sealed.is_empty() {
            self.seal_from(0);
        }
        let oldest = self.sealed.pop_front()?;
        self.sealed_bytes = self.sealed_bytes.saturating_sub(oldest.entries.bytes());
        Some(oldest)
    }

    /// Gets ready for ranges.
    pub(super) fn put_in_order(&mut self) {
        self.open.put_in_order();
        for segment in &mut self.sealed {
            segment.entries.put_in_order();
        }
    }

    /// What it has of a range, newest first.
    pub(super) fn sources<'a>(&'a self, range: &'a KeyRange) -> impl Iterator<Item = Source<'a>> {
        let sealed = self.sealed.iter().rev().map(|segment| &segment.entries);
        std::iter::once(&self.open).chain(sealed).map(|entries| Source::new(entries.range(range)))
    }
}
