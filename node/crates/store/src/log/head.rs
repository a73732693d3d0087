//! The file `head`: the log's newest checkpoint, where it costs one sync to replace it.
//!
//! A file that is replaced under a temporary name costs three: its data, its name, its folder. This one has
//! its length for good and is written in place, so that nothing but a block of it need reach the disk:
//! two blocks, written in turn, so that the one before stays whole whatever becomes of a write, and in each
//! two copies, so that a damaged one loses nothing.
//!
//! A crash loses the checkpoint that was being written, which nobody was told of.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use lucid_core::note::{Checkpoint, NoteError, VerifierKey};

use super::{error::LogError, repair::Repair};
use crate::disk::{Disk, read_file};

/// What a copy begins with.
const MAGIC: [u8; 4] = *b"LUCH";
/// The format's version.
const VERSION: u8 = 1;
/// Magic, version, a zero, length, CRC.
const COPY_HEAD_BYTES: usize = 12;
/// A copy with what is left blank after it: no two copies share a sector of a disk.
const COPY_BYTES: usize = 2048;
/// A block: what file systems write at once. No two checkpoints share one.
const BLOCK_BYTES: usize = 2 * COPY_BYTES;
/// Bytes of the file.
const FILE_BYTES: usize = 2 * BLOCK_BYTES;

/// The file `head`, to write. All integers are big-endian. It has 8,192 bytes: at 0, 2,048, 4,096 and
/// 6,144 a copy each, the first two of one checkpoint, the last two of another, the one before or after:
///
/// | offset | bytes | field of a copy |
/// | --- | --- | --- |
/// | 0 | 4 | magic `LUCH` |
/// | 4 | 1 | format version, 1 |
/// | 5 | 1 | zero |
/// | 6 | 2 | length of the checkpoint |
/// | 8 | 4 | CRC-32C (Castagnoli) over the length's 2 bytes and the checkpoint |
/// | 12 | length | the checkpoint, a signed note |
///
/// Zeros follow up to the next copy. A block that is all zeros was never written. The log's checkpoint is
/// that of the most entries.
pub(super) struct Head {
    path: PathBuf,
    file: File,
    /// The block that has not the newest checkpoint.
    next: usize,
}

/// What the file says.
pub(super) struct Found {
    pub(super) checkpoint: Checkpoint,
    /// The signed note.
    pub(super) text: String,
    /// Which block has it.
    block: usize,
    /// Where copies are damaged that are not needed; the file's length, where there is more behind them.
    damaged: Vec<usize>,
    /// The other block has none that is whole: it may have had a newer checkpoint.
    pub(super) other_lost: bool,
}

pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("head")
}

fn checksum(length: [u8; 2], text: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&length), text)
}

fn encode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    assert!(bytes.len() <= COPY_BYTES - COPY_HEAD_BYTES, "a checkpoint with one signature fits");
    let length = u16::try_from(bytes.len()).expect("it is less than a copy").to_be_bytes();
    let crc = checksum(length, bytes).to_be_bytes();
    let mut copy = [&MAGIC[..], &[VERSION, 0], &length, &crc, bytes].concat();
    copy.resize(COPY_BYTES, 0);
    copy
}

/// The text of a copy, where it is whole.
fn decode(copy: &[u8]) -> Option<String> {
    let [m0, m1, m2, m3, version, 0, l0, l1, c0, c1, c2, c3, rest @ ..] = copy else {
        return None;
    };
    let length = [*l0, *l1];
    let (text, blank) = rest.split_at_checked(u16::from_be_bytes(length).into())?;
    let sound = [*m0, *m1, *m2, *m3] == MAGIC
        && *version == VERSION
        && copy.len() == COPY_BYTES
        && blank.iter().all(|&byte| byte == 0)
        && checksum(length, text) == u32::from_be_bytes([*c0, *c1, *c2, *c3]);
    sound.then(|| String::from_utf8(text.to_vec()).ok()).flatten()
}

/// The newest checkpoint in `dir` that `key` signed, or none where there is no such file.
///
/// # Errors
/// [`LogError::CheckpointRefused`] where the file has none; [`LogError::Io`].
pub(super) fn read(dir: &Path, key: &VerifierKey) -> Result<Option<Found>, LogError> {
    let path = path(dir);
    let bytes = match read_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(LogError::io("read", &path))?,
    };
    let refused = |source| LogError::CheckpointRefused { path, source };
    newest(&bytes, key).map(Some).map_err(refused)
}

