//! TRON as bytes: addresses, transactions, blocks and the tree that joins them.
//!
//! This module owns what an auditor needs to follow an anchor from its transaction to the block that has
//! it, and what the node needs to make one: encodings with TRON's public field numbers
//! (<https://github.com/tronprotocol/protocol>), ids, signatures and who made them. It leaves to
//! others the private key, the network and the clock.
//!
//! Invariants:
//! - what decodes encodes to the same bytes: a field that is not understood is refused, never skipped;
//! - only transactions that this node could have made are decoded ([`Body`]). Of another's, a block's tree
//!   needs the hash alone ([`message::Envelope::leaf`]);
//! - a signature counts only with `s` in the lower half: nobody can make a second one of it.

mod address;
pub mod anchor;
mod block;
mod body;
mod contract;
mod error;
pub mod message;
mod signature;
mod sun;
mod transaction;
mod tree;

#[cfg(test)]
mod tests;

pub use address::{Address, AddressError};
pub use block::{BlockId, BlockNumber, Header, HeaderBody};
pub use body::{Body, Reference, TransactionId};
pub use contract::{Call, Contract, Creation, Transfer};
pub use error::TronError;
pub use signature::Signature;
pub use sun::Sun;
pub use transaction::{TRANSACTION_BYTES_MAX, Transaction};
pub use tree::{Path, root};
