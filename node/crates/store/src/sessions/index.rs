//! A session's index: the append-only record of what was acknowledged.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use lucid_core::{Hash, SessionId, chunk::ChunkSummary, manifest::Totals, merkle::CompactRange};

use crate::{
    disk::{Disk, open_file},
    error::{Doing, StoreError, damaged},
};

const MAGIC: [u8; 4] = *b"LUCI";
const VERSION: u8 = 1;
pub(super) const HEADER_BYTES: usize = 32;
const SUMMARY_BYTES: usize = ChunkSummary::BYTES;
const RECORD_BYTES: usize = SUMMARY_BYTES + 4;

/// Records that one write and one fdatasync bring to the disk: a power cut can tear at most these.
pub const BATCH_RECORDS_MAX: usize = 64;

/// The file `sessions/<session>/index`, open for appending. All integers are big-endian.
///
/// | offset | bytes | header field |
/// | --- | --- | --- |
/// | 0 | 4 | magic `LUCI` |
/// | 4 | 1 | version, 1 |
/// | 5 | 3 | zero |
/// | 8 | 16 | session id: an index in another session's folder is noticed even when it is empty |
/// | 24 | 4 | zero |
/// | 28 | 4 | CRC-32C of the 28 bytes before |
///
/// Then one record of 140 bytes for each acknowledged chunk, in order:
///
/// | offset | bytes | record field |
/// | --- | --- | --- |
/// | 0 | 48 | the chunk file's header, which says session and place |
/// | 48 | 24 | salt |
/// | 72 | 32 | commitment |
/// | 104 | 32 | chunk root |
/// | 136 | 4 | CRC-32C of the 136 bytes before |
///
/// The first 136 bytes are what the session tree's leaf hashes, so that the tree can be built from
/// this file alone. Fixed lengths, so that the record of a chunk is found without reading others.
///
/// The header is durable before the file has its name, so it is never torn. A torn end is whatever
/// follows the last record that is whole and in its place.
pub struct SessionIndex {
    path: PathBuf,
    disk: Disk,
    file: File,
    /// Length up to which the file is durable.
    bytes: u64,
    totals: Totals,
    tree: CompactRange,
    poisoned: bool,
}

/// What an index holds, and where it stops making sense.
pub(crate) struct Scan {
    pub(crate) totals: Totals,
    pub(crate) tree: CompactRange,
    /// Bytes of header and good records.
    pub(crate) bytes: u64,
    /// What follows them.
    pub(crate) tail: Option<Tail>,
}

/// The end of an index that is no record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tail {
    pub(crate) bytes: u64,
    /// Whole records that stand after the first bad one.
    pub(crate) later_records: u64,
}

impl SessionIndex {
    /// Makes an empty index, durable when this returns.
    pub(crate) fn create(path: &Path, session: SessionId, disk: &Disk) -> Result<(), StoreError> {
        disk.write_file(path, &header_bytes(session)).doing("write", path)
    }

    /// The whole file, where these are a session's acknowledged chunks: for who makes a data folder otherwise than by
    /// recording into it.
    #[must_use]
    pub fn file_bytes(session: SessionId, chunks: &[ChunkSummary]) -> Vec<u8> {
        let records = chunks.iter().flat_map(record_bytes);
        header_bytes(session).into_iter().chain(records).collect()
    }

    /// Opens an index for appending. What it holds is brought to the disk first: a record that an
    /// ended process left in the page cache only would else be taken for acknowledged.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where not every byte is part of a sound record, the operating system's.
    pub(crate) fn open(path: &Path, session: SessionId, disk: &Disk) -> Result<Self, StoreError> {
        let Scan { totals, tree, bytes, tail } = scan(path, session)?;
        if tail.is_some() {
            let reason = format!("record {} is not whole or not in its place", totals.chunk_count);
            return Err(damaged(path, reason));
        }
        let file = disk.append_to(path).doing("open", path)?;
        disk.sync_file(&file, path).doing("sync", path)?;
        let (path, disk) = (path.to_owned(), disk.clone());
        Ok(Self { path, disk, file, bytes, totals, tree, poisoned: false })
    }