fn newest(bytes: &[u8], key: &VerifierKey) -> Result<Found, NoteError> {
    let (mut found, mut damaged, mut refused) = ([None, None], Vec::new(), None);
    if bytes.len() > FILE_BYTES {
        damaged.push(FILE_BYTES);
    }
    // What is missing is damaged as if it were there: not blank, which would say that it was never written.
    let mut all = bytes.to_vec();
    all.resize(FILE_BYTES, 0xff);
    let bytes = &all;
    for (place, copy) in bytes.chunks(COPY_BYTES).enumerate() {
        let block = place * COPY_BYTES / BLOCK_BYTES;
        if bytes[block * BLOCK_BYTES..][..BLOCK_BYTES].iter().all(|&byte| byte == 0) {
            continue;
        }
        let verified = decode(copy).map(|text| Ok((Checkpoint::verify(&text, key)?, text)));
        match verified.transpose() {
            Ok(Some(whole)) => {
                let kept = &mut found[block];
                // The new one, where a write was cut between the two copies.
                if kept.as_ref().is_none_or(|(old, _): &(Checkpoint, _)| whole.0.size > old.size) {
                    *kept = Some(whole);
                }
            }
            Ok(None) => damaged.push(place * COPY_BYTES),
            Err(error) => {
                damaged.push(place * COPY_BYTES);
                refused = refused.or(Some(error));
            }
        }
    }
    let size = |found: &Option<(Checkpoint, String)>| found.as_ref().map(|(it, _)| it.size);
    let block = usize::from(size(&found[1]) > size(&found[0]));
    let other = found[1 - block].take();
    match found[block].take() {
        Some((checkpoint, text)) => {
            // A new log's second block is blank until something is appended.
            let other_lost = other.is_none() && (checkpoint.size > 0 || !damaged.is_empty());
            Ok(Found { checkpoint, text, block, damaged, other_lost })
        }
        // What is no checkpoint at all does not verify either.
        None => Err(refused.unwrap_or(NoteError::NoteShape)),
    }
}

impl Found {
    /// What is to be done about damaged copies.
    pub(super) fn repairs(&self, dir: &Path) -> impl Iterator<Item = Repair> {
        let path = path(dir);
        let offsets = self.damaged.clone().into_iter();
        offsets.map(move |offset| Repair::HeadCopy { path: path.clone(), offset: offset as u64 })
    }

    /// The file, to write after this.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub(super) fn to_write(&self, dir: &Path, disk: &Disk) -> Result<Head, LogError> {
        let path = path(dir);
        let file = disk.open_in_place(&path).map_err(LogError::io("open", &path))?;
        let mut head = Head { path, file, next: 1 - self.block };
        if !self.damaged.is_empty() || self.other_lost {
            // The whole block last: until then it is what counts.
            head.write(disk, &self.text)?;
            head.write(disk, &self.text)?;
        }
        if self.damaged.contains(&FILE_BYTES) {
            let cut = disk.truncate(&head.file, &head.path, FILE_BYTES as u64);
            cut.map_err(LogError::io("truncate", &head.path))?;
        }
        Ok(head)
    }
}

/// Makes the file for a new log.
///
/// # Errors
/// The operating system's.
pub(super) fn create(dir: &Path, text: &str, disk: &Disk) -> Result<(), LogError> {
    let path = path(dir);
    let mut bytes = encode(text).repeat(2);
    bytes.resize(FILE_BYTES, 0);
    disk.write_file(&path, &bytes).map_err(LogError::io("write", &path))
}

impl Head {
    /// Replaces the older checkpoint by `text`, durably.
    ///
    /// # Errors
    /// [`LogError::Io`]: then the one before counts, or `text` does.
    pub(super) fn write(&mut self, disk: &Disk, text: &str) -> Result<(), LogError> {
        let Self { path, file, next } = self;
        let offset = (*next * BLOCK_BYTES) as u64;
        disk.write_at(file, path, &encode(text).repeat(2), offset)
            .and_then(|()| disk.sync_file(file, path))
            .map_err(LogError::io("write", path))?;
        *next = 1 - *next;
        Ok(())
    }
}

/// Brings what was just read to the disk: a process that was killed may have left it in the page cache
/// only. Whoever is shown it would else hold a later state than a power cut leaves of the log. The entries
/// it covers were synced before it was written.
///
/// # Errors
/// [`LogError::Io`].
pub(super) fn keep(dir: &Path, disk: &Disk) -> Result<(), LogError> {
    let path = path(dir);
    fs::File::open(&path)
        .and_then(|file| disk.sync_file(&file, &path))
        .map_err(LogError::io("sync", &path))?;
    disk.sync_folder(dir).map_err(LogError::io("sync", dir))
}

#[cfg(test)]
mod tests;
