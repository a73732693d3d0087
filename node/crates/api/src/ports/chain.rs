//! blockchain-api: what is asked of the chain and of the log together.
//!
//! The answers are the bodies of the public API too, so each field is described once, here. Hashes are
//! SHA-256 in lower-case hex as everywhere in Lucid; what is Ethereum's (transaction hashes, addresses, data)
//! is in its form, with `0x`. Fields may be added to them: they are not refused as unknown.

use async_trait::async_trait;
use bytes::Bytes;
use lucid_core::{Hash, NodeId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Answer, Asker, BlockDetail, BlockId, BlockPage, ChainState, LoggedAnchor, TransactionDetail,
    TxHash,
};

/// Blocks, registrations or entries in one answer.
pub const CHAIN_PAGE_MAX: u32 = 200;
/// Entries of the log that one question looks at: a filter finds what is among these, and says how far it
/// looked.
pub const LOOK_MAX: u64 = 10_000;

/// Where a sealed session is registered, and as what.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Registration {
    /// The session.
    #[schema(value_type = String, format = "uuid")]
    pub session_id: SessionId,
    /// Root of the session tree.
    #[schema(value_type = String)]
    pub merkle_root: Hash,
    /// SHA-256 of the manifest's bytes.
    #[schema(value_type = String)]
    pub manifest_hash: Hash,
    /// SHA-256 of the policy.
    #[schema(value_type = String)]
    pub policy_hash: Hash,
    /// Whose it is.
    pub owner: String,
    /// Bytes of plaintext.
    pub plain_bytes: u64,
    /// Chunks.
    pub chunk_count: u32,
    /// Index of its `session.sealed` entry in the log.
    pub log_index: u64,
    /// The contract that it is registered in.
    pub contract: String,
    /// The block that registers it.
    pub block_number: u64,
    /// That block's hash.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pub block_hash: Hash,
    /// When that block was made.
    #[schema(value_type = String, format = "date-time")]
    pub time: Timestamp,
    /// The transaction that registers it.
    #[schema(value_type = String, pattern = "^0x[0-9a-f]{64}$")]
    pub transaction: TxHash,
    /// That transaction's place in the block.
    pub transaction_index: u32,
}

/// What anchors a session or the log to a chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Anchor {
    /// A sealed session, registered in `LucidAnchors` on the node's own chain.
    Registration {
        /// Which chain: `private` is the node's own.
        network: String,
        /// The registration.
        #[serde(flatten)]
        registration: Registration,
    },
    /// A checkpoint of the log, in a solid block of TRON.
    Tron {
        /// Place of its `anchor.tron` entry.
        log_index: u64,
        /// When the block was found to be solid.
        #[schema(value_type = String, format = "date-time")]
        at: Timestamp,
        /// The network.
        network: String,
        /// Entries under the checkpoint.
        log_size: u64,
        /// Their root.
        #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
        log_root: Hash,
        /// How it is written: `contract` or `memo`.
        form: String,
        /// The contract that was called; absent for a memo.
        contract: Option<String>,
        /// The transaction's id.
        tx_id: String,
        /// The block that has it.
        block_number: u64,
        /// That block's id.
        block_id: String,
    },
}

impl Anchor {
    /// Place of its entry in the log: of the session's that it registers, or of its own.
    #[must_use]
    pub fn log_index(&self) -> u64 {
        match self {
            Self::Registration { registration, .. } => registration.log_index,
            Self::Tron { log_index, .. } => *log_index,
        }
    }
}

impl From<LoggedAnchor> for Anchor {
    fn from(LoggedAnchor { index, entry }: LoggedAnchor) -> Self {
        Self::Tron {
            log_index: index,
            at: entry.at,
            network: entry.network,
            log_size: entry.log_size,
            log_root: entry.log_root,
            form: entry.form.as_str().to_owned(),
            contract: entry.contract.map(|contract| contract.to_string()),
            tx_id: entry.tx_id.to_string(),
            block_number: entry.block_number.0,
            block_id: entry.block_id.to_string(),
        }
    }
}

/// Anchors, the newest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct AnchorPage {
    /// The anchors.
    pub anchors: Vec<Anchor>,
    /// What to ask for as `before` next, where there are more.
    pub next: Option<u64>,
}

/// An entry of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChainEntry {
    /// Its place.
    pub index: u64,
    /// Its kind, such as `session.sealed`.
    pub kind: String,
    /// Its leaf in the log's tree: SHA-256 of a zero byte and its bytes.
    pub leaf: Hash,
    /// Exactly its bytes (RFC 8785 JSON).
    pub entry: String,
}

