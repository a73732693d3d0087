//! The database: sled, as a projection of the ledger log and nothing else.
//!
//! This module owns the trees and when they reach the disk; what an entry means to a session is in
//! `row`. It leaves to `store` which entries may be written at all.
//!
//! | tree | key | value |
//! | --- | --- | --- |
//! | `sessions` | session id | [`SessionRow`] |
//! | `by_order` | opened: entry index | session id |
//! | `unfinished` | session id | nothing: the session is open, or its destruction is not known to be complete |
//! | `meta` | `version` | 1 |
//! | `meta` | `applied` | log size ‖ log root that the trees stand for |
//!
//! Invariants:
//! - `applied` is written after the rows, and sled keeps the order of writes, so that after a crash
//!   the rows are at least as new as `applied` says. Applying an entry twice gives the same rows,
//!   so replaying from `applied` always ends right.
//! - Where `applied` does not agree with the log, or sled will not open, the database is moved aside
//!   and made anew from the log. A crash loses nothing that this does not bring back.
//!
//! About sled 0.34 (`examples/figures.rs` measures it; with a million entries, half a million
//! sessions, the whole store opens in 0.1 s and 47 MiB): it keeps one log-structured file, reads its
//! page table at start from a snapshot file plus what was written since, and holds no page until it is
//! asked for. At each start it overwrites the rest of the segment it stopped in, so segments are as
//! small as its pages allow (64 KiB instead of 512), and after a change it writes a new snapshot (6
//! bytes a session). Its own flusher thread is off: it would sync behind our back and hide errors.

mod open;
mod query;
mod row;

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use lucid_core::{
    EntryIndex, Hash, SessionId,
    entry::{Entry, EntryError},
};

pub(crate) use self::open::open;
pub use self::{
    query::{Order, SessionFilter},
    row::{SealedFacts, SessionRow, State},
};
use crate::{
    disk::Disk,
    error::{Doing, StoreError, damaged},
};

/// The trees' layout; another one is made anew from the log.
const VERSION: &[u8] = &[1];
/// sled's I/O buffer and the unit it writes again at each start. A quarter of it holds a full page
/// (16 rows of at most 320 bytes, or 256 keys of an index page).
const SEGMENT_BYTES: usize = 64 << 10;
/// Pages kept in memory. A Pi has 2 GiB for everything, and lookups are rare.
const CACHE_BYTES: u64 = 16 << 20;
/// Entries applied between two flushes while catching up.
const CATCH_UP_BATCH: u64 = 4096;

/// What is done with each entry and its bytes.
pub(crate) type Each<'a> = &'a mut dyn FnMut(EntryIndex, &[u8]) -> Result<(), StoreError>;

/// The log, as far as its projection reads it.
pub(crate) trait Source {
    /// Where the log is.
    fn path(&self) -> &Path;

    /// Entries in the log.
    fn size(&self) -> u64;

    /// The root over its first `size` entries.
    fn root_at(&self, size: u64) -> Result<Hash, StoreError>;

    /// Calls `each` with the bytes of every entry from `from` on, in order.
    fn read_from(&self, from: EntryIndex, each: Each<'_>) -> Result<(), StoreError>;
}

/// The open database.
pub(crate) struct Database {
    path: PathBuf,
    disk: Disk,
    db: sled::Db,
    sessions: sled::Tree,
    by_order: sled::Tree,
    unfinished: sled::Tree,
    meta: sled::Tree,
    /// sled's file under a handle of our own, to sync it.
    data: File,
    data_path: PathBuf,
}

/// What the trees stand for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Applied {
    size: u64,
    root: Hash,
}

impl Database {
    /// Applies what the log has and the trees have not.
    pub(crate) fn catch_up(&self, log: &dyn Source) -> Result<(), StoreError> {
        let (from, size) = (self.applied()?.size, log.size());
        if from >= size {
            return Ok(());
        }
        log.read_from(EntryIndex(from), &mut |index, bytes| {
            match Entry::parse(bytes) {
                Ok(entry) => self.apply_one(index, &entry)?,
                // A log is kept whole whatever wrote it; what is no entry here changes no session.
                Err(EntryError::Version(_)) => (),
                Err(error) => return Err(damaged(log.path(), format!("entry {index}: {error}"))),
            }
            let done = index.0 + 1;
            if done.is_multiple_of(CATCH_UP_BATCH) && done < size {
                self.set_applied(Applied { size: done, root: log.root_at(done)? })?;
                self.flush()?;
            }
            Ok(())
        })?;
        self.set_applied(Applied { size, root: log.root_at(size)? })?;
        self.flush()
    }

