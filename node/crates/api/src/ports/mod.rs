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

/// The ledger, as authentication writes to it.
#[async_trait::async_trait]
pub trait Ledger: Send + Sync {
    /// Puts a `user.changed` entry into the log; durable when this returns.
    ///
    /// # Errors
    /// The ledger's.
    async fn user_changed(&self, change: lucid_core::entry::UserChanged) -> Answer<()>;

    /// The node whose ledger it is.
    ///
    /// # Errors
    /// `unavailable`.
    async fn node_id(&self) -> Answer<lucid_core::NodeId>;
}
