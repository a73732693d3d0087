//! The vault: what sessions are encrypted with, and what is encrypted.
//!
//! [`Vault`] is all that a [`crate::Store`] asks of keys and chunks. Beside it there are
//! - [`FolderVault`], which has them in a folder: in one process the store's own, else that of the
//!   session-encryptor;
//! - [`RemoteVault`], which asks a vault in another process for each of them, through a
//!   [`Transport`]; [`dispatch`] is the other end.
//!
//! A store behind a remote vault never holds a data key, and a vault cannot write to the ledger.
//!
//! Invariants:
//! - what a session's acknowledgement rests on is durable when [`Vault::settle`] returns;
//! - files of chunks are replaced or destroyed only under a *hold*: see [`Vault::begin`];
//! - every call but [`Vault::make`] can be made again after an error, and then finds what it did before.

mod folder;
pub(crate) mod hold;
mod remote;

use std::path::Path;

use lucid_core::{
    ChunkIndex, SessionId,
    chunk::ChunkSummary,
    keys::{ChunkKey, Kek, KeyFile},
};
use serde::{Deserialize, Serialize};

pub(crate) use self::hold::Ticket;
pub use self::{
    folder::{FolderVault, VaultOptions},
    remote::{RemoteVault, Transport, VaultCall, VaultFailure, VaultReply, dispatch},
};
use crate::error::StoreError;

/// Number of a hold on a session: a later one is larger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lease(pub u64);

/// What a vault has of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presence {
    /// Its key file.
    pub key_file: bool,
    /// Its folder of chunk files.
    pub chunk_folder: bool,
}

/// A chunk that was just committed, and how long its file must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommittedChunk {
    /// Which.
    pub index: ChunkIndex,
    /// Length of its file in bytes.
    pub file_bytes: u64,
}

impl From<&ChunkSummary> for CommittedChunk {
    fn from(chunk: &ChunkSummary) -> Self {
        Self { index: chunk.header.index, file_bytes: chunk.layout().file_bytes() }
    }
}

/// What a chunk file that nobody acknowledged is found to be.
pub type Verdict = Result<ChunkSummary, String>;

/// Keys and chunk files of sessions. `Send` and `Sync`; its calls block.
///
/// Names of files are given relative to the vault's folder, such as `chunks/<session>/00000002.lck.tmp`.
pub trait Vault: Send + Sync {
    /// Refuses where new sessions and chunks would bring the disk's end near.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`], the operating system's.
    fn check_room(&self) -> Result<(), StoreError>;

    /// Makes a session's key file and its folder of chunks, durable when this returns. Without `keys`
    /// the vault draws a data key and wraps it for those who keep it.
    ///
    /// # Errors
    /// [`StoreError::SessionExists`] where it has a key already, with nothing changed;
    /// [`StoreError::NewKey`]; the operating system's.
    fn make(&self, session: SessionId, keys: Option<&KeyFile>) -> Result<(), StoreError>;

    /// What it has of a session.
    ///
    /// # Errors
    /// Where that cannot be found out.
    fn presence(&self, session: SessionId) -> Result<Presence, StoreError>;

    /// Checks that a session can be read: that its key file is there, and, where the vault has the master key, that
    /// the wrap under it opens for this session.
    ///
    /// # Errors
    /// [`StoreError::KeyFileMissing`], [`StoreError::KeyFile`], the operating system's.
    fn check_key(&self, session: SessionId) -> Result<(), StoreError>;

    /// The session's chunk files, ascending; none where it has no folder.
    ///
    /// # Errors
    /// The operating system's.
    fn chunks(&self, session: SessionId) -> Result<Vec<ChunkIndex>, StoreError>;

    /// Removes what was never finished among a session's chunk files, and gives the names. Only for a
    /// session that nobody fills.
    ///
    /// # Errors
    /// The operating system's.
    fn remove_temporary(&self, session: SessionId) -> Result<Vec<String>, StoreError>;

