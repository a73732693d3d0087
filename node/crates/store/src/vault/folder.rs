//! A vault in a folder: `keys/`, `chunks/`, the master key, and how much room is left.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lucid_core::{
    ChunkIndex, SessionId,
    chunk::{LayoutError, MessageKeys},
    keys::{Dek, Kek, KeyFile, Wrap},
};

use super::{
    Ciphers, CommittedChunk, Lease, Presence, Vault, VaultFailure, Verdict,
    hold::{self, Holds},
};
use crate::{
    chunks::{ChunkFiles, ChunkWriter},
    data::{DataFolder, FolderKind},
    disk::Disk,
    error::{Doing, StoreError, chain, damaged},
    keys::KeyFiles,
    secrets::{KekSource, MasterKey},
    store::{Repair, remove_leftovers, within},
};

/// How a vault is opened.
#[derive(Clone)]
pub struct VaultOptions {
    /// Bytes kept back; `None` for a hundredth of the disk within bounds.
    pub reserve_bytes: Option<u64>,
    /// The disk.
    pub disk: Disk,
    /// What seals and opens.
    pub ciphers: Arc<dyn Ciphers>,
}

/// A vault in a folder: the store's own, or one of its own with its own lock.
pub struct FolderVault {
    keys: KeyFiles,
    chunks: ChunkFiles,
    master: MasterKey,
    ciphers: Arc<dyn Ciphers>,
    holds: Mutex<Holds>,
    reserve_bytes: u64,
    disk: Disk,
    /// Last, so that the lock goes when everything is closed.
    folder: Arc<DataFolder>,
}

impl FolderVault {
    /// Makes a vault's own folder, or finishes what an interrupted making began.
    ///
    /// # Errors
    /// [`StoreError::AlreadyThere`] where a vault is there, those of [`DataFolder::create`] and
    /// [`MasterKey::create`], the disk's.
    pub fn create(path: &Path, kek: KekSource, options: VaultOptions) -> Result<Self, StoreError> {
        let folder = DataFolder::create(path, FolderKind::Vault, &options.disk)?;
        let secrets = folder.join("secrets");
        if secrets.join("kek_id").exists() {
            return Err(StoreError::AlreadyThere { path: path.to_owned() });
        }
        let master = MasterKey::create(&secrets, &options.disk, kek)?;
        Self::within(Arc::new(folder), master, options)
    }

    /// Opens a vault's own folder, and removes what was never finished beside its secrets. What is left
    /// over in a session is found with it, when the store that it belongs to starts.
    ///
    /// # Errors
    /// Those of [`DataFolder::open`] and [`MasterKey::load`], before anything is written; the disk's.
    pub fn open(
        path: &Path,
        kek: Option<Kek>,
        options: VaultOptions,
    ) -> Result<(Self, Vec<Repair>), StoreError> {
        let folder = DataFolder::open(path, FolderKind::Vault)?;
        let secrets = folder.join("secrets");
        // The last of the secrets to be made.
        if !secrets.join("kek_id").exists() {
            return Err(StoreError::Unfinished { path: path.to_owned() });
        }
        let master = MasterKey::load(&secrets, kek)?;
        let mut repairs = Vec::new();
        remove_leftovers(&folder, &options.disk, &mut repairs)?;
        Ok((Self::within(Arc::new(folder), master, options)?, repairs))
    }

