//! Why a transaction is not taken. The words in front are those that Ethereum clients look for (geth's
//! `core` and `core/txpool` errors), the rest names the numbers.

use alloy_primitives::{Address, B256, U256};

use crate::{
    ChainId,
    rules::{BASE_FEE, BLOCK_GAS_MAX, TX_BYTES_MAX, TX_GAS_MAX},
};

/// Why a transaction is not taken, or not put in a block.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TxError {
    /// No transaction, or not in the one form that it has.
    #[error("rlp: {why}")]
    Malformed {
        /// What does not fit.
        why: String,
    },
    /// Longer than a transaction may be.
    #[error("oversized data: transaction size {bytes}, limit {TX_BYTES_MAX}")]
    Oversized {
        /// Its bytes.
        bytes: usize,
    },
    /// A type that this chain does not have.
    #[error(
        "transaction type not supported: type {tx_type}, and this chain takes 0 (with EIP-155), 1 and 2"
    )]
    TypeNotSupported {
        /// The type.
        tx_type: u8,
    },
    /// A legacy transaction that names no chain.
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    Unprotected,
    /// For another chain.
    #[error("invalid chain id for signer: have {have}, want {want}")]
    InvalidChainId {
        /// What it names.
        have: ChainId,
        /// This chain.
        want: ChainId,
    },
    /// No key made this signature, or it has the other, high, `s` (EIP-2).
    #[error("invalid sender: the signature recovers to no account")]
    InvalidSignature,
    /// The priority fee exceeds what is paid at most.
    #[error(
        "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas {tip}, maxFeePerGas {max}"
    )]
    TipAboveFeeCap {
        /// Wei per gas.
        tip: u128,
        /// Wei per gas.
        max: u128,
    },
    /// It pays less than the base fee.
    #[error("max fee per gas less than block base fee: maxFeePerGas {max}, baseFee {BASE_FEE}")]
    FeeCapTooLow {
        /// Wei per gas.
        max: u128,
    },
    /// It asks for more gas than a block has.
    #[error("exceeds block gas limit: gas {gas}, limit {BLOCK_GAS_MAX}")]
    ExceedsBlockGas {
        /// What it asks for.
        gas: u64,
    },
    /// It asks for more gas than one transaction may (EIP-7825).
    #[error("transaction gas limit too high (cap: {TX_GAS_MAX}, tx: {gas})")]
    ExceedsTxGas {
        /// What it asks for.
        gas: u64,
    },
    /// Its init code is too long (EIP-3860).
    #[error("max initcode size exceeded: code size {bytes}, limit {max}")]
    InitCodeTooLong {
        /// Its bytes.
        bytes: usize,
        /// The limit, bytes.
        max: usize,
    },
    /// It asks for less gas than its bytes alone cost.
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGas {
        /// What it asks for.
        gas: u64,
        /// What it costs before it runs.
        needed: u64,
    },
    /// It asks for less gas than the least that its calldata costs (EIP-7623).
    #[error("insufficient gas for floor data gas cost: gas {gas}, minimum needed {needed}")]
    FloorGas {
        /// What it asks for.
        gas: u64,
        /// The least.
        needed: u64,
    },
    /// Its nonce was used.
    #[error("nonce too low: next nonce {want}, tx nonce {have}")]
    NonceTooLow {
        /// The transaction's.
        have: u64,
        /// The account's next.
        want: u64,
    },
    /// Its nonce is further ahead than the pool waits for.
    #[error(
        "nonce too high: next nonce {want}, tx nonce {have}, and {ahead_max} ahead is the most"
    )]
    NonceTooHigh {
        /// The transaction's.
        have: u64,
        /// The account's next.
        want: u64,
        /// How far ahead a nonce may be.
        ahead_max: u64,
    },
    /// The account has no nonce left (EIP-2681).
    #[error("nonce has max value")]
    NonceMax,
    /// The account cannot pay for it.
    #[error("insufficient funds for gas * price + value: balance {balance}, tx cost {cost}")]
    InsufficientFunds {
        /// What the account has, wei; less what its waiting transactions cost.
        balance: U256,
        /// The most that the transaction costs, wei.
        cost: U256,
    },
    /// It is from an account with code (EIP-3607).
    #[error("sender not an eoa: address {sender}")]
    SenderNotEoa {
        /// The account.
        sender: Address,
    },
    /// It is in the pool.
    #[error("already known: {hash}")]
    AlreadyKnown {
        /// The transaction's hash.
        hash: B256,
    },
    /// Another with its nonce waits and pays nearly as much.
    #[error(
        "replacement transaction underpriced: both fees must be at least {needed_fee} and {needed_tip} wei per gas"
    )]
    Underpriced {
        /// The least `maxFeePerGas` that replaces it.
        needed_fee: u128,
        /// The least `maxPriorityFeePerGas` that replaces it.
        needed_tip: u128,
    },
    /// The sender has as many transactions waiting as one may.
    #[error("account limit exceeded: {sender} has {limit} transactions waiting")]
    AccountLimit {
        /// The sender.
        sender: Address,
        /// How many an account may have.
        limit: usize,
    },
    /// The pool is full, and nothing in it pays less.
    #[error("txpool is full: pay a higher priority fee, or send it again later")]
    PoolFull,
    /// It is of the node's own account, which the node itself signs for.
    #[error(
        "sender is the node itself: of its account {sender} a plain transfer of coins is taken, one at a time, that \
         leaves it {kept} wei; ask the node for the rest (lucid-node governance, without --evm-key)"
    )]
    NodeAccount {
        /// The account.
        sender: Address,
        /// What it must keep, wei: registrations are paid of it.
        kept: U256,
    },
    /// The disk is needed for the ledger.
    #[error("the node's disk is nearly full: it takes no transactions until there is room again")]
    DiskFull,
    /// The block has no room for it: it stays in the pool.
    #[error("the block is full")]
    BlockFull,
    /// The machine refuses it for a reason that intake should have found.
    #[error("{0}")]
    Refused(String),
}

impl TxError {
    /// Whether the same transaction may be put in a later block: it then stays in the pool.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::BlockFull | Self::NonceTooHigh { .. } | Self::InsufficientFunds { .. })
    }
}
