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
//! Locks, in the order they are taken: a session's, then the log's or the vault's. The queue of those who
//! append (`group`) is locked under a session's lock and never with the log's. Chunk writers take none of
//! the store's.

mod anchors;
mod end;
mod group;
mod ledger;
mod open;
mod parameters;
mod recover;
mod recover_session;
mod upload;
mod users;
mod write;

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use lucid_core::{
    Hash, NodeId, Owner, SessionId, Timestamp,
    entry::{Entry, NodeEvent, SessionOpened},
    note::SigningKey,
};

use self::group::Queue;
pub(crate) use self::recover::{remove_leftovers, within};
pub use self::{
    end::{SealRequest, Sealed},
    ledger::Committed,
    open::{CreateOptions, LedgerOptions, OpenOptions},
    parameters::ParameterChanges,
    recover::{Recovery, Repair},
    users::UserChanges,
};
use crate::{
    data::DataFolder,
    db::{Database, Figures, SessionFilter, SessionRow},
    disk::Disk,
    error::StoreError,
    log::{Log, LogReader},
    secrets::NodeKey,
    sessions::{self, IndexReader, ManifestFile, SessionFolders, SessionIndex},
    vault::{FolderVault, Lease, Vault},
};

/// An open data folder. `Send` and `Sync`; share it behind an `Arc`.
///
/// Dropped without ceremony it loses nothing: whatever was acknowledged is durable.
pub struct Store {
    log: Mutex<Log>,
    /// Who waits to append.
    queue: Queue,
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
    /// The last hold begun.
    lease: Option<Lease>,
    /// Sealing or voiding has begun: no chunk is acknowledged any more.
    closing: bool,
}

impl Store {
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

    /// The bytes of a sealed session's manifest, told by the hash that its entry in the log has: whoever reads the
    /// log knows it, and neither database nor log are asked again.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where there is no file, or its hash is another one.
    pub fn manifest_bytes(&self, session: SessionId, hash: Hash) -> Result<Vec<u8>, StoreError> {
        let path = self.sessions.manifest_path(session);
        let read = sessions::read_bytes(&path, Some(hash))?;
        let (bytes, _) = read.ok_or_else(|| crate::error::damaged(&path, "the file is missing"))?;
        Ok(bytes)
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
        self.commit(entries.to_vec())
    }

    /// Puts a `node.event` into the log, durable when this returns. A detail over 1,024 bytes is cut.
    ///
    /// # Errors
    /// Those of [`append`](Self::append).
    pub fn append_event(
        &self,
        event: &str,
        detail: String,
        at: Timestamp,
    ) -> Result<Committed, StoreError> {
        self.append(&[node_event(event, detail, at)])
    }

    /// How far the log and the database are.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.db.figures()
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