    /// Checks that these chunks' files are there at their lengths.
    ///
    /// # Errors
    /// [`StoreError::ChunkMissing`], [`StoreError::Damaged`], the operating system's.
    fn check_chunks(&self, session: SessionId, chunks: &[CommittedChunk])
    -> Result<(), StoreError>;

    /// Checks that these chunks' files are there at their lengths, and brings their names to the disk:
    /// when this returns, no power cut takes them away, and no writer under the present hold replaces
    /// them.
    ///
    /// # Errors
    /// [`StoreError::ChunkMissing`], [`StoreError::Damaged`], the operating system's.
    fn settle(&self, session: SessionId, chunks: &[CommittedChunk]) -> Result<(), StoreError>;

    /// Reads a chunk file that was not acknowledged, and checks that it was sealed under the session's
    /// key: header, length, commitment and every segment. Its form is no proof: whoever can write to
    /// the folder can give a file that.
    ///
    /// # Errors
    /// The operating system's. What is wrong with the file, or that this vault cannot tell, is a
    /// [`Verdict`].
    fn examine(&self, session: SessionId, chunk: ChunkIndex) -> Result<Verdict, StoreError>;

    /// Sets a chunk's file aside under a name that is no chunk's; gives that name.
    ///
    /// # Errors
    /// The operating system's.
    fn quarantine(&self, session: SessionId, chunk: ChunkIndex) -> Result<String, StoreError>;

    /// Brings the names of a session's chunk files to the disk.
    ///
    /// # Errors
    /// The operating system's.
    fn sync(&self, session: SessionId) -> Result<(), StoreError>;

    /// Begins a hold on a session whose next chunk is `next`: writers of earlier holds can commit
    /// nothing any more once this has returned, and what they left from `next` on is destroyed, durably.
    /// The same hold begun again changes nothing.
    ///
    /// A vault knows the holds that were begun in its process. Their numbers must grow, also from one
    /// process to the next; no chunk before `next` is ever touched.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] where a later hold was begun, [`StoreError::UnknownSession`] where there
    /// is neither a folder for the session's chunks nor a key file, [`StoreError::Damaged`] where only the folder is lost,
    /// the operating system's.
    fn begin(&self, session: SessionId, lease: Lease, next: ChunkIndex) -> Result<(), StoreError>;

    /// Ends every hold on a session: it takes no more chunks until another is begun.
    ///
    /// # Errors
    /// Where the vault cannot be reached.
    fn release(&self, session: SessionId) -> Result<(), StoreError>;

    /// Destroys a session's keys, then its chunks: without the keys what is left of them is noise. Does
    /// nothing where that was done before.
    ///
    /// # Errors
    /// The operating system's; it can be called again.
    fn destroy(&self, session: SessionId) -> Result<(), StoreError>;
}

/// What a vault has done by others, because ciphers are not its own.
pub trait Ciphers: Send + Sync {
    /// Reads a chunk file under its key and authenticates every segment; gives its summary, or why it
    /// is no chunk sealed under that key.
    ///
    /// # Errors
    /// That reason.
    fn authenticate(&self, file: &Path, key: &ChunkKey) -> Verdict;

    /// Draws a session's data key and wraps it for whoever keeps it: the node's master key where there
    /// is one, and recipients.
    ///
    /// # Errors
    /// Why there is none, as a text without any key in it.
    fn new_key(&self, session: SessionId, kek: Option<&Kek>) -> Result<KeyFile, String>;
}

/// For a folder that is opened by what seals and opens nothing: a chunk file beyond an index is set
/// aside, and a session's keys must be given.
#[derive(Clone, Copy, Debug)]
pub struct NoCiphers;

impl Ciphers for NoCiphers {
    fn authenticate(&self, _: &Path, _: &ChunkKey) -> Verdict {
        Err("nothing here can tell whether it was sealed under the session's key".to_owned())
    }

    fn new_key(&self, _: SessionId, _: Option<&Kek>) -> Result<KeyFile, String> {
        Err("nothing here makes keys; they must be given".to_owned())
    }
}
