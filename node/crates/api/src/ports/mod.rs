//! The ports: how a service reaches another.
//!
//! Each port is a trait with two implementations that one test suite holds to the same behaviour: the
//! service itself, in this process, and a client that reaches it over HTTP in another. Arguments and
//! answers are plain data; errors are [`Problem`]s, whose code crosses the wire unchanged.
//!
//! | port | service | who calls it |
//! | --- | --- | --- |
//! | [`Authentication`] | authentication | api-gateway, api-server |
//! | [`Sessions`] | session-orchestrator | api-server, session-chunker, merkle-builder, blockchain-sessions-data |
//! | [`Ledger`] | session-orchestrator | authentication, and whoever asks for parameters |
//! | [`TransparencyLog`] | session-orchestrator, and through it blockchain-ledger | blockchain-ledger, api-server, blockchain-sessions-data |
//! | [`Witness`] | blockchain-ledger | api-server |
//! | [`BlockLog`] | session-orchestrator | blockchain-vm |
//! | [`Evm`] | blockchain-vm | blockchain-api |
//! | [`ChainApi`] | blockchain-api | api-server |
//! | [`ChainCalls`] | blockchain-vm | blockchain-governance |
//! | [`Governance`] | blockchain-governance | api-server |
//! | [`SessionsData`] | blockchain-sessions-data | api-server |
//! | [`Chunker`] | session-chunker | api-server |
//! | [`Encryptor`] | session-encryptor | session-chunker, api-server, merkle-builder |
//! | [`MerkleBuilder`] | merkle-builder | api-server |
//!
//! Ports decide nothing about access: their callers did, once, in api-server. They are reached over
//! HTTP only with a service's token.

mod anchors;
mod asker;
mod authentication;
mod blocks;
mod chain;
mod chain_calls;
mod encryptor;
mod evm;
mod governance;
mod log;
mod merkle_builder;
mod sessions;
mod sessions_data;
mod summary;
mod upload;

pub use anchors::{
    ANCHORS_MAX, AnchorStage, AnchorUnderWay, Anchoring, Anchors, KeptAnchor, LoggedAnchor,
};
pub use asker::Asker;
pub use authentication::{Account, AccountFilter, Authentication, Challenge, Login, Tokens};
pub use blocks::{
    BlockDetail, BlockId, BlockPage, BlockSummary, BlockTransaction, TransactionDetail,
    TransactionLog, TransactionProof, TxHash,
};
pub use chain::{
    Anchor, AnchorPage, CHAIN_PAGE_MAX, ChainApi, ChainEntry, ChainNode, ChainOrigin,
    ContractPlaces, EntryPage, EntryQuery, LOOK_MAX, Registration,
};
pub use chain_calls::{
    BlockPlace, CALLDATA_BYTES_MAX, ChainCalls, ChainPlace, EvmAddress, EvmBytes, EvmCall, EvmLog,
    EvmTextError, EvmWord, LOG_ADDRESSES_MAX, LogsFilter, LogsPage, Outcome, Transacted,
    VIEW_CALLS_MAX, Viewed,
};
pub use encryptor::{Encryptor, Payload, SealJob, SealedChunk};
pub use evm::{BlockLog, ChainState, Evm, RPC_BYTES_MAX};
pub use governance::{
    ACTIONS_MAX, Acted, Ballot, DESCRIPTION_BYTES_MAX, GOVERNANCE_PAGE_MAX, Governance,
    GovernanceAction, GovernanceContracts, GovernanceNode, GovernanceSettings, GovernedChange,
    GovernedParameter, GovernedParameters, NewProposal, OwnVote, ParameterHistory, ParameterUnit,
    Proposal, ProposalCall, ProposalPage, ProposalState, ProposalSummary, ProposedAction,
    REASON_BYTES_MAX, Support, TITLE_CHARS_MAX, Tally,
};
pub use log::{
    ConsistencyProof, ENTRIES_MAX, InclusionProof, LogEntry, LogHead, TransparencyLog, Witness,
    WitnessReply, WitnessState, WitnessedLog, Witnessing,
};
pub use merkle_builder::{MerkleBuilder, Proof, ProofRequest, Subject};
pub use sessions::{
    Event, EventKind, Lease, LeaseId, LedgerProof, ListSessions, NewSession, SealedSession,
    Session, SessionState, Sessions, UploadState,
};
pub use sessions_data::{
    DAYS, Found, INDEXED_MAX, ListIndexed, ListOrder, Match, MatchError, MatchKind, SealedOnDay,
    Search, SessionsData, Statistics, SyncState, SyncedCollection,
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

/// Changes of parameters in one answer.
pub const PARAMETER_CHANGES_MAX: u32 = 256;

/// A change of parameters, and where it is in the log.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterChange {
    /// Place of the entry.
    pub index: u64,
    /// The entry: the parameters, and the block that changed them.
    pub entry: lucid_core::entry::ParametersChanged,
}

/// Changes of parameters, in the order of the log.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterChanges {
    /// The changes.
    pub changes: Vec<ParameterChange>,
    /// Whether there are more after that.
    pub more: bool,
}

/// The ledger, as authentication writes to it and follows it, and as it tells of parameters.
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

    /// The newest change of parameters: what is in force. `None` where nobody has decided on any.
    ///
    /// # Errors
    /// `unavailable`.
    async fn parameters(&self) -> Answer<Option<lucid_core::entry::ParametersChanged>>;

    /// What the log says of parameters from `from` on, at most [`PARAMETER_CHANGES_MAX`] changes.
    ///
    /// # Errors
    /// `damaged`, `unavailable`.
    async fn parameter_changes(&self, from: lucid_core::EntryIndex) -> Answer<ParameterChanges>;

    /// Puts an `anchor.tron` entry into the log; durable when this returns.
    ///
    /// # Errors
    /// `conflict` where it names no root that the log had, or no more of the log than the anchor before; the
    /// ledger's.
    async fn anchored(&self, anchor: lucid_core::entry::AnchorTron) -> Answer<()>;

    /// At most `limit` anchors, and never more than [`ANCHORS_MAX`], the newest first: those whose entries stand
    /// before `before`, where that is said.
    ///
    /// # Errors
    /// `damaged`, `unavailable`.
    async fn anchors(&self, before: Option<u64>, limit: u32) -> Answer<Vec<LoggedAnchor>>;

    /// The node whose ledger it is.
    ///
    /// # Errors
    /// `unavailable`.
    async fn node_id(&self) -> Answer<lucid_core::NodeId>;
}
