//! The store: one data folder, open, with everything in it kept in agreement.
//!
//! This module owns the order in which things reach the disk and the rules of a session's life. It
//! leaves the bytes of each file to the module of that file, what chunks mean to the pipeline, and
//! time to the caller.
//!
//! Invariants:
//! - **opened**: session folder, key file and chunk folder are durable, then the `session.opened`
//!   entry, then the row. A mark in `opening/` stands while that is done, so that a start finds
//!   what an interrupted opening left.
//! - **acknowledged**: a chunk's file is durable under its name, then its record in the index. Nothing
//!   else counts.
//! - **sealed**: the manifest is durable, then the `session.sealed` entry with its checkpoint, then the
//!   row. Once sealing has begun no chunk is acknowledged any more, also where sealing failed: the
//!   manifest may be on the disk, and a start finishes what it finds.
//! - **erased, voided**: the entry comes first, then keys and chunks are destroyed. A crash between
//!   the two is finished at the next start.
//! - the log never holds an impossible life: what an entry needs is checked under the lock under
//!   which it is appended.
//! - the database is a guide to the log, not a witness: what is signed, proved or destroyed is read
//!   from the entry that a row names.
//!
//! Locks, in the order they are taken: a session's, then the log's. Chunk writers take
//! neither.

mod end;
mod ledger;
mod recover;
mod recover_session;
mod write;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use lucid_core::{
    NodeId, SessionId, Timestamp,
    chunk::ChunkSummary,
    entry::{Entry, NodeEvent, SessionOpened},
    keys::Kek,
};

pub use self::{
    end::{SealRequest, Sealed},
    ledger::Committed,
    recover::{Recovery, Repair},
};
use crate::{
    chunks::ChunkFiles,
    data::DataFolder,
    db::{self, Database, SessionFilter, SessionRow},
    disk::Disk,
    error::StoreError,
    keys::KeyFiles,
    log::{Log, LogReader},
    secrets::{KekSource, Secrets},
    sessions::{self, IndexReader, ManifestFile, SessionFolders, SessionIndex},
};

/// Gives the summary of a chunk file that was written but not acknowledged before a crash, or why it
/// is none: hashing is the pipeline's.
pub type Summarise<'a> = &'a dyn Fn(&Path) -> Result<ChunkSummary, String>;

/// How a data folder is made.
pub struct CreateOptions {
    /// Where the master key comes from.
    pub kek: KekSource,
    /// The time, by the node's clock.
    pub at: Timestamp,
    /// Bytes kept back for the ledger; `None` for a hundredth of the disk within bounds.
    pub reserve_bytes: Option<u64>,
    /// The disk.
    pub disk: Disk,
}

/// How a data folder is opened.
pub struct OpenOptions<'a> {
    /// The master key, where it comes from outside.
    pub kek: Option<Kek>,
    /// The time, by the node's clock: that of the entries that recovery writes.
    pub at: Timestamp,
    /// Bytes kept back for the ledger; `None` for a hundredth of the disk within bounds.
    pub reserve_bytes: Option<u64>,
    /// The disk.
    pub disk: Disk,
    /// See [`Summarise`].
    pub summarise: Summarise<'a>,
}

/// An open data folder. `Send` and `Sync`; share it behind an `Arc`.
///
/// Dropped without ceremony it loses nothing: whatever was acknowledged is durable.
pub struct Store {
    log: Mutex<Log>,
    db: Database,
    live: Mutex<HashMap<SessionId, Arc<Mutex<Live>>>>,
    keys: KeyFiles,
    chunks: ChunkFiles,
    sessions: SessionFolders,
    secrets: Secrets,
    reserve_bytes: u64,
    disk: Disk,
    /// Last, so that the lock goes when everything is closed.
    folder: DataFolder,
}

/// A session that this process works on.
#[derive(Default)]
struct Live {
    /// Once it was needed: the index, and the entry that says under which policy it is recorded.
    open: Option<(SessionIndex, SessionOpened)>,
    /// Sealing or voiding has begun: no chunk is acknowledged any more.
    closing: bool,
}

