//! Blocks of the node's chain, in the log: an entry for the header, and before it as many as the body needs.
//!
//! A body is longer than an entry may be, so it comes in parts. All of a block's entries are appended
//! together, the header last: a body without a header behind it is nothing's. Block 0 has as its body the
//! document that fixes the chain, and its parent is that document's hash.

use serde::{Deserialize, Serialize};

use super::{EntryError, kinds::V1};
use crate::{
    Hash, Timestamp,
    block::{BlockNumber, Header},
    json::{INTEGER_MAX, base64_bytes},
};

/// Most bytes of a body in one entry: 60,000 characters of base64 leave room for the other fields.
pub const BODY_PART_BYTES_MAX: usize = 45_000;
/// Most parts of a body: 4 MiB of transactions, and what the list around them takes.
pub const BODY_PARTS_MAX: u32 = 100;

/// Part of a block's body.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvmBody {
    /// When, by the node's clock.
    pub at: Timestamp,
    /// The part: 1 to 45,000 bytes.
    #[serde(with = "base64_bytes")]
    pub data: Vec<u8>,
    #[doc(hidden)]
    pub kind: super::kinds::BodyKind,
    /// Of which block.
    pub number: BlockNumber,
    /// Which part, from 0.
    pub part: u32,
    #[doc(hidden)]
    pub v: V1,
}

/// A block: its body's parts are the entries before this one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvmBlock {
    /// When, by the node's clock.
    pub at: Timestamp,
    /// SHA-256 of the header's canonical JSON.
    pub hash: Hash,
    /// The header.
    pub header: Header,
    #[doc(hidden)]
    pub kind: super::kinds::BlockKind,
    /// Parts of its body.
    pub parts: u32,
    #[doc(hidden)]
    pub v: V1,
}

impl EvmBody {
    pub(super) fn check(&self) -> Result<(), EntryError> {
        let bytes = self.data.len();
        if bytes > BODY_PART_BYTES_MAX {
            let max = BODY_PART_BYTES_MAX;
            return Err(EntryError::TextLength { field: "data", bytes, max });
        }
        let form = |field: &str| Err(EntryError::Form(field.to_owned()));
        match self {
            _ if self.data.is_empty() => form("data"),
            _ if self.part >= BODY_PARTS_MAX => form("part"),
            _ if self.number.0 > INTEGER_MAX => form("number"),
            _ => Ok(()),
        }
    }
}

impl EvmBlock {
    pub(super) fn check(&self) -> Result<(), EntryError> {
        let form = |field: &str| Err(EntryError::Form(field.to_owned()));
        match self {
            _ if !self.header.is_exact() => form("header"),
            _ if self.hash != self.header.hash() => form("hash"),
            _ if !(1..=BODY_PARTS_MAX).contains(&self.parts) => form("parts"),
            _ => Ok(()),
        }
    }
}
