//! Ending a session: sealed, voided or erased.

use std::io;

use lucid_core::{
    ChunkIndex, EntryIndex, Hash, SessionId, Timestamp,
    chunk::SEGMENT_BYTES,
    counted,
    entry::{Entry, SessionErased, SessionOpened, SessionSealed, SessionVoided},
    manifest::{Manifest, ManifestChunk, Streamed, Totals},
};

use super::{Live, Store};
use crate::{
    db::State,
    error::{ErrorKind, StoreError, chain},
    sessions::{self, IndexReader},
    vault::CommittedChunk,
};

/// Chunks whose files are asked about at once.
const CHECKED_AT_ONCE: usize = 512;

/// What a sealing needs besides the session.
#[derive(Clone, Debug)]
pub struct SealRequest {
    /// False where the session is closed without its owner's end mark.
    pub complete: bool,
    /// When, by the node's clock.
    pub at: Timestamp,
    /// Name and version of what recorded the session.
    pub software: String,
}

/// A session that was sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealed {
    /// Hash of the manifest's bytes.
    pub manifest_hash: Hash,
    /// Root of the session tree.
    pub merkle_root: Hash,
    /// Number of chunks.
    pub chunk_count: u32,
    /// Plaintext length in bytes.
    pub plain_bytes: u64,
    /// Bytes of all chunk files together.
    pub stored_bytes: u64,
    /// Place of the `session.sealed` entry.
    pub entry: EntryIndex,
    /// Entries in the log.
    pub log_size: u64,
    /// The checkpoint that covers the entry, a signed note.
    pub checkpoint: String,
}

impl Store {
    /// Seals a session over its acknowledged chunks: when this returns, manifest, `session.sealed`
    /// entry and checkpoint are durable.
    ///
    /// # Errors
    /// [`StoreError::State`] unless it is open, [`StoreError::Unreadable`] where its key file is lost or another's, or every
    /// chunk is lost, [`StoreError::NotWhole`] where one is and it is to be complete,
    /// [`StoreError::Damaged`] where its index is damaged, the log's, the disk's. It can be called again; until it succeeds the session takes no chunks, and
    /// the next start may finish it.
    pub fn seal(&self, session: SessionId, request: &SealRequest) -> Result<Sealed, StoreError> {
        let sealed = self.with_open(session, |live| {
            let totals = *self.opened_index(session, live)?.0.totals();
            self.check_readable(session, totals.chunk_count, request.complete)?;
            live.closing = true;
            let (index, opened) = self.opened_index(session, live)?;
            let root = index.root();
            let manifest = self.manifest_of(opened, &totals, root, request)?;
            let path = self.sessions.manifest_path(session);
            let written = sessions::write(&path, &manifest, &self.disk);
            // A manifest is written as the index is read: what is wrong with that is said first.
            let (manifest_hash, _) =
                written.map_err(|error| self.fault_of_index(session).unwrap_or(error))?;
            self.sessions.remove_upload(session)?;
            self.commit_sealed(opened, &totals, root, manifest_hash, request.at)
        })?;
        self.forget(session);
        self.release(session);
        Ok(sealed)
    }

    /// Refuses a session that nobody could read, and as whole one of which chunks are lost: once it is sealed it is in the
    /// log for good. As incomplete, what is left of it is worth a proof.
    fn check_readable(
        &self,
        session: SessionId,
        chunk_count: u32,
        complete: bool,
    ) -> Result<(), StoreError> {
        self.vault.check_key(session).map_err(|error| match error.kind() {
            ErrorKind::Damaged => StoreError::Unreadable { session, reason: chain(&error) },
            _ => error,
        })?;
        let acknowledged = |index: &ChunkIndex| index.0 < chunk_count;
        if chunk_count > 0 && !self.vault.chunks(session)?.iter().any(acknowledged) {
            let reason = format!("none of its {} is there", counted(chunk_count, "chunk"));
            return Err(StoreError::Unreadable { session, reason });
        }
        if !complete {
            return Ok(());
        }
        let mut chunks = self.index(session)?.map(|chunk| Ok(CommittedChunk::from(&chunk?)));
        loop {
            let page: Vec<_> =
                chunks.by_ref().take(CHECKED_AT_ONCE).collect::<Result<_, StoreError>>()?;
            if page.is_empty() {
                return Ok(());
            }
            self.vault.check_chunks(session, &page).map_err(|error| match error.kind() {
                ErrorKind::Damaged => StoreError::NotWhole { session, reason: chain(&error) },
                _ => error,
            })?;
        }
    }

    /// What is wrong with a session's index as it is on the disk, where anything is.
    fn fault_of_index(&self, session: SessionId) -> Option<StoreError> {
        match self.index(session) {
            Ok(mut index) => index.find_map(Result::err),
            Err(error) => Some(error),
        }
    }

