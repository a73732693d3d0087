//! The tail: the append-only file of the entries that are not yet in a full bundle.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use lucid_core::{
    EntryIndex, Hash,
    merkle::{ENTRY_BYTES_MAX, TILE_WIDTH, leaf_hash},
};

use super::error::{LogError, TailFault};
use crate::disk::open_file;

/// What a tail begins with.
const MAGIC: [u8; 4] = *b"LUCT";
/// The format's version.
const VERSION: u8 = 1;
/// Magic, version, zeros, first index.
pub(super) const HEADER_BYTES: u64 = 16;
/// Length and CRC before each entry.
const RECORD_HEAD_BYTES: usize = 8;

/// The file `tail`. All integers are big-endian.
///
/// | offset | bytes | header field |
/// | --- | --- | --- |
/// | 0 | 4 | magic `LUCT` |
/// | 4 | 1 | format version, 1 |
/// | 5 | 3 | zero |
/// | 8 | 8 | index of the first entry in the file, a multiple of 256 |
///
/// Then a record for each entry, in order:
///
/// | offset | bytes | record field |
/// | --- | --- | --- |
/// | 0 | 4 | length of the entry, at most 65,535 |
/// | 4 | 4 | CRC-32C (Castagnoli) over the length's 4 bytes and the entry |
/// | 8 | length | the entry |
///
/// The length is under the CRC, so that a run of zeros, which is what a file system may leave at the
/// end of a file after a power cut, is no record (the CRC-32C of four zero bytes is not zero). The
/// length stands first, so that an append of many records is one write and a reader needs no other
/// index. Nothing tells records of one append from those of the next: what ends an append is the
/// checkpoint that covers it. The file is never cut in place and only replaced as a whole, by a new
/// one under a temporary name.
///
/// In memory: 40 bytes an entry, no entry.
pub(super) struct Tail {
    path: PathBuf,
    /// Absent where the file is: an empty tail stands in for it until the log is opened to append.
    file: Option<File>,
    start: u64,
    /// Where each record ends in the file.
    ends: Vec<u64>,
    leaves: Vec<Hash>,
}

/// A tail as it was found, and what follows its last whole record.
pub(super) struct Scan {
    pub(super) tail: Tail,
    /// What is wrong after the last whole record; [`TailFault::Ends`] is how a whole file ends.
    pub(super) fault: TailFault,
    /// Bytes after the last whole record.
    pub(super) torn_bytes: u64,
}

/// The header of a tail whose first entry is `start`.
pub(super) fn header(start: u64) -> Vec<u8> {
    assert!(start.is_multiple_of(TILE_WIDTH), "a tail begins where a bundle does");
    [&MAGIC[..], &[VERSION, 0, 0, 0], &start.to_be_bytes()].concat()
}

/// Appends the record of `entry` to `out`.
pub(super) fn encode_record(out: &mut Vec<u8>, entry: &[u8]) {
    assert!(entry.len() <= ENTRY_BYTES_MAX, "whoever appends has checked the entry");
    let length = (entry.len() as u32).to_be_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&checksum(length, entry).to_be_bytes());
    out.extend_from_slice(entry);
}

/// Bytes that the record of an entry of `entry_bytes` takes.
pub(super) fn record_bytes(entry_bytes: usize) -> u64 {
    (RECORD_HEAD_BYTES + entry_bytes) as u64
}

fn checksum(length: [u8; 4], entry: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), entry)
}

/// Reads a record's entry into `entry`, which is emptied first.
fn read_record(reader: &mut impl Read, entry: &mut Vec<u8>) -> io::Result<Result<(), TailFault>> {
    entry.clear();
    let mut head = Vec::with_capacity(RECORD_HEAD_BYTES);
    reader.by_ref().take(RECORD_HEAD_BYTES as u64).read_to_end(&mut head)?;
    let Ok([l0, l1, l2, l3, c0, c1, c2, c3]) = <[u8; RECORD_HEAD_BYTES]>::try_from(head.as_slice())
    else {
        return Ok(Err(if head.is_empty() { TailFault::Ends } else { TailFault::Short }));
    };
    let length = u32::from_be_bytes([l0, l1, l2, l3]);
    if length as usize > ENTRY_BYTES_MAX {
        return Ok(Err(TailFault::Length));
    }
    reader.take(length.into()).read_to_end(entry)?;
    if entry.len() < length as usize {
        return Ok(Err(TailFault::Short));
    }
    if checksum([l0, l1, l2, l3], entry) != u32::from_be_bytes([c0, c1, c2, c3]) {
        return Ok(Err(TailFault::Checksum));
    }
    Ok(Ok(()))
}