impl Store {
    /// Makes a data folder and a node in it, or finishes what an interrupted making began.
    ///
    /// # Errors
    /// [`StoreError::AlreadyThere`] where a node is there, those of [`DataFolder::create`] and
    /// [`Secrets::create`], the disk's.
    pub fn create(path: &Path, options: CreateOptions) -> Result<Self, StoreError> {
        let CreateOptions { kek, at, reserve_bytes, disk } = options;
        let folder = DataFolder::create(path, &disk)?;
        let log_path = folder.join("log");
        if log_path.join("checkpoint").exists() {
            return Err(StoreError::AlreadyThere { path: path.to_owned() });
        }
        let secrets = Secrets::create(&folder.join("secrets"), &disk, kek)?;
        let log = Log::create(&log_path, secrets.log_key().clone(), disk.clone())?;
        let db = db::open(&folder.join("db"), &disk, &*log)?.database;
        let store = Self::assemble(folder, secrets, log, db, reserve_bytes, disk)?;
        store.begin_log(at)?;
        Ok(store)
    }

    /// Opens a data folder and repairs what a crash left; what was repaired is also in the log, as
    /// `node.event` entries.
    ///
    /// # Errors
    /// Those of [`DataFolder::open`] and [`Secrets::load`], before anything is written; those of the
    /// log, which is the truth and cannot be guessed; the disk's.
    pub fn open(path: &Path, options: OpenOptions<'_>) -> Result<(Self, Recovery), StoreError> {
        let OpenOptions { kek, at, reserve_bytes, disk, summarise } = options;
        let folder = DataFolder::open(path)?;
        // The last of the secrets to be made; a log that was never begun says so itself.
        if !folder.join("secrets").join("kek_id").exists() {
            return Err(StoreError::Unfinished { path: path.to_owned() });
        }
        let secrets = Secrets::load(&folder.join("secrets"), kek)?;
        let mut recovery = Recovery::default();
        recover::remove_leftovers(&folder, &disk, &mut recovery)?;
        let log = Log::open(&folder.join("log"), secrets.log_key().clone(), disk.clone())?;
        recovery.repairs.extend(log.repairs().iter().cloned().map(Repair::Log));
        let opened = db::open(&folder.join("db"), &disk, &*log)?;
        let rebuilt = opened.rebuilt.map(|rebuilt| Repair::Database(rebuilt.to_string()));
        recovery.repairs.extend(rebuilt);
        let store = Self::assemble(folder, secrets, log, opened.database, reserve_bytes, disk)?;
        store.begin_log(at)?;
        store.recover(&mut recovery, at, summarise)?;
        Ok((store, recovery))
    }

    fn assemble(
        folder: DataFolder,
        secrets: Secrets,
        log: Log,
        db: Database,
        reserve_bytes: Option<u64>,
        disk: Disk,
    ) -> Result<Self, StoreError> {
        let reserve_bytes = match reserve_bytes {
            Some(bytes) => bytes,
            None => folder.reserve_bytes()?,
        };
        Ok(Self {
            log: Mutex::new(log),
            db,
            live: Mutex::default(),
            keys: KeyFiles::new(folder.join("keys"), disk.clone()),
            chunks: ChunkFiles::new(folder.join("chunks"), disk.clone()),
            sessions: SessionFolders::new(folder.join("sessions"), disk.clone()),
            secrets,
            reserve_bytes,
            disk,
            folder,
        })
    }

    /// A log begins with the entry that says so.
    fn begin_log(&self, at: Timestamp) -> Result<(), StoreError> {
        if self.with_log(|log| Ok(log.size()))? > 0 {
            return Ok(());
        }
        let detail = self.node_id().log_origin();
        self.append(&[node_event("log.created", detail, at)]).map(|_| ())
    }

