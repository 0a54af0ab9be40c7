//! What damage on the disk does: it is found or it is harmless, and never believed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use millstream_fjall_table::{FjallTable, FjallTables};
use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{Action, KeyRange, PortError, TableId, TableStore};

const KEYS: u32 = 2_000;
const BATCHES: i64 = 8;
const VALUE_BYTES: usize = 800;
const ROUNDS: u64 = 60;

fn open(folder: &Path) -> FjallTable {
    let table = TopicName::new("g-table").unwrap();
    let id = TableId { owner: "g".into(), table, partition: Partition::new(0) };
    FjallTables::at(folder).open(&id).unwrap()
}

fn value(batch: i64) -> Vec<u8> {
    vec![u8::try_from(batch).unwrap(); VALUE_BYTES]
}

/// Each batch writes its number to every key.
fn fill(folder: &Path) {
    let table = open(folder);
    for batch in 1..=BATCHES {
        let (value, keys) = (value(batch), (0..KEYS).map(u32::to_be_bytes).collect::<Vec<_>>());
        table.apply(&mut keys.iter().map(|key| (&key[..], Some(&value[..]))), Offset(batch)).unwrap();
    }
    table.flush().unwrap();
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> =
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    all.sort();
    all
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
}

/// A figure below `below` that follows from a seed.
fn chance(seed: &mut u64, below: usize) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    usize::try_from(*seed % below as u64).unwrap()
}

/// Flips a bit, cuts a file off, or makes a stretch of it zeros.
fn damage(folder: &Path, seed: &mut u64) -> String {
    let all: Vec<_> =
        files(folder).into_iter().filter(|file| fs::metadata(file).unwrap().len() > 0).collect();
    let file = &all[chance(seed, all.len())];
    let mut bytes = fs::read(file).unwrap();
    let (kind, at) = (chance(seed, 3), chance(seed, bytes.len()));
    match kind {
        0 => bytes[at] ^= 1 << chance(seed, 8),
        1 => bytes.truncate(at),
        _ => bytes.iter_mut().skip(at).take(600).for_each(|byte| *byte = 0),
    }
    fs::write(file, bytes).unwrap();
    format!("{} at {at}, kind {kind}", file.display())
}

/// Reads all there is, by range and by key: the keys with another value than the offset says, and how many there are.
fn read(table: &FjallTable) -> Result<(Option<Offset>, u32, u32), PortError> {
    let offset = table.changelog_offset()?;
    let expected = value(offset.map_or(0, |offset| offset.0));
    let (mut seen, mut wrong, mut out) = (0, 0, Vec::new());
    table.range(&KeyRange::all(), &mut |_, value| {
        seen += 1;
        wrong += u32::from(value != expected);
        true
    })?;
    for key in 0..KEYS {
        out.clear();
        wrong += u32::from(table.get(&key.to_be_bytes(), &mut out)? && out != expected);
    }
    Ok((offset, seen, wrong))
}

/// Opens and reads a table that was damaged; answers what became of that.
fn examine(folder: &Path, done: &str) -> &'static str {
    let table = open(folder);
    let error = match read(&table) {
        Ok((None, 0, _)) if table.was_damaged() => return "found at the opening",
        Ok((None, 0, _)) => return "as if new",
        Ok((Some(_), KEYS, 0)) => return "harmless, or some batches lost",
        Ok(read) => panic!("{done}: believed {read:?}"),
        Err(error) => error,
    };
    assert_eq!(error.action(), Action::DeadLetter, "{done}: {error}");
    drop(table);
    let table = open(folder);
    assert_eq!((read(&table).unwrap(), table.was_damaged()), ((None, 0, 0), true), "{done}");
    "found by a reader"
}

