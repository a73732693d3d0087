//! The EVM part of the node's chain: blocks, state and the virtual machine.
//!
//! This crate owns what a block is, how transactions are taken and executed, and what the state is after
//! each block. It leaves to others the ledger log, in which the blocks are, and every file, thread, socket
//! and clock: time and the log's position are arguments, and the database is a sled tree that is handed in.
//!
//! It is a *projection*: the blocks in the log are the truth, and replaying them into an empty tree gives
//! every row again, byte for byte. So nothing here is synced. A crash loses whole blocks at the end, never
//! part of one, and the next start replays them.
//!
//! | module | owns |
//! | --- | --- |
//! | `rules` | the fork, fees and limits |
//! | `block` | header, body, receipts, genesis, and their bytes |
//! | `tx` | transactions: decoding, checking, signing |
//! | `pool` | transactions that wait for a block |
//! | `chain` | the head, proposing, applying, replaying |
//! | `state` | accounts, slots, code; what they were; one batch a block |
//! | `trie` | Ethereum's Merkle-Patricia trie, updated in place |
//! | `machine` | revm over a state |
//! | `contracts` | those that every chain begins with, and what the node says to them |
//! | `logged` | blocks as entries of the log, and back |
//! | `read` | calls, estimates, logs, traces, blocks and transactions by hash |
//! | [`rpc`] | Ethereum's JSON-RPC over all of this, without a transport |
//!
//! revm is pinned exactly, without its C libraries: BLS12-381 and KZG are arkworks', secp256k1 is k256. They
//! are slower, but pure Rust that builds for every target the same way, and the precompiles that need them
//! are not what the node's contracts call.

mod block;
mod chain;
pub mod contracts;
mod error;
mod keys;
pub mod logged;
mod machine;
mod pool;
mod read;
mod rows;
pub mod rpc;
pub mod rules;
mod state;
#[cfg(test)]
mod testing;
mod trie;
mod tx;
#[cfg(test)]
mod vectors;

/// Addresses, words and hashes of the EVM.
pub use alloy_primitives;
/// Traces' types, in the form that geth's clients read.
pub use alloy_rpc_types_trace;
/// An account as the state's trie has it.
pub use alloy_trie::TrieAccount as Account;

pub use block::{Block, BlockNumber, ChainId, Genesis, Header, LogPosition, Receipt, bloom_of};
pub use chain::{Chain, HISTORY_BLOCKS, Head, Proposal};
pub use error::{ChainError, Commitment};
pub use pool::{
    Intake, Limits, Pool, RESERVED_BYTES_MAX, RESERVED_OF_ACCOUNT, RESERVED_OF_ACCOUNT_BYTES,
    UNREADY_MILLIS_MAX, WAITING_MILLIS_MAX,
};
pub use read::{
    ALTERNATIVES_MAX, At, BlockPlace, CALL_GAS_MAX, Call, CallError, Called, Included,
    LOG_BLOCKS_MAX, LOG_BYTES_MAX, LOGS_MAX, LogEntry, LogFilter, LogPart, LogPlace, Paths,
    Patience, Places, RegistrationPlace, Revert, TRACE_BYTES_MAX, Tracer,
};
pub use tx::{SignError, Signer, Transaction, TxError, Unsigned};
