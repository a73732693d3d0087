//! The members of a backup one after the other, with the lists of their sums between them, and the note that closes it.

use std::{
    io::{Read, Write},
    path::Path,
};

use lucid_core::{Hash, Timestamp};
use lucid_store::{NodeKey, disk::open_file};
use sha2::{Digest, Sha256};

use super::{
    Facts,
    member::{BLOCK_BYTES, Name, PART_FILES, header, padding, sum_line},
    walk::Found,
};
use crate::error::{ArchiveError, Doing};

/// Bytes read, and gathered before they are written.
pub(super) const BUFFER_BYTES: usize = 128 << 10;

/// Writes members, and keeps their sums.
pub(super) struct Members<'a, W> {
    out: W,
    path: &'a Path,
    seconds: u64,
    /// The sums of the files since the last list.
    part: String,
    part_files: usize,
    parts: u32,
    sums: Sha256,
    files: u64,
    bytes: u64,
    buffer: Vec<u8>,
}

impl<'a, W: Write> Members<'a, W> {
    pub(super) fn new(out: W, path: &'a Path, at: Timestamp) -> Self {
        Self {
            out,
            path,
            seconds: at.unix_millis() / 1000,
            part: String::new(),
            part_files: 0,
            parts: 0,
            sums: Sha256::new(),
            files: 0,
            bytes: 0,
            buffer: vec![0; BUFFER_BYTES],
        }
    }

    /// Puts the header of a member of so many bytes.
    fn begin(&mut self, name: &Name, bytes: u64) -> Result<(), ArchiveError> {
        let header = header(name, bytes, self.seconds).ok_or_else(|| ArchiveError::Unfit {
            path: self.path.to_owned(),
            reason: "one of its members is larger than the archive's format holds",
        })?;
        self.out.write_all(header.as_bytes()).doing("write", self.path)
    }

    /// Fills the last block of a member of so many bytes.
    fn end(&mut self, bytes: u64) -> Result<(), ArchiveError> {
        self.out.write_all(&[0; BLOCK_BYTES][..padding(bytes)]).doing("write", self.path)
    }

    fn whole(&mut self, name: &Name, content: &[u8]) -> Result<(), ArchiveError> {
        self.begin(name, content.len() as u64)?;
        self.out.write_all(content).doing("write", self.path)?;
        self.end(content.len() as u64)
    }

    /// Puts a file, and tells how many bytes of files there are now.
    pub(super) fn file(
        &mut self,
        found: &Found,
        told: &mut dyn FnMut(u64),
    ) -> Result<(), ArchiveError> {
        let path = &found.path;
        let changed = || ArchiveError::Changed { path: path.clone() };
        let mut file = open_file(path).doing("read", path)?;
        self.begin(&Name::File(found.name.clone()), found.bytes)?;
        let (mut hash, mut left) = (Sha256::new(), found.bytes);
        loop {
            let count = file.read(&mut self.buffer).doing("read", path)?;
            let Some(rest) = left.checked_sub(count as u64) else { return Err(changed()) };
            if count == 0 {
                break;
            }
            hash.update(&self.buffer[..count]);
            self.out.write_all(&self.buffer[..count]).doing("write", self.path)?;
            left = rest;
            self.bytes += count as u64;
            told(self.bytes);
        }
        if left > 0 {
            return Err(changed());
        }
        self.end(found.bytes)?;
        self.files += 1;
        self.part_files += 1;
        self.part.push_str(&sum_line(&hash.finalize(), &found.name));
        if self.part_files == PART_FILES { self.end_part() } else { Ok(()) }
    }

    fn end_part(&mut self) -> Result<(), ArchiveError> {
        let part = std::mem::take(&mut self.part);
        self.sums.update(&part);
        self.whole(&Name::Sums(self.parts), part.as_bytes())?;
        self.parts += 1;
        self.part_files = 0;
        Ok(())
    }

    /// Puts what closes the archive; gives what was counted with the rest of `facts`.
    pub(super) fn finish(
        mut self,
        facts: Facts,
        key: Option<&NodeKey>,
    ) -> Result<(W, Facts), ArchiveError> {
        if self.part_files > 0 {
            self.end_part()?;
        }
        let sums = Hash(self.sums.clone().finalize().into());
        let facts = Facts { bytes: self.bytes, files: self.files, sums, ..facts };
        self.note(&facts, key)?;
        Ok((self.out, facts))
    }

    /// Puts the note and the end.
    pub(super) fn note(
        &mut self,
        facts: &Facts,
        key: Option<&NodeKey>,
    ) -> Result<(), ArchiveError> {
        let note =
            facts.to_member(key).map_err(|reason| ArchiveError::damaged(self.path, reason))?;
        self.whole(&Name::Note, &note)?;
        self.out.write_all(&[0; 2 * BLOCK_BYTES]).doing("write", self.path)
    }

    #[cfg(test)]
    pub(super) fn into_inner(self) -> W {
        self.out
    }
}
