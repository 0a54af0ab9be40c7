use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use millstream_model::Offset;
use millstream_ports::{Action, KeyRange, PortError, TableStore};

use crate::block::{Block, Change};
use crate::fault::Fault;
use crate::grants::Grant;
use crate::{blocks, damage};

/// The changelog offset, eight bytes big-endian.
const OFFSET_KEY: &[u8] = b"offset";
/// The format of the database, which [`FORMAT`] must equal.
const FORMAT_KEY: &[u8] = b"format";
const FORMAT: &[u8] = b"millstream-2";
/// Formats before it, which are built anew from their changelogs.
const OLDER_FORMATS: &[&[u8]] = &[b"millstream-1"];

/// What may be written ahead of the disk, in bytes: about as much as sled writes at once.
const AHEAD_BYTES_MAX: usize = 512 << 10;

/// Tries to open a database whose last owner, in this process, is still letting go of its lock.
const LOCK_TRIES: u32 = 20;
const LOCK_WAIT: Duration = Duration::from_millis(25);

/// One partition of a table in a sled database, which has blocks of entries in the place of single ones.
///
/// Batches are atomic also across a kill; the last ones before it may be missing, which the changelog makes up for.
/// Dropping it writes what is buffered and frees the database for another owner.
#[derive(Debug)]
pub struct SledTable {
    database: sled::Db,
    folder: PathBuf,
    memory: Grant,
    was_damaged: bool,
    /// About what sled has to write that it was not waited for.
    ahead: AtomicUsize,
}

impl SledTable {
    /// Opens a database; [`Action::DeadLetter`] says that what is there is damaged or not ours. One of an older format is
    /// removed, and begins anew.
    pub(crate) fn open(folder: &Path, memory: Grant) -> Result<Self, PortError> {
        let table = Self::open_any(folder, memory)?;
        if !table.is_older()? {
            table.check_format()?;
            return Ok(table);
        }
        tracing::info!(folder = %folder.display(), "a table's store is of an older version; it is built anew from its changelog");
        let Self { database, memory, .. } = table;
        drop(database);
        std::fs::remove_dir_all(folder).map_err(|error| {
            PortError::stop(format!("can't remove the older table at {}", folder.display())).because(error)
        })?;
        let table = Self::open_any(folder, memory)?;
        table.check_format()?;
        Ok(table)
    }

    fn open_any(folder: &Path, memory: Grant) -> Result<Self, PortError> {
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
        Ok(Self {
            database,
            folder: folder.to_owned(),
            memory,
            was_damaged: false,
            ahead: AtomicUsize::new(0),
        })
    }

    /// What was here before was set aside.
    pub(crate) fn after_damage(self) -> Self {
        Self { was_damaged: true, ..self }
    }

    /// Waits for sled's writes where many of them are ahead of the disk.
    ///
    /// All databases of a process share eight threads that write. One that makes its file longer waits for one of them to have made
    /// it shorter before, and holds what each write ends with meanwhile: with eight writes of it under way nothing would ever go
    /// on (sled 0.34, `SegmentAccountant::bump_tip`). So there never are as many.
    fn keep_pace(&self, bytes: usize) -> Result<(), PortError> {
        if self.ahead.fetch_add(bytes, Ordering::Relaxed) + bytes < AHEAD_BYTES_MAX {
            return Ok(());
        }
        self.ahead.store(0, Ordering::Relaxed);
        self.flush()
    }

    /// Works on the database. sled finds some damage by a panic; that too is an answer.
    fn guarded<T, F: Into<Fault>>(&self, work: impl FnOnce() -> Result<T, F>) -> Result<T, PortError> {
        match catch_unwind(AssertUnwindSafe(work)).map(|outcome| outcome.map_err(Into::into)) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(Fault::Malformed)) => Err(self.damaged("what should be a block of entries is none")),
            Ok(Err(Fault::Sled(error))) if is_damaged(&error) => {
                Err(self.damaged(&error.to_string()).because(error))
            }
            Ok(Err(Fault::Sled(error))) => Err(failed(error)),
            Err(_) => Err(self.damaged("sled panicked on it")),
        }
    }

    fn damaged(&self, reason: &str) -> PortError {
        let action = if damage::mark(&self.folder, reason) { Action::DeadLetter } else { Action::Stop };
        PortError::new(action, format!("the table at {} is damaged", self.folder.display()))
    }

    fn is_older(&self) -> Result<bool, PortError> {
        let format = self.guarded(|| self.database.get(FORMAT_KEY))?;
        Ok(format.is_some_and(|format| OLDER_FORMATS.contains(&&*format)))
    }

    fn check_format(&self) -> Result<(), PortError> {
        if let Some(reason) = damage::reason(&self.folder) {
            let said = format!("the table at {} was found damaged before: {reason}", self.folder.display());
            return Err(PortError::new(Action::DeadLetter, said));
        }
        match self.guarded(|| self.database.get(FORMAT_KEY))? {
            Some(format) if format == FORMAT => Ok(()),
            None if self.database.is_empty() => {
                self.guarded(|| self.database.insert(FORMAT_KEY, FORMAT)).map(drop)
            }
            _ => Err(PortError::new(
                Action::DeadLetter,
                format!("{} holds no table of this format", self.folder.display()),
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

/// Whether each key comes once, and in order.
fn is_in_order(changes: &[Change<'_>]) -> bool {
    changes.is_sorted_by(|(key, _), (next, _)| key < next)
}

/// Puts changes in order, the last one of each key.
fn put_in_order(changes: &mut Vec<Change<'_>>) {
    changes.reverse();
    changes.sort_by_key(|(key, _)| *key);
    changes.dedup_by_key(|(key, _)| *key);
}

impl TableStore for SledTable {
    fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<bool, PortError> {
        self.guarded(|| {
            let Some((_, block)) = blocks::of(&self.database, key)? else { return Ok::<_, Fault>(false) };
            let value = Block::new(&block).get(key)?;
            out.extend_from_slice(value.unwrap_or_default());
            Ok(value.is_some())
        })
    }

    fn apply<'a>(
        &self,
        entries: &mut dyn Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        next: Offset,
    ) -> Result<(), PortError> {
        let mut changes: Vec<_> = entries.collect();
        if !is_in_order(&changes) {
            put_in_order(&mut changes);
        }
        let mut batch = sled::Batch::default();
        batch.insert(OFFSET_KEY, &next.0.to_be_bytes());
        let bytes = self.guarded(|| blocks::change(&self.database, changes.into_iter(), &mut batch))?;
        self.guarded(|| self.database.apply_batch(batch))?;
        self.keep_pace(bytes)
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
        let mut blocks = self.guarded(|| blocks::from(&self.database, range.from()))?;
        while let Some((_, block)) = self.guarded(|| blocks.next().transpose())? {
            for entry in Block::new(&block) {
                let (key, value) = self.guarded(|| entry)?;
                let is_over = !range.is_before_end(key);
                if is_over || (range.contains(key) && !each(key, value)) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn count(&self) -> Result<u64, PortError> {
        self.guarded(|| blocks::count(&self.database))
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

#[cfg(test)]
mod tests;
