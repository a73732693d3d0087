//! The node's chain: blocks into the log, and JSON-RPC.

use async_trait::async_trait;
use bytes::Bytes;
use lucid_core::{Hash, SessionId};
use serde::{Deserialize, Serialize};

use super::{
    Answer, Asker, BlockDetail, BlockId, BlockPage, ChainOrigin, Registration, TransactionDetail,
    TxHash,
};

/// Bytes of the longest JSON-RPC text that crosses a port.
pub const RPC_BYTES_MAX: usize = 2 << 20;

/// Takes blocks into the log: session-orchestrator, which writes it.
#[async_trait]
pub trait BlockLog: Send + Sync {
    /// Appends the entries of one block (`evm.body` and, last, `evm.block`), each exactly its bytes, as one
    /// group, if the block follows the last one in the log. Durable when this returns. So a block whose
    /// append was given up, and which comes late, does not get in beside another. Gives the place of
    /// `evm.block` in the log.
    ///
    /// # Errors
    /// `invalid_request` where they are no block's, `conflict` where the block does not follow, with nothing
    /// written; the log's.
    async fn append_block(&self, entries: Vec<String>) -> Answer<u64>;

    /// Whether the log's disk has room for what is not the node's own.
    ///
    /// # Errors
    /// `disk_full` where less is free than is kept back for the ledger.
    async fn room(&self) -> Answer<()>;
}

/// How the chain is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainState {
    /// The chain's id (EIP-155).
    pub chain_id: u64,
    /// The node's account, which registers sessions.
    pub account: String,
    /// Where `LucidAnchors` is, and with it which sessions are registered.
    pub anchors: String,
    /// The newest block's number.
    pub number: u64,
    /// Its hash: SHA-256 of its header's canonical JSON.
    pub hash: Hash,
    /// Entries of the log whose sessions are registered.
    pub log_size: u64,
    /// Root of the state after it.
    pub state_root: Hash,
    /// Sessions that are registered.
    pub sessions: u64,
}

/// blockchain-vm.
#[async_trait]
pub trait Evm: Send + Sync {
    /// Answers a JSON-RPC 2.0 text, one call or a batch; nothing where there were only notifications. What
    /// is wrong with the text or a call is in the answer, not an error here. What computes waits for its
    /// turn, and those who ask take turns.
    ///
    /// # Errors
    /// `unavailable` while the chain is read from the log, or where it cannot be, with the reason; where too
    /// many questions wait, or this one has waited too long. `rate_limited` where too many of `asker`'s wait.
    async fn rpc(&self, asker: Asker, body: Bytes) -> Answer<Option<Bytes>>;

    /// How the chain is.
    ///
    /// # Errors
    /// As [`rpc`](Self::rpc).
    async fn chain(&self) -> Answer<ChainState>;

    /// How it began, and where its contracts are.
    ///
    /// # Errors
    /// As [`rpc`](Self::rpc).
    async fn origin(&self) -> Answer<ChainOrigin>;

    /// Blocks backwards, as [`ChainApi::blocks`](super::ChainApi::blocks).
    ///
    /// # Errors
    /// As that.
    async fn blocks(&self, asker: Asker, before: Option<u64>, limit: u32) -> Answer<BlockPage>;

    /// A block with what is in it.
    ///
    /// # Errors
    /// `not_found`; as [`blocks`](Self::blocks).
    async fn block(&self, asker: Asker, block: BlockId) -> Answer<BlockDetail>;

    /// A transaction in a block. Why one failed is executed again, which waits for its turn.
    ///
    /// # Errors
    /// `not_found`; as [`blocks`](Self::blocks), and those of [`rpc`](Self::rpc).
    async fn transaction(&self, asker: Asker, hash: TxHash) -> Answer<TransactionDetail>;

    /// A session's registration; nothing where it is not registered.
    ///
    /// # Errors
    /// As [`blocks`](Self::blocks).
    async fn registration(&self, session: SessionId) -> Answer<Option<Registration>>;

    /// Registrations backwards in the log's order, from the one before `before` or from the newest; at most
    /// `limit`, and never more than [`CHAIN_PAGE_MAX`](super::CHAIN_PAGE_MAX).
    ///
    /// # Errors
    /// As [`blocks`](Self::blocks).
    async fn registrations(
        &self,
        asker: Asker,
        before: Option<u64>,
        limit: u32,
    ) -> Answer<Vec<Registration>>;
}
