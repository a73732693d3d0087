//! Chunk files `chunks/<session>/<index, 8 digits>.lck`: where sealed chunks lie.
//!
//! This module owns names and durability; the bytes are `lucid-core`'s format, and sealing is the
//! pipeline's. Writers of different chunks work at the same time and share nothing.
//!
//! Invariants:
//! - a file under its final name is whole and its data is on the disk;
//! - its name is on the disk after its folder was synced, which comes before the chunk is
//!   acknowledged. A crash loses chunks that were not, and leaves `*.tmp` files behind.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use lucid_core::{
    ChunkIndex, SessionId,
    chunk::{COMMITMENT_BYTES, ChunkHeader, Commitment, PREFIX_BYTES, SALT_BYTES, Salt},
};

use crate::{
    disk::{Disk, temporary_name},
    error::{Doing, StoreError, damaged},
};

/// What follows the name of a chunk file that recovery set aside.
const ORPHAN: &str = ".orphan";

/// Opening returns at once, whatever stands under the name.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// The folder `chunks/`.
pub struct ChunkFiles {
    folder: PathBuf,
    disk: Disk,
}

/// Everything in a chunk file before its first segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkPrefix {
    /// The header.
    pub header: ChunkHeader,
    /// The message's salt.
    pub salt: Salt,
    /// The message's key commitment.
    pub commitment: Commitment,
}

/// What is in a session's chunk folder.
#[derive(Default, Debug)]
pub(crate) struct Listing {
    /// Chunk files under their final names, ascending.
    pub(crate) chunks: Vec<ChunkIndex>,
    /// What a crash left of files being written.
    pub(crate) temporary: Vec<PathBuf>,
}

impl ChunkFiles {
    pub(crate) fn new(folder: PathBuf, disk: Disk) -> Self {
        Self { folder, disk }
    }

    /// A session's folder.
    #[must_use]
    pub fn folder(&self, session: SessionId) -> PathBuf {
        self.folder.join(session.to_string())
    }

    /// The name of a chunk's file.
    #[must_use]
    pub fn path(&self, session: SessionId, index: ChunkIndex) -> PathBuf {
        self.folder(session).join(format!("{:08}.lck", index.0))
    }

