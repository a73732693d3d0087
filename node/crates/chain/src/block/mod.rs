//! Blocks: header, transactions, receipts, and the bytes that they are hashed as.
//!
//! Every root but the state's is RFC 6962 over SHA-256, so that the verifier that proves an entry in the
//! log proves a transaction or a receipt in a block.

mod genesis;
mod position;
mod receipt;

use alloy_primitives::Bytes;
use alloy_rlp::{Decodable, Encodable};
use lucid_core::{Hash, merkle};

pub use lucid_core::block::{BlockNumber, Header};

pub use self::{
    genesis::Genesis,
    position::{ChainId, LogPosition},
    receipt::{Receipt, bloom_of},
};
use crate::{
    ChainError,
    rules::{BLOCK_BYTES_MAX, BLOCK_TRANSACTIONS_MAX, TX_BYTES_MAX},
};

/// A block: all that is needed to execute it again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    /// What the block commits to.
    pub header: Header,
    /// Its transactions in order, each as EIP-2718 bytes.
    pub body: Vec<Bytes>,
}

impl Block {
    /// The body as one text: an RLP list of byte strings.
    #[must_use]
    pub fn body_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.body.length());
        self.body.encode(&mut bytes);
        bytes
    }

    /// Reads [`body_bytes`](Self::body_bytes), in its one form and within the bounds of a block.
    ///
    /// # Errors
    /// [`ChainError::Malformed`].
    pub fn body_from(bytes: &[u8]) -> Result<Vec<Bytes>, ChainError> {
        let malformed = |why: String| ChainError::Malformed { what: "a block's body", why };
        // Each transaction adds at most five bytes of RLP to its own.
        if bytes.len() > BLOCK_BYTES_MAX + 5 * (BLOCK_TRANSACTIONS_MAX + 1) {
            return Err(malformed(format!("{} bytes are too many", bytes.len())));
        }
        let mut rest = bytes;
        let body = Vec::<Bytes>::decode(&mut rest).map_err(|error| malformed(error.to_string()))?;
        if !rest.is_empty() {
            return Err(malformed(format!("{} bytes follow it", rest.len())));
        }
        check_bounds(&body).map_err(malformed)?;
        Ok(body)
    }

    /// The root over the transactions: RFC 6962, a leaf is a transaction's EIP-2718 bytes.
    #[must_use]
    pub fn tx_root(&self) -> Hash {
        tx_root(&self.body)
    }
}

/// Whether a body is one that a block may have.
pub(crate) fn check_bounds(body: &[Bytes]) -> Result<(), String> {
    if body.len() > BLOCK_TRANSACTIONS_MAX {
        return Err(format!(
            "{} transactions, and {BLOCK_TRANSACTIONS_MAX} is the most",
            body.len()
        ));
    }
    if let Some(long) = body.iter().find(|raw| raw.len() > TX_BYTES_MAX) {
        return Err(format!(
            "a transaction of {} bytes, and {TX_BYTES_MAX} is the most",
            long.len()
        ));
    }
    let total: usize = body.iter().map(|raw| raw.len()).sum();
    if total > BLOCK_BYTES_MAX {
        return Err(format!("{total} bytes, and {BLOCK_BYTES_MAX} is the most"));
    }
    Ok(())
}

pub(crate) fn tx_root(body: &[Bytes]) -> Hash {
    let leaves: Vec<_> = body.iter().map(|raw| merkle::leaf_hash(raw)).collect();
    merkle::root(&leaves)
}

pub(crate) fn receipts_root(receipts: &[Receipt]) -> Hash {
    let leaves: Vec<_> =
        receipts.iter().map(|receipt| merkle::leaf_hash(&receipt.consensus_bytes())).collect();
    merkle::root(&leaves)
}
