//! The store: one data folder, open, with everything in it kept in agreement.
//!
//! This module owns the order in which things reach the disk and the rules of a session's life. It
//! leaves the bytes of each file to the module of that file, keys and chunk files to the vault, what
//! chunks mean to the pipeline, and time to the caller.
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
//! - **filled**: chunks are written under a hold that [`Store::hold`] begins where the index ends, so that
//!   nothing acknowledged is in its way.
//!
//! Locks, in the order they are taken: a session's, then the log's or the vault's. Chunk writers take
//! neither of the store's.

mod end;
mod ledger;
mod recover;
mod recover_session;
mod upload;
mod write;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use lucid_core::{
    NodeId, Owner, SessionId, Timestamp,
    entry::{Entry, NodeEvent, SessionOpened},
    keys::Kek,
    note::SigningKey,
};

pub(crate) use self::recover::{remove_leftovers, within};
pub use self::{
    end::{SealRequest, Sealed},
    ledger::Committed,
    recover::{Recovery, Repair},
};
use crate::{
    data::{DataFolder, FolderKind},
    db::{self, Database, SessionFilter, SessionRow},
    disk::Disk,
    error::StoreError,
    log::{Log, LogReader},
    secrets::{KekSource, NodeKey, Secrets},
    sessions::{self, IndexReader, ManifestFile, SessionFolders, SessionIndex},
    vault::{Ciphers, FolderVault, Vault, VaultOptions},
};

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
    /// What seals and opens.
    pub ciphers: Arc<dyn Ciphers>,
}

/// How a data folder is opened.
pub struct OpenOptions {
    /// The master key, where it comes from outside.
    pub kek: Option<Kek>,
    /// The time, by the node's clock: that of the entries that recovery writes.
    pub at: Timestamp,
    /// Bytes kept back for the ledger; `None` for a hundredth of the disk within bounds.
    pub reserve_bytes: Option<u64>,
    /// The disk.
    pub disk: Disk,
    /// What seals and opens.
    pub ciphers: Arc<dyn Ciphers>,
}

/// How the folder of a ledger whose vault is elsewhere is made and opened.
pub struct LedgerOptions {
    /// The time, by the node's clock: that of the entries that are written meanwhile.
    pub at: Timestamp,
    /// Bytes kept back for the ledger; `None` for a hundredth of the disk within bounds.
    pub reserve_bytes: Option<u64>,
    /// The disk.
    pub disk: Disk,
}

