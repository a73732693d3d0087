//! Opening a session and filling it.

use std::{fs, io};

use lucid_core::{
    ChunkIndex, SessionId, Upload,
    chunk::ChunkSummary,
    entry::{Entry, SessionOpened},
    keys::KeyFile,
    manifest::Totals,
};

use super::{Committed, Live, Store};
use crate::{
    chunks::ChunkWriter,
    db::State,
    error::{Doing, ErrorKind, StoreError},
    sessions::SessionIndex,
    vault::{CommittedChunk, Lease},
};

impl Store {
    /// Opens a session: when this returns, its key's wraps, its folders and its `session.opened`
    /// entry are durable, and its id may be answered. Without `keys` the vault makes its key.
    ///
    /// # Errors
    /// [`StoreError::SessionExists`] for an id used before, [`StoreError::PolicyChanged`] where its policy
    /// is not of the parameters in force, [`StoreError::DiskFull`], the log's, the vault's, the disk's. Nothing of the session is then left, at the latest after the next start; only where
    /// the log failed may it come to be, and then as a whole.
    pub fn open_session(
        &self,
        opened: SessionOpened,
        keys: Option<&KeyFile>,
    ) -> Result<Committed, StoreError> {
        self.open_with_files(opened, keys, None)
    }

    /// Opens a session that is uploaded to, with what its uploader said: a session of one whole is never
    /// without it.
    ///
    /// # Errors
    /// Those of [`Store::open_session`].
    pub fn open_upload(
        &self,
        opened: SessionOpened,
        upload: Upload,
    ) -> Result<Committed, StoreError> {
        self.open_with_files(opened, None, Some(upload))
    }

    fn open_with_files(
        &self,
        opened: SessionOpened,
        keys: Option<&KeyFile>,
        upload: Option<Upload>,
    ) -> Result<Committed, StoreError> {
        self.check_room()?;
        self.check_log()?;
        let session = opened.session_id;
        if self.db.session(session)?.is_some() {
            return Err(StoreError::SessionExists(session));
        }
        self.db.check_policy(&opened)?;
        self.mark_opening(session)?;
        if let Err(error) = self.make_files(session, keys, upload) {
            if error.kind() == ErrorKind::Conflict {
                // The vault has a session of this id, which is not this one: it is left alone.
                self.unmark_opening(session);
                return Err(error);
            }
            // Best effort: the mark stays, so that the next start looks again.
            let _ = self.discard_files(session);
            return Err(error);
        }
        let committed = self.commit(vec![Entry::SessionOpened(opened)]);
        match &committed {
            Ok(_) => self.unmark_opening(session),
            // Decided on in the meantime: nothing of it got into the log.
            // Best effort: the mark stays where it fails, so that the next start looks again.
            Err(StoreError::PolicyChanged(_)) => {
                let _ = self.discard_files(session);
            }
            Err(_) => {}
        }
        committed
    }

