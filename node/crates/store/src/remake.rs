//! A node's folder made anew, from what was read back and verified elsewhere.
//!
//! The node's secrets have to be there: without its key it would be another node, whose log is another one. What
//! is made is the log, manifests, and the indexes of sessions all of whose chunk files are there; the databases
//! follow from those when the folder is opened.
//!
//! Nothing is a log until it is whole: it grows in `log.remade`, and has its name when its head is the one that
//! was read back. A crash before that leaves a folder without a log, in which it is begun again. Indexes that are
//! there stay, unless a better one can be made: salts and commitments are nowhere else but in chunk files.

use std::{
    fs,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use lucid_core::{
    ChunkIndex, Hash, NodeId, SessionId, chunk::ChunkSummary, merkle::TreeHead, note::VerifierKey,
};

use crate::{
    chunks::{ChunkFiles, remove_folder},
    data::{DataFolder, FolderKind, is_empty},
    disk::{Disk, parent, temporary_name},
    error::{Doing, StoreError, damaged},
    keys::KeyFiles,
    log::Log,
    secrets::NodeKey,
    sessions::{BATCH_RECORDS_MAX, ManifestFile, SessionFolders, SessionIndex, read},
};

/// A log that is not whole yet.
pub(crate) const UNFINISHED: &str = "log.remade";
/// Bytes of a manifest gathered before they are written.
const BUFFER_BYTES: usize = 64 << 10;

/// A node's folder that has no log yet.
pub struct Remake {
    folder: DataFolder,
    kind: FolderKind,
    node: NodeKey,
    log: Log,
    sessions: SessionFolders,
    chunks: ChunkFiles,
    keys: KeyFiles,
    disk: Disk,
}

impl Remake {
    /// Begins in a folder that has the node's secrets and no log; one that was begun there is begun again. The
    /// folder may be a whole node's, a ledger's, or have nothing but `secrets/`.
    ///
    /// # Errors
    /// [`StoreError::AlreadyThere`] where there is a log; those of [`DataFolder::create`] and [`NodeKey::load`],
    /// the disk's.
    pub fn begin(path: &Path, disk: &Disk) -> Result<Self, StoreError> {
        // Before anything is made in a folder that has no key.
        let node = NodeKey::load(&path.join("secrets"))?;
        let (kind, folder) = match make(path, FolderKind::Node, disk) {
            Err(StoreError::OtherFolder { found: FolderKind::Ledger, .. }) => {
                (FolderKind::Ledger, make(path, FolderKind::Ledger, disk)?)
            }
            folder => (FolderKind::Node, folder?),
        };
        if !is_empty(&folder.join("log"))? {
            return Err(StoreError::AlreadyThere { path: path.to_owned() });
        }
        let unfinished = folder.join(UNFINISHED);
        if unfinished.exists() {
            remove_folder(&unfinished, disk)?;
        }
        let log = Log::create(&unfinished, node.log_key().clone(), disk.clone())?;
        Ok(Self {
            kind,
            node,
            log,
            sessions: SessionFolders::new(folder.join("sessions"), disk.clone()),
            chunks: ChunkFiles::new(folder.join("chunks"), disk.clone()),
            keys: KeyFiles::new(folder.join("keys"), disk.clone()),
            disk: disk.clone(),
            folder,
        })
    }

    /// The node's id.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.node.node_id()
    }

    /// The key that its checkpoints are verified with.
    #[must_use]
    pub fn verifier_key(&self) -> &VerifierKey {
        self.node.log_key().verifier_key()
    }

    /// Whether chunks and keys belong into this folder; a ledger's are with the session-encryptor.
    #[must_use]
    pub fn has_vault(&self) -> bool {
        self.kind == FolderKind::Node
    }

    /// Entries so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.log.size()
    }

    /// Appends the next entries, in order. The more at once, the fewer syncs.
    ///
    /// # Errors
    /// The log's.
    pub fn push(&mut self, entries: &[Vec<u8>]) -> Result<(), StoreError> {
        self.log.append(entries)?;
        Ok(())
    }

    /// Whether a chunk's file is there. What is in it is not looked at.
    ///
    /// # Errors
    /// The operating system's.
    pub fn has_chunk(&self, session: SessionId, index: ChunkIndex) -> Result<bool, StoreError> {
        let path = self.chunks.path(session, index);
        path.try_exists().doing("look for", &path)
    }

    /// Whether a session's key file is there: without it nobody can read the session.
    ///
    /// # Errors
    /// The operating system's.
    pub fn has_key(&self, session: SessionId) -> Result<bool, StoreError> {
        let path = self.keys.path(session);
        path.try_exists().doing("look for", &path)
    }

    /// Makes an empty index for a session that was open and has none, where its key is there or is another process's to
    /// have: at the next start those of its chunk files that are whole are taken up. Says whether there is one.
    ///
    /// # Errors
    /// The operating system's.
    pub fn reopen(&self, session: SessionId) -> Result<bool, StoreError> {
        if self.has_vault() && !self.has_key(session)? {
            return Ok(false);
        }
        let path = self.sessions.index_path(session);
        if !path.try_exists().doing("look for", &path)? {
            self.sessions.make(session)?;
        }
        Ok(true)
    }

    /// Begins a session's manifest.
    ///
    /// # Errors
    /// The operating system's.
    pub fn manifest(&self, session: SessionId) -> Result<ManifestDraft, StoreError> {
        let folder = self.sessions.folder(session);
        self.disk.make_folder(&folder).doing("create", &folder)?;
        let path = self.sessions.manifest_path(session);
        let temporary = temporary_name(&path);
        let file = self.disk.create(&temporary).doing("create", &temporary)?;
        let disk = self.disk.clone();
        let writer = FileWriter { disk, file, path: temporary };
        Ok(ManifestDraft { writer: BufWriter::with_capacity(BUFFER_BYTES, writer), path })
    }

    /// Makes a session's index from its manifest and what its chunk files begin with: what the session's tree
    /// is made of. Says whether that gave the session's root; where it does not, or a file is not a chunk's, what
    /// was there stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where there is no manifest with this hash; the operating system's.
    pub fn index(&self, session: SessionId, manifest_hash: Hash) -> Result<bool, StoreError> {
        let path = self.sessions.manifest_path(session);
        let file = read(&path, Some(manifest_hash))?;
        let file = file.ok_or_else(|| damaged(&path, "it is missing"))?;
        let path = self.sessions.index_path(session);
        let made = path.with_extension("remade");
        let is_whole = match self.index_of(session, &file, &made) {
            Err(
                StoreError::Damaged { .. }
                | StoreError::ChunkMissing { .. }
                | StoreError::Chunk { .. },
            ) => false,
            is_whole => is_whole?,
        };
        if is_whole {
            self.disk.rename(&made, &path).doing("rename", &made)?;
            self.disk.sync_folder(parent(&path)).doing("sync", parent(&path))?;
        } else {
            self.disk.remove(&made).doing("remove", &made)?;
        }
        Ok(is_whole)
    }

    fn index_of(
        &self,
        session: SessionId,
        file: &ManifestFile,
        path: &Path,
    ) -> Result<bool, StoreError> {
        SessionIndex::create(path, session, &self.disk)?;
        let mut index = SessionIndex::open(path, session, &self.disk)?;
        for listed in file.manifest.chunks.chunks(BATCH_RECORDS_MAX) {
            let mut summaries = Vec::with_capacity(listed.len());
            for chunk in listed {
                let prefix = self.chunks.read_prefix(session, chunk.index)?;
                summaries.push(ChunkSummary {
                    header: prefix.header,
                    salt: prefix.salt,
                    commitment: prefix.commitment,
                    chunk_root: chunk.chunk_root,
                });
            }
            index.append(&summaries)?;
        }
        Ok(index.root() == file.manifest.merkle_root)
    }

    /// Gives the log its name, if its head is `head`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where it is another, with the log not there; the operating system's.
    pub fn finish(self, head: TreeHead) -> Result<(), StoreError> {
        let found = TreeHead { size: self.log.size(), root: self.log.root() };
        let (unfinished, path) = (self.folder.join(UNFINISHED), self.folder.join("log"));
        if found != head {
            let reason = format!(
                "it has {} entries and the root {}; what was read back has {} and {}",
                found.size, found.root, head.size, head.root
            );
            return Err(damaged(&unfinished, reason));
        }
        drop(self.log);
        // The folder that it takes the place of is empty.
        self.disk.rename(&unfinished, &path).doing("rename", &unfinished)?;
        self.disk.sync_folder(parent(&path)).doing("sync", parent(&path))
    }
}

