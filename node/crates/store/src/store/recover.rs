//! What a start repairs, before anybody else sees the store.
//!
//! The work is bounded by what was unfinished when the node stopped: marks in `opening/`, and the
//! sessions that the database lists as unfinished (open ones, and those whose destruction is not
//! known to be complete). Of sealed sessions only the folders' names are looked at: one that no entry
//! knows says that the log was put back to an older state, and is left as it is. That is the one thing
//! whose cost grows with all sessions: half a million folders take 0.6 s and 21 MiB on a server's CPU.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fmt, fs,
    path::{Path, PathBuf},
};

use lucid_core::{
    ChunkIndex, EntryIndex, SessionId, Timestamp, counted,
    entry::{Entry, NodeEvent},
};

use super::{Store, node_event};
use crate::{
    data::DataFolder,
    db::State,
    disk::Disk,
    error::{Doing, ErrorKind, StoreError, chain},
    log,
    vault::Presence,
};

/// The event that tells of damage.
const DAMAGED: &str = "store.damaged";

/// Repairs that get an entry of their own at one start; more than that share one.
const ENTRIES_MAX: usize = 100;

/// Damage stays until somebody mends it, and each start and each command finds it: it is not told again while it is
/// among so many of the newest entries.
const TOLD_WITHIN: u64 = 256;

/// Sessions unknown to the log that are named: their names fit into an event's text.
const UNKNOWN_NAMED: usize = 10;

/// What a start found.
#[derive(Default, Debug)]
pub struct Recovery {
    /// What was repaired; each is a `store.repaired` event in the log too, there with paths relative to
    /// the data folder.
    pub repairs: Vec<Repair>,
    /// Sessions that are damaged in a way that nothing here may repair, and how. They are left as
    /// they are; the others work. Each is a `store.damaged` event in the log, unless it is among the newest 256 entries.
    pub damaged: Vec<(SessionId, String)>,
    /// Sessions whose folders hold something, and that no entry of the log knows. They are left as they
    /// are. All together they are one `store.damaged` event in the log, unless it is among those.
    pub unknown: Vec<SessionId>,
}

impl Recovery {
    /// Whether there was nothing to do.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.repairs.is_empty() && self.damaged.is_empty() && self.unknown.is_empty()
    }

    /// Names the first ten of [`Recovery::unknown`] and says what they mean.
    #[must_use]
    pub fn unknown_text(&self) -> Option<String> {
        let named: Vec<_> =
            self.unknown.iter().take(UNKNOWN_NAMED).map(|id| format!("sessions/{id}")).collect();
        let more = match self.unknown.len().checked_sub(UNKNOWN_NAMED) {
            Some(more @ 1..) => format!(" and {more} more"),
            _ => String::new(),
        };
        (!named.is_empty()).then(|| {
            format!(
                "no entry of the log knows {}{more}: the log was put back to an older state, or \
                 somebody put them there. They are left as they are",
                named.join(", ")
            )
        })
    }
}

