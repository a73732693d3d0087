//! What a block commits to.

use core::fmt;

use lucid_core::{Hash, Timestamp, json};
use serde::{Deserialize, Serialize};

use crate::{ChainError, rules::NUMBER_MAX};

/// A block's place in the chain; the genesis is 0.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct BlockNumber(pub u64);

impl BlockNumber {
    /// The block after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for BlockNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which chain a transaction is for (EIP-155).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainId(pub u64);

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A state of the ledger log: its size and the root over so many entries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogPosition {
    /// Entries.
    pub size: u64,
    /// The RFC 6962 root over them.
    pub root: Hash,
}

/// A block's header. Its bytes are JSON in the form of RFC 8785, and its hash is their SHA-256: an auditor
/// who has the text of a header needs no library of Ethereum's, and no RLP, to see that it is the one
/// that the log's `evm.block` entry names.
///
/// The fields are declared in the order of their names, which is that of RFC 8785.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Gas that the transactions used together.
    pub gas_used: u64,
    /// Root over the first `log_size` entries of the ledger log (RFC 6962).
    pub log_root: Hash,
    /// Entries in the log when the block was made: the block is of after these.
    pub log_size: u64,
    /// The block's place in the chain.
    pub number: BlockNumber,
    /// Hash of the block before it; of the genesis, the hash of [`Genesis`](super::Genesis).
    pub parent: Hash,
    /// Root over the receipts (RFC 6962); a leaf is a receipt's EIP-2718 bytes.
    pub receipts_root: Hash,
    /// Root of the state after the block: Ethereum's Merkle-Patricia trie over Keccak-256.
    pub state_root: Hash,
    /// When it was made, by the node's clock; never before its parent.
    pub time: Timestamp,
    /// Root over the transactions (RFC 6962); a leaf is a transaction's EIP-2718 bytes.
    pub tx_root: Hash,
}

impl Header {
    /// The bytes that are hashed.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        json::to_canonical(self)
    }

    /// Reads the one form of a header.
    ///
    /// # Errors
    /// [`ChainError::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ChainError> {
        let malformed = |why: String| ChainError::Malformed { what: "a block's header", why };
        let header: Self =
            json::from_canonical(bytes).map_err(|error| malformed(error.to_string()))?;
        if [header.gas_used, header.log_size, header.number.0].iter().any(|n| *n > NUMBER_MAX) {
            return Err(malformed("a number is not exact in JSON".to_owned()));
        }
        Ok(header)
    }

    /// SHA-256 of the header's bytes: what names the block.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(&self.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Header {
        Header {
            gas_used: 21_000,
            log_root: Hash::of(b"log"),
            log_size: 7,
            number: BlockNumber(3),
            parent: Hash::of(b"parent"),
            receipts_root: Hash::of(b"receipts"),
            state_root: Hash::of(b"state"),
            time: Timestamp::from_unix_millis(1_700_000_000_123),
            tx_root: Hash::of(b"tx"),
        }
    }

    #[test]
    fn is_rfc_8785_json_and_hashes_to_its_sha_256() {
        let bytes = sample().to_bytes();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.starts_with(r#"{"gas_used":21000,"log_root":""#), "{text}");
        assert!(text.contains(r#""time":"2023-11-14T22:13:20.123Z""#), "{text}");
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(serde_json::to_vec(&value).unwrap(), bytes, "sorted by name");
        assert_eq!(sample().hash(), Hash::of(&bytes));
        // Printed in docs/chain.md, and made there by another implementation.
        let golden = "f8f2671d6320138eab558ad3b7022b7eab391aa436e3d87173e0436008c158cf";
        assert_eq!(sample().hash().to_string(), golden);
        assert_eq!(Header::from_bytes(&bytes).unwrap(), sample());
    }

    #[test]
    fn any_other_form_is_refused() {
        let text = String::from_utf8(sample().to_bytes()).unwrap();
        for bad in [
            text.replace(':', ": "),
            text.replace("\"number\":3,", ""),
            text.replace("\"number\":3", "\"number\":3.0"),
            text.replace("\"number\":3", "\"number\":9007199254740992"),
            text.replace("\"log_size\":7", "\"log_size\":7,\"miner\":1"),
            text.to_uppercase(),
            String::new(),
        ] {
            assert!(
                matches!(Header::from_bytes(bad.as_bytes()), Err(ChainError::Malformed { .. })),
                "{bad}"
            );
        }
    }
}