    /// Sums over the acknowledged chunks.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Root of the session tree so far.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// Appends the records of the next chunks, durable when this returns. Up to
    /// [`BATCH_RECORDS_MAX`] cost one write and one fdatasync.
    ///
    /// # Errors
    /// [`StoreError::Chunk`] where a chunk cannot follow, with nothing written; the operating
    /// system's, with the records of whole batches before it kept; [`StoreError::Poisoned`] after
    /// an error that could not be undone.
    pub(crate) fn append(&mut self, chunks: &[ChunkSummary]) -> Result<(), StoreError> {
        if self.poisoned {
            return Err(StoreError::Poisoned { path: self.path.clone() });
        }
        let totals = self.check(chunks)?;
        for batch in chunks.chunks(BATCH_RECORDS_MAX) {
            self.append_batch(batch)?;
        }
        assert_eq!(self.totals, totals, "what was checked is what was appended");
        Ok(())
    }

    /// The sums with these chunks, if they can follow.
    ///
    /// # Errors
    /// [`StoreError::Chunk`].
    pub(crate) fn check(&self, chunks: &[ChunkSummary]) -> Result<Totals, StoreError> {
        let mut totals = self.totals;
        for chunk in chunks {
            add(&mut totals, chunk)?;
        }
        Ok(totals)
    }

    fn append_batch(&mut self, batch: &[ChunkSummary]) -> Result<(), StoreError> {
        let records: Vec<u8> = batch.iter().flat_map(record_bytes).collect();
        let written = self
            .disk
            .write(&self.file, &self.path, &records)
            .and_then(|()| self.disk.sync_file(&self.file, &self.path));
        if let Err(error) = written {
            // What follows the durable length is unknown. Cut off, it is written anew by the next
            // append; where it cannot be cut, nothing may follow it.
            let cut = self.disk.truncate(&self.file, &self.path, self.bytes);
            self.poisoned = cut.is_err();
            return Err(error).doing("write", &self.path);
        }
        self.bytes += records.len() as u64;
        for chunk in batch {
            add(&mut self.totals, chunk)?;
            self.tree.push(chunk.session_leaf());
        }
        Ok(())
    }
}

impl Scan {
    /// Cuts the tail off, durably.
    pub(crate) fn cut(&self, path: &Path, disk: &Disk) -> Result<(), StoreError> {
        let file = disk.append_to(path).doing("open", path)?;
        disk.truncate(&file, path, self.bytes).doing("cut", path)
    }
}

/// Reads the index at `path` to its end, or to where it stops making sense.
///
/// # Errors
/// [`StoreError::Damaged`] where the header is not that of this session's index, the operating
/// system's.
pub(crate) fn scan(path: &Path, session: SessionId) -> Result<Scan, StoreError> {
    let mut reader = IndexReader::open(path, session)?;
    let file_bytes = reader.file.get_ref().metadata().doing("read", path)?.len();
    let mut found = Scan {
        totals: Totals::default(),
        tree: CompactRange::new(),
        bytes: HEADER_BYTES as u64,
        tail: None,
    };
    while let Some(chunk) = reader.read_record()? {
        let sound = chunk.filter(|chunk| add(&mut found.totals, chunk).is_ok());
        let Some(chunk) = sound else { break };
        found.tree.push(chunk.session_leaf());
        found.bytes += RECORD_BYTES as u64;
    }
    if found.bytes < file_bytes {
        let mut later_records = 0;
        while let Some(chunk) = reader.read_record()? {
            later_records += u64::from(chunk.is_some());
        }
        found.tail = Some(Tail { bytes: file_bytes - found.bytes, later_records });
    }
    Ok(found)
}

/// A session's index, read record by record.
pub struct IndexReader {
    path: PathBuf,
    session: SessionId,
    file: BufReader<File>,
    count: u64,
}