    /// The data folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The node's id.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.secrets.node_id()
    }

    /// The node's keys.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
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

    /// What the log says about a session, as the database has it: whoever signs, proves or destroys
    /// on account of it reads the entry ([`Store::opened`], [`Store::sealed`]).
    ///
    /// # Errors
    /// [`StoreError::UnknownSession`], the database's.
    pub fn session(&self, session: SessionId) -> Result<SessionRow, StoreError> {
        self.db.session(session)?.ok_or(StoreError::UnknownSession(session))
    }

    /// At most `limit` sessions that `filter` takes, beginning after the session `after`.
    ///
    /// # Errors
    /// [`StoreError::UnknownSession`] for `after`, the database's.
    pub fn sessions(
        &self,
        filter: &SessionFilter,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<SessionRow>, StoreError> {
        self.db.list(filter, after, limit)
    }

    /// A sealed session's manifest, whole, checked against the hash in its entry in the log.
    ///
    /// # Errors
    /// [`StoreError::UnknownSession`], [`StoreError::State`] before it is sealed,
    /// [`StoreError::Damaged`].
    pub fn manifest(&self, session: SessionId) -> Result<ManifestFile, StoreError> {
        let sealed = self.sealed(session)?;
        let path = self.sessions.manifest_path(session);
        let file = sessions::read(&path, Some(sealed.manifest_hash))?;
        file.ok_or_else(|| crate::error::damaged(&path, "the file is missing"))
    }

    /// A session's acknowledged chunks, in order, read from the disk one by one.
    ///
    /// # Errors
    /// [`StoreError::UnknownSession`], [`StoreError::Damaged`]; each item [`StoreError::Damaged`]
    /// too.
    pub fn index(&self, session: SessionId) -> Result<IndexReader, StoreError> {
        self.session(session)?;
        IndexReader::open(&self.sessions.index_path(session), session)
    }

    /// Looks at the log while nothing is appended to it: be short. What takes long (a check, an
    /// export) opens a [`LogReader`] of its own.
    ///
    /// # Errors
    /// `look`'s.
    pub fn with_log<T>(
        &self,
        look: impl FnOnce(&LogReader) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        look(&*self.lock_log()?)
    }

    /// Appends entries and a checkpoint, durable when this returns. An entry about a session must
    /// follow from the session's state.
    ///
    /// # Errors
    /// [`StoreError::State`] and its like, with nothing written; the log's.
    pub fn append(&self, entries: &[Entry]) -> Result<Committed, StoreError> {
        self.commit(entries)
    }

    /// Bytes that can still be written.
    ///
    /// # Errors
    /// The operating system's.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        self.folder.free_bytes()
    }

    /// Bytes kept back for the ledger.
    #[must_use]
    pub fn reserve_bytes(&self) -> u64 {
        self.reserve_bytes
    }

    /// Refuses where new sessions and chunks would bring the ledger in danger.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`], the operating system's.
    pub fn check_room(&self) -> Result<(), StoreError> {
        let (free, reserve) = (self.free_bytes()?, self.reserve_bytes);
        if free >= reserve {
            return Ok(());
        }
        Err(StoreError::DiskFull { path: self.path().to_owned(), free, reserve })
    }

    /// The lock of a session: whoever changes it holds this.
    fn live(&self, session: SessionId) -> Arc<Mutex<Live>> {
        // The map is whole between its operations, none of which panics half way.
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(live.entry(session).or_default())
    }

    /// Forgets an ended session. Whoever still waits for its lock finds it ended.
    fn forget(&self, session: SessionId) {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).remove(&session);
    }
}

/// An entry about the node itself; a text over the limit is cut.
#[expect(clippy::default_trait_access, reason = "the types of these fields have no public names")]
pub(crate) fn node_event(event: &str, mut detail: String, at: Timestamp) -> Entry {
    const DETAIL_BYTES_MAX: usize = 1024;
    if detail.len() > DETAIL_BYTES_MAX {
        detail.truncate(detail.floor_char_boundary(DETAIL_BYTES_MAX));
    }
    let event = event.to_owned();
    Entry::NodeEvent(NodeEvent {
        at,
        detail,
        event,
        kind: Default::default(),
        v: Default::default(),
    })
}

#[cfg(test)]
mod tests;