/// Which entries.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EntryQuery {
    /// From this one on.
    pub from: u64,
    /// At most so many.
    pub limit: u32,
    /// Of this kind.
    pub kind: Option<String>,
    /// About this session.
    pub session: Option<SessionId>,
}

/// Entries in order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EntryPage {
    /// The entries.
    pub entries: Vec<ChainEntry>,
    /// What to ask for as `from` next: everything before it was looked at. Absent where that is all of the log.
    pub next: Option<u64>,
    /// Entries in the log.
    pub size: u64,
}

/// Where the chain's contracts are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ContractPlaces {
    /// `LucidAnchors`: sealed sessions.
    pub anchors: String,
    /// `NodeRegistry`: who votes.
    pub nodes: String,
    /// `TimelockController`: carries decisions out.
    pub timelock: String,
    /// `ParamRegistry`: what is decided on.
    pub parameters: String,
    /// `LucidGovernor`: how.
    pub governor: String,
}

/// How a chain began.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChainOrigin {
    /// The chain's id (EIP-155).
    pub chain_id: u64,
    /// The node's account, which registers sessions.
    pub account: String,
    /// Hash of block 0.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pub genesis_hash: Hash,
    /// The genesis parameters, exactly the bytes that block 0's `parent` is the SHA-256 of.
    pub genesis: String,
    /// Where its contracts are.
    pub contracts: ContractPlaces,
}

/// A node, as its chain and its log know it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChainNode {
    /// The node's id: it follows from the key that signs the log.
    #[schema(value_type = String, pattern = "^[0-9a-f]{16}$")]
    pub node_id: NodeId,
    /// The log's verifier key (C2SP signed-note).
    pub log_key: String,
    /// The network that the chain is: `private` for the node's own.
    pub network: String,
    /// How the chain began.
    #[serde(flatten)]
    pub origin: ChainOrigin,
    /// The software and its version.
    pub software: String,
    /// The services that the node consists of.
    pub services: Vec<String>,
    /// What of its abilities is switched on.
    pub features: Vec<String>,
}

/// blockchain-api.
#[async_trait]
pub trait ChainApi: Send + Sync {
    /// Answers a JSON-RPC 2.0 text of `asker`, as [`Evm::rpc`](super::Evm::rpc) does.
    ///
    /// # Errors
    /// As that.
    async fn rpc(&self, asker: Asker, body: Bytes) -> Answer<Option<Bytes>>;

    /// How the chain is.
    ///
    /// # Errors
    /// `unavailable` while the chain is read from the log, or where it cannot be, with the reason.
    async fn head(&self) -> Answer<ChainState>;

    /// At most `limit` blocks, and never more than [`CHAIN_PAGE_MAX`], from the one before `before` or from
    /// the newest, backwards.
    ///
    /// # Errors
    /// As [`head`](Self::head); `damaged`.
    async fn blocks(&self, asker: Asker, before: Option<u64>, limit: u32) -> Answer<BlockPage>;

    /// A block with what is in it.
    ///
    /// # Errors
    /// `not_found`; as [`blocks`](Self::blocks).
    async fn block(&self, asker: Asker, block: BlockId) -> Answer<BlockDetail>;

    /// A transaction in a block.
    ///
    /// # Errors
    /// `not_found`; as [`blocks`](Self::blocks).
    async fn transaction(&self, asker: Asker, hash: TxHash) -> Answer<TransactionDetail>;

    /// Entries of the log. At most [`LOOK_MAX`] are looked at, and those found have at most 4 MiB together.
    ///
    /// # Errors
    /// `damaged`.
    async fn entries(&self, query: EntryQuery) -> Answer<EntryPage>;

    /// An entry of the log.
    ///
    /// # Errors
    /// `not_found`; `damaged`.
    async fn entry(&self, index: u64) -> Answer<ChainEntry>;

    /// A session's registration.
    ///
    /// # Errors
    /// `not_found` where it is not registered (yet), with how far registration is; as [`head`](Self::head).
    async fn registration(&self, session: SessionId) -> Answer<Registration>;

    /// At most `limit` anchors, and never more than [`CHAIN_PAGE_MAX`], from the one before `before` or from
    /// the newest, backwards.
    ///
    /// # Errors
    /// As [`blocks`](Self::blocks).
    async fn anchors(&self, asker: Asker, before: Option<u64>, limit: u32) -> Answer<AnchorPage>;

    /// The node.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    async fn node(&self) -> Answer<ChainNode>;
}
