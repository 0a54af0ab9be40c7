//! One file of batches, with a sparse index by offset and time.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch::{HEAD, Head};

/// Bytes between two entries of an index.
const INDEX_EVERY: u64 = 4_096;

/// Bytes that are read at once while heads are walked over.
const WALK: usize = 8_192;

/// Marks an index file, and its version.
const INDEX_MAGIC: u64 = 0x6d73_6964_7800_0001;

/// Where a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    offset: i64,
    position: u64,
    /// The greatest time of all batches before this.
    max_timestamp_before: i64,
}

/// A file whose name is the first offset that it may hold.
///
/// **Invariant:** the file's first `size` bytes are whole batches whose offsets rise.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) base: i64,
    pub(crate) size: u64,
    pub(crate) max_timestamp: i64,
    /// The offset of the record with the greatest time; of its batch's last, where nothing finer is known.
    pub(crate) max_timestamp_offset: i64,
    /// When the first batch came, by its own time; `None` while there is none.
    pub(crate) first_timestamp: Option<i64>,
    path: PathBuf,
    file: Arc<File>,
    index: Vec<Entry>,
    indexed_to: u64,
}

/// A stretch of a segment's file, readable also after the segment is removed.
#[derive(Clone, Debug)]
pub(crate) struct Stretch {
    file: Arc<File>,
    from: u64,
    to: u64,
}

impl Stretch {
    pub(crate) fn is_empty(&self) -> bool {
        self.from >= self.to
    }

