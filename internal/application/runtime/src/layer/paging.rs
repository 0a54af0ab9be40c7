use std::collections::BTreeMap;

use millstream_ports::{KeyRange, PortError, TableStore};

use crate::layer::{Entries, TableLayer};
use crate::query::Page;

/// Bytes of entries at which a page ends early: who asked waits for it, and so do the records behind.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// What is not in the store yet, by key.
type Overlay<'a> = BTreeMap<&'a [u8], Option<&'a [u8]>>;

impl<S: TableStore> TableLayer<S> {
    /// The value of `key` as of the last commit.
    pub(crate) fn committed(&self, key: &[u8]) -> Result<Option<Vec<u8>>, PortError> {
        let writing = || self.writing.as_ref().and_then(|writing| writing.get(key));
        if let Some(value) = self.logged.get(key).or_else(writing) {
            return Ok(value.as_deref().map(<[u8]>::to_vec));
        }
        let mut value = Vec::new();
        Ok(self.store.get(key, &mut value)?.then_some(value))
    }

    /// The first entries of a range in key order, with what waits for the store on top of it; with `fresh` also what waits
    /// for the commit.
    pub(crate) fn page(&self, range: &KeyRange, limit: usize, fresh: bool) -> Result<Page, PortError> {
        let mut filling = Filling { page: Page::default(), bytes: 0, limit };
        let mut above = self.overlay(range, fresh).into_iter().peekable();
        self.store.range(range, &mut |key, value| {
            while let Some((key, value)) = above.next_if(|(waiting, _)| *waiting < key) {
                if !filling.take(key, value) {
                    return false;
                }
            }
            let value = above.next_if(|(waiting, _)| *waiting == key).map_or(Some(value), |(_, value)| value);
            filling.take(key, value)
        })?;
        let _ = above.all(|(key, value)| filling.take(key, value));
        Ok(filling.page)
    }

    fn overlay(&self, range: &KeyRange, fresh: bool) -> Overlay<'_> {
        let mut overlay = Overlay::new();
        let writing = self.writing.iter().flat_map(super::writing::Writing::entries);
        let logged = listed(&self.logged);
        let dirty = listed(&self.dirty).filter(|_| fresh);
        // The later ones win.
        overlay.extend(writing.chain(logged).chain(dirty).filter(|(key, _)| range.contains(key)));
        overlay
    }
}

fn listed(entries: &Entries) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    entries.iter().map(|(key, value)| (&**key, value.as_deref()))
}

struct Filling {
    page: Page,
    bytes: usize,
    limit: usize,
}

impl Filling {
    /// Adds an entry, unless it is deleted; answers whether there is room to go on.
    fn take(&mut self, key: &[u8], value: Option<&[u8]>) -> bool {
        let Some(value) = value else { return !self.page.has_more };
        let entries = &mut self.page.entries;
        if entries.len() >= self.limit || (self.bytes >= PAGE_BYTES_MAX && !entries.is_empty()) {
            self.page.has_more = true;
            return false;
        }
        self.bytes += key.len() + value.len();
        entries.push((key.to_vec(), value.to_vec()));
        true
    }
}

#[cfg(test)]
mod tests;