/// An open data folder. `Send` and `Sync`; share it behind an `Arc`.
///
/// Dropped without ceremony it loses nothing: whatever was acknowledged is durable.
pub struct Store {
    log: Mutex<Log>,
    db: Database,
    live: Mutex<HashMap<SessionId, Arc<Mutex<Live>>>>,
    vault: Arc<dyn Vault>,
    /// The same vault, where it is in this folder.
    local: Option<Arc<FolderVault>>,
    sessions: SessionFolders,
    node: NodeKey,
    reserve_bytes: u64,
    disk: Disk,
    /// Last, so that the lock goes when everything is closed.
    folder: Arc<DataFolder>,
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
        let CreateOptions { kek, at, reserve_bytes, disk, ciphers } = options;
        let folder = Arc::new(DataFolder::create(path, FolderKind::Node, &disk)?);
        check_no_log(&folder)?;
        let (master, node) = Secrets::create(&folder.join("secrets"), &disk, kek)?.split();
        let vault = VaultOptions { reserve_bytes, disk: disk.clone(), ciphers };
        let vault = Arc::new(FolderVault::within(Arc::clone(&folder), master, vault)?);
        let parts = Parts { folder, node, vault: vault.clone(), local: Some(vault) };
        Self::begin(parts, LedgerOptions { at, reserve_bytes, disk })
    }

    /// Opens a data folder and repairs what a crash left; what was repaired is also in the log, as
    /// `node.event` entries.
    ///
    /// # Errors
    /// Those of [`DataFolder::open`] and [`Secrets::load`], before anything is written; those of the
    /// log, which is the truth and cannot be guessed; the disk's.
    pub fn open(path: &Path, options: OpenOptions) -> Result<(Self, Recovery), StoreError> {
        let OpenOptions { kek, at, reserve_bytes, disk, ciphers } = options;
        let folder = Arc::new(DataFolder::open(path, FolderKind::Node)?);
        // The last of the secrets to be made; a log that was never begun says so itself.
        if !folder.join("secrets").join("kek_id").exists() {
            return Err(StoreError::Unfinished { path: path.to_owned() });
        }
        let (master, node) = Secrets::load(&folder.join("secrets"), kek)?.split();
        let vault = VaultOptions { reserve_bytes, disk: disk.clone(), ciphers };
        let vault = Arc::new(FolderVault::within(Arc::clone(&folder), master, vault)?);
        let parts = Parts { folder, node, vault: vault.clone(), local: Some(vault) };
        Self::take_up(parts, LedgerOptions { at, reserve_bytes, disk })
    }

    /// Makes the folder of a ledger over a vault that is elsewhere, or finishes what an interrupted
    /// making began. The vault is not asked.
    ///
    /// # Errors
    /// [`StoreError::AlreadyThere`] where a ledger is there, those of [`DataFolder::create`] and
    /// [`NodeKey::create`], the disk's.
    pub fn create_with(
        path: &Path,
        vault: Arc<dyn Vault>,
        options: LedgerOptions,
    ) -> Result<Self, StoreError> {
        let folder = Arc::new(DataFolder::create(path, FolderKind::Ledger, &options.disk)?);
        check_no_log(&folder)?;
        let node = NodeKey::create(&folder.join("secrets"), &options.disk)?;
        Self::begin(Parts { folder, node, vault, local: None }, options)
    }

    /// Opens the folder of a ledger over a vault that is elsewhere, as [`Store::open`] does. The vault is
    /// asked for what a crash left of sessions; where it cannot be reached, that is the error, and this
    /// can be called again.
    ///
    /// # Errors
    /// Those of [`Store::open`], and the vault's.
    pub fn open_with(
        path: &Path,
        vault: Arc<dyn Vault>,
        options: LedgerOptions,
    ) -> Result<(Self, Recovery), StoreError> {
        let folder = Arc::new(DataFolder::open(path, FolderKind::Ledger)?);
        if !folder.join("secrets").join("node.key").exists() {
            return Err(StoreError::Unfinished { path: path.to_owned() });
        }
        let node = NodeKey::load(&folder.join("secrets"))?;
        Self::take_up(Parts { folder, node, vault, local: None }, options)
    }

    /// Begins the log of a new node.
    fn begin(parts: Parts, options: LedgerOptions) -> Result<Self, StoreError> {
        let LedgerOptions { at, reserve_bytes, disk } = options;
        let key = parts.node.log_key().clone();
        let log = Log::create(&parts.folder.join("log"), key, disk.clone())?;
        let db = db::open(&parts.folder.join("db"), &disk, &*log)?.database;
        let store = Self::assemble(parts, log, db, reserve_bytes, disk)?;
        store.begin_log(at)?;
        Ok(store)
    }

    /// Opens what is there, and repairs it.
    fn take_up(parts: Parts, options: LedgerOptions) -> Result<(Self, Recovery), StoreError> {
        let LedgerOptions { at, reserve_bytes, disk } = options;
        let mut recovery = Recovery::default();
        remove_leftovers(&parts.folder, &disk, &mut recovery.repairs)?;
        let key = parts.node.log_key().clone();
        let log = Log::open(&parts.folder.join("log"), key, disk.clone())?;
        recovery.repairs.extend(log.repairs().iter().cloned().map(Repair::Log));
        let opened = db::open(&parts.folder.join("db"), &disk, &*log)?;
        let rebuilt = opened.rebuilt.map(|rebuilt| Repair::Database(rebuilt.to_string()));
        recovery.repairs.extend(rebuilt);
        let store = Self::assemble(parts, log, opened.database, reserve_bytes, disk)?;
        store.begin_log(at)?;
        store.recover(&mut recovery, at)?;
        Ok((store, recovery))
    }

    fn assemble(
        parts: Parts,
        log: Log,
        db: Database,
        reserve_bytes: Option<u64>,
        disk: Disk,
    ) -> Result<Self, StoreError> {
        let Parts { folder, node, vault, local } = parts;
        let reserve_bytes = match reserve_bytes {
            Some(bytes) => bytes,
            None => folder.reserve_bytes()?,
        };
        Ok(Self {
            log: Mutex::new(log),
            db,
            live: Mutex::default(),
            vault,
            local,
            sessions: SessionFolders::new(folder.join("sessions"), disk.clone()),
            node,
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
        self.node.node_id()
    }

    /// The key that signs the log's checkpoints.
    #[must_use]
    pub fn log_key(&self) -> &SigningKey {
        self.node.log_key()
    }

    /// Keys and chunks, wherever they are.
    #[must_use]
    pub fn vault(&self) -> &dyn Vault {
        &*self.vault
    }

    /// Keys and chunks, where they are in this folder.
    ///
    /// # Errors
    /// [`StoreError::VaultElsewhere`].
    pub fn local(&self) -> Result<&Arc<FolderVault>, StoreError> {
        let elsewhere = || StoreError::VaultElsewhere { path: self.path().to_owned() };
        self.local.as_ref().ok_or_else(elsewhere)
    }

    /// What the log says about a session, as the database has it: whoever signs, proves or destroys
    /// on account of it reads the entry ([`Store::opened`], [`Store::sealed`]).
    ///
    /// # Errors
    /// [`StoreError::UnknownSession`], the database's.
    pub fn session(&self, session: SessionId) -> Result<SessionRow, StoreError> {
        self.db.session(session)?.ok_or(StoreError::UnknownSession(session))
    }

    /// At most `limit` sessions that `filter` takes, beginning after the session `after`. One owner's are
    /// found without looking at others', open ones without looking at ended ones.
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

    /// Number of an owner's open sessions.
    #[must_use]
    pub fn open_sessions(&self, owner: &Owner) -> u32 {
        self.db.open_sessions(owner)
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
    /// [`StoreError::DiskFull`], the operating system's, the vault's.
    pub fn check_room(&self) -> Result<(), StoreError> {
        if self.local.is_none() {
            self.folder.check_room(self.reserve_bytes)?;
        }
        self.vault.check_room()
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

/// A node's folder, its signing key, and where its keys and chunks are.
struct Parts {
    folder: Arc<DataFolder>,
    node: NodeKey,
    vault: Arc<dyn Vault>,
    local: Option<Arc<FolderVault>>,
}

/// A node is made once.
fn check_no_log(folder: &DataFolder) -> Result<(), StoreError> {
    match folder.join("log").join("checkpoint").exists() {
        true => Err(StoreError::AlreadyThere { path: folder.path().to_owned() }),
        false => Ok(()),
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
