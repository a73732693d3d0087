//! Anchors, in the log: that a checkpoint of this log stands in a solid block of TRON.

use serde::{Deserialize, Serialize};

use super::{EntryError, kinds::V1};
use crate::{
    Hash, Timestamp,
    json::INTEGER_MAX,
    tron::{
        Address, BlockId, BlockNumber, TransactionId,
        anchor::{AnchorForm, Genesis},
    },
};

/// A checkpoint of this log was anchored, and the block that has the anchor is solid. What proves it is kept
/// beside the log and is no part of it ([`crate::tron::anchor::AnchorRecord`]): this entry says where to look.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorTron {
    /// When it was found to be solid, by the node's clock.
    pub at: Timestamp,
    /// The block that has the transaction.
    pub block_id: BlockId,
    /// Its number, which is also how its id begins.
    pub block_number: BlockNumber,
    /// The contract that was called, or null for a memo.
    pub contract: Option<Address>,
    /// How the transaction says it.
    pub form: AnchorForm,
    /// Id of the network's block 0.
    pub genesis: Genesis,
    #[doc(hidden)]
    pub kind: super::kinds::AnchorKind,
    /// Root over the first `log_size` entries of this log: what was anchored.
    pub log_root: Hash,
    /// Entries under that root, at least 1.
    pub log_size: u64,
    /// The network's name, which follows from `genesis`.
    pub network: String,
    /// The transaction.
    pub tx_id: TransactionId,
    #[doc(hidden)]
    pub v: V1,
}

impl AnchorTron {
    pub(super) fn check(&self) -> Result<(), EntryError> {
        let form = |field: &str| Err(EntryError::Form(field.to_owned()));
        match self {
            _ if self.block_number != self.block_id.number() => form("block_id"),
            _ if !(1..=INTEGER_MAX).contains(&self.block_number.0) => form("block_number"),
            _ if self.contract.is_some() != (self.form == AnchorForm::Contract) => form("contract"),
            _ if !self.genesis.is_genesis() => form("genesis"),
            _ if !(1..=INTEGER_MAX).contains(&self.log_size) => form("log_size"),
            _ if self.network != self.genesis.name() => form("network"),
            _ => Ok(()),
        }
    }
}
