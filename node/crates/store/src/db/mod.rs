//! The database: sled, as a projection of the ledger log and nothing else.
//!
//! This module owns the trees and when they reach the disk; what an entry means to a session is in
//! `row`. It leaves to `store` which entries may be written at all.
//!
//! | tree | key | value |
//! | --- | --- | --- |
//! | `sessions` | session id | [`SessionRow`] |
//! | `by_order` | a block of the log | the sessions opened in it, see `order` |
//! | `by_owner` | an owner and a block of the log | the owner's sessions opened in it |
//! | `unfinished` | session id | nothing: the session is open, or its destruction is not known to be complete |
//! | `users` | place of a `user.changed` entry, 8 bytes big-endian | nothing |
//! | `parameters` | place of a `parameters.changed` entry, likewise | nothing |
//! | `anchors` | place of an `anchor.tron` entry, likewise | nothing |
//! | `due` | [`Due`] | nothing: the session is sealed, and to be erased then |
//! | `meta` | `version` | 6 |
//! | `meta` | `applied` | log size ‖ log root that the trees stand for |
//!
//! The trees lag behind the log, by fewer than `LAG_ENTRIES` entries: what those say is in memory
//! (`recent`), goes before the trees wherever something is looked up, and is read from the log again at
//! each start. Which sessions are open is in memory only, made at each start from `unfinished`; which
//! parameters are in force and how far the log is anchored too, read from the entries that are last in
//! `parameters` and `anchors`. So no row changes when an anchor makes its session an anchored one.
//!
//! Invariants:
//! - `applied` is written after the rows, and sled keeps the order of writes, so that after a crash
//!   the rows are at least as new as `applied` says. Applying an entry twice gives the same rows,
//!   so replaying from `applied` always ends right.
//! - Where `applied` does not agree with the log, or sled will not open, the database is moved aside
//!   and made anew from the log. A crash loses nothing that this does not bring back.
//!
//! About sled 0.34 (`examples/figures.rs` measures it; with a million entries, half a million
//! sessions, the whole store opens in 0.1 s and 31 MiB, the folders of its sessions not counted, see
//! `store::recover`): it keeps one log-structured file, reads its page table at start from a snapshot
//! file plus what was written since, and holds no page until it is asked for. At each start it
//! overwrites the rest of the segment it stopped in and every free one, so segments are as small as
//! its pages allow (64 KiB instead of 512), and after a change it writes a new snapshot (4 bytes a
//! session), so changes are gathered. Its own flusher thread is off: it would sync behind our back
//! and hide errors.

mod anchored;
mod decided;
mod open;
mod order;
mod query;
mod recent;
mod row;

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    path::Path,
    sync::{PoisonError, RwLock, RwLockReadGuard},
};

use lucid_core::{EntryIndex, Hash, SessionId, entry::Entry};

pub use self::decided::Due;
pub(crate) use self::open::open;
pub use self::open::set_aside;
use self::{order::Place, recent::Recent};
pub use self::{
    query::{Figures, Order, SessionFilter},
    row::{SealedFacts, SessionRow, State},
};
use crate::{
    error::{StoreError, damaged},
    sled_folder::{SledFolder, condemn},
};

/// The trees' layout; another one is made anew from the log.
const VERSION: &[u8] = &[6];
/// Pages kept in memory. A Pi has 2 GiB for everything, and lookups are rare.
const CACHE_BYTES: u64 = 16 << 20;
/// Entries that the trees may be behind. So many are read at a start, 1.6 MB in some ten milliseconds,
/// and share what a start costs after the trees were written: sled's snapshot.
const LAG_ENTRIES: u64 = 4096;

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

    /// The bytes of one entry.
    fn entry(&self, index: EntryIndex) -> Result<Vec<u8>, StoreError>;

    /// Calls `each` with the bytes of every entry from `from` on, in order.
    fn read_from(&self, from: EntryIndex, each: Each<'_>) -> Result<(), StoreError>;
}