/// One thing that a start repaired.
#[derive(Debug)]
pub enum Repair {
    /// In the log.
    Log(log::Repair),
    /// The folder was made of a backup, and the log goes on in it from here.
    Restored,
    /// The database was made anew from the log; the text says why.
    Database(String),
    /// A file that was never finished is removed.
    Leftover(PathBuf),
    /// A session whose opening was interrupted: its id was never answered.
    Discarded(SessionId),
    /// The end of a session's index was no record; it is cut off.
    IndexCut {
        /// The session.
        session: SessionId,
        /// Bytes cut off.
        bytes: u64,
    },
    /// Whole chunk files beyond the index: they are acknowledged now.
    Adopted {
        /// The session.
        session: SessionId,
        /// The first of them.
        first: ChunkIndex,
        /// How many.
        count: u32,
    },
    /// A chunk file beyond the index that cannot follow it is set aside under another name.
    Quarantined {
        /// Its name now.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A manifest without its entry that does not agree with the index is set aside.
    ManifestAside {
        /// Its name now.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A sealing was interrupted; its entry is written.
    Sealed(SessionId),
    /// A session in the log that has no files is voided.
    Voided {
        /// The session.
        session: SessionId,
        /// What is missing.
        reason: String,
    },
    /// The destruction of a session's keys and chunks was interrupted; it is complete.
    Destroyed {
        /// The session.
        session: SessionId,
        /// Voided or erased.
        state: State,
    },
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log(repair) => write!(f, "log: {repair}"),
            Self::Restored => {
                f.write_str("the folder was restored from a backup, and goes on from there")
            }
            Self::Database(text) => f.write_str(text),
            Self::Leftover(path) => {
                write!(f, "{}, which was never finished, is removed", path.display())
            }
            Self::Discarded(session) => {
                write!(f, "session {session} was never opened: what was made for it is removed")
            }
            Self::IndexCut { session, bytes } => {
                let bytes = counted(*bytes, "byte");
                write!(f, "session {session}: cut off {bytes} of an unfinished record")
            }
            Self::Adopted { session, first, count } => write!(
                f,
                "session {session}: kept {} from {first} on, not acknowledged before",
                counted(*count, "whole chunk")
            ),
            Self::Quarantined { path, reason } => {
                write!(f, "a chunk file is set aside as {}: {reason}", path.display())
            }
            Self::ManifestAside { path, reason } => {
                write!(f, "a manifest is set aside as {}: {reason}", path.display())
            }
            Self::Sealed(session) => write!(f, "session {session}: its sealing is finished"),
            Self::Voided { session, reason } => write!(f, "session {session} is voided: {reason}"),
            Self::Destroyed { session, state } => {
                write!(f, "session {session} is {state}: its keys and chunks are destroyed")
            }
        }
    }
}

impl Store {
    /// Repairs what a crash left, and writes into the log what that was.
    pub(super) fn recover(&self, recovery: &mut Recovery, at: Timestamp) -> Result<(), StoreError> {
        self.recover_openings(recovery)?;
        for session in self.db.unfinished()? {
            let done = match self.session(session)?.state() {
                State::Open => self.recover_open(session, recovery, at),
                // Listed all the same: what the row says is held against the log.
                State::Sealed => self.sealed(session).map(|_| self.db.finished(session)),
                state => self.finish_destruction(session, state, recovery),
            };
            match done {
                // One session's damage does not stop the others.
                Err(
                    error @ (StoreError::Damaged { .. }
                    | StoreError::KeyFile { .. }
                    | StoreError::Remote { kind: ErrorKind::Damaged, .. }),
                ) => {
                    recovery.damaged.push((session, chain(&error)));
                }
                done => done?,
            }
        }
        for session in self.db.unknown(self.sessions.list()?)? {
            // What a power cut left of an opening is an empty folder.
            if self.sessions.holds_something(session)? {
                recovery.unknown.push(session);
            }
        }
        self.tell(recovery, at)
    }

    /// What stands in `opening/`: of a session in the log only the mark is left over; of another, all
    /// there is, unless that is more than an opening makes.
    fn recover_openings(&self, recovery: &mut Recovery) -> Result<(), StoreError> {
        let folder = self.folder.join("opening");
        for entry in fs::read_dir(&folder).doing("read", &folder)? {
            let name = entry.doing("read", &folder)?.file_name();
            let Some(session) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            if self.db.session(session)?.is_some() {
                self.unmark_opening(session);
            } else if !self.sessions.holds_something(session)? {
                self.discard_files(session)?;
                recovery.repairs.push(Repair::Discarded(session));
            }
        }
        Ok(())
    }

    fn finish_destruction(
        &self,
        session: SessionId,
        state: State,
        recovery: &mut Recovery,
    ) -> Result<(), StoreError> {
        // A database made anew lists every ended session: most have nothing left to destroy.
        let Presence { key_file, chunk_folder } = self.vault.presence(session)?;
        let left = key_file
            || chunk_folder
            || (state == State::Voided && self.sessions.folder(session).exists());
        if left {
            match state {
                State::Voided => self.void(session, "", Timestamp::default())?,
                _ => self.erase(session, Timestamp::default())?,
            }
            recovery.repairs.push(Repair::Destroyed { session, state });
        }
        self.db.finished(session);
        Ok(())
    }