    /// The vault in a folder that is open and locked.
    pub(crate) fn within(
        folder: Arc<DataFolder>,
        master: MasterKey,
        options: VaultOptions,
    ) -> Result<Self, StoreError> {
        let VaultOptions { reserve_bytes, disk, ciphers } = options;
        let reserve_bytes = match reserve_bytes {
            Some(bytes) => bytes,
            None => folder.reserve_bytes()?,
        };
        Ok(Self {
            keys: KeyFiles::new(folder.join("keys"), disk.clone()),
            chunks: ChunkFiles::new(folder.join("chunks"), disk.clone()),
            master,
            ciphers,
            holds: Mutex::default(),
            reserve_bytes,
            disk,
            folder,
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Bytes that can still be written.
    ///
    /// # Errors
    /// The operating system's.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        self.folder.free_bytes()
    }

    /// The key files.
    #[must_use]
    pub fn keys(&self) -> &KeyFiles {
        &self.keys
    }

    /// The chunk files, to read them.
    #[must_use]
    pub fn chunks(&self) -> &ChunkFiles {
        &self.chunks
    }

    /// The master key.
    #[must_use]
    pub fn master_key(&self) -> &MasterKey {
        &self.master
    }

    /// Begins the file of a chunk under a hold that [`Vault::begin`] began. Writers of different chunks
    /// work at the same time.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`], [`StoreError::LeaseLost`] where this hold is not the last one begun in
    /// this process, [`StoreError::Chunk`] for a chunk that is settled, the disk's.
    pub fn chunk_writer(
        &self,
        session: SessionId,
        lease: Lease,
        index: ChunkIndex,
    ) -> Result<ChunkWriter, StoreError> {
        self.check_room()?;
        let Some(hold) = self.holds().get(session) else {
            return Err(StoreError::LeaseLost { session, lease: lease.0 });
        };
        self.chunks.writer(session, lease, index, hold)
    }

    /// An error of this vault as it crosses to another process, with paths as they are in the folder.
    #[must_use]
    pub fn failure(&self, error: &StoreError) -> VaultFailure {
        let VaultFailure { kind, text } = VaultFailure::of(error);
        VaultFailure { kind, text: within(self.path(), &text) }
    }

    fn holds(&self) -> MutexGuard<'_, Holds> {
        // It is whole between its operations.
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session's data key, or why this vault cannot have it.
    fn data_key(&self, session: SessionId) -> Result<Result<Dek, String>, StoreError> {
        let kek = match self.master.kek() {
            Ok(kek) => kek,
            Err(error) => {
                return Ok(Err(format!("nothing shows that it is the session's: {error}")));
            }
        };
        let file = match self.keys.get(session) {
            Err(error @ StoreError::Io { .. }) => return Err(error),
            file => file,
        };
        Ok(file.map_err(|error| chain(&error)).and_then(|file| {
            let opened = file.wraps.iter().find_map(|wrap| kek.unwrap(&session, wrap).ok());
            opened.ok_or_else(|| "the session's key does not open under the master key".to_owned())
        }))
    }

    fn judge(&self, session: SessionId, chunk: ChunkIndex, dek: &Dek) -> Verdict {
        let prefix = self.chunks.read_prefix(session, chunk).map_err(|error| chain(&error))?;
        let key = dek.chunk_key(&session, chunk);
        if !MessageKeys::of_chunk(&key, &prefix.salt, &prefix.header).commits_to(&prefix.commitment)
        {
            return Err("it was not sealed under the session's key".to_owned());
        }
        let summary = self.ciphers.authenticate(&self.chunks.path(session, chunk), &key)?;
        if (summary.header, summary.salt, summary.commitment)
            != (prefix.header, prefix.salt, prefix.commitment)
        {
            return Err("it changed while it was read".to_owned());
        }
        Ok(summary)
    }

    fn name_of(&self, path: &Path) -> String {
        let name = path.strip_prefix(self.path()).unwrap_or(path);
        name.display().to_string()
    }
}

impl Vault for FolderVault {
    fn check_room(&self) -> Result<(), StoreError> {
        self.folder.check_room(self.reserve_bytes)
    }

    fn make(&self, session: SessionId, keys: Option<&KeyFile>) -> Result<(), StoreError> {
        if self.keys.exists(session) {
            return Err(StoreError::SessionExists(session));
        }
        self.chunks.make_folder(session)?;
        match keys {
            Some(keys) => self.keys.put(session, keys),
            None => {
                let keys = self.ciphers.new_key(session, self.master.kek().ok());
                let keys = keys.map_err(|reason| StoreError::NewKey { session, reason })?;
                self.keys.put(session, &keys)
            }
        }
    }

    fn presence(&self, session: SessionId) -> Result<Presence, StoreError> {
        let there = |path: PathBuf| path.try_exists().doing("look for", &path);
        Ok(Presence {
            key_file: there(self.keys.path(session))?,
            chunk_folder: there(self.chunks.folder(session))?,
        })
    }

    fn check_key(&self, session: SessionId) -> Result<(), StoreError> {
        let file = self.keys.get(session)?;
        let under_kek = file.wraps.iter().any(|wrap| matches!(wrap, Wrap::Kek { .. }));
        match self.master.kek() {
            Ok(kek) if under_kek => match file.unwrap_with(kek, &session) {
                Ok(_) => Ok(()),
                Err(source) => Err(StoreError::KeyFile { path: self.keys.path(session), source }),
            },
            // Only whoever has a recipient's identity can tell.
            _ => Ok(()),
        }
    }

    fn chunks(&self, session: SessionId) -> Result<Vec<ChunkIndex>, StoreError> {
        Ok(self.chunks.list(session)?.chunks)
    }

    fn remove_temporary(&self, session: SessionId) -> Result<Vec<String>, StoreError> {
        let mut removed = Vec::new();
        for path in self.chunks.list(session)?.temporary {
            self.disk.remove(&path).doing("remove", &path)?;
            removed.push(self.name_of(&path));
        }
        Ok(removed)
    }

    fn check_chunks(
        &self,
        session: SessionId,
        chunks: &[CommittedChunk],
    ) -> Result<(), StoreError> {
        for &CommittedChunk { index, file_bytes: expected } in chunks {
            let found = self.chunks.file_bytes(session, index)?;
            if found != expected {
                let error = LayoutError::FileBytes { expected, found };
                return Err(damaged(&self.chunks.path(session, index), error));
            }
        }
        Ok(())
    }

    fn settle(&self, session: SessionId, chunks: &[CommittedChunk]) -> Result<(), StoreError> {
        let hold = self.holds().get(session);
        let mut held = hold.as_ref().map(hold::lock);
        self.check_chunks(session, chunks)?;
        if let (Some(held), Some(last)) = (&mut held, chunks.iter().map(|chunk| chunk.index).max())
        {
            held.settled(last.0.saturating_add(1));
        }
        drop(held);
        self.chunks.sync_folder(session)
    }

    fn examine(&self, session: SessionId, chunk: ChunkIndex) -> Result<Verdict, StoreError> {
        let verdict = self.data_key(session)?.and_then(|dek| self.judge(session, chunk, &dek));
        Ok(verdict.map_err(|reason| within(self.path(), &reason)))
    }

    fn quarantine(&self, session: SessionId, chunk: ChunkIndex) -> Result<String, StoreError> {
        Ok(self.name_of(&self.chunks.quarantine(session, chunk)?))
    }

    fn sync(&self, session: SessionId) -> Result<(), StoreError> {
        self.chunks.sync_folder(session)
    }

    fn begin(&self, session: SessionId, lease: Lease, next: ChunkIndex) -> Result<(), StoreError> {
        let folder = self.chunks.folder(session);
        match fs::metadata(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(match self.keys.exists(session) {
                    true => {
                        damaged(&folder, "it is missing, and with it every chunk of the session")
                    }
                    false => StoreError::UnknownSession(session),
                });
            }
            found => found.doing("look for", &folder)?,
        };
        let hold = self.holds().beginning(session, lease)?;
        let mut hold = hold::lock(&hold);
        if hold.take(session, lease)? {
            self.chunks.destroy_from(session, next)?;
            hold.begun(next);
        }
        Ok(())
    }

    fn release(&self, session: SessionId) -> Result<(), StoreError> {
        let Some(hold) = self.holds().get(session) else { return Ok(()) };
        if hold::lock(&hold).end() {
            self.holds().ended(session);
        }
        Ok(())
    }

    fn destroy(&self, session: SessionId) -> Result<(), StoreError> {
        // Writers that are under way give up, and none begins.
        let hold = self.holds().get(session);
        let mut held = hold.as_ref().map(hold::lock);
        if let Some(held) = &mut held {
            held.end();
        }
        self.keys.destroy(session)?;
        self.chunks.destroy(session)?;
        drop(held);
        self.holds().forget(session);
        Ok(())
    }
}
