//! The one error of this crate. Messages name the session or the file and what can be done; the cause
//! is the error's source. None holds a key or a part of one.

mod kind;

use std::{
    fmt::Display,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use lucid_core::{
    ChunkIndex, SessionId, entry::EntryError, keys::KeyError, tron::anchor::RecordError,
};

pub use self::kind::ErrorKind;
use crate::{data::FolderKind, db::State, log::LogError};

/// Why the store did not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An operation on a file failed.
    #[error("cannot {doing} {path}")]
    Io {
        /// The operation, as a verb.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// No folder there.
    #[error("there is no data folder at {path}; make one with: lucid-node init --data {path}")]
    NoFolder {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A folder, but not one of ours.
    #[error(
        "{path} is not a data folder of lucid-node (it has no file named format with the right \
         content); nothing in it was touched. Make one with: lucid-node init --data DIR"
    )]
    NotADataFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A folder that a backup was being restored into.
    #[error(
        "a backup was being restored into {path}, and is not to its end: do it again, which begins anew \
         (lucid-node backup restore FILE --data {path})"
    )]
    Restoring {
        /// The folder.
        path: PathBuf,
    },
    /// A data folder, but for something else.
    #[error(
        "the data folder {path} is {found}; what is wanted here is {wanted}. Nothing in it was \
         touched: name another one with --data"
    )]
    OtherFolder {
        /// The folder.
        path: PathBuf,
        /// What it is.
        found: FolderKind,
        /// What it should be.
        wanted: FolderKind,
    },
    /// A folder whose creation was interrupted.
    #[error(
        "the data folder {path} is not complete; finish it with: lucid-node init --data {path}"
    )]
    Unfinished {
        /// The folder.
        path: PathBuf,
    },
    /// A part of a node's folder is gone.
    #[error(
        "the data folder {path} has a log, and no {name}: put that back from a backup{}",
        where_empty(name)
    )]
    PartLost {
        /// The folder.
        path: PathBuf,
        /// What it lacks.
        name: String,
    },
    /// A node is already there.
    #[error("{path} is a node's data folder already")]
    AlreadyThere {
        /// The folder.
        path: PathBuf,
    },
    /// Sessions are there, and no log.
    #[error(
        "{path} has sessions or chunks and no log: one that begins anew under the same key would be a fork. Put log/ \
         back from a backup, or get it back from MongoDB with: lucid-node sync read-back --data {path}"
    )]
    LogLost {
        /// The folder.
        path: PathBuf,
    },
    /// A folder that a newer version made.
    #[error(
        "the data folder {path} has format {version}; this version of lucid-node reads format 1"
    )]
    NewerFormat {
        /// The folder.
        path: PathBuf,
        /// Its format.
        version: u64,
    },
    /// Another process has it.
    #[error("the data folder {path} is in use by {}", match holder {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    })]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Process id of the holder, where the lock file says it.
        holder: Option<u32>,
    },
    /// A secret that others on this machine can read.
    #[error(
        "{path} can be read by others (mode {mode:03o}); make it private with: chmod 600 {path}"
    )]
    SecretMode {
        /// The secret's file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A secret's file that holds something else.
    #[error("{path} does not hold a key: 64 lower-case hex digits and a newline")]
    SecretText {
        /// The secret's file.
        path: PathBuf,
    },
    /// The wrong master key. Found before anything is written.
    #[error(
        "wrong master key: this data folder was made with key {expected}; the key given is {given}"
    )]
    OtherKek {
        /// Id of the key the folder was made with.
        expected: String,
        /// Id of the key at hand.
        given: String,
    },
    /// A master key is needed and there is none.
    #[error(
        "the master key {expected} is not here: neither given nor in secrets/master.key; \
         set MASTER_ENCRYPTION_KEY or put the file back"
    )]
    KekMissing {
        /// Id of the key the folder was made with.
        expected: String,
    },
    /// A write-only node has no master key.
    #[error(
        "this node is write-only: its sessions are sealed to age recipients and it has no master key"
    )]
    WriteOnly,
    /// No such session.
    #[error("there is no session {0}")]
    UnknownSession(SessionId),
    /// An id is used once.
    #[error("the session id {0} was used before")]
    SessionExists(SessionId),
    /// Its policy is not what is in force.
    #[error(
        "session {0} was to be opened under parameters that are not in force, or no longer: open \
         one again"
    )]
    PolicyChanged(SessionId),
    /// An anchor of no more of the log than the one before.
    #[error("the log is anchored up to {anchored_size} already, which {log_size} is no more than")]
    AnchoredAlready {
        /// Entries that it is of.
        log_size: u64,
        /// Entries that the one before is of.
        anchored_size: u64,
    },
    /// An anchor of another log.
    #[error("an anchor of {log_size} entries does not name the root that this log had then")]
    AnchorOfAnother {
        /// Entries that it is of.
        log_size: u64,
    },
    /// More than the session's policy allows.
    #[error(
        "session {session} would have {bytes} bytes, and its policy allows {max} (session_bytes_max): \
         seal it, and put the rest into another one"
    )]
    SessionFull {
        /// The session.
        session: SessionId,
        /// Plaintext bytes that it would have.
        bytes: u64,
        /// Plaintext bytes that it may have.
        max: u64,
    },
    /// Not in this state.
    #[error("session {session} is {state}; {wanted}")]
    State {
        /// The session.
        session: SessionId,
        /// Its state.
        state: State,
        /// What the operation wants, as a clause.
        wanted: &'static str,
    },
    /// A chunk's file is not there.
    #[error("session {session}: the file of chunk {index} is missing: {path}")]
    ChunkMissing {
        /// The session.
        session: SessionId,
        /// The chunk.
        index: ChunkIndex,
        /// Where its file should be.
        path: PathBuf,
    },
    /// A chunk that cannot be acknowledged.
    #[error("session {session}: {reason}")]
    Chunk {
        /// The session.
        session: SessionId,
        /// What does not fit.
        reason: String,
    },
    /// Another uploader has taken over.
    #[error(
        "session {session}: hold {lease} is over, a later one was begun or none is; ask where the \
         upload is, and take a new one"
    )]
    LeaseLost {
        /// The session.
        session: SessionId,
        /// The number of the hold that is over.
        lease: u64,
    },
    /// No data key could be made.
    #[error("session {session} cannot be opened, as there is no key for it: {reason}")]
    NewKey {
        /// The session.
        session: SessionId,
        /// Why.
        reason: String,
    },
    /// Keys and chunks are in another process's folder.
    #[error("keys and chunks are not in {path}: they are with the session-encryptor, ask it")]
    VaultElsewhere {
        /// The folder.
        path: PathBuf,
    },
    /// A vault in another process says so, or cannot be asked.
    #[error("{text}")]
    Remote {
        /// The class of its error.
        kind: ErrorKind,
        /// Its error's text, with the causes.
        text: String,
    },
    /// A key file is missing: destroyed, or lost.
    #[error(
        "session {session} has no key file (keys/{session}.json); without it nobody can read the session"
    )]
    KeyFileMissing {
        /// The session.
        session: SessionId,
    },
    /// A session that is not sealed, since it would be in the log for good and nobody could read it.
    #[error(
        "session {session} is not sealed, as nobody could read it: {reason}. Put that back from a backup, or give the session \
         up with: lucid-node void {session}"
    )]
    Unreadable {
        /// The session.
        session: SessionId,
        /// What is wrong with its key file or chunks.
        reason: String,
    },
    /// A session that is not sealed as whole, since it is not.
    #[error(
        "session {session} is not sealed as whole: {reason}. Put that back from a backup, or seal what there is, as incomplete, \
         with: lucid-node seal {session}"
    )]
    NotWhole {
        /// The session.
        session: SessionId,
        /// Which chunk is lost.
        reason: String,
    },
    /// A key file that cannot be read.
    #[error("the key file {path} cannot be used")]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyError,
    },
    /// A file does not hold what was written.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// Too little room for more chunks.
    #[error(
        "the disk is nearly full: {free} bytes are free at {path} and {reserve} are kept back for \
         the ledger"
    )]
    DiskFull {
        /// The data folder.
        path: PathBuf,
        /// Free bytes.
        free: u64,
        /// Bytes kept back.
        reserve: u64,
    },
    /// An earlier write failed in a way that leaves the file's end unknown.
    #[error("{path} takes no more writes after a failed one; restart the node to repair it")]
    Poisoned {
        /// The file.
        path: PathBuf,
    },
    /// Something that was made from a log, and not from this one.
    #[error("it was made from another log: {0}")]
    OtherLog(String),
    /// An anchor that is not kept.
    #[error("this anchor is not kept")]
    Anchor(#[from] RecordError),
    /// An entry that cannot go into the log.
    #[error("this cannot be an entry of the ledger")]
    Entry(#[from] EntryError),
    /// The ledger log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What was to be appended together with entries of others failed, for all of them alike.
    #[error(transparent)]
    Group(Arc<StoreError>),
    /// The database. It is a projection of the log: nothing is lost.
    #[error("the database {path} failed; nothing in it is lost, it can be made anew from the log")]
    Database {
        /// The database's folder.
        path: PathBuf,
        /// sled's reason.
        source: sled::Error,
    },
}

/// Says what was being done to which file when the operating system refused.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, StoreError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, StoreError> {
        self.map_err(|source| match source.kind() {
            // Of those that this crate makes itself: what stands there is not what was written.
            io::ErrorKind::InvalidData => damaged(path, source),
            _ => StoreError::Io { doing, path: path.to_owned(), source },
        })
    }
}

/// [`StoreError::Damaged`] in one line.
pub(crate) fn damaged(path: &Path, reason: impl Display) -> StoreError {
    StoreError::Damaged { path: path.to_owned(), reason: reason.to_string() }
}

/// Shows an error with its causes, in one line, where it becomes part of a text.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// What more there is to do about a folder; a file is named with its folder.
fn where_empty(name: &str) -> &'static str {
    if name.contains('/') { "" } else { ", or make it again (mkdir) if nothing was in it" }
}