fn make(path: &Path, kind: FolderKind, disk: &Disk) -> Result<DataFolder, StoreError> {
    DataFolder::create_around_secrets(path, kind, disk)
}

/// A manifest that is being written. Where it is dropped there is none.
pub struct ManifestDraft {
    writer: BufWriter<FileWriter>,
    path: PathBuf,
}

impl ManifestDraft {
    /// Puts its next bytes.
    ///
    /// # Errors
    /// The operating system's.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let written = self.writer.write_all(bytes);
        written.doing("write", &self.writer.get_ref().path)
    }

    /// Keeps what was written as the session's manifest, durably.
    ///
    /// # Errors
    /// The operating system's.
    pub fn keep(mut self) -> Result<(), StoreError> {
        let FileWriter { disk, file, path } = self.writer.get_ref();
        let (disk, temporary) = (disk.clone(), path.clone());
        let file = file.try_clone().doing("write", &temporary)?;
        self.writer.flush().doing("write", &temporary)?;
        disk.sync_file(&file, &temporary).doing("sync", &temporary)?;
        disk.rename(&temporary, &self.path).doing("rename", &temporary)?;
        disk.sync_folder(parent(&self.path)).doing("sync", parent(&self.path))
    }

    /// Throws it away.
    ///
    /// # Errors
    /// The operating system's.
    pub fn discard(self) -> Result<(), StoreError> {
        let FileWriter { disk, path, .. } = self.writer.get_ref();
        disk.remove(path).doing("remove", path)
    }
}

/// A file that every write to may fail, in tests.
struct FileWriter {
    disk: Disk,
    file: fs::File,
    path: PathBuf,
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.write(&self.file, &self.path, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
