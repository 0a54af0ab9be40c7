//! What the coordinators must not forget, in one file of facts in their order.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tracing::warn;

/// Bytes after which the file is written anew, with only what still matters.
const ANEW_AT: u64 = 4 << 20;

/// Something that was decided.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) enum Fact {
    /// A group has committed an offset.
    Committed { group: String, topic: String, partition: i32, offset: i64, epoch: i32, metadata: String },
    /// A transaction would commit an offset.
    Staged {
        group: String,
        producer: i64,
        topic: String,
        partition: i32,
        offset: i64,
        epoch: i32,
        metadata: String,
    },
    /// What a producer staged came to be committed, or not.
    Settled { group: String, producer: i64, commit: bool },
    /// A committed offset was removed.
    Forgotten { group: String, topic: String, partition: i32 },
    /// A group's members and their parts, whenever they are settled.
    Members {
        group: String,
        generation: i32,
        protocol_type: String,
        protocol: String,
        leader: String,
        members: Vec<MemberFact>,
    },
    /// Where a transaction stands.
    Transaction(TransactionFact),
    /// No producer id from this on has been given.
    NextProducer(i64),
}

/// A member that knows its part.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct MemberFact {
    pub(crate) id: String,
    pub(crate) instance: Option<String>,
    /// The client's name and where it calls from.
    pub(crate) client: (String, String),
    /// The times of its session and of a rebalance, in milliseconds.
    pub(crate) patience: (u64, u64),
    pub(crate) protocols: Vec<(String, Vec<u8>)>,
    pub(crate) assignment: Vec<u8>,
}

/// All that is known of a transactional id.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct TransactionFact {
    pub(crate) id: String,
    pub(crate) grant: (i64, i16),
    pub(crate) last: Option<(i64, i16)>,
    pub(crate) timeout_ms: i32,
    /// The phase's name, as administrators read it.
    pub(crate) phase: String,
    pub(crate) partitions: Vec<(String, i32)>,
    pub(crate) groups: Vec<String>,
    pub(crate) begun: u64,
}

/// A file of facts, each group of them under a checksum.
///
/// **Invariant:** facts that were written together are found together or not at all.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    size: u64,
    size_anew: u64,
    flush: bool,
}

impl Journal {
    /// Opens it; answers what it holds. What was written in part is cut.
    pub(crate) fn open(path: &Path, flush: bool) -> io::Result<(Self, Vec<Fact>)> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let bytes = fs::read(path)?;
        let (mut facts, mut rest) = (Vec::new(), &bytes[..]);
        while let Some((group, after)) = next(rest) {
            facts.extend(group);
            rest = after;
        }
        let size = (bytes.len() - rest.len()) as u64;
        if !rest.is_empty() {
            warn!(journal = %path.display(), bytes = rest.len(), "cut what was written in part");
            file.set_len(size)?;
        }
        Ok((Self { path: path.to_path_buf(), file, size, size_anew: 0, flush }, facts))
    }

    /// Writes facts.
    pub(crate) fn write(&mut self, facts: &[Fact]) -> io::Result<()> {
        if facts.is_empty() {
            return Ok(());
        }
        let bytes = frame(facts)?;
        self.file.write_all_at(&bytes, self.size)?;
        self.size += bytes.len() as u64;
        if self.flush { self.file.sync_data() } else { Ok(()) }
    }

    /// Whether much of it no longer matters.
    pub(crate) fn is_long(&self) -> bool {
        self.size > ANEW_AT && self.size > 2 * self.size_anew
    }

    /// Writes it anew, with these facts only.
    pub(crate) fn write_anew(&mut self, facts: &[Fact]) -> io::Result<()> {
        let beside = self.path.with_extension("part");
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&beside)?;
        let mut size = 0;
        for some in facts.chunks(1_000) {
            let bytes = frame(some)?;
            file.write_all(&bytes)?;
            size += bytes.len() as u64;
        }
        file.sync_data()?;
        fs::rename(&beside, &self.path)?;
        (self.file, self.size, self.size_anew) = (file, size, size);
        Ok(())
    }
}

fn frame(facts: &[Fact]) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(facts)?;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    Ok([&length.to_be_bytes()[..], &crc32c::crc32c(&body).to_be_bytes(), &body].concat())
}

fn next(bytes: &[u8]) -> Option<(Vec<Fact>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let (body, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    if crc32c::crc32c(body) != u32::from_be_bytes(*checksum) {
        return None;
    }
    Some((serde_json::from_slice(body).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(number: i64) -> Fact {
        Fact::NextProducer(number)
    }

    #[test]
    fn facts_are_found_again_and_a_torn_end_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let (mut journal, found) = Journal::open(&path, false).unwrap();
        assert_eq!(found, []);
        journal.write(&[fact(1), fact(2)]).unwrap();
        journal.write(&[fact(3)]).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let (mut journal, found) = Journal::open(&path, false).unwrap();
            let expected = [fact(1), fact(2), fact(3)];
            let count = if length == whole.len() {
                3
            } else if length > frame(&[fact(3)]).unwrap().len() && found.len() == 2 {
                2
            } else {
                0
            };
            assert_eq!(found, expected[..count], "{length} bytes");
            journal.write(&[fact(9)]).unwrap();
            assert_eq!(Journal::open(&path, false).unwrap().1.last(), Some(&fact(9)));
        }
    }

    #[test]
    fn written_anew_it_holds_what_it_is_given() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let (mut journal, _) = Journal::open(&path, true).unwrap();
        journal.write(&[fact(1)]).unwrap();
        let many: Vec<_> = (0..2_500).map(fact).collect();
        journal.write_anew(&many).unwrap();
        journal.write(&[fact(-1)]).unwrap();
        let found = Journal::open(&path, true).unwrap().1;
        assert_eq!((found.len(), found.last()), (2_501, Some(&fact(-1))));
    }
}