    /// All of its bytes.
    pub(crate) fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.size()];
        self.file.read_exact_at(&mut bytes, self.from)?;
        Ok(bytes)
    }

    /// Sends its bytes, by the system's own means where it has some.
    #[cfg(target_os = "linux")]
    pub(crate) fn send(&self, stream: &mut TcpStream) -> io::Result<()> {
        let mut at = self.from;
        while at < self.to {
            let left = usize::try_from(self.to - at).unwrap_or(usize::MAX);
            match rustix::fs::sendfile(&*stream, &*self.file, Some(&mut at), left) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Sends its bytes.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn send(&self, stream: &mut TcpStream) -> io::Result<()> {
        use std::io::Write;
        let (mut at, mut bytes) = (self.from, vec![0; 256 << 10]);
        while at < self.to {
            let left = usize::try_from(self.to - at).unwrap_or(usize::MAX).min(bytes.len());
            let part = bytes.get_mut(..left).unwrap_or_default();
            self.file.read_exact_at(part, at)?;
            stream.write_all(part)?;
            at += left as u64;
        }
        Ok(())
    }

    /// How many bytes there are.
    pub(crate) fn size(&self) -> usize {
        usize::try_from(self.to.saturating_sub(self.from)).unwrap_or(usize::MAX)
    }

    /// The same without its first bytes.
    pub(crate) fn after(&self, bytes: u64) -> Self {
        Self { from: self.from + bytes, ..self.clone() }
    }

    /// The bytes of whole batches, at most `max` of them, but the first batch in any case where `first_anyway`.
    pub(crate) fn read(&self, max: usize, first_anyway: bool) -> io::Result<Vec<u8>> {
        let all = self.size();
        let mut bytes = vec![0; all.min(max.max(if first_anyway { HEAD } else { 0 }))];
        self.file.read_exact_at(&mut bytes, self.from)?;
        let mut whole = 0;
        while let Some(Ok(head)) = bytes.get(whole..).map(Head::read) {
            if whole + head.size > bytes.len() {
                if whole == 0 && first_anyway {
                    bytes.resize(head.size.min(all), 0);
                    self.file.read_exact_at(&mut bytes, self.from)?;
                    return Ok(bytes);
                }
                break;
            }
            whole += head.size;
        }
        bytes.truncate(whole);
        Ok(bytes)
    }
}

impl Segment {
    pub(crate) fn path_of(dir: &Path, base: i64) -> PathBuf {
        dir.join(format!("{base:020}.log"))
    }

    fn index_path(&self) -> PathBuf {
        self.path.with_extension("index")
    }

    /// A new and empty one.
    pub(crate) fn create(dir: &Path, base: i64) -> io::Result<Self> {
        let path = Self::path_of(dir, base);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        Ok(Self::empty(base, path, file))
    }

    fn empty(base: i64, path: PathBuf, file: File) -> Self {
        Self {
            base,
            size: 0,
            max_timestamp: -1,
            max_timestamp_offset: base,
            first_timestamp: None,
            path,
            file: Arc::new(file),
            index: Vec::new(),
            indexed_to: 0,
        }
    }

    /// Opens one as it was left. What its index file covers is trusted; the rest is proven batch by batch, and where proof
    /// fails the file is cut. Answers how many bytes were cut.
    pub(crate) fn open(dir: &Path, base: i64) -> io::Result<(Self, u64)> {
        let path = Self::path_of(dir, base);
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let length = file.metadata()?.len();
        let mut segment = Self::empty(base, path, file);
        segment.load_index(length);
        let trusted = segment.size;
        if trusted < length {
            segment.prove(length)?;
        }
        let cut = length - segment.size;
        if cut > 0 {
            segment.file.set_len(segment.size)?;
        }
        Ok((segment, cut))
    }

    fn prove(&mut self, length: u64) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut next = self.base.max(self.index.last().map_or(i64::MIN, |entry| entry.offset));
        while self.size < length {
            let mut head = [0; HEAD];
            if self.size + HEAD as u64 > length {
                break;
            }
            self.file.read_exact_at(&mut head, self.size)?;
            let Ok(head) = Head::read(&head) else { break };
            if self.size + head.size as u64 > length || head.base_offset < next {
                break;
            }
            bytes.resize(head.size, 0);
            self.file.read_exact_at(&mut bytes, self.size)?;
            if Head::read_proven(&bytes).is_err() {
                break;
            }
            self.note(&head);
            next = head.last_offset() + 1;
        }
        Ok(())
    }

    /// Appends a batch that has its offset.
    pub(crate) fn append(&mut self, head: &Head, batch: &[u8]) -> io::Result<()> {
        self.file.write_all_at(batch, self.size)?;
        self.note(head);
        Ok(())
    }

    fn note(&mut self, head: &Head) {
        if self.index.is_empty() || self.size >= self.indexed_to + INDEX_EVERY {
            let (offset, position) = (head.base_offset, self.size);
            self.index.push(Entry { offset, position, max_timestamp_before: self.max_timestamp });
            self.indexed_to = self.size;
        }
        if head.max_timestamp > self.max_timestamp {
            self.max_timestamp = head.max_timestamp;
            self.max_timestamp_offset = head.last_offset();
        }
        self.first_timestamp.get_or_insert(head.max_timestamp);
        self.size += head.size as u64;
    }

    /// Waits until what was written is on the disk.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// The first batch that ends at `offset` or later: its head and place.
    pub(crate) fn find(&self, offset: i64) -> io::Result<Option<(Head, u64)>> {
        let after = self.index.partition_point(|entry| entry.offset <= offset);
        let from = after.checked_sub(1).and_then(|at| self.index.get(at)).map_or(0, |entry| entry.position);
        self.walk(from, |head| head.last_offset() >= offset)
    }

    /// The first batch that has a record of this time or later.
    pub(crate) fn find_time(&self, timestamp: i64) -> io::Result<Option<(Head, u64)>> {
        if self.max_timestamp < timestamp {
            return Ok(None);
        }
        let after = self.index.partition_point(|entry| entry.max_timestamp_before < timestamp);
        let from = after.checked_sub(1).and_then(|at| self.index.get(at)).map_or(0, |entry| entry.position);
        self.walk(from, |head| head.max_timestamp >= timestamp)
    }

    /// The offset after the last batch.
    pub(crate) fn end(&self) -> io::Result<i64> {
        let from = self.index.last().map_or(0, |entry| entry.position);
        let mut end = self.base;
        self.walk(from, |head| {
            end = head.last_offset() + 1;
            false
        })?;
        Ok(end)
    }

    /// Walks over heads until one will do; answers it and its place.
    pub(crate) fn walk(
        &self,
        from: u64,
        mut will_do: impl FnMut(&Head) -> bool,
    ) -> io::Result<Option<(Head, u64)>> {
        let (mut chunk, mut chunk_at, mut position) = (Vec::new(), from, from);
        while position < self.size {
            let inside = usize::try_from(position - chunk_at).unwrap_or(usize::MAX);
            let Some(Ok(head)) = chunk.get(inside..).filter(|rest| rest.len() >= HEAD).map(Head::read) else {
                let length = usize::try_from(self.size - position).unwrap_or(usize::MAX).min(WALK);
                if length < HEAD || (position == chunk_at && !chunk.is_empty()) {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "a segment does not hold whole batches",
                    ));
                }
                chunk.resize(length, 0);
                self.file.read_exact_at(&mut chunk, position)?;
                chunk_at = position;
                continue;
            };
            if will_do(&head) {
                return Ok(Some((head, position)));
            }
            position += head.size as u64;
        }
        Ok(None)
    }

    /// The batches from a place to the first that begins at `limit` or later, or all; as many as make `max` bytes, but the
    /// first of them in any case where `first_anyway`.
    pub(crate) fn stretch(
        &self,
        head: &Head,
        from: u64,
        limit: Option<i64>,
        max: u64,
        first_anyway: bool,
    ) -> io::Result<Stretch> {
        let found = limit.map(|limit| self.find(limit)).transpose()?.flatten();
        let mut to = found.map_or(self.size, |(_, position)| position);
        if to - from > max {
            let first = from + head.size as u64;
            to = if first - from <= max {
                self.last_end(from, from + max)?
            } else if first_anyway {
                first
            } else {
                from
            };
        }
        Ok(Stretch { file: Arc::clone(&self.file), from, to })
    }

    /// The greatest end of a batch that is not beyond a place, looked for from the beginning of one.
    fn last_end(&self, from: u64, beyond: u64) -> io::Result<u64> {
        let after = self.index.partition_point(|entry| entry.position <= beyond);
        let entry = after.checked_sub(1).and_then(|at| self.index.get(at));
        let mut end = entry.map_or(from, |entry| entry.position.max(from));
        self.walk(end, |head| {
            let next = end + head.size as u64;
            let is_beyond = next > beyond;
            end = if is_beyond { end } else { next };
            is_beyond
        })?;
        Ok(end)
    }

    /// All batches.
    pub(crate) fn whole(&self) -> Stretch {
        Stretch { file: Arc::clone(&self.file), from: 0, to: self.size }
    }

    /// Bytes of the batch at a place.
    pub(crate) fn batch(&self, position: u64, size: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; size];
        self.file.read_exact_at(&mut bytes, position)?;
        Ok(bytes)
    }

    /// Removes its files; who reads from them still can.
    pub(crate) fn remove(&self) -> io::Result<()> {
        let _ = fs::remove_file(self.index_path());
        fs::remove_file(&self.path)
    }

    /// Takes the place of another of the same base offset.
    pub(crate) fn take_place(&mut self, path: PathBuf) -> io::Result<()> {
        let _ = fs::remove_file(path.with_extension("index"));
        fs::rename(&self.path, &path)?;
        self.path = path;
        self.save_index()
    }

    /// Writes the index beside the file, so that it need not be proven at the next start.
    pub(crate) fn save_index(&self) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(64 + self.index.len() * 24);
        let first = self.first_timestamp.unwrap_or(i64::MIN);
        bytes.extend(INDEX_MAGIC.to_be_bytes());
        bytes.extend(self.size.to_be_bytes());
        for number in [self.max_timestamp, self.max_timestamp_offset, first] {
            bytes.extend(number.to_be_bytes());
        }
        for entry in &self.index {
            bytes.extend(entry.offset.to_be_bytes());
            bytes.extend(entry.position.to_be_bytes());
            bytes.extend(entry.max_timestamp_before.to_be_bytes());
        }
        bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
        super::log::write_hint(&self.index_path(), &bytes)
    }

    /// Takes over what an index file says, where it is one and the file is at least as long as it says.
    fn load_index(&mut self, length: u64) {
        let Ok(bytes) = fs::read(self.index_path()) else { return };
        let Some((body, checksum)) = bytes.split_last_chunk::<4>() else { return };
        if crc32c::crc32c(body) != u32::from_be_bytes(*checksum) {
            return;
        }
        let (numbers, _) = body.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|number| i64::from_be_bytes(*number));
        let mut next = || numbers.next();
        let head = (next(), next(), next(), next(), next());
        let (Some(magic), Some(size), Some(max), Some(max_offset), Some(first)) = head else { return };
        let size = size.cast_unsigned();
        if magic.cast_unsigned() != INDEX_MAGIC || size > length {
            return;
        }
        while let (Some(offset), Some(position), Some(max_timestamp_before)) = (next(), next(), next()) {
            self.index.push(Entry { offset, position: position.cast_unsigned(), max_timestamp_before });
        }
        (self.size, self.max_timestamp, self.max_timestamp_offset) = (size, max, max_offset);
        self.first_timestamp = (first != i64::MIN).then_some(first);
        self.indexed_to = self.index.last().map_or(0, |entry| entry.position);
    }
}
