//! What can be wrong with bytes of TRON.

use super::{AddressError, TRANSACTION_BYTES_MAX};

/// Why bytes were refused.
///
/// None is worth a retry: the same bytes are refused again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TronError {
    /// It is no message of its type.
    #[error("not {what}: {why}")]
    Malformed {
        /// What was expected.
        what: &'static str,
        /// Where it breaks.
        why: prost::DecodeError,
    },
    /// It has fields that are not understood, or is not in the one encoding that it has.
    #[error("{what} has fields that are not understood here, or another encoding than its own")]
    NotCanonical {
        /// What was expected.
        what: &'static str,
    },
    /// It is longer than a transaction may be.
    #[error("a transaction has at most {TRANSACTION_BYTES_MAX} bytes, not {bytes}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A field has a value that it cannot have.
    #[error("{what}: {field} is {wanted}")]
    Field {
        /// The message.
        what: &'static str,
        /// The field, as TRON calls it.
        field: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// A field that should be an address is none.
    #[error("{field} is no address")]
    Address {
        /// The field, as TRON calls it.
        field: &'static str,
        /// Why.
        source: AddressError,
    },
    /// A contract of a kind that this node does not make.
    #[error("contract type {kind} is none that is understood here: 1, 30 and 31 are")]
    ContractType {
        /// TRON's number of it.
        kind: i32,
    },
    /// It is no signature.
    #[error("a signature is 65 bytes r, s, v: s in the lower half, v one of 0, 1, 27, 28")]
    Signature,
    /// No key can have made the signature.
    #[error("the signature is no key's")]
    Unrecoverable,
    /// A transaction is not its owner's.
    #[error("the transaction of {owner} is signed by {signer}")]
    Signer {
        /// Whose account it spends of.
        owner: super::Address,
        /// Who signed it.
        signer: super::Address,
    },
    /// A path does not fit its tree.
    #[error("the path of transaction {index} of {count} has {wanted} hashes, not {found}")]
    PathLength {
        /// The transaction's place, counted from 0.
        index: u32,
        /// Transactions in the block.
        count: u32,
        /// Hashes that the path has.
        found: usize,
        /// Hashes that it should have.
        wanted: usize,
    },
    /// There is no such transaction in the block.
    #[error("a block of {count} transactions has none numbered {index}, counted from 0")]
    PathIndex {
        /// The transaction's place, counted from 0.
        index: u32,
        /// Transactions in the block.
        count: u32,
    },
    /// A path leads elsewhere.
    #[error("the transaction's path does not lead to the block's root")]
    PathRoot,
}
