use std::iter::Peekable;

use millstream_ports::{KeyRange, PortError, TableStore};

type Entry<'a> = (&'a [u8], Option<&'a [u8]>);

/// Entries in key order; `None` says that a key is deleted.
pub(super) struct Source<'a>(Peekable<Box<dyn Iterator<Item = Entry<'a>> + 'a>>);

impl<'a> Source<'a> {
    pub(super) fn new(entries: impl Iterator<Item = Entry<'a>> + 'a) -> Self {
        let entries: Box<dyn Iterator<Item = Entry<'a>> + 'a> = Box::new(entries);
        Self(entries.peekable())
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        self.0.peek().map(|(key, _)| *key)
    }
}

/// Calls `each` with what a store has with `sources` on top, the newest first, in key order until it answers `false`.
pub(super) fn merge<S: TableStore>(
    store: &S,
    range: &KeyRange,
    sources: Vec<Source<'_>>,
    each: &mut dyn FnMut(&[u8], &[u8]) -> bool,
) -> Result<(), PortError> {
    let (mut on_top, mut goes_on) = (OnTop { sources }, true);
    store.range(range, &mut |key, value| {
        while let (true, Some((newer, value))) = (goes_on, on_top.next_before(Some(key))) {
            goes_on = value.is_none_or(|value| each(newer, value));
        }
        if goes_on {
            let value = on_top.take(key).map_or(Some(value), |(_, newer)| newer);
            goes_on = value.is_none_or(|value| each(key, value));
        }
        goes_on
    })?;
    while let (true, Some((newer, value))) = (goes_on, on_top.next_before(None)) {
        goes_on = value.is_none_or(|value| each(newer, value));
    }
    Ok(())
}

struct OnTop<'a> {
    sources: Vec<Source<'a>>,
}

impl<'a> OnTop<'a> {
    /// The next entry whose key is before `end`.
    fn next_before(&mut self, end: Option<&[u8]>) -> Option<Entry<'a>> {
        let least = self.sources.iter_mut().filter_map(Source::key).min()?;
        if end.is_none_or(|end| least < end) { self.take(least) } else { None }
    }

    /// The newest entry of `key`, when that is next; older ones are passed over.
    fn take(&mut self, key: &[u8]) -> Option<Entry<'a>> {
        let mut newest = None;
        for source in &mut self.sources {
            if source.key() == Some(key) {
                let entry = source.0.next();
                newest = newest.or(entry);
            }
        }
        newest
    }
}