    /// Puts the `session.sealed` entry into the log, whose manifest is durable.
    #[expect(
        clippy::default_trait_access,
        reason = "the types of these fields have no public names"
    )]
    pub(super) fn commit_sealed(
        &self,
        opened: &SessionOpened,
        totals: &Totals,
        merkle_root: Hash,
        manifest_hash: Hash,
        at: Timestamp,
    ) -> Result<Sealed, StoreError> {
        let committed = self.commit(vec![Entry::SessionSealed(SessionSealed {
            at,
            chunk_count: totals.chunk_count,
            kind: Default::default(),
            manifest_hash,
            merkle_root,
            owner: opened.owner.clone(),
            plain_bytes: totals.plain_bytes,
            policy_hash: opened.policy.hash(),
            session_id: opened.session_id,
            v: Default::default(),
        })])?;
        Ok(Sealed {
            manifest_hash,
            merkle_root,
            chunk_count: totals.chunk_count,
            plain_bytes: totals.plain_bytes,
            stored_bytes: totals.stored_bytes,
            entry: committed.first,
            log_size: committed.log_size,
            checkpoint: committed.checkpoint,
        })
    }

    /// The manifest over the chunks in the session's index, which are read as it is written.
    fn manifest_of(
        &self,
        opened: &SessionOpened,
        totals: &Totals,
        merkle_root: Hash,
        request: &SealRequest,
    ) -> Result<Manifest<Streamed<impl Iterator<Item = io::Result<ManifestChunk>>>>, StoreError>
    {
        let session = opened.session_id;
        let index = IndexReader::open(&self.sessions.index_path(session), session)?;
        let chunks = index.map(|chunk| match chunk {
            Ok(chunk) => Ok(ManifestChunk::from(&chunk)),
            Err(StoreError::Io { source, .. }) => Err(source),
            Err(error) => Err(io::Error::other(chain(&error))),
        });
        Ok(Manifest {
            chunk_count: totals.chunk_count,
            chunks: Streamed::new(chunks),
            complete: request.complete,
            created_at: opened.at,
            media_type: opened.media_type.clone(),
            merkle_root,
            node_id: self.node_id(),
            owner: opened.owner.clone(),
            plain_bytes: totals.plain_bytes,
            policy_hash: opened.policy.hash(),
            sealed_at: request.at,
            segment_bytes: SEGMENT_BYTES as u32,
            session_id: session,
            software: request.software.clone(),
            stored_bytes: totals.stored_bytes,
            suite: opened.policy.suite,
            version: Manifest::VERSION,
        })
    }

    /// Gives an open session up: the entry with its reason, then its keys, chunks and index are
    /// destroyed. Called again after an error, it goes on with that.
    ///
    /// # Errors
    /// [`StoreError::State`] unless it is open or voided, the log's, the disk's. Once the entry is
    /// in the log, the next start finishes the rest.
    pub fn void(&self, session: SessionId, reason: &str, at: Timestamp) -> Result<(), StoreError> {
        self.session(session)?;
        self.with_lock(session, |live| {
            let row = self.session(session)?;
            if row.state() == State::Voided {
                self.check_ended(&row)?;
            } else {
                live.closing = true;
                let reason = reason.to_owned();
                let (kind, v) = Default::default();
                let entry = SessionVoided { at, kind, reason, session_id: session, v };
                self.commit(vec![Entry::SessionVoided(entry)])?;
            }
            self.destroy(session, live)?;
            self.sessions.destroy(session)?;
            self.db.finished(session);
            Ok(())
        })?;
        self.forget(session);
        Ok(())
    }

    /// Erases a sealed session: the entry first, then every wrap of its key and every chunk file are
    /// destroyed. Manifest and index stay. Called again after an error, it goes on with that.
    ///
    /// # Errors
    /// [`StoreError::State`] unless it is sealed or erased, the log's, the disk's. Once the entry
    /// is in the log, the next start finishes the rest.
    pub fn erase(&self, session: SessionId, at: Timestamp) -> Result<(), StoreError> {
        self.session(session)?;
        self.with_lock(session, |live| {
            let row = self.session(session)?;
            if row.state() == State::Erased {
                self.check_ended(&row)?;
            } else {
                if row.state() == State::Sealed {
                    self.sealed(session)?;
                }
                let (kind, v) = Default::default();
                let entry = SessionErased { at, kind, session_id: session, v };
                self.commit(vec![Entry::SessionErased(entry)])?;
            }
            self.destroy(session, live)?;
            self.db.finished(session);
            Ok(())
        })?;
        self.forget(session);
        Ok(())
    }

    /// Ends the holds on a session that is sealed, so that the vault need not remember them. One that is
    /// left standing lets nobody touch what was acknowledged.
    fn release(&self, session: SessionId) {
        if let Err(error) = self.vault.release(session) {
            tracing::warn!(%session, error = chain(&error), "the hold on a sealed session stands");
        }
    }

    /// Destroys a session's keys, then its chunks: without the keys what is left of them is noise.
    pub(super) fn destroy(&self, session: SessionId, live: &mut Live) -> Result<(), StoreError> {
        live.open = None;
        self.vault.destroy(session)
    }
}
