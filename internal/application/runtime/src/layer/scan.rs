use std::collections::{BTreeMap, BTreeSet};

use millstream_ports::{PortError, TableStore};

use super::TableLayer;

/// Entries by their keys.
type Found = BTreeMap<Box<[u8]>, Box<[u8]>>;

impl<S: TableStore> TableLayer<S> {
    /// What is in memory and not in the store, the newest last for each key. What the record at hand has staged is no part.
    fn newer(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let logged = self.logged.iter().map(|(key, value)| (&**key, value.as_deref()));
        self.writing.iter().flat_map(super::Writing::entries).chain(logged).chain(self.dirty())
    }

    /// The entries whose keys begin with `prefix`, which should be few.
    pub(crate) fn scan(&mut self, prefix: &[u8]) -> Result<Found, PortError> {
        let mut found = Found::new();
        self.store.scan(prefix, &mut |key, value| {
            found.insert(key.into(), value.into());
            true
        })?;
        for (key, value) in self.newer().filter(|(key, _)| key.starts_with(prefix)) {
            match value {
                Some(value) => drop(found.insert(key.into(), value.into())),
                None => drop(found.remove(key)),
            }
        }
        Ok(found)
    }

    /// All keys as of now, but for those that begin with `reserved`.
    pub(crate) fn keys(&self, reserved: &[u8]) -> Result<BTreeSet<Box<[u8]>>, PortError> {
        let mut keys = BTreeSet::<Box<[u8]>>::new();
        self.store.scan(b"", &mut |key, _| {
            keys.insert(key.into());
            true
        })?;
        for (key, value) in self.newer() {
            if value.is_some() {
                keys.insert(key.into());
            } else {
                keys.remove(key);
            }
        }
        keys.retain(|key| !key.starts_with(reserved));
        Ok(keys)
    }
}
