use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use fjall::{Database, Error, Keyspace, KeyspaceCreateOptions, PersistMode};
use millstream_model::Offset;
use millstream_ports::{Action, KeyRange, PortError, TableStore};

use crate::damage;
use crate::grants::Grant;

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
    folder: PathBuf,
    memory: Grant,
    was_damaged: bool,
}

impl FjallTable {
    /// Opens a database; [`Action::DeadLetter`] says that what is there is damaged or not ours.
    pub(crate) fn open(folder: &Path, memory: Grant) -> Result<Self, PortError> {
        std::fs::create_dir_all(folder).map_err(|error| {
            PortError::stop(format!("can't create the state folder {}", folder.display())).because(error)
        })?;
        let mut tries = 0;
        let (database, table) = loop {
            match open_database(folder, memory.bytes()) {
                Err(error) if error.action() == Action::Retry && tries < LOCK_TRIES => {
                    tries += 1;
                    thread::sleep(LOCK_WAIT);
                }
                opened => break opened?,
            }
        };
        let table = Self { database, table, folder: folder.to_owned(), memory, was_damaged: false };
        table.check_format(folder)?;
        Ok(table)
    }

    /// What was here before was set aside.
    pub(crate) fn after_damage(self) -> Self {
        Self { was_damaged: true, ..self }
    }

    /// Works on the database. fjall finds some damage by a panic; that too is an answer.
    fn guarded<T>(&self, work: impl FnOnce() -> fjall::Result<T>) -> Result<T, PortError> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) if is_damaged(&error) => Err(self.damaged(&error.to_string()).because(error)),
            Ok(Err(error)) => Err(failed(error)),
            Err(_) => Err(self.damaged("fjall panicked on it")),
        }
    }

    fn damaged(&self, reason: &str) -> PortError {
        let action = if damage::mark(&self.folder, reason) { Action::DeadLetter } else { Action::Stop };
        PortError::new(action, format!("the table at {} is damaged", self.folder.display()))
    }

    fn check_format(&self, folder: &Path) -> Result<(), PortError> {
        if let Some(reason) = damage::reason(folder) {
            let said = format!("the table at {} was found damaged before: {reason}", folder.display());
            return Err(PortError::new(Action::DeadLetter, said));
        }
        match self.guarded(|| self.table.get(FORMAT_KEY))? {
            Some(format) if *format == *FORMAT => Ok(()),
            None if self.guarded(|| self.table.is_empty())? => {
                self.guarded(|| self.table.insert(FORMAT_KEY, FORMAT))
            }
            _ => Err(PortError::new(
                Action::DeadLetter,
                format!("{} holds no table of this format", folder.display()),
            )),
        }
    }
}

/// fjall panics on some kinds of damage; that too is an answer.
fn open_database(folder: &Path, bytes: u64) -> Result<(Database, Keyspace), PortError> {
    let attempt = format!("can't open the table at {}", folder.display());
    // A cache, and twice as much for writes: those that gather while the ones before them go to a file.
    let open = || {
        let database = Database::builder(folder)
            .cache_size(bytes / 3)
            .worker_threads(1)
            .max_journaling_size(JOURNAL_BYTES)
            .open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(bytes / 3);
        let table = database.keyspace(KEYSPACE, options)?;
        Ok((database, table))
    };
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(table)) => Ok(table),
        Ok(Err(Error::Locked)) => Err(PortError::retry(format!(
            "{attempt}: another owner has it open; processes that keep standbys need a state folder each"
        ))),
        Ok(Err(error)) if !is_damaged(&error) => Err(PortError::stop(attempt).because(error)),
        Ok(Err(error)) => Err(PortError::new(Action::DeadLetter, attempt).because(error)),
        Err(_) => Err(PortError::new(Action::DeadLetter, format!("{attempt}: fjall panicked on it"))),
    }
}

/// Everything but what the disk itself says, and what follows from that.
fn is_damaged(error: &Error) -> bool {
    match error {
        Error::Io(error) | Error::Storage(fjall::LsmError::Io(error)) => is_damage(error),
        Error::Poisoned | Error::Locked | Error::KeyspaceDeleted => false,
        _ => true,
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
        let value = self.guarded(|| self.table.get(entry_key(key)))?;
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
        self.guarded(|| batch.commit())
    }

    fn changelog_offset(&self) -> Result<Option<Offset>, PortError> {
        let Some(bytes) = self.guarded(|| self.table.get(OFFSET_KEY))? else { return Ok(None) };
        let bytes =
            bytes.as_ref().try_into().map_err(|_| self.damaged("its changelog offset is no number"))?;
        Ok(Some(Offset(i64::from_be_bytes(bytes))))
    }

    fn range(&self, range: &KeyRange, each: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), PortError> {
        if range.is_empty() {
            return Ok(());
        }
        let end = range.to().map_or_else(|| vec![ENTRY + 1], entry_key);
        let mut entries = self.table.range(entry_key(range.from())..end);
        let mut next = || entries.next().map(fjall::Guard::into_inner).transpose();
        while let Some((key, value)) = self.guarded(&mut next)? {
            if !each(key.get(1..).unwrap_or_default(), &value) {
                break;
            }
        }
        Ok(())
    }

    fn count(&self) -> Result<u64, PortError> {
        let mut entries = self.table.prefix([ENTRY]);
        self.guarded(|| entries.try_fold(0, |count, entry| entry.key().map(|_| count + 1)))
    }

    fn clear(&self) -> Result<(), PortError> {
        self.guarded(|| self.table.clear())?;
        self.guarded(|| self.table.insert(FORMAT_KEY, FORMAT))
    }

    fn flush(&self) -> Result<(), PortError> {
        self.guarded(|| self.database.persist(PersistMode::SyncAll))
    }

    fn was_damaged(&self) -> bool {
        self.was_damaged
    }

    fn memory_bytes(&self) -> usize {
        usize::try_from(self.memory.bytes()).unwrap_or(usize::MAX)
    }
}