    /// Puts the mark of a session whose files are being made. It is not synced: file systems that
    /// keep the order of names have it whenever they have the files, and elsewhere a power cut
    /// leaves at worst an empty folder and a key to nothing.
    fn mark_opening(&self, session: SessionId) -> Result<(), StoreError> {
        let mark = self.folder.join("opening").join(session.to_string());
        match fs::OpenOptions::new().write(true).create_new(true).open(&mark) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(StoreError::SessionExists(session))
            }
            file => file.map(|_| ()).doing("create", &mark),
        }
    }

    /// A mark that cannot be removed is removed at the next start, when the log has the session.
    pub(super) fn unmark_opening(&self, session: SessionId) {
        let _ = fs::remove_file(self.folder.join("opening").join(session.to_string()));
    }

    fn make_files(
        &self,
        session: SessionId,
        keys: Option<&KeyFile>,
        upload: Option<Upload>,
    ) -> Result<(), StoreError> {
        self.vault.make(session, keys)?;
        self.sessions.make(session)?;
        upload.map_or(Ok(()), |upload| self.sessions.put_upload(session, upload))
    }

    /// Removes the files of a session that is not in the log.
    pub(super) fn discard_files(&self, session: SessionId) -> Result<(), StoreError> {
        self.vault.destroy(session)?;
        self.sessions.destroy(session)?;
        self.unmark_opening(session);
        Ok(())
    }

    /// Begins a hold on an open session: from here on chunks are written under `lease` alone, and chunk
    /// files that an earlier hold left beyond what is acknowledged are destroyed. Gives the sums over
    /// the acknowledged chunks, which are where it goes on.
    ///
    /// Leases of all sessions grow together, also from one process to the next.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] where a later hold was begun, [`StoreError::State`] unless the session
    /// is open and not being sealed, [`StoreError::Damaged`], the vault's.
    pub fn hold(&self, session: SessionId, lease: Lease) -> Result<Totals, StoreError> {
        self.with_open(session, |live| {
            if live.closing {
                return Err(closing(session));
            }
            let totals = *self.opened_index(session, live)?.0.totals();
            self.vault.begin(session, lease, ChunkIndex(totals.chunk_count))?;
            live.lease = Some(lease);
            Ok(totals)
        })
    }

    /// Begins the file of a chunk under a hold that [`Store::hold`] began, where the vault is in this
    /// folder. Writers of different chunks work at the same time.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] before the ledger is in danger, [`StoreError::State`] unless the
    /// session is open, [`StoreError::LeaseLost`], [`StoreError::VaultElsewhere`], the disk's.
    pub fn chunk_writer(
        &self,
        session: SessionId,
        lease: Lease,
        index: ChunkIndex,
    ) -> Result<ChunkWriter, StoreError> {
        self.check_open(session)?;
        self.local()?.chunk_writer(session, lease, index)
    }

    /// Acknowledges chunks as [`Store::acknowledge`] does, for a holder that may have lost its hold in
    /// the meantime: the file under a chunk's name is then its successor's, and says something else.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] unless `lease` is the last hold begun; those of [`Store::acknowledge`].
    pub fn acknowledge_under(
        &self,
        session: SessionId,
        lease: Lease,
        chunks: &[ChunkSummary],
    ) -> Result<Totals, StoreError> {
        self.with_open(session, |live| {
            if live.lease != Some(lease) {
                return Err(StoreError::LeaseLost { session, lease: lease.0 });
            }
            self.acknowledge_live(live, session, chunks)
        })
    }

    /// Acknowledges the next chunks, whose files were committed: when this returns, no power cut
    /// takes them away. Gives the sums over all acknowledged chunks. For a caller who has the session
    /// to itself; others use [`Store::acknowledge_under`].
    ///
    /// # Errors
    /// [`StoreError::State`] unless the session is open and not being sealed, [`StoreError::Chunk`]
    /// where a chunk cannot follow those before it or goes against the session's policy,
    /// [`StoreError::SessionFull`] where they are more than that allows, and those that fit are
    /// acknowledged; [`StoreError::ChunkMissing`], the disk's. What of `chunks` was acknowledged, [`Store::totals`]
    /// says.
    pub fn acknowledge(
        &self,
        session: SessionId,
        chunks: &[ChunkSummary],
    ) -> Result<Totals, StoreError> {
        self.with_open(session, |live| self.acknowledge_live(live, session, chunks))
    }

    fn acknowledge_live(
        &self,
        live: &mut Live,
        session: SessionId,
        chunks: &[ChunkSummary],
    ) -> Result<Totals, StoreError> {
        if live.closing {
            return Err(closing(session));
        }
        let (index, opened) = self.opened_index(session, live)?;
        for chunk in chunks {
            check_policy(chunk, opened)?;
        }
        index.check(chunks)?;
        let (chunks, full) = fitting(chunks, index.totals().plain_bytes, opened);
        let committed: Vec<_> = chunks.iter().map(CommittedChunk::from).collect();
        self.vault.settle(session, &committed)?;
        index.append(chunks)?;
        full.map(|()| *index.totals())
    }

    /// Sums over an open session's acknowledged chunks: where an upload goes on.
    ///
    /// # Errors
    /// [`StoreError::UnknownSession`], [`StoreError::State`] unless it is open,
    /// [`StoreError::Damaged`].
    pub fn totals(&self, session: SessionId) -> Result<Totals, StoreError> {
        self.with_open(session, |live| Ok(*self.opened_index(session, live)?.0.totals()))
    }

    /// Runs `work` on an open session under its lock.
    pub(super) fn with_open<T>(
        &self,
        session: SessionId,
        work: impl FnOnce(&mut Live) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.check_open(session)?;
        self.with_lock(session, |live| {
            // It may have ended while this waited.
            self.check_open(session)?;
            work(live)
        })
    }

    /// Runs `work` on a session under its lock.
    pub(super) fn with_lock<T>(
        &self,
        session: SessionId,
        work: impl FnOnce(&mut Live) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let live = self.live(session);
        let mut live = live.lock().unwrap_or_else(|poisoned| {
            // Whoever panicked may have left the index half changed: it is read from disk again.
            let mut live = poisoned.into_inner();
            live.open = None;
            live
        });
        work(&mut live)
    }

    pub(super) fn check_open(&self, session: SessionId) -> Result<(), StoreError> {
        match self.session(session)?.state() {
            State::Open => Ok(()),
            state => {
                let wanted = "only an open session takes chunks or an end";
                Err(StoreError::State { session, state, wanted })
            }
        }
    }

    /// The session's index and `session.opened` entry, read once.
    pub(super) fn opened_index<'a>(
        &self,
        session: SessionId,
        live: &'a mut Live,
    ) -> Result<(&'a mut SessionIndex, &'a SessionOpened), StoreError> {
        if live.open.is_none() {
            let opened = self.opened(session)?;
            let path = self.sessions.index_path(session);
            live.open = Some((SessionIndex::open(&path, session, &self.disk)?, opened));
        }
        let (index, opened) = live.open.as_mut().expect("it was just put there");
        Ok((index, opened))
    }
}

