use std::fs;
use std::path::{Path, PathBuf};

use millstream_ports::{Action, PortError, TableId};

use crate::grants::Grants;
use crate::table::SledTable;

/// Memory for the databases of a folder, in bytes. The runtime keeps hot entries itself.
const MEMORY_BYTES: u64 = 128 << 20;

/// A folder of tables: one database a partition, at `<root>/<owner>/<table>/<partition>`.
///
/// **Invariant:** the folder is a cache of changelogs. What is found damaged is set aside beside its place, as
/// `<partition>.damaged`, and built anew from the changelog.
#[derive(Clone, Debug)]
pub struct SledTables {
    root: PathBuf,
    memory: Grants,
}

impl SledTables {
    /// Tables below `root`, which is created when first needed.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), memory: Grants::of_bytes(MEMORY_BYTES) }
    }

    /// Sets the memory that all databases of the folder share for caches and buffers, in bytes: 128 MiB unless told otherwise.
    /// One gets up to 16 MiB, and no less than one.
    #[must_use]
    pub fn memory_bytes(mut self, bytes: u64) -> Self {
        self.memory = Grants::of_bytes(bytes);
        self
    }

    /// Opens a table's partition, new or as it was left.
    ///
    /// # Errors
    /// [`Action::Retry`] while another owner has it open, [`Action::Stop`] when the folder can't be written.
    pub fn open(&self, id: &TableId) -> Result<SledTable, PortError> {
        let folder = self.root.join(&id.owner).join(id.table.as_str()).join(id.partition.to_string());
        match SledTable::open(&folder, self.memory.grant()) {
            Err(error) if error.action() == Action::DeadLetter => {
                set_aside(&folder, &error)?;
                SledTable::open(&folder, self.memory.grant()).map(SledTable::after_damage)
            }
            opened => opened,
        }
    }
}

/// Moves a damaged database out of the way; the newest is kept for whoever wants to look.
fn set_aside(folder: &Path, reason: &PortError) -> Result<(), PortError> {
    let aside = folder.with_extension("damaged");
    tracing::warn!(folder = %folder.display(), aside = %aside.display(), %reason, "damaged table set aside; it is built anew from its changelog");
    let failed = |error: std::io::Error| {
        PortError::stop(format!("could not set the damaged table at {} aside", folder.display()))
            .because(error)
    };
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(failed)?;
    }
    fs::rename(folder, &aside).map_err(failed)
}

#[cfg(test)]
mod tests {
    use millstream_model::{Offset, Partition, TopicName};
    use millstream_ports::TableStore;

    use super::*;

    fn id() -> TableId {
        TableId { owner: "g".into(), table: TopicName::new("g-table").unwrap(), partition: Partition::new(3) }
    }

    #[test]
    fn keeps_the_ports_promises() {
        let folder = tempfile::tempdir().unwrap();
        let tables = SledTables::at(folder.path());
        millstream_ports::contract::table_store(|| tables.open(&id()).unwrap());
        assert!(folder.path().join("g/g-table/3").is_dir());
    }

    #[test]
    fn a_table_in_use_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let tables = SledTables::at(folder.path());
        let _held = tables.open(&id()).unwrap();
        let error = tables.open(&id()).err().unwrap();
        assert_eq!(error.action(), Action::Retry, "{error}");
    }

    #[test]
    fn a_damaged_table_is_set_aside_and_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let tables = SledTables::at(folder.path());
        tables
            .open(&id())
            .unwrap()
            .apply(&mut [(&b"k"[..], Some(&b"v"[..]))].into_iter(), Offset(5))
            .unwrap();
        let place = folder.path().join("g/g-table/3");
        for file in ["conf", "db"] {
            fs::write(place.join(file), b"not what it was").unwrap();
        }
        let table = tables.open(&id()).unwrap();
        assert_eq!(table.changelog_offset().unwrap(), None, "a new table asks for its whole changelog");
        assert!(folder.path().join("g/g-table/3.damaged").is_dir());
    }

    #[test]
    fn a_table_of_an_older_version_begins_anew_and_is_not_called_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("g/g-table/3");
        let older = sled::open(&place).unwrap();
        for (key, value) in [("format", "millstream-1"), ("offset", "12345678"), ("ek", "v")] {
            older.insert(key, value).unwrap();
        }
        drop(older);
        for _ in 0..2 {
            let table = SledTables::at(folder.path()).open(&id()).unwrap();
            assert_eq!((table.changelog_offset().unwrap(), table.count().unwrap()), (None, 0));
            assert!(!table.was_damaged() && !folder.path().join("g/g-table/3.damaged").exists());
        }
    }

    #[test]
    fn a_database_of_another_format_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("g/g-table/3");
        sled::open(&place).unwrap().insert(b"someone else's", b"data").unwrap();
        let table = SledTables::at(folder.path()).open(&id()).unwrap();
        assert_eq!(table.count().unwrap(), 0);
        assert!(folder.path().join("g/g-table/3.damaged").is_dir());
    }
}
