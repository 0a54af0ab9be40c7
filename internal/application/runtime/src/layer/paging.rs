use millstream_ports::{KeyRange, PortError, TableStore};

use crate::layer::TableLayer;
use crate::query::Page;

/// Bytes of entries at which a page ends early: who asked waits for it, and so do the records behind.
const PAGE_BYTES_MAX: usize = 1 << 20;

impl<S: TableStore> TableLayer<S> {
    /// The first entries of a range in key order; with `fresh` with what waits for the commit.
    pub(crate) fn page(&mut self, range: &KeyRange, limit: usize, fresh: bool) -> Result<Page, PortError> {
        let mut filling = Filling { page: Page::default(), bytes: 0, limit };
        self.walk(range, fresh, &mut |key, value| filling.take(key, value))?;
        Ok(filling.page)
    }
}

impl<S> TableLayer<S> {
    /// How often the cache had a key that was read and how often not, since this was asked last.
    pub(crate) fn take_cache_reads(&mut self) -> (u64, u64) {
        self.cache.take_reads()
    }

    /// Memory for entries that are kept to be read again, in bytes.
    pub(crate) fn cache_bytes(&self) -> usize {
        self.cache.bytes()
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
