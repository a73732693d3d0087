//! What can go wrong with the chain as a whole. What is wrong with a transaction is in
//! [`TxError`](crate::TxError).

use alloy_primitives::B256;
use lucid_core::Hash;

use crate::{BlockNumber, TxError};

/// Which commitment of a block's header does not come out when the block is executed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Commitment {
    /// `gas_used`.
    GasUsed,
    /// `receipts_root`.
    ReceiptsRoot,
    /// `state_root`.
    StateRoot,
    /// `tx_root`.
    TxRoot,
}

impl core::fmt::Display for Commitment {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::GasUsed => "gas_used",
            Self::ReceiptsRoot => "receipts_root",
            Self::StateRoot => "state_root",
            Self::TxRoot => "tx_root",
        })
    }
}

/// Why the chain could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// sled's.
    #[error("the chain's database: {0}")]
    Database(#[from] sled::Error),
    /// What is in the database was not written by this crate, or was changed since.
    #[error(
        "the chain's database is damaged ({what}): rebuild it from the log (lucid-node ledger rebuild)"
    )]
    Damaged {
        /// The record, and what is wrong with it.
        what: String,
    },
    /// The database was written by another version of this software.
    #[error(
        "the chain's database has layout {found}, and this is layout {expected}: rebuild it from the log \
         (lucid-node ledger rebuild)"
    )]
    Layout {
        /// What is there.
        found: u8,
        /// What this version writes.
        expected: u8,
    },
    /// The database holds a chain that began otherwise.
    #[error(
        "the database holds a chain whose genesis hashes to {found}, and the configuration's to {expected}: \
         chain id, allocations and the node's address are fixed for a chain's life"
    )]
    GenesisDiffers {
        /// What is there.
        found: Hash,
        /// What was asked for.
        expected: Hash,
    },
    /// The genesis cannot begin a chain.
    #[error("the genesis does not hold: {what}")]
    Genesis {
        /// Which field, and why.
        what: String,
    },
    /// A block does not follow the head.
    #[error(
        "block {number} with parent {parent} does not follow block {head_number}, {head}, which is the head"
    )]
    NotNext {
        /// The block's number.
        number: BlockNumber,
        /// What it names as parent.
        parent: Hash,
        /// The head's number.
        head_number: BlockNumber,
        /// The head's hash.
        head: Hash,
    },
    /// A block's time is before its parent's.
    #[error("block {number} is of an earlier time than its parent")]
    TimeBackwards {
        /// The block's number.
        number: BlockNumber,
    },
    /// A block that was executed ends in something else than its header says.
    #[error("block {number}: its {commitment} does not come out when it is executed")]
    Mismatch {
        /// The block's number.
        number: BlockNumber,
        /// Which field of the header.
        commitment: Commitment,
    },
    /// A transaction in a block that is replayed cannot be executed.
    #[error("block {number}, transaction {index}: {error}")]
    Transaction {
        /// The block's number.
        number: BlockNumber,
        /// The transaction's place in the body, from 0.
        index: u32,
        /// Why not.
        error: Box<TxError>,
    },
    /// A compiled contract of this build is none.
    #[error("the artefact of the contract {name} in this build is damaged: build it anew")]
    Artefact {
        /// Which.
        name: &'static str,
    },
    /// A contract of the chain answered what its ABI does not allow.
    #[error("the contract {contract} answered what is not of its ABI's form")]
    Answer {
        /// Where it is.
        contract: alloy_primitives::Address,
    },
    /// A header or a body is not in the one form it has.
    #[error("{what} is malformed: {why}")]
    Malformed {
        /// Which object.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// There is no such block.
    #[error("there is no block {number}: the head is block {head}")]
    NoSuchBlock {
        /// What was asked for.
        number: BlockNumber,
        /// The newest there is.
        head: BlockNumber,
    },
    /// No block has this transaction.
    #[error("no block has the transaction {hash}")]
    NoSuchTransaction {
        /// The transaction's hash.
        hash: B256,
    },
    /// The state after an old block is not kept.
    #[error(
        "the state after block {number} is not kept: this node answers for blocks {oldest} to {head} (blocks, \
         transactions, receipts and logs are kept for ever)"
    )]
    StateNotKept {
        /// What was asked for.
        number: BlockNumber,
        /// The oldest block whose state can be read.
        oldest: BlockNumber,
        /// The newest.
        head: BlockNumber,
    },
    /// A log query spans more blocks than one may.
    #[error(
        "the query spans {blocks} blocks, and one query looks through at most {blocks_max}: ask for shorter \
         ranges"
    )]
    RangeTooWide {
        /// What was asked for.
        blocks: u64,
        /// What is allowed.
        blocks_max: u64,
    },
    /// A log query has more results than one answers.
    #[error(
        "more than {logs_max} logs match up to block {number}: ask for a range that ends before it, or for \
         fewer addresses and topics; a filter (eth_newFilter) tells all of a block's in parts"
    )]
    TooManyLogs {
        /// What is allowed.
        logs_max: usize,
        /// The block at which the bound was passed.
        number: BlockNumber,
    },
    /// A log query's results are too long together.
    #[error(
        "the logs that match up to block {number} hold more than {bytes_max} bytes: ask for a range that ends \
         before it, or for fewer addresses and topics; a filter (eth_newFilter) tells all of a block's in parts"
    )]
    LogsTooLong {
        /// What is allowed: bytes of data.
        bytes_max: usize,
        /// The block at which the bound was passed.
        number: BlockNumber,
    },
    /// The time for the answer was over.
    #[error(
        "the time for one answer was over at block {number}: ask for less, or for fewer blocks"
    )]
    OutOfTime {
        /// The block that was next.
        number: BlockNumber,
    },
    /// A log query's range is upside down.
    #[error("the range begins at block {from} and ends before it, at block {to}")]
    RangeBackwards {
        /// Where it begins.
        from: BlockNumber,
        /// Where it ends.
        to: BlockNumber,
    },
    /// A log query has too many alternatives.
    #[error("a log query has at most {max} {what}")]
    FilterTooLarge {
        /// Addresses, topic positions or topics.
        what: &'static str,
        /// How many are allowed.
        max: usize,
    },
    /// A trace would need more memory than one may.
    #[error(
        "the trace exceeds {limit}: ask for less in it (disableStack, disableStorage, no memory, or the \
         callTracer)"
    )]
    TraceTooLarge {
        /// The bound, in words.
        limit: String,
    },
    /// The virtual machine itself failed; no transaction can cause this.
    #[error("the virtual machine failed: {what}")]
    Machine {
        /// In revm's words.
        what: String,
    },
}

impl revm::database_interface::DBErrorMarker for ChainError {}

/// A record that is not as this crate writes it.
pub(crate) fn damaged(what: impl Into<String>) -> ChainError {
    ChainError::Damaged { what: what.into() }
}