    /// Whether `entry` may follow what the log has, so that no session ever has an impossible life.
    pub(crate) fn check(&self, entry: &Entry) -> Result<(), StoreError> {
        let Some(session) = entry.session() else { return Ok(()) };
        let row = self.session(session)?;
        let (needed, wanted) = match entry {
            Entry::SessionOpened(_) if row.is_some() => {
                return Err(StoreError::SessionExists(session));
            }
            Entry::SessionSealed(_) => (State::Open, "only an open session can be sealed"),
            Entry::SessionVoided(_) => (State::Open, "only an open session can be voided"),
            Entry::SessionErased(_) => (State::Sealed, "only a sealed session can be erased"),
            Entry::SessionOpened(_) | Entry::NodeEvent(_) | Entry::Other(_) => return Ok(()),
        };
        match row.ok_or(StoreError::UnknownSession(session))?.state() {
            state if state == needed => Ok(()),
            state => Err(StoreError::State { session, state, wanted }),
        }
    }

    fn apply_one(&self, index: EntryIndex, entry: &Entry) -> Result<(), StoreError> {
        match entry {
            Entry::SessionOpened(entry) => {
                let id = entry.session_id.as_bytes();
                let row = SessionRow::opened(index, entry);
                self.sled(self.sessions.insert(id, row.to_bytes()))?;
                self.sled(self.by_order.insert(index.0.to_be_bytes(), id))?;
                self.sled(self.unfinished.insert(id, &[]))?;
            }
            Entry::SessionSealed(entry) => {
                self.change(entry.session_id, |row| row.seal(index, entry))?;
                self.finished(entry.session_id)?;
            }
            Entry::SessionVoided(entry) => {
                self.change(entry.session_id, |row| row.void(index, entry))?;
                self.sled(self.unfinished.insert(entry.session_id.as_bytes(), &[]))?;
            }
            Entry::SessionErased(entry) => {
                self.change(entry.session_id, |row| row.erase(index, entry))?;
                self.sled(self.unfinished.insert(entry.session_id.as_bytes(), &[]))?;
            }
            Entry::NodeEvent(_) | Entry::Other(_) => (),
        }
        Ok(())
    }

    fn change(
        &self,
        session: SessionId,
        change: impl FnOnce(&mut SessionRow),
    ) -> Result<(), StoreError> {
        // `check` lets no entry about an unknown session into the log; one that a foreign program
        // put there is not about any session of this node.
        let Some(mut row) = self.session(session)? else { return Ok(()) };
        change(&mut row);
        self.sled(self.sessions.insert(session.as_bytes(), row.to_bytes()))?;
        Ok(())
    }

    /// The session is sealed, or its destruction is complete: a start need not look at it.
    pub(crate) fn finished(&self, session: SessionId) -> Result<(), StoreError> {
        self.sled(self.unfinished.remove(session.as_bytes()))?;
        Ok(())
    }

    /// The sessions that a start must look at.
    pub(crate) fn unfinished(&self) -> Result<Vec<SessionId>, StoreError> {
        let id = |key: sled::Result<sled::IVec>| self.parse_id(&self.sled(key)?);
        self.unfinished.iter().keys().map(id).collect()
    }

    /// Brings everything applied so far to the disk. sled's own flush ends in the drive's cache.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.sled(self.db.flush())?;
        self.disk.sync_file(&self.data, &self.data_path).doing("sync", &self.data_path)
    }

    fn applied(&self) -> Result<Applied, StoreError> {
        let Some(value) = self.sled(self.meta.get(b"applied"))? else {
            return Ok(Applied { size: 0, root: lucid_core::merkle::EMPTY_ROOT });
        };
        let parsed = value.split_first_chunk().and_then(|(size, root)| {
            let root = Hash(root.try_into().ok()?);
            Some(Applied { size: u64::from_be_bytes(*size), root })
        });
        parsed.ok_or_else(|| self.unsound("meta/applied is not 40 bytes long".to_owned()))
    }

    fn set_applied(&self, applied: Applied) -> Result<(), StoreError> {
        let value = [applied.size.to_be_bytes().as_slice(), applied.root.as_bytes()].concat();
        self.sled(self.meta.insert(b"applied", value))?;
        Ok(())
    }

    fn parse_id(&self, bytes: &[u8]) -> Result<SessionId, StoreError> {
        let id = bytes.try_into().ok().and_then(|bytes| SessionId::from_bytes(bytes).ok());
        id.ok_or_else(|| self.unsound("a key that should be a session id is none".to_owned()))
    }

    /// sled gave what nobody put there: the database is made anew at the next start.
    fn unsound(&self, reason: String) -> StoreError {
        open::condemn(&self.path);
        StoreError::Database { path: self.path.clone(), source: sled::Error::Unsupported(reason) }
    }

    /// Gives sled's errors their place, and marks the database for being made anew where it turned
    /// out to be damaged.
    fn sled<T>(&self, result: sled::Result<T>) -> Result<T, StoreError> {
        result.map_err(|source| {
            if !matches!(source, sled::Error::Io(_)) {
                open::condemn(&self.path);
            }
            StoreError::Database { path: self.path.clone(), source }
        })
    }
}

#[cfg(test)]
mod tests;
