//! Reading a backup: strictly, in one pass, and counting for nothing until its end.
//!
//! A reader refuses a header that is not the one written for that name and length, names out of order or of no node,
//! a sum that is not the file's, anything after the note but the archive's two empty blocks, and a note that was not
//! signed by the node's key in the archive. With age's own authentication every byte of the file is held by one of
//! these.

use std::{
    io::{self, Read},
    path::Path,
};

use lucid_core::{Hash, Timestamp, keys::Kek};
use lucid_store::{FolderKind, NodeKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    Facts,
    member::{BLOCK_BYTES, FILES_MAX, FileName, Name, PART_FILES, padding, parse, sum_line},
    note::NOTE_BYTES_MAX,
    sink::Sink,
};
use crate::error::ArchiveError;

/// Bytes read at once.
const BUFFER_BYTES: usize = 128 << 10;
/// Bytes of `format` and of a key that are looked at, and one too many.
const SMALL_BYTES_MAX: usize = 66;

/// What was read.
pub(super) struct Contents {
    pub(super) facts: Facts,
    pub(super) kind: FolderKind,
    /// The node's key, where such a folder has one.
    pub(super) key: Option<NodeKey>,
}

/// Reads the archive that `input` gives, all of it.
///
/// # Errors
/// [`ArchiveError::Damaged`], the sink's, the operating system's.
pub(super) fn read(
    input: &mut dyn Read,
    path: &Path,
    sink: &mut dyn Sink,
    progress: &mut dyn FnMut(u64),
) -> Result<Contents, ArchiveError> {
    let mut reader = Reader {
        input,
        path,
        sink,
        progress,
        buffer: vec![0; BUFFER_BYTES],
        seconds: None,
        last: None,
        part: String::new(),
        part_files: 0,
        parts: 0,
        sums: Sha256::new(),
        files: 0,
        bytes: 0,
        format: Vec::new(),
        key: Zeroizing::new(Vec::with_capacity(SMALL_BYTES_MAX)),
    };
    let note = reader.members()?;
    reader.end()?;
    reader.judge(&note)
}

struct Reader<'a> {
    input: &'a mut dyn Read,
    path: &'a Path,
    sink: &'a mut dyn Sink,
    progress: &'a mut dyn FnMut(u64),
    buffer: Vec<u8>,
    /// The time of the first member, and so of all.
    seconds: Option<u64>,
    last: Option<FileName>,
    part: String,
    part_files: usize,
    parts: u32,
    sums: Sha256,
    files: u64,
    bytes: u64,
    format: Vec<u8>,
    /// What `secrets/node.key` begins with.
    key: Zeroizing<Vec<u8>>,
}

