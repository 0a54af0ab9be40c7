use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What tables may use unless told otherwise.
const DEFAULT_BYTES: usize = 512 << 20;

/// The least that a table's cache keeps, however many tables share the budget.
const CACHE_BYTES_MIN: usize = 64 << 10;

/// The memory of all tables that share it, in bytes. Clones are the same budget: processors whose settings have clones of
/// one share it, and a process that runs many hands one to all.
///
/// First come the caches of the stores themselves, then writes that wait for their stores, up to three quarters of what is
/// left, and the tables' caches get the rest, each the same. Where more writes would wait than may, stores are brought forward before
/// more is read.
#[derive(Clone, Debug)]
pub struct MemoryBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bytes: usize,
    tables: AtomicUsize,
    store_bytes: AtomicUsize,
    waiting_bytes: AtomicUsize,
}

impl Default for MemoryBudget {
    fn default() -> Self {
        Self::of_bytes(DEFAULT_BYTES)
    }
}

impl MemoryBudget {
    /// A budget of so many bytes.
    pub fn of_bytes(bytes: usize) -> Self {
        let zero = || AtomicUsize::new(0);
        Self(Arc::new(Shared { bytes, tables: zero(), store_bytes: zero(), waiting_bytes: zero() }))
    }

    /// All of it, in bytes.
    pub fn bytes(&self) -> usize {
        self.0.bytes
    }

    /// Writes that wait for their stores now, in bytes.
    pub fn waiting_bytes(&self) -> usize {
        self.0.waiting_bytes.load(Ordering::Relaxed)
    }

    /// Whether as much waits for the stores as may.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting_bytes() > self.beside_stores() / 4 * 3
    }

    fn beside_stores(&self) -> usize {
        // Stores that want more than there is must not leave writes nowhere to wait.
        let left = self.0.bytes.saturating_sub(self.0.store_bytes.load(Ordering::Relaxed));
        left.max(self.0.bytes / 4)
    }

    /// Another table, whose store keeps `store_bytes` for itself.
    pub(crate) fn join(&self, store_bytes: usize) -> Share {
        self.0.tables.fetch_add(1, Ordering::Relaxed);
        self.0.store_bytes.fetch_add(store_bytes, Ordering::Relaxed);
        Share { budget: self.clone(), store_bytes, waiting_bytes: 0 }
    }
}

/// One table's share of a budget. Dropping it gives it back.
///
/// The figures of different tables need not be of one moment, so no order is asked of the processor.
#[derive(Debug)]
pub(crate) struct Share {
    budget: MemoryBudget,
    store_bytes: usize,
    waiting_bytes: usize,
}

impl Share {
    /// This table has so many bytes waiting now.
    pub(crate) fn set_waiting(&mut self, bytes: usize) {
        let all = &self.budget.0.waiting_bytes;
        if bytes >= self.waiting_bytes {
            all.fetch_add(bytes - self.waiting_bytes, Ordering::Relaxed);
        } else {
            all.fetch_sub(self.waiting_bytes - bytes, Ordering::Relaxed);
        }
        self.waiting_bytes = bytes;
    }

    /// What the table's cache may keep now.
    pub(crate) fn cache_bytes(&self) -> usize {
        let left = self.budget.beside_stores().saturating_sub(self.budget.waiting_bytes());
        let fair = left / self.budget.0.tables.load(Ordering::Relaxed).max(1);
        fair.max(CACHE_BYTES_MIN.min(self.budget.0.bytes))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set_waiting(0);
        self.budget.0.tables.fetch_sub(1, Ordering::Relaxed);
        self.budget.0.store_bytes.fetch_sub(self.store_bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_share_what_stores_and_waiting_writes_leave() {
        let budget = MemoryBudget::of_bytes(100 << 20);
        let mut one = budget.clone().join(20 << 20);
        assert_eq!(one.cache_bytes(), 80 << 20);
        let two = budget.join(20 << 20);
        assert_eq!((one.cache_bytes(), two.cache_bytes()), (30 << 20, 30 << 20));
        one.set_waiting(45 << 20);
        assert_eq!((two.cache_bytes(), budget.is_full()), ((15 << 20) / 2, false));
        one.set_waiting((45 << 20) + 1);
        assert!(budget.is_full(), "three quarters of what the stores leave");
        drop(one);
        assert_eq!((two.cache_bytes(), budget.waiting_bytes(), budget.is_full()), (80 << 20, 0, false));
    }

    #[test]
    fn a_budget_too_small_still_lets_tables_work() {
        let budget = MemoryBudget::of_bytes(1);
        let mut share = budget.join(16 << 20);
        assert_eq!((share.cache_bytes(), budget.is_full()), (1, false));
        share.set_waiting(1);
        assert!(budget.is_full());
    }
}
