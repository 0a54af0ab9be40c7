use std::collections::BTreeMap;

use millstream_model::Offset;
use millstream_ports::{Action, KeyRange, PortError, TableId, TableStore};

use crate::chance::Chance;
use crate::inside::Inside;
use crate::world::Sim;

/// A table's partition on a disk that does not exist.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) owner: Option<usize>,
    pub(crate) entries: BTreeMap<Vec<u8>, Vec<u8>>,
    offset: Option<Offset>,
    is_damaged: bool,
    /// What each batch since the last flush has replaced.
    undo: Vec<Undo>,
}

struct Undo {
    entries: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    offset: Option<Offset>,
}

impl Table {
    fn apply<'a>(
        &mut self,
        batch: &mut dyn Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        next: Option<Offset>,
    ) {
        let mut undo = Undo { entries: Vec::new(), offset: self.offset };
        for (key, value) in batch {
            let before = match value {
                Some(value) => self.entries.insert(key.to_vec(), value.to_vec()),
                None => self.entries.remove(key),
            };
            undo.entries.push((key.to_vec(), before));
        }
        self.offset = next;
        self.undo.push(undo);
    }

    /// Loses the last batches, as many as chance has it, of those that were not made safe.
    pub(crate) fn lose_last(&mut self, chance: &mut Chance) {
        for _ in 0..chance.below(self.undo.len() + 1) {
            let Some(undo) = self.undo.pop() else { return };
            for (key, before) in undo.entries.into_iter().rev() {
                match before {
                    Some(value) => self.entries.insert(key, value),
                    None => self.entries.remove(&key),
                };
            }
            self.offset = undo.offset;
        }
        self.undo.clear();
    }
}

/// A table's partition, held by one owner at a time. Dropping it frees it for another.
pub struct SimStore {
    sim: Sim,
    id: TableId,
    was_damaged: bool,
}

impl SimStore {
    pub(crate) fn open(sim: &Sim, id: &TableId) -> Result<Self, PortError> {
        let was_damaged = sim.with(|inside, process| {
            inside.check_alive(process)?;
            let is_busy = inside.hits(|faults| faults.busy_stores);
            let table = inside.tables.entry(id.clone()).or_default();
            if is_busy || table.owner.is_some() {
                return Err(PortError::retry(format!("{}/{} has another owner", id.table, id.partition)));
            }
            let was_damaged = table.is_damaged;
            if was_damaged {
                *table = Table::default();
            }
            table.owner = Some(process);
            Ok(was_damaged)
        })?;
        Ok(Self { sim: sim.clone(), id: id.clone(), was_damaged })
    }

    /// Once damaged, it stays so until it is opened again.
    fn find_damage(&self, inside: &mut Inside) -> Result<(), PortError> {
        let is_hit = inside.hits(|faults| faults.damaged_stores);
        let table = inside.tables.get_mut(&self.id);
        let is_damaged = table.is_some_and(|table| {
            table.is_damaged |= is_hit;
            table.is_damaged
        });
        if is_damaged {
            Err(PortError::new(Action::DeadLetter, "the table's store is damaged"))
        } else {
            Ok(())
        }
    }

    fn read<T>(&self, read: impl FnOnce(&Table) -> T) -> Result<T, PortError> {
        self.sim.with(|inside, process| {
            inside.check_alive(process)?;
            self.find_damage(inside)?;
            inside.tables.get(&self.id).map(read).ok_or_else(|| PortError::stop("the table is gone"))
        })
    }

    fn write(&self, write: impl FnOnce(&mut Table)) -> Result<(), PortError> {
        self.sim.with(|inside, process| {
            inside.effect(process)?;
            self.find_damage(inside)?;
            if inside.hits(|faults| faults.failing_stores) {
                return Err(PortError::stop("the table's storage failed"));
            }
            inside.tables.get_mut(&self.id).map(write).ok_or_else(|| PortError::stop("the table is gone"))
        })
    }
}

impl Drop for SimStore {
    fn drop(&mut self) {
        self.sim.with(|inside, _| {
            if let Some(table) = inside.tables.get_mut(&self.id) {
                table.owner = None;
            }
        });
    }
}

impl TableStore for SimStore {
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool, PortError> {
        self.read(|table| {
            let found = table.entries.get(key);
            out.extend(found.into_iter().flatten());
            found.is_some()
        })
    }

    fn apply<'a>(
        &self,
        entries: &mut dyn Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        next: Offset,
    ) -> Result<(), PortError> {
        self.write(|table| table.apply(entries, Some(next)))
    }

    fn changelog_offset(&self) -> Result<Option<Offset>, PortError> {
        self.read(|table| table.offset)
    }

    fn range(&self, range: &KeyRange, each: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), PortError> {
        let fitting: Vec<_> = self.read(|table| {
            let from = table.entries.range(range.from().to_vec()..);
            from.take_while(|(key, _)| range.is_before_end(key))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        })?;
        let _ = fitting.iter().take_while(|(key, value)| each(key, value)).count();
        Ok(())
    }

    fn count(&self) -> Result<u64, PortError> {
        self.read(|table| table.entries.len() as u64)
    }

    fn clear(&self) -> Result<(), PortError> {
        self.write(|table| {
            let keys: Vec<_> = table.entries.keys().cloned().collect();
            table.apply(&mut keys.iter().map(|key| (key.as_slice(), None)), None);
        })
    }

    fn was_damaged(&self) -> bool {
        self.was_damaged
    }

    fn flush(&self) -> Result<(), PortError> {
        self.write(|table| table.undo.clear())
    }
}