    /// Makes a session's folder, durable when this returns.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn make_folder(&self, session: SessionId) -> Result<(), StoreError> {
        let folder = self.folder(session);
        self.disk.make_folder(&folder).doing("create", &folder)
    }

    /// Begins a chunk's file. The chunk has no file until [`ChunkWriter::commit`].
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn writer(
        &self,
        session: SessionId,
        index: ChunkIndex,
    ) -> Result<ChunkWriter, StoreError> {
        let path = self.path(session, index);
        let temporary = temporary_name(&path);
        let file = self.disk.create(&temporary).doing("create", &temporary)?;
        let disk = self.disk.clone();
        Ok(ChunkWriter { disk, file, path, temporary, bytes: 0, committed: false })
    }

    /// Brings the names of a session's chunk files to the disk.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn sync_folder(&self, session: SessionId) -> Result<(), StoreError> {
        let folder = self.folder(session);
        self.disk.sync_folder(&folder).doing("sync", &folder)
    }

    /// Opens a chunk's file; gives its length too.
    ///
    /// # Errors
    /// [`StoreError::ChunkMissing`], the operating system's.
    pub fn open(&self, session: SessionId, index: ChunkIndex) -> Result<(File, u64), StoreError> {
        let path = self.path(session, index);
        // Not to wait for ever on a pipe that somebody put there.
        let opened = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(&path);
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::ChunkMissing { session, index, path });
            }
            file => file.doing("open", &path)?,
        };
        let metadata = file.metadata().doing("read", &path)?;
        if !metadata.is_file() {
            return Err(damaged(&path, "it is not a file"));
        }
        Ok((file, metadata.len()))
    }

    /// Length of a chunk's file in bytes.
    ///
    /// # Errors
    /// [`StoreError::ChunkMissing`], the operating system's.
    pub fn file_bytes(&self, session: SessionId, index: ChunkIndex) -> Result<u64, StoreError> {
        let path = self.path(session, index);
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::ChunkMissing { session, index, path })
            }
            metadata => Ok(metadata.doing("read", &path)?.len()),
        }
    }

    /// Reads a chunk file's beginning and checks what can be checked without its key: that the
    /// header is one, belongs to this place, and agrees with the file's length.
    ///
    /// # Errors
    /// [`StoreError::ChunkMissing`], [`StoreError::Damaged`], the operating system's.
    pub fn read_prefix(
        &self,
        session: SessionId,
        index: ChunkIndex,
    ) -> Result<ChunkPrefix, StoreError> {
        let path = self.path(session, index);
        let (mut file, bytes) = self.open(session, index)?;
        let mut prefix = [0; PREFIX_BYTES];
        match file.read_exact(&mut prefix) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(damaged(&path, format_args!("it has only {bytes} bytes")));
            }
            read => read.doing("read", &path)?,
        }
        let mut header = [0; ChunkHeader::BYTES];
        let (mut salt, mut commitment) = (Salt([0; SALT_BYTES]), Commitment([0; COMMITMENT_BYTES]));
        header.copy_from_slice(&prefix[..ChunkHeader::BYTES]);
        salt.0.copy_from_slice(&prefix[ChunkHeader::BYTES..][..SALT_BYTES]);
        commitment.0.copy_from_slice(&prefix[ChunkHeader::BYTES + SALT_BYTES..]);
        let header = ChunkHeader::parse(&header).map_err(|error| damaged(&path, error))?;
        if (header.session, header.index) != (session, index) {
            let (session, index) = (header.session, header.index);
            let reason = format!("its header is that of chunk {index} of session {session}");
            return Err(damaged(&path, reason));
        }
        header.layout().check_file_bytes(bytes).map_err(|error| damaged(&path, error))?;
        Ok(ChunkPrefix { header, salt, commitment })
    }

    /// What is in a session's folder; nothing where there is no folder.
    pub(crate) fn list(&self, session: SessionId) -> Result<Listing, StoreError> {
        let folder = self.folder(session);
        let mut listing = Listing::default();
        for path in names(&folder)? {
            if path.extension().is_some_and(|extension| extension == "tmp") {
                listing.temporary.push(path);
            } else if let Some(index) = index_of(&path) {
                listing.chunks.push(index);
            }
        }
        listing.chunks.sort_unstable();
        Ok(listing)
    }

    /// The names in a session's folder that are not those of its first `count` chunks, sorted.
    ///
    /// # Errors
    /// The operating system's.
    pub fn strays(&self, session: SessionId, count: u32) -> Result<Vec<OsString>, StoreError> {
        let is_chunk = |path: &PathBuf| index_of(path).is_some_and(|index| index.0 < count);
        let others = names(&self.folder(session))?.into_iter().filter(|path| !is_chunk(path));
        let mut strays: Vec<_> =
            others.filter_map(|path| path.file_name().map(ToOwned::to_owned)).collect();
        strays.sort_unstable();
        Ok(strays)
    }

    /// Sets a chunk's file aside under a name that is no chunk's; gives that name.
    pub(crate) fn quarantine(
        &self,
        session: SessionId,
        index: ChunkIndex,
    ) -> Result<PathBuf, StoreError> {
        let path = self.path(session, index);
        let mut aside = path.clone().into_os_string();
        aside.push(ORPHAN);
        let aside = PathBuf::from(aside);
        self.disk.rename(&path, &aside).doing("rename", &path)?;
        self.sync_folder(session)?;
        Ok(aside)
    }

    /// Removes all of a session's chunk files and its folder, durably; does nothing where that was
    /// done before.
    pub(crate) fn destroy(&self, session: SessionId) -> Result<(), StoreError> {
        remove_folder(&self.folder(session), &self.disk)
    }
}

/// Removes the files in `folder`, then the folder, durably. It has no folders in it.
///
/// A symbolic link that stands where the folder should be is removed itself: what it points to is
/// not this node's to destroy.
pub(crate) fn remove_folder(folder: &Path, disk: &Disk) -> Result<(), StoreError> {
    if fs::symlink_metadata(folder).is_ok_and(|metadata| metadata.is_symlink()) {
        disk.remove(folder).doing("remove", folder)?;
        let parent = crate::disk::parent(folder);
        return disk.sync_folder(parent).doing("sync", parent);
    }
    for path in names(folder)? {
        disk.remove(&path).doing("remove", &path)?;
    }
    disk.remove_folder(folder).doing("remove", folder)
}

/// The names in `folder`; none where there is no folder.
fn names(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries
            .doing("read", folder)?
            .map(|entry| Ok(entry.doing("read", folder)?.path()))
            .collect(),
    }
}

/// The index that a file's name says; one spelling only.
fn index_of(path: &Path) -> Option<ChunkIndex> {
    let name = path.file_name()?.to_str()?;
    let index: u32 = name.strip_suffix(".lck")?.parse().ok()?;
    (name == format!("{index:08}.lck")).then_some(ChunkIndex(index))
}

/// A chunk's file while it is written. Dropped before [`ChunkWriter::commit`], it leaves nothing.
pub struct ChunkWriter {
    disk: Disk,
    file: File,
    path: PathBuf,
    temporary: PathBuf,
    bytes: u64,
    committed: bool,
}

