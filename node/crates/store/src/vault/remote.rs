//! A vault in another process: its calls and answers as plain data, and both ends of them.
//!
//! How a call gets there is a [`Transport`]'s. An error crosses as its kind and its text; what the text
//! names begins in the vault's folder ([`FolderVault::failure`](super::FolderVault::failure)).

use std::fmt;

use lucid_core::{ChunkIndex, SessionId, chunk::ChunkSummary, keys::KeyFile};
use serde::{Deserialize, Serialize};

use super::{CommittedChunk, Lease, Presence, Vault, Verdict};
use crate::error::{ErrorKind, StoreError, chain};

/// A call of a [`Vault`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum VaultCall {
    /// [`Vault::check_room`].
    CheckRoom,
    /// [`Vault::make`].
    Make {
        /// The session.
        session: SessionId,
        /// Its wraps, where the vault is not to make them.
        keys: Option<KeyFile>,
    },
    /// [`Vault::presence`].
    Presence {
        /// The session.
        session: SessionId,
    },
    /// [`Vault::check_key`].
    CheckKey {
        /// The session.
        session: SessionId,
    },
    /// [`Vault::chunks`].
    Chunks {
        /// The session.
        session: SessionId,
    },
    /// [`Vault::remove_temporary`].
    RemoveTemporary {
        /// The session.
        session: SessionId,
    },
    /// [`Vault::check_chunks`].
    CheckChunks {
        /// The session.
        session: SessionId,
        /// What is acknowledged.
        chunks: Vec<CommittedChunk>,
    },
    /// [`Vault::settle`].
    Settle {
        /// The session.
        session: SessionId,
        /// What was committed.
        chunks: Vec<CommittedChunk>,
    },
    /// [`Vault::examine`].
    Examine {
        /// The session.
        session: SessionId,
        /// Which chunk.
        chunk: ChunkIndex,
    },
    /// [`Vault::quarantine`].
    Quarantine {
        /// The session.
        session: SessionId,
        /// Which chunk.
        chunk: ChunkIndex,
    },
    /// [`Vault::sync`].
    Sync {
        /// The session.
        session: SessionId,
    },
    /// [`Vault::begin`].
    Begin {
        /// The session.
        session: SessionId,
        /// The hold.
        lease: Lease,
        /// The first chunk that is not acknowledged.
        next: ChunkIndex,
    },
    /// [`Vault::release`].
    Release {
        /// The session.
        session: SessionId,
    },
    /// [`Vault::destroy`].
    Destroy {
        /// The session.
        session: SessionId,
    },
}

/// What a [`Vault`] answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum VaultReply {
    /// It is done.
    Done,
    /// To [`VaultCall::Presence`].
    Presence(Presence),
    /// To [`VaultCall::Chunks`].
    Chunks(Vec<ChunkIndex>),
    /// To [`VaultCall::RemoveTemporary`].
    Removed(Vec<String>),
    /// To [`VaultCall::Examine`]: it is the session's.
    Authentic(ChunkSummary),
    /// To [`VaultCall::Examine`]: it is not, and why.
    Stray(String),
    /// To [`VaultCall::Quarantine`].
    Aside(String),
}

/// Why a vault in another process did not do something, or could not be asked.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
#[serde(deny_unknown_fields)]
pub struct VaultFailure {
    /// The error's class.
    pub kind: ErrorKind,
    /// What happened and the way out, with its causes.
    pub text: String,
}

impl VaultFailure {
    /// An error with its causes, as it stands.
    #[must_use]
    pub fn of(error: &StoreError) -> Self {
        Self { kind: error.kind(), text: chain(error) }
    }

    /// That the vault could not be asked: it can be asked again.
    #[must_use]
    pub fn unavailable(why: impl fmt::Display) -> Self {
        Self { kind: ErrorKind::Unavailable, text: format!("the vault cannot be reached: {why}") }
    }
}

impl From<VaultFailure> for StoreError {
    fn from(VaultFailure { kind, text }: VaultFailure) -> Self {
        Self::Remote { kind, text }
    }
}

/// Takes a call to a vault in another process.
pub trait Transport: Send + Sync {
    /// Makes the call; blocks until it is answered. A call may be made again only where it is known not
    /// to have arrived.
    ///
    /// # Errors
    /// The vault's own, or [`VaultFailure::unavailable`].
    fn call(&self, call: VaultCall) -> Result<VaultReply, VaultFailure>;
}

