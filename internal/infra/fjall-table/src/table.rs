use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;
use std::time::Duration;

use fjall::{Database, Error, Keyspace, KeyspaceCreateOptions, PersistMode};
use millstream_model::Offset;
use millstream_ports::{Action, KeyRange, PortError, TableStore};

/// Entries' keys begin with this byte, so that no key of a user meets one of ours, and none is empty.
const ENTRY: u8 = b'e';
/// The changelog offset, eight bytes big-endian.
const OFFSET_KEY: &[u8] = b"offset";
/// The format of the table, which [`FORMAT`] must equal.
const FORMAT_KEY: &[u8] = b"format";
const FORMAT: &[u8] = b"millstream-1";
const KEYSPACE: &str = "table";

/// fjall's limit on the length of a key, our own byte included.
const KEY_LENGTH_MAX: usize = 65_535;

/// Bytes of writes in memory before they go to a file of their own.
const MEMTABLE_BYTES: u64 = 8 << 20;
/// The least that fjall takes: its journals are kept until what they hold is in files.
const JOURNAL_BYTES: u64 = 64 << 20;

/// Tries to open a database whose last owner, in this process, is still letting go of its lock.
const LOCK_TRIES: u32 = 20;
const LOCK_WAIT: Duration = Duration::from_millis(25);

/// One partition of a table in a fjall database.
///
/// Batches are atomic also across a kill; the last ones before it may be missing, which the changelog makes up for.
/// Dropping it writes what is buffered and frees the database for another owner.
pub struct FjallTable {
    database: Database,
    table: Keyspace,
}

impl FjallTable {
    /// Opens a database; [`Action::DeadLetter`] says that what is there is damaged or not ours.
    pub(crate) fn open(folder: &Path, cache_bytes: u64) -> Result<Self, PortError> {
        std::fs::create_dir_all(folder).map_err(|error| {
            PortError::stop(format!("can't create the state folder {}", folder.display())).because(error)
        })?;
        let mut tries = 0;
        let table = loop {
            match open_database(folder, cache_bytes) {
                Err(error) if error.action() == Action::Retry && tries < LOCK_TRIES => {
                    tries += 1;
                    thread::sleep(LOCK_WAIT);
                }
                opened => break opened?,
            }
        };
        table.check_format(folder)?;
        Ok(table)
    }

    fn check_format(&self, folder: &Path) -> Result<(), PortError> {
        match self.table.get(FORMAT_KEY).map_err(failed)? {
            Some(format) if *format == *FORMAT => Ok(()),
            None if self.table.is_empty().map_err(failed)? => {
                self.table.insert(FORMAT_KEY, FORMAT).map_err(failed)
            }
            _ => Err(PortError::new(
                Action::DeadLetter,
                format!("{} holds no table of this format", folder.display()),
            )),
        }
    }
}

/// fjall panics on some kinds of damage; that too is an answer.
fn open_database(folder: &Path, cache_bytes: u64) -> Result<FjallTable, PortError> {
    let attempt = format!("can't open the table at {}", folder.display());
    let open = || {
        let database = Database::builder(folder)
            .cache_size(cache_bytes)
            .worker_threads(1)
            .max_journaling_size(JOURNAL_BYTES)
            .open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let table = database.keyspace(KEYSPACE, options)?;
        Ok(FjallTable { database, table })
    };
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(table)) => Ok(table),
        Ok(Err(Error::Locked)) => Err(PortError::retry(format!("{attempt}: another owner has it open"))),
        Ok(Err(Error::Io(error))) if !is_damage(&error) => Err(PortError::stop(attempt).because(error)),
        Ok(Err(error)) => Err(PortError::new(Action::DeadLetter, attempt).because(error)),
        Err(_) => Err(PortError::new(Action::DeadLetter, format!("{attempt}: fjall panicked on it"))),
    }
}

fn is_damage(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::Other | ErrorKind::NotFound
    )
}

fn failed(error: Error) -> PortError {
    PortError::stop("the table's storage failed; is the disk full?").because(error)
}

fn entry_key(key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key.len() + 1);
    bytes.push(ENTRY);
    bytes.extend_from_slice(key);
    bytes
}

impl TableStore for FjallTable {
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool, PortError> {
        let value = self.table.get(entry_key(key)).map_err(failed)?;
        out.extend(value.iter().flat_map(|value| value.iter()));
        Ok(value.is_some())
    }

    fn apply<'a>(
        &self,
        entries: &mut dyn Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        next: Offset,
    ) -> Result<(), PortError> {
        let mut batch = self.database.batch();
        for (key, value) in entries {
            if key.len() >= KEY_LENGTH_MAX {
                let said = format!("a key of {} bytes is too long for the table's storage", key.len());
                return Err(PortError::stop(said));
            }
            match value {
                Some(value) => batch.insert(&self.table, entry_key(key), value),
                None => batch.remove(&self.table, entry_key(key)),
            }
        }
        batch.insert(&self.table, OFFSET_KEY, next.0.to_be_bytes());
        batch.commit().map_err(failed)
    }

    fn changelog_offset(&self) -> Result<Option<Offset>, PortError> {
        let Some(bytes) = self.table.get(OFFSET_KEY).map_err(failed)? else { return Ok(None) };
        let bytes = bytes
            .as_ref()
            .try_into()
            .map_err(|_| PortError::stop("the table's changelog offset is damaged"))?;
        Ok(Some(Offset(i64::from_be_bytes(bytes))))
    }

    fn range(&self, range: &KeyRange, each: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), PortError> {
        if range.is_empty() {
            return Ok(());
        }
        let end = range.to().map_or_else(|| vec![ENTRY + 1], entry_key);
        for entry in self.table.range(entry_key(range.from())..end) {
            let (key, value) = entry.into_inner().map_err(failed)?;
            if !each(key.get(1..).unwrap_or_default(), &value) {
                break;
            }
        }
        Ok(())
    }

    fn count(&self) -> Result<u64, PortError> {
        let mut entries = self.table.prefix([ENTRY]);
        entries.try_fold(0, |count, entry| entry.key().map(|_| count + 1).map_err(failed))
    }

    fn clear(&self) -> Result<(), PortError> {
        self.table.clear().map_err(failed)?;
        self.table.insert(FORMAT_KEY, FORMAT).map_err(failed)
    }

    fn flush(&self) -> Result<(), PortError> {
        self.database.persist(PersistMode::SyncAll).map_err(failed)
    }
}