/// The open database.
pub(crate) struct Database {
    files: SledFolder,
    sessions: sled::Tree,
    by_order: sled::Tree,
    by_owner: sled::Tree,
    unfinished: sled::Tree,
    users: sled::Tree,
    parameters: sled::Tree,
    anchors: sled::Tree,
    due: sled::Tree,
    meta: sled::Tree,
    recent: RwLock<Recent>,
    lag_entries: u64,
}

/// What the trees stand for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Applied {
    size: u64,
    root: Hash,
}

impl Database {
    /// Takes up what the log has and this has not, and writes it to the trees once it is enough.
    ///
    /// # Errors
    /// The log's and the database's; it can be called again.
    pub(crate) fn catch_up(&self, log: &dyn Source) -> Result<(), StoreError> {
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        if recent.size < log.size() {
            log.read_from(EntryIndex(recent.size), &mut |index, bytes| {
                let entry = Entry::parse(bytes)
                    .map_err(|error| damaged(log.path(), format!("entry {index}: {error}")))?;
                let known = entry.session().filter(|id| !recent.rows.contains_key(id));
                let written = known.map(|id| self.written(id)).transpose()?.flatten();
                recent.apply(index, &entry, written);
                recent.size = index.0 + 1;
                self.write_where_due(&mut recent, log)
            })?;
        }
        self.write_where_due(&mut recent, log)
    }

    fn write_where_due(&self, recent: &mut Recent, log: &dyn Source) -> Result<(), StoreError> {
        if recent.size - recent.base < self.lag_entries {
            return Ok(());
        }
        for (session, row) in &recent.rows {
            self.sled(self.sessions.insert(session.as_bytes(), row.to_bytes()))?;
        }
        let all = recent.opened.iter().map(|place| (Vec::new(), place));
        self.write_blocks(&self.by_order, all)?;
        let owned = recent.opened.owners();
        let owned = owned.map(|(owner, place)| (order::prefix(Some(owner)), place));
        self.write_blocks(&self.by_owner, owned)?;
        for (session, &unfinished) in &recent.unfinished {
            let id = session.as_bytes();
            self.sled(match unfinished {
                true => self.unfinished.insert(id, &[]),
                false => self.unfinished.remove(id),
            })?;
        }
        for index in &recent.users {
            self.sled(self.users.insert(index.0.to_be_bytes(), &[]))?;
        }
        for index in &recent.parameters {
            self.sled(self.parameters.insert(index.0.to_be_bytes(), &[]))?;
        }
        for index in &recent.anchors {
            self.sled(self.anchors.insert(index.0.to_be_bytes(), &[]))?;
        }
        for (due, &is) in &recent.due {
            let key = due.key();
            self.sled(match is {
                true => self.due.insert(key, &[]),
                false => self.due.remove(key),
            })?;
        }
        let (size, root) = (recent.size, log.root_at(recent.size)?);
        self.set_applied(Applied { size, root })?;
        self.files.flush()?;
        recent.written();
        Ok(())
    }

    /// Puts sessions into their blocks, each block written once.
    fn write_blocks(
        &self,
        tree: &sled::Tree,
        places: impl Iterator<Item = (Vec<u8>, Place)>,
    ) -> Result<(), StoreError> {
        let mut blocks: BTreeMap<_, Vec<u8>> = BTreeMap::new();
        for (prefix, (place, session)) in places {
            let block = match blocks.entry(order::key(&prefix, place)) {
                btree_map::Entry::Occupied(block) => block.into_mut(),
                btree_map::Entry::Vacant(block) => {
                    let written = self.sled(tree.get(block.key()))?;
                    block.insert(written.unwrap_or_default().to_vec())
                }
            };
            *block = order::with(block, place, session);
        }
        for (key, block) in blocks {
            self.sled(tree.insert(key, block))?;
        }
        Ok(())
    }