pub(super) fn closing(session: SessionId) -> StoreError {
    let wanted = "but its end has begun: it takes no more chunks";
    StoreError::State { session, state: State::Open, wanted }
}

/// Those of the next chunks that still fit into a session of `bytes`, and whether that is all.
fn fitting<'a>(
    chunks: &'a [ChunkSummary],
    mut bytes: u64,
    opened: &SessionOpened,
) -> (&'a [ChunkSummary], Result<(), StoreError>) {
    for (place, chunk) in chunks.iter().enumerate() {
        bytes = bytes.saturating_add(chunk.header.plain_bytes.into());
        if let Err(full) = check_length(bytes, opened) {
            return (&chunks[..place], Err(full));
        }
    }
    (chunks, Ok(()))
}

/// A session is no longer than its policy says.
pub(super) fn check_length(bytes: u64, opened: &SessionOpened) -> Result<(), StoreError> {
    match opened.policy.session_bytes_max() {
        Some(max) if bytes > max => {
            Err(StoreError::SessionFull { session: opened.session_id, bytes, max })
        }
        _ => Ok(()),
    }
}

/// A session is recorded under the policy in its `session.opened` entry, or not at all.
pub(super) fn check_policy(chunk: &ChunkSummary, opened: &SessionOpened) -> Result<(), StoreError> {
    let (header, policy, session) = (&chunk.header, &opened.policy, opened.session_id);
    let reason = if header.session != session {
        format!("the chunk's header names session {}", header.session)
    } else if header.suite != policy.suite {
        format!("chunk {} is not of the suite of the session's policy", header.index)
    } else if header.plain_bytes > policy.chunk_bytes {
        format!("chunk {} is larger than the session's policy allows", header.index)
    } else {
        return Ok(());
    };
    Err(StoreError::Chunk { session, reason })
}