fn read_header(reader: &mut impl Read) -> io::Result<Result<u64, &'static str>> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES as usize);
    reader.take(HEADER_BYTES).read_to_end(&mut bytes)?;
    let Ok(bytes) = <[u8; HEADER_BYTES as usize]>::try_from(bytes.as_slice()) else {
        return Ok(Err("it is shorter than its header"));
    };
    let (fixed, start) = bytes.split_at(8);
    let start = u64::from_be_bytes(start.try_into().expect("16 bytes were split in the middle"));
    Ok(if fixed[..4] != MAGIC {
        Err("it has another magic number")
    } else if fixed[4] != VERSION {
        Err("it is of another version")
    } else if fixed[5..] != [0; 3] {
        Err("its reserved bytes are not zero")
    } else if !start.is_multiple_of(TILE_WIDTH) {
        Err("its first index is no multiple of 256")
    } else {
        Ok(start)
    })
}

impl Tail {
    /// Reads the tail at `path` once, to its end or to the first record that is not whole. None where
    /// there is no such file.
    ///
    /// # Errors
    /// [`LogError::TailHeader`]; [`LogError::Io`].
    pub(super) fn scan(path: &Path) -> Result<Option<Scan>, LogError> {
        Self::scan_with(path, |_, _| ())
    }

    /// As [`Tail::scan`], and shows each whole entry to `look`.
    pub(super) fn scan_with(
        path: &Path,
        mut look: impl FnMut(EntryIndex, &[u8]),
    ) -> Result<Option<Scan>, LogError> {
        let file = match open_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(LogError::io("open", path))?,
        };
        let io = || LogError::io("read", path);
        let file_bytes = file.metadata().map_err(io())?.len();
        let mut reader = BufReader::new(&file);
        let start = read_header(&mut reader)
            .map_err(io())?
            .map_err(|why| LogError::TailHeader { path: path.to_owned(), why })?;
        let (mut ends, mut leaves) = (Vec::new(), Vec::new());
        let (mut end, mut entry) = (HEADER_BYTES, Vec::new());
        let fault = loop {
            if let Err(fault) = read_record(&mut reader, &mut entry).map_err(io())? {
                break fault;
            }
            look(EntryIndex(start.saturating_add(ends.len() as u64)), &entry);
            end += record_bytes(entry.len());
            ends.push(end);
            leaves.push(leaf_hash(&entry));
        };
        let tail = Self { path: path.to_owned(), file: Some(file), start, ends, leaves };
        Ok(Some(Scan { tail, fault, torn_bytes: file_bytes.saturating_sub(end) }))
    }

    /// The tail that stands in for a missing file.
    pub(super) fn absent(path: &Path, start: u64) -> Self {
        Self { path: path.to_owned(), file: None, start, ends: Vec::new(), leaves: Vec::new() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The index of the first entry in the tail, which is the count of those in full bundles.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Entries in the tail.
    pub(super) fn len(&self) -> usize {
        self.leaves.len()
    }

    /// The index after the last entry.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.leaves.len() as u64)
    }

    /// The leaf hashes, from `start` on.
    pub(super) fn leaves(&self) -> &[Hash] {
        &self.leaves
    }

    /// Where the records end in the file.
    pub(super) fn end_offset(&self) -> u64 {
        self.offset(self.len())
    }

    /// Leaves out all records after the first `count`, which are not read again.
    pub(super) fn keep(&mut self, count: usize) {
        self.ends.truncate(count);
        self.leaves.truncate(count);
    }

    /// Where the record at `position` begins.
    pub(super) fn offset(&self, position: usize) -> u64 {
        position.checked_sub(1).map_or(HEADER_BYTES, |before| self.ends[before])
    }

    /// Notes records that were written to the file, by their entries' lengths and leaf hashes.
    pub(super) fn extend(&mut self, records: impl IntoIterator<Item = (usize, Hash)>) {
        for (entry_bytes, leaf) in records {
            self.ends.push(self.end_offset() + record_bytes(entry_bytes));
            self.leaves.push(leaf);
        }
    }

    /// The records at `positions`, as they stand in the file.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub(super) fn raw(&self, positions: Range<usize>) -> Result<Vec<u8>, LogError> {
        let (from, to) = (self.offset(positions.start), self.offset(positions.end));
        let mut bytes = vec![0; (to - from) as usize];
        match &self.file {
            Some(file) => file.read_exact_at(&mut bytes, from),
            None if bytes.is_empty() => Ok(()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
        .map_err(LogError::io("read", &self.path))?;
        Ok(bytes)
    }

    /// The entries at `positions`, each checked against its leaf hash.
    ///
    /// # Errors
    /// [`LogError::TailChanged`], [`LogError::Io`].
    pub(super) fn entries(&self, positions: Range<usize>) -> Result<Vec<Vec<u8>>, LogError> {
        let raw = self.raw(positions.clone())?;
        let base = self.offset(positions.start);
        positions
            .map(|position| {
                let place = |offset: u64| (offset - base) as usize;
                let record = &raw[place(self.offset(position))..place(self.ends[position])];
                let mut entry = Vec::new();
                let whole = matches!(read_record(&mut &*record, &mut entry), Ok(Ok(())));
                if whole && leaf_hash(&entry) == self.leaves[position] {
                    return Ok(entry);
                }
                Err(LogError::TailChanged {
                    path: self.path.clone(),
                    offset: self.offset(position),
                    index: EntryIndex(self.start + position as u64),
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