    /// Whether `entry` may follow what the log has, so that no session ever has an impossible life.
    pub(crate) fn check(&self, entry: &Entry) -> Result<(), StoreError> {
        if let Entry::SessionOpened(opened) = entry {
            self.check_policy(opened)?;
        }
        if let Entry::AnchorTron(anchor) = entry {
            self.check_anchor(anchor)?;
        }
        let Some(session) = entry.session() else { return Ok(()) };
        let row = self.session(session)?;
        let (needed, wanted) = match entry {
            Entry::SessionOpened(_) if row.is_some() => {
                return Err(StoreError::SessionExists(session));
            }
            Entry::SessionSealed(_) => (State::Open, "only an open session can be sealed"),
            Entry::SessionVoided(_) => (State::Open, "only an open session can be voided"),
            Entry::SessionErased(_) => (State::Sealed, "only a sealed session can be erased"),
            Entry::SessionOpened(_)
            | Entry::UserChanged(_)
            | Entry::NodeEvent(_)
            | Entry::EvmBody(_)
            | Entry::EvmBlock(_)
            | Entry::ParametersChanged(_)
            | Entry::AnchorTron(_)
            | Entry::Other(_) => return Ok(()),
        };
        match row.ok_or(StoreError::UnknownSession(session))?.state() {
            state if state == needed => Ok(()),
            state => Err(StoreError::State { session, state, wanted }),
        }
    }

    /// The session is sealed, or its destruction is complete: a start need not look at it. Known for
    /// good once it is written; before that, the next start looks at what is gone.
    pub(crate) fn finished(&self, session: SessionId) {
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        recent.unfinished.insert(session, false);
    }

    /// The sessions that a start must look at.
    pub(crate) fn unfinished(&self) -> Result<Vec<SessionId>, StoreError> {
        let id = |key: sled::Result<sled::IVec>| self.parse_id(&self.sled(key)?);
        let written = self.unfinished.iter().keys().map(id);
        let mut all = written.collect::<Result<BTreeSet<_>, _>>()?;
        for (&session, &unfinished) in &self.recent().unfinished {
            if unfinished {
                all.insert(session);
            } else {
                all.remove(&session);
            }
        }
        Ok(all.into_iter().collect())
    }

    fn recent(&self) -> RwLockReadGuard<'_, Recent> {
        // It is whole between two entries, and taking one up cannot panic.
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
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

    /// What a row says of `session` is not what entry `index` of the log says: somebody altered the
    /// row. The database is made anew at the next start.
    pub(crate) fn disagrees(&self, session: SessionId, index: EntryIndex) -> StoreError {
        self.differs(&format!("its row of session {session}"), index)
    }

    /// Entry `index` of the log is no `user.changed`.
    pub(crate) fn names_no_change(&self, index: EntryIndex) -> StoreError {
        self.differs("its list of changes of accounts", index)
    }

    /// Entry `index` of the log is no `anchor.tron`.
    pub(crate) fn names_no_anchor(&self, index: EntryIndex) -> StoreError {
        self.differs("its list of anchors", index)
    }

    /// Entry `index` of the log is no `parameters.changed`.
    pub(crate) fn names_no_parameters(&self, index: EntryIndex) -> StoreError {
        self.differs("its list of changes of parameters", index)
    }

    fn differs(&self, what: &str, index: EntryIndex) -> StoreError {
        condemn(self.files.path());
        let reason = format!(
            "{what} does not agree with entry {index} of the log; the log is right, and makes it \
             anew: lucid-node ledger rebuild"
        );
        damaged(self.files.path(), reason)
    }

    /// sled gave what nobody put there: the database is made anew at the next start.
    fn unsound(&self, reason: String) -> StoreError {
        condemn(self.files.path());
        let path = self.files.path().to_owned();
        StoreError::Database { path, source: sled::Error::Unsupported(reason) }
    }

    /// Gives sled's errors their place, and marks the database for being made anew where it turned
    /// out to be damaged.
    fn sled<T>(&self, result: sled::Result<T>) -> Result<T, StoreError> {
        self.files.sled(result.inspect_err(|error| {
            if !matches!(error, sled::Error::Io(_)) {
                condemn(self.files.path());
            }
        }))
    }
}

#[cfg(test)]
mod tests;