impl IndexReader {
    /// Opens the index of `session` at `path`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where its header is not that of this session's index, the operating
    /// system's.
    pub fn open(path: &Path, session: SessionId) -> Result<Self, StoreError> {
        let mut file = match open_file(path) {
            // What should be there and is not is damage; what cannot be read may be there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damaged(path, "the file is missing"));
            }
            file => file.doing("open", path)?,
        };
        let mut header = [0; HEADER_BYTES];
        match file.read_exact(&mut header) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(damaged(path, "it ends within its header"));
            }
            read => read.doing("read", path)?,
        }
        if header != header_bytes(session) {
            let reason = match (header[..4] == MAGIC, header[4]) {
                (false, _) => "it does not begin with LUCI",
                (true, VERSION) => "its header is that of another session's index, or altered",
                (true, _) => "its version is not known here",
            };
            return Err(damaged(path, reason));
        }
        Ok(Self { path: path.to_owned(), session, file: BufReader::new(file), count: 0 })
    }

    /// The next record; `Some(None)` is one that is not whole, not this session's, or altered.
    #[expect(clippy::option_option, reason = "the end and a bad record are two things")]
    fn read_record(&mut self) -> Result<Option<Option<ChunkSummary>>, StoreError> {
        let mut record = [0; RECORD_BYTES];
        let mut filled = 0;
        while filled < RECORD_BYTES {
            match self.file.read(&mut record[filled..]).doing("read", &self.path)? {
                0 => break,
                count => filled += count,
            }
        }
        Ok((filled > 0).then(|| {
            let chunk = (filled == RECORD_BYTES).then(|| parse_record(&record)).flatten();
            chunk.filter(|chunk| chunk.header.session == self.session)
        }))
    }
}

impl Iterator for IndexReader {
    type Item = Result<ChunkSummary, StoreError>;

    /// Passes over `n` records without reading them: they have one length. So a page of a long session's
    /// chunks costs what is in it.
    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        let bytes = n.checked_mul(RECORD_BYTES).and_then(|bytes| i64::try_from(bytes).ok());
        let passed = bytes.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput));
        let passed = passed.and_then(|bytes| self.file.seek_relative(bytes));
        if let Err(error) = passed.doing("read", &self.path) {
            return Some(Err(error));
        }
        self.count += n as u64;
        self.next()
    }

    /// The next acknowledged chunk; an error for a record that is damaged or out of its place.
    fn next(&mut self) -> Option<Self::Item> {
        let chunk = self.read_record().transpose()?;
        let place = self.count;
        self.count += 1;
        Some(chunk.and_then(|chunk| match chunk {
            Some(chunk) if u64::from(chunk.header.index.0) == place => Ok(chunk),
            _ => {
                let reason = format!("record {place} is not whole or not in its place");
                Err(damaged(&self.path, reason))
            }
        }))
    }
}

fn add(totals: &mut Totals, chunk: &ChunkSummary) -> Result<(), StoreError> {
    let session = chunk.header.session;
    totals
        .add(&chunk.header)
        .map_err(|error| StoreError::Chunk { session, reason: error.to_string() })
}

fn header_bytes(session: SessionId) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4] = VERSION;
    bytes[8..24].copy_from_slice(session.as_bytes());
    let crc = crc32c::crc32c(&bytes[..28]);
    bytes[28..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn record_bytes(chunk: &ChunkSummary) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    bytes[..SUMMARY_BYTES].copy_from_slice(&chunk.to_bytes());
    let crc = crc32c::crc32c(&bytes[..SUMMARY_BYTES]);
    bytes[SUMMARY_BYTES..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn parse_record(bytes: &[u8; RECORD_BYTES]) -> Option<ChunkSummary> {
    let (summary, crc) = bytes.split_first_chunk::<SUMMARY_BYTES>()?;
    if crc != crc32c::crc32c(summary).to_be_bytes() {
        return None;
    }
    ChunkSummary::parse(summary).ok()
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
