use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use millstream_model::Offset;
use millstream_ports::{PortError, TableId, TableStore};

use super::Memory;

#[derive(Default)]
pub struct Entries {
    all: BTreeMap<Vec<u8>, Vec<u8>>,
    offset: Option<Offset>,
}

/// A table's partition, held by one owner at a time.
pub struct MemoryStore {
    world: Memory,
    id: TableId,
    entries: Arc<Mutex<Entries>>,
}

impl MemoryStore {
    pub fn open(world: &Memory, id: &TableId) -> Result<Self, PortError> {
        let mut inside = world.locked();
        if !inside.open.insert(id.clone()) {
            return Err(PortError::retry(format!("{} has another owner", id.table)));
        }
        let entries = inside.tables.entry(id.clone()).or_default().clone();
        Ok(Self { world: world.clone(), id: id.clone(), entries })
    }
}

impl Drop for MemoryStore {
    fn drop(&mut self) {
        self.world.locked().open.remove(&self.id);
        self.world.tell();
    }
}

impl TableStore for MemoryStore {
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool, PortError> {
        let entries = self.entries.lock().unwrap();
        let found = entries.all.get(key);
        out.extend(found.into_iter().flatten());
        Ok(found.is_some())
    }

    fn apply<'a>(
        &self,
        batch: &mut dyn Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        next: Offset,
    ) -> Result<(), PortError> {
        let mut entries = self.entries.lock().unwrap();
        for (key, value) in batch {
            match value {
                Some(value) => entries.all.insert(key.to_vec(), value.to_vec()),
                None => entries.all.remove(key),
            };
        }
        entries.offset = Some(next);
        Ok(())
    }

    fn changelog_offset(&self) -> Result<Option<Offset>, PortError> {
        Ok(self.entries.lock().unwrap().offset)
    }

    fn scan(&self, prefix: &[u8], each: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), PortError> {
        let entries = self.entries.lock().unwrap();
        let fitting = entries.all.iter().filter(|(key, _)| key.starts_with(prefix));
        let _ = fitting.take_while(|(key, value)| each(key, value)).count();
        Ok(())
    }

    fn count(&self) -> Result<u64, PortError> {
        Ok(self.entries.lock().unwrap().all.len() as u64)
    }

    fn clear(&self) -> Result<(), PortError> {
        *self.entries.lock().unwrap() = Entries::default();
        Ok(())
    }

    fn flush(&self) -> Result<(), PortError> {
        Ok(())
    }
}