impl Reader<'_> {
    fn damaged(&self, reason: impl std::fmt::Display) -> ArchiveError {
        ArchiveError::damaged(self.path, reason)
    }

    fn fill(&mut self, bytes: usize) -> Result<(), ArchiveError> {
        let read = self.input.read_exact(&mut self.buffer[..bytes]);
        read.map_err(|error| refusal(error, self.path))
    }

    /// Everything up to the note, whose bytes it gives.
    fn members(&mut self) -> Result<Vec<u8>, ArchiveError> {
        for number in 1_u64.. {
            let mut block = [0; BLOCK_BYTES];
            self.fill(BLOCK_BYTES)?;
            block.copy_from_slice(&self.buffer[..BLOCK_BYTES]);
            let Some((name, bytes, seconds)) = parse(&block) else {
                return Err(self.damaged(format_args!("member {number} is none that a backup has")));
            };
            if *self.seconds.get_or_insert(seconds) != seconds {
                return Err(self.damaged(format_args!("member {number} is of another time")));
            }
            match name {
                Name::File(name) => self.file(name, bytes)?,
                Name::Sums(part) => self.sums(part, bytes)?,
                Name::Note if self.part_files == 0 && bytes <= NOTE_BYTES_MAX => {
                    return self.whole(bytes);
                }
                Name::Note => return Err(self.damaged("its note is too long, or not in its place")),
            }
        }
        Err(self.damaged("it has no end"))
    }

    fn file(&mut self, name: FileName, bytes: u64) -> Result<(), ArchiveError> {
        if self.last.as_ref().is_some_and(|last| last.order(&name).is_ge()) {
            return Err(self.damaged(format_args!("{} is not in its place", name.as_str())));
        }
        if self.part_files == PART_FILES || self.files == FILES_MAX {
            return Err(self.damaged(format_args!("{} is one file too many", name.as_str())));
        }
        self.sink.begin(&name)?;
        let (mut hash, mut left) = (Sha256::new(), bytes);
        while left > 0 {
            let count = left.min(BUFFER_BYTES as u64) as usize;
            self.fill(count)?;
            let content = &self.buffer[..count];
            hash.update(content);
            match name.as_str() {
                "data/format" => keep(&mut self.format, content),
                "data/secrets/node.key" => keep(&mut self.key, content),
                _ => (),
            }
            self.sink.put(content)?;
            left -= count as u64;
            self.bytes += count as u64;
            (self.progress)(self.bytes);
        }
        self.padding(bytes)?;
        self.part.push_str(&sum_line(&hash.finalize(), &name));
        self.part_files += 1;
        self.files += 1;
        self.last = Some(name);
        Ok(())
    }

    fn sums(&mut self, number: u32, bytes: u64) -> Result<(), ArchiveError> {
        let part = std::mem::take(&mut self.part);
        if number != self.parts || self.part_files == 0 || bytes != part.len() as u64 {
            return Err(self.damaged(format_args!("sums {number} are not in their place")));
        }
        if self.whole(bytes)? != part.as_bytes() {
            let reason = format_args!("sums {number} are not those of the files before them");
            return Err(self.damaged(reason));
        }
        self.sums.update(&part);
        self.parts += 1;
        self.part_files = 0;
        Ok(())
    }

    /// The content of a member whose length was found sound.
    fn whole(&mut self, bytes: u64) -> Result<Vec<u8>, ArchiveError> {
        let mut content = vec![0; bytes as usize];
        let read = self.input.read_exact(&mut content);
        read.map_err(|error| refusal(error, self.path))?;
        self.padding(bytes)?;
        Ok(content)
    }

    fn padding(&mut self, bytes: u64) -> Result<(), ArchiveError> {
        let count = padding(bytes);
        self.fill(count)?;
        match self.buffer[..count].iter().all(|byte| *byte == 0) {
            true => Ok(()),
            false => Err(self.damaged("a member is followed by something")),
        }
    }

    /// Two empty blocks, then nothing: only the last byte of an age file says that it is whole.
    fn end(&mut self) -> Result<(), ArchiveError> {
        self.fill(2 * BLOCK_BYTES)?;
        if self.buffer[..2 * BLOCK_BYTES].iter().any(|byte| *byte != 0) {
            return Err(self.damaged("something follows its note"));
        }
        match self.input.read(&mut self.buffer[..1]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.damaged("something follows its end")),
            Err(error) => Err(refusal(error, self.path)),
        }
    }

    /// Whether the note is the node's, and says what was read.
    fn judge(self, note: &[u8]) -> Result<Contents, ArchiveError> {
        let damaged = |reason: String| ArchiveError::damaged(self.path, reason);
        let kind = FolderKind::of_format(&self.format).ok_or_else(|| {
            damaged("it has no file data/format of a version known here".to_owned())
        })?;
        let has_key = matches!(kind, FolderKind::Node | FolderKind::Ledger);
        let key = match has_key {
            false => None,
            true => {
                let text = std::str::from_utf8(&self.key).ok();
                let digits = text.map(|text| text.strip_suffix('\n').unwrap_or(text));
                let seed = digits.and_then(|digits| Kek::from_hex(digits).ok());
                let seed =
                    seed.ok_or_else(|| damaged("its data/secrets/node.key is no key".to_owned()))?;
                Some(NodeKey::from_seed(seed.as_bytes()))
            }
        };
        let facts = Facts::parse(note, key.as_ref()).map_err(damaged)?;
        let sums = Hash(self.sums.finalize().into());
        let found = (self.files, self.bytes, sums, self.seconds.unwrap_or(0));
        let said = (facts.files, facts.bytes, facts.sums, facts.created_at.unix_millis() / 1000);
        if found != said || facts.created_at != Timestamp::from_unix_millis(said.3 * 1000) {
            return Err(damaged("its note is that of another backup".to_owned()));
        }
        if facts.kind() != Some(kind) || facts.checkpoint.is_some() != has_key {
            return Err(damaged("its note is that of another folder".to_owned()));
        }
        Ok(Contents { facts, kind, key })
    }
}

/// Keeps the beginning of a small file.
fn keep(kept: &mut Vec<u8>, content: &[u8]) {
    let room = SMALL_BYTES_MAX.saturating_sub(kept.len());
    kept.extend_from_slice(&content[..content.len().min(room)]);
}

/// What age and the disk say when no more can be read.
fn refusal(error: io::Error, path: &Path) -> ArchiveError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ArchiveError::damaged(path, "it ends too early"),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            ArchiveError::damaged(path, "a part of it does not authenticate")
        }
        _ => ArchiveError::Io { doing: "read", path: path.to_owned(), source: error },
    }
}
