//! The ports: how a service reaches another.
//!
//! Each port is a trait with two implementations that one test suite holds to the same behaviour: the
//! service itself, in this process, and a client that reaches it over HTTP in another. Arguments and
//! answers are plain data; errors are [`Problem`]s, whose code crosses the wire unchanged.
//!
//! | port | service | who calls it |
//! | --- | --- | --- |
//! | [`Authentication`] | authentication | api-gateway, api-server |
//! | [`Sessions`] | session-orchestrator | api-server, session-chunker, merkle-builder |
//! | [`Ledger`] | session-orchestrator | authentication |
//! | [`TransparencyLog`] | session-orchestrator, and through it blockchain-ledger | blockchain-ledger, api-server |
//! | [`Witness`] | blockchain-ledger | api-server |
//! | [`BlockLog`] | session-orchestrator | blockchain-vm |
//! | [`Evm`] | blockchain-vm | api-server |
//! | [`Chunker`] | session-chunker | api-server |
//! | [`Encryptor`] | session-encryptor | session-chunker, api-server, merkle-builder |
//! | [`MerkleBuilder`] | merkle-builder | api-server |
//!
//! Ports decide nothing about access: their callers did, once, in api-server. They are reached over
//! HTTP only with a service's token.

mod authentication;
mod encryptor;
mod evm;
mod log;
mod merkle_builder;
mod sessions;
mod summary;
mod upload;

pub use authentication::{Account, AccountFilter, Authentication, Challenge, Login, Tokens};
pub use encryptor::{Encryptor, Payload, SealJob, SealedChunk};
pub use evm::{BlockLog, ChainState, Evm, RPC_BYTES_MAX};
pub use log::{
    ConsistencyProof, ENTRIES_MAX, InclusionProof, LogEntry, LogHead, TransparencyLog, Witness,
    WitnessReply, WitnessState, WitnessedLog, Witnessing,
};
pub use merkle_builder::{MerkleBuilder, Proof, ProofRequest, Subject};
pub use sessions::{
    Event, EventKind, Lease, LeaseId, LedgerProof, ListSessions, NewSession, SealedSession,
    Session, SessionState, Sessions, UploadState,
};
pub use summary::Summary;
pub use upload::{BodyStream, Checksum, ChecksumAlgorithm, Chunker, UploadJob, Uploaded};

use crate::Problem;

/// What ports give.
pub type Answer<T> = Result<T, Problem>;

/// Changes of accounts in one answer.
pub const USER_CHANGES_MAX: u32 = 256;

/// Changes of accounts, in the order of the log.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserChanges {
    /// The changes.
    pub changes: Vec<lucid_core::entry::UserChanged>,
    /// Whoever takes these up has come so far in the log.
    pub until: lucid_core::merkle::TreeHead,
    /// Whether there are more after that.
    pub more: bool,
}

/// The ledger, as authentication writes to it and follows it.
#[async_trait::async_trait]
pub trait Ledger: Send + Sync {
    /// Puts a `user.changed` entry into the log; durable when this returns.
    ///
    /// # Errors
    /// The ledger's.
    async fn user_changed(&self, change: lucid_core::entry::UserChanged) -> Answer<()>;

    /// What the log says of accounts after `after`, at most [`USER_CHANGES_MAX`] changes.
    ///
    /// # Errors
    /// `conflict` where `after` is none of this log's trees; `damaged`, `unavailable`.
    async fn user_changes(&self, after: lucid_core::merkle::TreeHead) -> Answer<UserChanges>;

    /// The node whose ledger it is.
    ///
    /// # Errors
    /// `unavailable`.
    async fn node_id(&self) -> Answer<lucid_core::NodeId>;
}
