//! The chain: its head, and the way from one block to the next.
//!
//! This module owns what the head is and how it moves. A block is made in two steps: [`Chain::propose`]
//! executes transactions and answers the block with everything that it would write, and
//! [`Chain::apply`] makes that true once the block is in the log. [`Chain::replay`] is the way back: it
//! takes a block from the log, executes it, and insists on every commitment in its header.
//!
//! Invariants:
//! - the head's row and all that the block changed are in one batch, so the database always holds the
//!   state of a whole block; it is behind the log or with it, never ahead;
//! - nothing depends on a clock, on a random number or on the order of a map: two nodes that replay the
//!   same blocks have the same bytes in every row;
//! - no block is made of a row that does not follow from what the head's header commits to;
//! - what one question sees is the state of one block, and no question keeps the next block waiting.
//!
//! Nothing here is synced: the blocks are in the log, and after a crash the newest are replayed.

mod assembly;
mod open;
mod propose;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use lucid_core::Hash;
use revm::context::{BlockEnv, CfgEnv};
use sled::Tree;

pub use self::propose::Proposal;
use crate::{
    At, BlockNumber, ChainError, ChainId, Genesis, Header, rules,
    state::{State, View},
};

/// How many blocks' states are kept for `eth_call` and traces, unless told otherwise. Each changed account
/// and slot costs some 130 bytes while it is kept.
pub const HISTORY_BLOCKS: u64 = 1024;

/// The newest block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// Its hash.
    pub hash: Hash,
    /// Its header.
    pub header: Header,
    /// The oldest block after which the state can still be read.
    pub oldest_state: BlockNumber,
}

/// The chain in a sled tree that nobody else uses.
pub struct Chain {
    pub(crate) tree: Tree,
    pub(crate) state: State,
    pub(crate) config: CfgEnv,
    genesis: Genesis,
    history_blocks: u64,
    head: RwLock<Head>,
}

impl Chain {
    /// The newest block.
    #[must_use]
    pub fn head(&self) -> Head {
        self.read().clone()
    }

    /// How the chain began.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The chain's id.
    #[must_use]
    pub fn chain_id(&self) -> ChainId {
        self.genesis.chain_id
    }

    /// Keeps blocks from coming while the answer is in use.
    fn read(&self) -> RwLockReadGuard<'_, Head> {
        // The head is assigned whole, after the state: a panic leaves the one before it.
        self.head.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Head> {
        self.head.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state at `at`, with `head` as the newest block.
    pub(crate) fn view(&self, head: &Head, at: At) -> Result<View<'_>, ChainError> {
        let newest = head.header.number;
        let number = match at {
            At::Latest | At::Pending(_) => newest,
            At::Number(number) if number > newest => {
                return Err(ChainError::NoSuchBlock { number, head: newest });
            }
            At::Number(number) => number,
        };
        if number < head.oldest_state {
            let oldest = head.oldest_state;
            return Err(ChainError::StateNotKept { number, oldest, head: newest });
        }
        Ok(self.state.after(number))
    }

    /// The block that a call at `at` believes itself in, with `head` as the newest.
    pub(crate) fn block_at(&self, head: &Head, at: At) -> Result<BlockEnv, ChainError> {
        let header = match at {
            At::Pending(time) => {
                let time = time.max(head.header.time);
                return Ok(self.block_after(head.header.number.next(), time, head.hash));
            }
            At::Latest => head.header.clone(),
            At::Number(number) => self.header_below(head, number)?.1,
        };
        Ok(self.block_after(header.number, header.time, header.parent))
    }

    /// A block as the machine sees it.
    pub(crate) fn block_after(
        &self,
        number: BlockNumber,
        time: lucid_core::Timestamp,
        parent: Hash,
    ) -> BlockEnv {
        rules::block(number, time, self.genesis.coinbase, parent)
    }
}
