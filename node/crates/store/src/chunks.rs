//! Chunk files `chunks/<session>/<index, 8 digits>.lck`: where sealed chunks lie.
//!
//! This module owns names and durability; the bytes are `lucid-core`'s format, and sealing is the
//! pipeline's. Writers of different chunks work at the same time and share nothing.
//!
//! Invariants:
//! - a file under its final name is whole and its data is on the disk;
//! - its name is on the disk after its folder was synced, which comes before the chunk is
//!   acknowledged. A crash loses chunks that were not, and leaves `*.tmp` files behind;
//! - a file gets its name only under the hold that its writer was begun under (see `vault::hold`).

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use lucid_core::{
    ChunkIndex, SessionId,
    chunk::{COMMITMENT_BYTES, ChunkHeader, Commitment, PREFIX_BYTES, SALT_BYTES, Salt},
};

use crate::{
    disk::{Disk, open_file, temporary_name},
    error::{Doing, StoreError, damaged},
    vault::{
        Lease, Ticket,
        hold::{self, Shared},
    },
};

/// What follows the name of a chunk file that recovery set aside.
const ORPHAN: &str = ".orphan";

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
    /// The chunk files below `folder`.
    #[must_use]
    pub fn new(folder: PathBuf, disk: Disk) -> Self {
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

    /// Begins a chunk's file under `lease`, whose hold this is. The chunk has no file until
    /// [`ChunkWriter::commit`].
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`], [`StoreError::Chunk`] where the chunk is acknowledged, the operating
    /// system's.
    pub(crate) fn writer(
        &self,
        session: SessionId,
        lease: Lease,
        index: ChunkIndex,
        hold: Shared,
    ) -> Result<ChunkWriter, StoreError> {
        let path = self.path(session, index);
        let temporary = temporary_name(&path);
        let mut held = hold::lock(&hold);
        let (number, again) = held.begin_writer(session, lease, index)?;
        if again {
            // An earlier writer goes on with what it has, which has no name any more.
            self.disk.remove(&temporary).doing("remove", &temporary)?;
        }
        let file = self.disk.create(&temporary).doing("create", &temporary)?;
        drop(held);
        let disk = self.disk.clone();
        let ticket = Ticket { session, lease, index, number, hold };
        Ok(ChunkWriter { disk, file, path, temporary, bytes: 0, committed: false, ticket })
    }

    /// Destroys the chunk files from `next` on and what was never finished, durably.
    ///
    /// # Errors
    /// The operating system's; it can be called again.
    pub(crate) fn destroy_from(
        &self,
        session: SessionId,
        next: ChunkIndex,
    ) -> Result<(), StoreError> {
        let Listing { chunks, temporary } = self.list(session)?;
        let beyond = chunks.into_iter().filter(|index| *index >= next);
        let paths: Vec<_> =
            beyond.map(|index| self.path(session, index)).chain(temporary).collect();
        for path in &paths {
            self.disk.remove(path).doing("remove", path)?;
        }
        if paths.is_empty() { Ok(()) } else { self.sync_folder(session) }
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
        let file = match open_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::ChunkMissing { session, index, path });
            }
            file => file.doing("open", &path)?,
        };
        let bytes = file.metadata().doing("read", &path)?.len();
        Ok((file, bytes))
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

    /// The sessions that have a folder, in no order.
    ///
    /// # Errors
    /// The operating system's.
    pub fn sessions(&self) -> Result<impl Iterator<Item = SessionId>, StoreError> {
        let id = |path: PathBuf| path.file_name()?.to_str()?.parse().ok();
        Ok(names(&self.folder)?.into_iter().filter_map(id))
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

    /// How many chunk files a session has in this folder itself: what a link leads to is somewhere else's.
    ///
    /// # Errors
    /// The operating system's.
    pub fn count(&self, session: SessionId) -> Result<u32, StoreError> {
        if self.link(session).is_some() {
            return Ok(0);
        }
        let mut count = 0;
        for index in self.list(session)?.chunks {
            let path = self.path(session, index);
            count += u32::from(fs::symlink_metadata(&path).doing("read", &path)?.is_file());
        }
        Ok(count)
    }

    /// Where a session's folder is a link: what it leads to.
    #[must_use]
    pub fn link(&self, session: SessionId) -> Option<PathBuf> {
        fs::read_link(self.folder(session)).ok()
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
    ticket: Ticket,
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
    /// [`StoreError::LeaseLost`] where a later hold was begun meanwhile, or another writer of this
    /// chunk; the operating system's. Nothing of it is then left under the chunk's name.
    pub fn commit(mut self) -> Result<u64, StoreError> {
        self.disk.sync_file(&self.file, &self.temporary).doing("sync", &self.temporary)?;
        self.ticket.commit(|| {
            self.disk.rename(&self.temporary, &self.path).doing("rename", &self.temporary)
        })?;
        self.committed = true;
        Ok(self.bytes)
    }
}

impl Drop for ChunkWriter {
    fn drop(&mut self) {
        if !self.committed {
            self.ticket.give_up(|| {
                // What cannot be removed now is removed at the next start.
                let _ = fs::remove_file(&self.temporary);
            });
        }
    }
}

#[cfg(test)]
#[path = "chunks_tests.rs"]
mod tests;
