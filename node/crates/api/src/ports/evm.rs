//! The node's chain: blocks into the log, and JSON-RPC.

use async_trait::async_trait;
use bytes::Bytes;
use lucid_core::Hash;
use serde::{Deserialize, Serialize};

use super::Answer;

/// Bytes of the longest JSON-RPC text that crosses a port.
pub const RPC_BYTES_MAX: usize = 2 << 20;

/// Takes blocks into the log: session-orchestrator, which writes it.
#[async_trait]
pub trait BlockLog: Send + Sync {
    /// Appends the entries of one block (`evm.body` and, last, `evm.block`), each exactly its bytes, as one
    /// group, if the block follows the last one in the log. Durable when this returns. So a block whose
    /// append was given up, and which comes late, does not get in beside another.
    ///
    /// # Errors
    /// `invalid_request` where they are no block's, `conflict` where the block does not follow, with nothing
    /// written; the log's.
    async fn append_block(&self, entries: Vec<String>) -> Answer<()>;
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
    /// is wrong with the text or a call is in the answer, not an error here.
    ///
    /// # Errors
    /// `unavailable` while the chain is read from the log, or where it cannot be, with the reason.
    async fn rpc(&self, body: Bytes) -> Answer<Option<Bytes>>;

    /// How the chain is.
    ///
    /// # Errors
    /// As [`rpc`](Self::rpc).
    async fn chain(&self) -> Answer<ChainState>;
}
