use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use millstream_model::Offset;
use millstream_ports::{Action, KeyRange, PortError, TableStore};

use crate::damage;
use crate::grants::Grant;

/// Entries' keys begin with this byte, so that no key of a user meets one of ours.
const ENTRY: u8 = b'e';
/// The changelog offset, eight bytes big-endian.
const OFFSET_KEY: &[u8] = b"offset";
/// The format of the database, which [`FORMAT`] must equal.
const FORMAT_KEY: &[u8] = b"format";
const FORMAT: &[u8] = b"millstream-1";

/// Tries to open a database whose last owner, in this process, is still letting go of its lock.
const LOCK_TRIES: u32 = 20;
const LOCK_WAIT: Duration = Duration::from_millis(25);

/// One partition of a table in a sled database.
///
/// Batches are atomic also across a kill; the last ones before it may be missing, which the changelog makes up for.
/// Dropping it writes what is buffered and frees the database for another owner.
#[derive(Debug)]
pub struct SledTable {
    database: sled::Db,
    folder: PathBuf,
    memory: Grant,
    was_damaged: bool,
}

impl SledTable {
    /// Opens a database; [`Action::DeadLetter`] says that what is there is damaged or not ours.
    pub(crate) fn open(folder: &Path, memory: Grant) -> Result<Self, PortError> {
        // sled makes the folder itself, but not always those above it.
        std::fs::create_dir_all(folder).map_err(|error| {
            PortError::stop(format!("can't create the state folder {}", folder.display())).because(error)
        })?;
        let config =
            sled::Config::new().path(folder).cache_capacity(memory.bytes()).flush_every_ms(Some(500));
        let mut tries = 0;
        let database = loop {
            match open_database(&config, folder) {
                Err(error) if error.action() == Action::Retry && tries < LOCK_TRIES => {
                    tries += 1;
                    thread::sleep(LOCK_WAIT);
                }
                opened => break opened?,
            }
        };
        let table = Self { database, folder: folder.to_owned(), memory, was_damaged: false };
        table.check_format(folder)?;
        Ok(table)
    }

    /// What was here before was set aside.
    pub(crate) fn after_damage(self) -> Self {
        Self { was_damaged: true, ..self }
    }

    /// Works on the database. sled finds some damage by a panic; that too is an answer.
    fn guarded<T>(&self, work: impl FnOnce() -> sled::Result<T>) -> Result<T, PortError> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) if is_damaged(&error) => Err(self.damaged(&error.to_string()).because(error)),
            Ok(Err(error)) => Err(failed(error)),
            Err(_) => Err(self.damaged("sled panicked on it")),
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
        match self.guarded(|| self.database.get(FORMAT_KEY))? {
            Some(format) if format == FORMAT => Ok(()),
            None if self.database.is_empty() => {
                self.guarded(|| self.database.insert(FORMAT_KEY, FORMAT)).map(drop)
            }
            _ => Err(PortError::new(
                Action::DeadLetter,
                format!("{} holds no table of this format", folder.display()),
            )),
        }
    }
}

/// sled panics on some kinds of damage; that too is an answer.
fn open_database(config: &sled::Config, folder: &Path) -> Result<sled::Db, PortError> {
    let attempt = format!("can't open the table at {}", folder.display());
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(sled::Error::Io(error))) if is_lock(&error) => Err(PortError::retry(format!(
            "{attempt}: another owner has it open; processes that keep standbys need a state folder each"
        ))
        .because(error)),
        Ok(Err(sled::Error::Io(error))) if !is_damage(&error) => Err(PortError::stop(attempt).because(error)),
        Ok(Err(error)) => Err(PortError::new(Action::DeadLetter, attempt).because(error)),
        Err(_) => Err(PortError::new(Action::DeadLetter, format!("{attempt}: sled panicked on it"))),
    }
}

fn is_lock(error: &std::io::Error) -> bool {
    let said = error.to_string();
    error.kind() == std::io::ErrorKind::WouldBlock
        || said.contains("could not acquire lock")
        || said.contains("WouldBlock")
}

fn is_damaged(error: &sled::Error) -> bool {
    match error {
        sled::Error::Corruption { .. } | sled::Error::ReportableBug(_) => true,
        sled::Error::Io(error) => is_damage(error),
        _ => false,
    }
}

fn is_damage(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::Other | ErrorKind::NotFound
    )
}

fn failed(error: sled::Error) -> PortError {
    PortError::stop("the table's storage failed; is the disk full?").because(error)
}

fn entry_key(key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key.len() + 1);
    bytes.push(ENTRY);
    bytes.extend_from_slice(key);
    bytes
}

impl TableStore for SledTable {
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool, PortError> {
        let value = self.guarded(|| self.database.get(entry_key(key)))?;
        out.extend(value.iter().flat_map(|value| value.iter()));
        Ok(value.is_some())
    }

    fn apply<'a>(
        &self,
        entries: &mut dyn Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        next: Offset,
    ) -> Result<(), PortError> {
        let mut batch = sled::Batch::default();
        for (key, value) in entries {
            match value {
                Some(value) => batch.insert(entry_key(key), value),
                None => batch.remove(entry_key(key)),
            }
        }
        batch.insert(OFFSET_KEY, &next.0.to_be_bytes());
        self.guarded(|| self.database.apply_batch(batch))
    }

    fn changelog_offset(&self) -> Result<Option<Offset>, PortError> {
        let Some(bytes) = self.guarded(|| self.database.get(OFFSET_KEY))? else { return Ok(None) };
        let bytes =
            bytes.as_ref().try_into().map_err(|_| self.damaged("its changelog offset is no number"))?;
        Ok(Some(Offset(i64::from_be_bytes(bytes))))
    }

    fn range(&self, range: &KeyRange, each: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), PortError> {
        if range.is_empty() {
            return Ok(());
        }
        let end = range.to().map_or_else(|| vec![ENTRY + 1], entry_key);
        let mut entries = self.database.range(entry_key(range.from())..end);
        while let Some((key, value)) = self.guarded(|| entries.next().transpose())? {
            if !each(key.get(1..).unwrap_or_default(), &value) {
                break;
            }
        }
        Ok(())
    }

    fn count(&self) -> Result<u64, PortError> {
        let mut keys = self.database.scan_prefix([ENTRY]).keys();
        self.guarded(|| keys.try_fold(0, |count, key| key.map(|_| count + 1)))
    }

    fn clear(&self) -> Result<(), PortError> {
        self.guarded(|| self.database.clear())?;
        self.guarded(|| self.database.insert(FORMAT_KEY, FORMAT)).map(drop)
    }

    fn flush(&self) -> Result<(), PortError> {
        self.guarded(|| self.database.flush()).map(drop)
    }

    fn was_damaged(&self) -> bool {
        self.was_damaged
    }

    fn memory_bytes(&self) -> usize {
        usize::try_from(self.memory.bytes()).unwrap_or(usize::MAX)
    }
}