    /// Writes what was found into the log, which may be shown to anybody: with paths as they are in the
    /// data folder, and nothing of where that is.
    fn tell(&self, recovery: &Recovery, at: Timestamp) -> Result<(), StoreError> {
        let Recovery { repairs, damaged, .. } = recovery;
        let repaired = repairs.iter().map(|repair| ("store.repaired", repair.to_string()));
        let damaged =
            damaged.iter().map(|(session, text)| (DAMAGED, format!("session {session}: {text}")));
        let unknown = recovery.unknown_text().map(|text| (DAMAGED, text));
        // It comes first, so that no number of repairs hides it.
        let found = unknown.into_iter().chain(repaired).chain(damaged);
        let mut entries: Vec<_> =
            found.map(|(event, text)| node_event(event, within(self.path(), &text), at)).collect();
        if entries.iter().any(|entry| damage(entry).is_some()) {
            let told = self.told()?;
            entries.retain(|entry| damage(entry).is_none_or(|text| !told.contains(text)));
        }
        if let Some(more @ 1..) = entries.len().checked_sub(ENTRIES_MAX) {
            entries.truncate(ENTRIES_MAX);
            entries.push(node_event("store.repaired", counted(more, "more repair"), at));
        }
        if entries.is_empty() { Ok(()) } else { self.append(&entries).map(|_| ()) }
    }

    /// The damage that the newest entries tell of, up to one that cannot be read: that keeps no store from being opened,
    /// and the log's own check names it.
    fn told(&self) -> Result<HashSet<String>, StoreError> {
        self.with_log(|log| {
            let from = EntryIndex(log.size().saturating_sub(TOLD_WITHIN));
            let newest = log.entries(from..EntryIndex(log.size()))?.map_while(Result::ok);
            let entries = newest.filter_map(|bytes| Entry::parse(&bytes).ok());
            Ok(entries.filter_map(|entry| damage(&entry).map(str::to_owned)).collect())
        })
    }
}

/// What an entry tells of damage, if it does.
fn damage(entry: &Entry) -> Option<&str> {
    match entry {
        Entry::NodeEvent(NodeEvent { event, detail, .. }) if event == DAMAGED => Some(detail),
        _ => None,
    }
}

/// A text whose paths below `folder` begin there.
pub(crate) fn within(folder: &Path, text: &str) -> String {
    let folder = folder.display().to_string();
    let folder = format!("{}/", folder.trim_end_matches('/'));
    let mut parts = text.split(&folder);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // Within a longer path it is not the folder.
        if shown.ends_with(|c: char| c.is_alphanumeric() || "/.-_".contains(c)) {
            shown.push_str(&folder);
        }
        shown.push_str(part);
    }
    shown
}

/// Removes the temporary files that stand beside the format mark, the secrets and the anchors, where there
/// are any. Those of a session are found with it, those of the log are the log's.
pub(crate) fn remove_leftovers(
    folder: &DataFolder,
    disk: &Disk,
    repairs: &mut Vec<Repair>,
) -> Result<(), StoreError> {
    let anchors = Some(folder.join("anchors")).filter(|anchors| anchors.is_dir());
    let (path, secrets) = (folder.path().to_owned(), folder.join("secrets"));
    for folder in [path, secrets].iter().chain(&anchors) {
        for path in temporary_files(folder)? {
            disk.remove(&path).doing("remove", &path)?;
            repairs.push(Repair::Leftover(path));
        }
    }
    Ok(())
}

/// The files in `folder` that were never given their name.
pub(super) fn temporary_files(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).doing("read", folder)? {
        let path = entry.doing("read", folder)?.path();
        if path.extension() == Some(OsStr::new("tmp")) {
            found.push(path);
        }
    }
    Ok(found)
}