impl ChunkWriter {
    /// Appends bytes.
    ///
    /// # Errors
    /// The operating system's; the writer is then only good for dropping.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.disk.write(&self.file, &self.temporary, bytes).doing("write", &self.temporary)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Brings the data to the disk and gives the file its name, which is not yet durable. Gives the
    /// file's length.
    ///
    /// # Errors
    /// The operating system's; nothing is then left under the chunk's name.
    pub fn commit(mut self) -> Result<u64, StoreError> {
        self.disk.sync_file(&self.file, &self.temporary).doing("sync", &self.temporary)?;
        self.disk.rename(&self.temporary, &self.path).doing("rename", &self.temporary)?;
        self.committed = true;
        Ok(self.bytes)
    }
}

impl Drop for ChunkWriter {
    fn drop(&mut self) {
        if !self.committed {
            // What cannot be removed now is removed at the next start.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{chunk_bytes, session};

    fn files() -> (tempfile::TempDir, ChunkFiles) {
        let folder = tempfile::tempdir().unwrap();
        let files = ChunkFiles::new(folder.path().to_owned(), Disk::default());
        files.make_folder(session(1)).unwrap();
        (folder, files)
    }

    fn write(files: &ChunkFiles, index: u32, parts: &[&[u8]]) {
        let mut writer = files.writer(session(1), ChunkIndex(index)).unwrap();
        for part in parts {
            writer.write(part).unwrap();
        }
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        assert_eq!(writer.commit().unwrap(), bytes as u64);
    }

    #[test]
    fn written_read_listed_destroyed() {
        let (_folder, files) = files();
        let (summary, bytes) = chunk_bytes(session(1), 1, 100);
        write(&files, 1, &[&bytes[..50], &bytes[50..]]);
        write(&files, 0, &[]);
        let unfinished = files.writer(session(1), ChunkIndex(2)).unwrap();
        fs::write(files.folder(session(1)).join("0.lck"), "").unwrap();
        let listing = files.list(session(1)).unwrap();
        assert_eq!(listing.chunks, [ChunkIndex(0), ChunkIndex(1)]);
        assert_eq!(listing.temporary.len(), 1);
        drop(unfinished);
        assert!(files.list(session(1)).unwrap().temporary.is_empty());
        assert_eq!(files.strays(session(1), 2).unwrap(), ["0.lck"]);
        assert_eq!(files.strays(session(1), 1).unwrap(), ["0.lck", "00000001.lck"]);
        assert_eq!(files.strays(session(1), 0).unwrap().len(), 3);
        assert!(files.strays(session(2), 1).unwrap().is_empty(), "it has no folder");
        let prefix = files.read_prefix(session(1), ChunkIndex(1)).unwrap();
        assert_eq!(prefix.header, summary.header);
        assert_eq!((prefix.salt, prefix.commitment), (summary.salt, summary.commitment));
        assert_eq!(files.open(session(1), ChunkIndex(1)).unwrap().1, bytes.len() as u64);
        files.quarantine(session(1), ChunkIndex(1)).unwrap();
        let missing = files.open(session(1), ChunkIndex(1)).unwrap_err();
        assert!(missing.to_string().contains("00000001.lck"), "{missing}");
        for _ in 0..2 {
            files.destroy(session(1)).unwrap();
            assert!(!files.folder(session(1)).exists());
        }
        assert!(files.list(session(1)).unwrap().chunks.is_empty());
    }

    #[test]
    fn chunks_are_written_side_by_side() {
        let (_folder, files) = files();
        std::thread::scope(|scope| {
            for index in 0..8 {
                let files = &files;
                scope.spawn(move || {
                    let (_, bytes) = chunk_bytes(session(1), index, 1000 + index);
                    write(files, index, &[&bytes]);
                });
            }
        });
        for index in 0..8 {
            let prefix = files.read_prefix(session(1), ChunkIndex(index)).unwrap();
            assert_eq!(prefix.header.plain_bytes, 1000 + index);
        }
    }

    #[test]
    fn damage_is_named() {
        let (_folder, files) = files();
        let (_, whole) = chunk_bytes(session(1), 3, 100);
        let other = chunk_bytes(session(2), 3, 100).1;
        let moved = chunk_bytes(session(1), 4, 100).1;
        let mut magic = whole.clone();
        magic[0] ^= 1;
        let longer = [whole.as_slice(), b"x"].concat();
        for (bytes, says) in [
            (whole[..103].to_vec(), "103 bytes"),
            (whole[..whole.len() - 1].to_vec(), "calls for"),
            (longer, "calls for"),
            (magic, "LUC1"),
            (other, "session"),
            (moved, "chunk 4"),
        ] {
            fs::write(files.path(session(1), ChunkIndex(3)), bytes).unwrap();
            let error = files.read_prefix(session(1), ChunkIndex(3)).unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }));
            let message = error.to_string();
            assert!(message.contains(says) && message.contains("00000003.lck"), "{message}");
        }
    }
}
