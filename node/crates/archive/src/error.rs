//! The one error of this crate. Messages name the file, the object or the session, and the way out; none holds a key,
//! a passphrase or a part of one, nor what a server said beyond its error's code.

use std::{
    fmt::Display,
    io,
    path::{Path, PathBuf},
};

use lucid_core::{ChunkIndex, NodeId, SessionId, note::NoteError};
use lucid_store::{LogError, StoreError};

/// Why something was not archived, or not taken from an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
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
    /// The data folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file is there that would be replaced.
    #[error(
        "{path} is there already, and is not replaced unless that is asked for: name another file"
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A backup within what it is the backup of.
    #[error(
        "{path} is in the data folder {data}: what destroys that destroys the backup with it; name another place"
    )]
    Inside {
        /// The file.
        path: PathBuf,
        /// The data folder.
        data: PathBuf,
    },
    /// Too little room.
    #[error(
        "{path} has {free} bytes free, and up to {needed} are needed: make room, or name another place"
    )]
    NoRoom {
        /// Where it is to be.
        path: PathBuf,
        /// Bytes that are free.
        free: u64,
        /// Bytes that may be needed.
        needed: u64,
    },
    /// Something in the data folder that no backup can hold.
    #[error("{path} cannot be in a backup: {reason}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: &'static str,
    },
    /// A file changed while it was read.
    #[error(
        "{path} changed while it was read: something else writes to the data folder; stop it, and begin again"
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A recipient, an identity or a passphrase that is none.
    #[error("{0}")]
    Keys(String),
    /// None of the keys given opens it.
    #[error(
        "{path} opens with none of the keys given: give the identity of one of its recipients, or the passphrase it \
         was made with"
    )]
    Locked {
        /// The backup.
        path: PathBuf,
    },
    /// A file that is no whole backup.
    #[error("{path} is no backup, or not whole: {reason}; nothing of it was taken")]
    Damaged {
        /// The backup.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// A backup of another node.
    #[error("{path} is the backup of {}, and {expected} was asked for", match found {
        Some(node) => format!("node {node}"),
        None => "a folder without a node's key".to_owned(),
    })]
    OtherNode {
        /// The backup.
        path: PathBuf,
        /// The node that was asked for.
        expected: NodeId,
        /// The node that it is of.
        found: Option<NodeId>,
    },
    /// A folder that has something in it.
    #[error(
        "{path} is not empty ({name} is in it): a backup is put back into an empty folder only"
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
        /// The first thing that is in it.
        name: String,
    },
    /// Another process has the folder.
    #[error("{path} is in use by another process")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The log went on after the backup was made.
    #[error(
        "the backup's log has {size} entries, and a later checkpoint of this log has {later}: a node that goes on from \
         the backup signs other entries in their place, which is a fork. Take a later backup, or read the log back \
         from MongoDB with: lucid-node sync read-back"
    )]
    OlderThanKnown {
        /// Entries in the backup.
        size: u64,
        /// Entries of the checkpoint.
        later: u64,
    },
    /// A checkpoint that the log in the backup contradicts.
    #[error(
        "the backup's log had another root at {size} entries than a checkpoint that its key signed: one of the two is \
         a fork; keep both, and ask who made them"
    )]
    Fork {
        /// Entries of the checkpoint.
        size: u64,
    },
    /// A checkpoint that is none of this log's.
    #[error("the checkpoint given is no checkpoint of this node's log")]
    Checkpoint(#[source] NoteError),
    /// A place for chunks that is none.
    #[error("{0}")]
    Place(String),
    /// The object store refuses what it was asked with.
    #[error(
        "{place} refuses access ({code}): look at the keys, what they may do, the region and this machine's clock"
    )]
    Access {
        /// The object store.
        place: String,
        /// Its code.
        code: String,
    },
    /// The object store names another server.
    #[error(
        "{place} answers that it is somewhere else ({code}), and nobody is followed there: what is sent is signed with \
         the keys, and has their token with it. Set AWS_ENDPOINT_URL and AWS_REGION to where the bucket is"
    )]
    Elsewhere {
        /// The object store.
        place: String,
        /// Its status.
        code: String,
    },
    /// No such bucket or folder.
    #[error("{place} does not exist: make it first; nothing makes one here")]
    NoPlace {
        /// The object store.
        place: String,
    },
    /// The object store could not be asked, or not to the end.
    #[error(
        "{place} failed while {doing} ({code}): what was sent before is kept, run it again to go on"
    )]
    Remote {
        /// The object store.
        place: String,
        /// What was being done.
        doing: &'static str,
        /// What is known of the cause: a status, a code, or a word.
        code: String,
    },
    /// A chunk that is here is not the one its session committed to.
    #[error("session {session}, chunk {index}: {reason}")]
    Chunk {
        /// The session.
        session: SessionId,
        /// The chunk.
        index: ChunkIndex,
        /// What is wrong.
        reason: String,
    },
    /// A session whose index is not the one that was sealed.
    #[error("session {session}: {reason}")]
    Session {
        /// The session.
        session: SessionId,
        /// What is wrong.
        reason: String,
    },
    /// A secret would be in what is sent to support.
    #[error(
        "{member} holds {what}: nothing was written. Leave that part out, or take the secret out of it, and change the \
         secret if others have seen it"
    )]
    SecretInside {
        /// The part it was found in.
        member: String,
        /// Whose secret, without any of it.
        what: String,
    },
    /// Something given that cannot be in a support bundle.
    #[error("{member}: {reason}")]
    Member {
        /// The part.
        member: String,
        /// Why not.
        reason: &'static str,
    },
}

/// What an error means to whoever asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// What was looked at is not what it should be.
    Check,
    /// Something has to be given otherwise.
    Usage,
    /// The disk, the network or the other side.
    Io,
    /// The data folder's own error says.
    Store(lucid_store::ErrorKind),
}

impl ArchiveError {
    /// The error's class.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { .. } | Self::NoRoom { .. } | Self::InUse { .. } | Self::Remote { .. } => {
                ErrorKind::Io
            }
            Self::Store(error) => ErrorKind::Store(error.kind()),
            Self::Exists { .. }
            | Self::Inside { .. }
            | Self::Unfit { .. }
            | Self::Keys(_)
            | Self::NotEmpty { .. }
            | Self::Place(_)
            | Self::Access { .. }
            | Self::Elsewhere { .. }
            | Self::NoPlace { .. }
            | Self::Checkpoint(_)
            | Self::Member { .. } => ErrorKind::Usage,
            Self::Changed { .. }
            | Self::Locked { .. }
            | Self::Damaged { .. }
            | Self::OtherNode { .. }
            | Self::OlderThanKnown { .. }
            | Self::Fork { .. }
            | Self::Chunk { .. }
            | Self::Session { .. }
            | Self::SecretInside { .. } => ErrorKind::Check,
        }
    }

    pub(crate) fn damaged(path: &Path, reason: impl Display) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.to_string() }
    }
}

impl From<LogError> for ArchiveError {
    fn from(error: LogError) -> Self {
        Self::Store(error.into())
    }
}

/// Says what was being done to which file when the operating system refused.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, ArchiveError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T, ArchiveError> {
        self.map_err(|source| ArchiveError::Io { doing, path: path.to_owned(), source })
    }
}