#[test]
fn damage_is_found_or_harmless_and_a_damaged_table_begins_anew() {
    let original = tempfile::tempdir().unwrap();
    fill(original.path());
    // A second life: what is only read again at an opening has files of its own.
    drop(open(original.path()));
    let mut tally = BTreeMap::<&str, u32>::new();
    for round in 1..=ROUNDS {
        let (folder, mut seed) = (tempfile::tempdir().unwrap(), round * 0x9e37_79b9);
        copy(original.path(), folder.path());
        let done = damage(folder.path(), &mut seed);
        let outcome = examine(folder.path(), &done);
        *tally.entry(outcome).or_default() += 1;
        // Whatever was found, the table can be written from here on.
        let table = open(folder.path());
        table.apply(&mut [(&b"k"[..], Some(&b"v"[..]))].into_iter(), Offset(99)).unwrap();
        assert_eq!(table.changelog_offset().unwrap(), Some(Offset(99)), "{done}");
    }
    assert!(tally.contains_key("found at the opening"), "{tally:?}");
}

fn write_few(table: &FjallTable, batch: i64) {
    let value = [u8::try_from(batch).unwrap(); 300];
    let entries = [(&b"long"[..], Some(&value[..])), (&b"short"[..], Some(&value[..9]))];
    table.apply(&mut entries.into_iter(), Offset(batch)).unwrap();
    table.flush().unwrap();
}

fn journal(folder: &Path) -> PathBuf {
    files(folder).into_iter().find(|file| file.extension().is_some_and(|kind| kind == "jnl")).unwrap()
}

/// What a journal holds, without the zeros that it will be filled into.
fn written(folder: &Path) -> Vec<u8> {
    let mut bytes = fs::read(journal(folder)).unwrap();
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
    bytes
}

/// A write that a full disk or a cut power supply ends after any byte is not there, and is no damage: what was
/// written before it stays.
#[test]
fn a_write_torn_at_any_byte_is_as_if_it_never_was() {
    let original = tempfile::tempdir().unwrap();
    let table = open(original.path());
    write_few(&table, 1);
    let before = written(original.path());
    write_few(&table, 2);
    let after = written(original.path());
    for torn_at in before.len()..after.len() {
        let folder = tempfile::tempdir().unwrap();
        copy(original.path(), folder.path());
        let torn = journal(folder.path());
        fs::write(&torn, &after[..torn_at]).unwrap();
        fs::File::options().write(true).open(&torn).unwrap().set_len(1 << 20).unwrap();
        let table = open(folder.path());
        assert!(!table.was_damaged(), "torn at {torn_at} of {}..{}", before.len(), after.len());
        assert_eq!(table.changelog_offset().unwrap(), Some(Offset(1)), "torn at {torn_at}");
        assert_eq!(table.count().unwrap(), 2, "torn at {torn_at}");
    }
}

/// A disk of a few megabytes, where the system lets us have one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder.path())
            .output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }

    fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        let status = std::process::Command::new("mount").args(["-o", &options]).arg(self.0.path()).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_said_and_loses_nothing_that_was_there() {
    let Some(disk) = SmallDisk::mount("100m") else {
        eprintln!("no disk of a few megabytes can be had here; a full disk is not tried");
        return;
    };
    let mut last = 0;
    let error = {
        let table = open(disk.0.path());
        loop {
            let (value, keys) =
                (vec![7; 1_000], (0..200_u32).map(|key| u32::try_from(last).unwrap() * 200 + key));
            let keys: Vec<_> = keys.map(u32::to_be_bytes).collect();
            let entries = &mut keys.iter().map(|key| (&key[..], Some(&value[..])));
            if let Err(error) = table.apply(entries, Offset(last + 1)).and_then(|()| table.flush()) {
                break error;
            }
            last += 1;
            assert!(last < 2_000, "the disk is never full");
        }
    };
    assert_eq!(error.action(), Action::Stop, "{error}");
    assert!(error.to_string().contains("disk full"), "{error}");
    disk.resize("300m");
    let table = open(disk.0.path());
    assert!(!table.was_damaged(), "a full disk is no damage");
    let offset = table.changelog_offset().unwrap().map_or(0, |offset| offset.0);
    assert!(offset >= last, "{last} batches were flushed, and {offset} are there");
    assert_eq!(table.count().unwrap(), u64::try_from(offset).unwrap() * 200);
    table.apply(&mut [(&b"k"[..], Some(&b"v"[..]))].into_iter(), Offset(5_000)).unwrap();
    table.flush().unwrap();
}
