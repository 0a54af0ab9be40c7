use millstream_ports::{KeyRange, PortError, TableStore};

use super::merge::merge;
use super::reading::is_hidden;
use crate::layer::TableLayer;
use crate::query::Page;

/// Bytes of entries at which a page ends early: who asked waits for it, and so do the records behind.
const PAGE_BYTES_MAX: usize = 1 << 20;

impl<S: TableStore> TableLayer<S> {
    /// The value of `key` as of the last commit.
    pub(crate) fn committed(&self, key: &[u8]) -> Result<Option<Vec<u8>>, PortError> {
        let writing = || self.writing.as_ref().and_then(|writing| writing.get(key));
        let live = |kept: &[u8]| self.age.live(key, kept).map(<[u8]>::to_vec);
        if let Some(value) = self.waiting.get(key).or_else(writing) {
            return Ok(value.as_deref().and_then(live));
        }
        let mut kept = Vec::new();
        Ok(if self.store.get(key, &mut kept)? { live(&kept) } else { None })
    }

    /// The first entries of a range in key order, with what waits for the store on top of it; with `fresh` also what waits
    /// for the commit.
    pub(crate) fn page(&mut self, range: &KeyRange, limit: usize, fresh: bool) -> Result<Page, PortError> {
        self.put_in_order();
        let mut filling = Filling { page: Page::default(), bytes: 0, limit };
        let age = self.age;
        merge(&self.store, range, self.on_top(range, fresh), &mut |key, kept| {
            age.live(key, kept).is_none_or(|value| is_hidden(range, key) || filling.take(key, value))
        })?;
        Ok(filling.page)
    }
}

struct Filling {
    page: Page,
    bytes: usize,
    limit: usize,
}

impl Filling {
    /// Adds an entry; answers whether there is room to go on.
    fn take(&mut self, key: &[u8], value: &[u8]) -> bool {
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