/// Does what a call asks of `vault`: the end of a [`Transport`] where the vault is.
///
/// # Errors
/// The vault's.
pub fn dispatch(vault: &dyn Vault, call: VaultCall) -> Result<VaultReply, StoreError> {
    let done = |()| VaultReply::Done;
    match call {
        VaultCall::CheckRoom => vault.check_room().map(done),
        VaultCall::Make { session, keys } => vault.make(session, keys.as_ref()).map(done),
        VaultCall::Presence { session } => vault.presence(session).map(VaultReply::Presence),
        VaultCall::CheckKey { session } => vault.check_key(session).map(done),
        VaultCall::Chunks { session } => vault.chunks(session).map(VaultReply::Chunks),
        VaultCall::RemoveTemporary { session } => {
            vault.remove_temporary(session).map(VaultReply::Removed)
        }
        VaultCall::CheckChunks { session, chunks } => {
            vault.check_chunks(session, &chunks).map(done)
        }
        VaultCall::Settle { session, chunks } => vault.settle(session, &chunks).map(done),
        VaultCall::Examine { session, chunk } => Ok(match vault.examine(session, chunk)? {
            Ok(summary) => VaultReply::Authentic(summary),
            Err(reason) => VaultReply::Stray(reason),
        }),
        VaultCall::Quarantine { session, chunk } => {
            vault.quarantine(session, chunk).map(VaultReply::Aside)
        }
        VaultCall::Sync { session } => vault.sync(session).map(done),
        VaultCall::Begin { session, lease, next } => vault.begin(session, lease, next).map(done),
        VaultCall::Release { session } => vault.release(session).map(done),
        VaultCall::Destroy { session } => vault.destroy(session).map(done),
    }
}

/// A vault in another process.
pub struct RemoteVault<T> {
    transport: T,
}

impl<T: Transport> RemoteVault<T> {
    /// The vault at the other end of `transport`.
    #[must_use]
    pub fn new(transport: T) -> Self {
        Self { transport }
    }

    fn done(&self, call: VaultCall) -> Result<(), StoreError> {
        self.ask(call, |reply| matches!(reply, VaultReply::Done).then_some(()))
    }

    fn ask<R>(
        &self,
        call: VaultCall,
        read: impl FnOnce(VaultReply) -> Option<R>,
    ) -> Result<R, StoreError> {
        let reply = self.transport.call(call)?;
        read(reply).ok_or_else(|| StoreError::Remote {
            kind: ErrorKind::Unavailable,
            text: "the vault answered another question: is it of this version?".to_owned(),
        })
    }
}

impl<T: Transport> Vault for RemoteVault<T> {
    fn check_room(&self) -> Result<(), StoreError> {
        self.done(VaultCall::CheckRoom)
    }

    fn make(&self, session: SessionId, keys: Option<&KeyFile>) -> Result<(), StoreError> {
        self.done(VaultCall::Make { session, keys: keys.cloned() })
    }

    fn presence(&self, session: SessionId) -> Result<Presence, StoreError> {
        self.ask(VaultCall::Presence { session }, |reply| match reply {
            VaultReply::Presence(presence) => Some(presence),
            _ => None,
        })
    }

    fn check_key(&self, session: SessionId) -> Result<(), StoreError> {
        self.done(VaultCall::CheckKey { session })
    }

    fn chunks(&self, session: SessionId) -> Result<Vec<ChunkIndex>, StoreError> {
        self.ask(VaultCall::Chunks { session }, |reply| match reply {
            VaultReply::Chunks(chunks) if chunks.is_sorted() => Some(chunks),
            _ => None,
        })
    }

    fn remove_temporary(&self, session: SessionId) -> Result<Vec<String>, StoreError> {
        self.ask(VaultCall::RemoveTemporary { session }, |reply| match reply {
            VaultReply::Removed(names) => Some(names),
            _ => None,
        })
    }

    fn check_chunks(
        &self,
        session: SessionId,
        chunks: &[CommittedChunk],
    ) -> Result<(), StoreError> {
        self.done(VaultCall::CheckChunks { session, chunks: chunks.to_vec() })
    }

    fn settle(&self, session: SessionId, chunks: &[CommittedChunk]) -> Result<(), StoreError> {
        self.done(VaultCall::Settle { session, chunks: chunks.to_vec() })
    }

    fn examine(&self, session: SessionId, chunk: ChunkIndex) -> Result<Verdict, StoreError> {
        self.ask(VaultCall::Examine { session, chunk }, |reply| match reply {
            VaultReply::Authentic(summary) => Some(Ok(summary)),
            VaultReply::Stray(reason) => Some(Err(reason)),
            _ => None,
        })
    }

    fn quarantine(&self, session: SessionId, chunk: ChunkIndex) -> Result<String, StoreError> {
        self.ask(VaultCall::Quarantine { session, chunk }, |reply| match reply {
            VaultReply::Aside(name) => Some(name),
            _ => None,
        })
    }

    fn sync(&self, session: SessionId) -> Result<(), StoreError> {
        self.done(VaultCall::Sync { session })
    }

    fn begin(&self, session: SessionId, lease: Lease, next: ChunkIndex) -> Result<(), StoreError> {
        self.done(VaultCall::Begin { session, lease, next })
    }

    fn release(&self, session: SessionId) -> Result<(), StoreError> {
        self.done(VaultCall::Release { session })
    }

    fn destroy(&self, session: SessionId) -> Result<(), StoreError> {
        self.done(VaultCall::Destroy { session })
    }
}
