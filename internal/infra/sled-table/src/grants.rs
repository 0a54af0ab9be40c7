use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What one database may use at least and at most, in bytes.
const LEAST: u64 = 1 << 20;
const MOST: u64 = 16 << 20;

/// Memory for the databases of one folder. Each gets a part of what is left when it is opened, so that many are not given
/// more than a few are; only the least that each needs may go beyond.
#[derive(Clone, Debug)]
pub(crate) struct Grants {
    bytes: u64,
    granted: Arc<AtomicU64>,
}

impl Grants {
    pub(crate) fn of_bytes(bytes: u64) -> Self {
        Self { bytes, granted: Arc::default() }
    }

    pub(crate) fn grant(&self) -> Grant {
        let part = |granted: u64| (self.bytes.saturating_sub(granted) / 4).clamp(LEAST, MOST);
        let before = self
            .granted
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |granted| Some(granted + part(granted)))
            .unwrap_or_default();
        Grant { bytes: part(before), granted: self.granted.clone() }
    }
}

/// Memory of one database, in bytes. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Grant {
    bytes: u64,
    granted: Arc<AtomicU64>,
}

impl Grant {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.granted.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_databases_get_no_more_than_a_few() {
        let grants = Grants::of_bytes(100 << 20);
        let given: Vec<_> = (0..60).map(|_| grants.grant()).collect();
        let sum: u64 = given.iter().map(Grant::bytes).sum();
        assert_eq!((given[0].bytes(), given[59].bytes()), (MOST, LEAST));
        assert!(sum <= (100 << 20) + 60 * LEAST, "{sum}");
        drop(given);
        assert_eq!(grants.granted.load(Ordering::Relaxed), 0);
    }
}
