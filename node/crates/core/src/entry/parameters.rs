//! Parameters as the chain decided on them.

use serde::{Deserialize, Serialize};

use super::{Entry, EntryError, kinds::V1};
use crate::{Hash, Timestamp, block::BlockNumber, json::INTEGER_MAX, parameters::Parameters};

/// What the parameters are from here on. It stands right behind the `evm.block` entry of the block that
/// changed them, in the same group, and nowhere else: whoever replays that block finds these values in its
/// state. Sessions opened after it have them in their policies.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParametersChanged {
    /// When, by the node's clock.
    pub at: Timestamp,
    /// The block that changed them.
    pub block: BlockNumber,
    /// Its hash.
    pub block_hash: Hash,
    #[doc(hidden)]
    pub kind: super::kinds::ParametersKind,
    /// All of them, as they are after that block.
    pub parameters: Parameters,
    #[doc(hidden)]
    pub v: V1,
}

impl ParametersChanged {
    /// Whether `before`, the entry right before this one, is the block that it names.
    #[must_use]
    pub fn follows(&self, before: Option<&Entry>) -> bool {
        let Some(Entry::EvmBlock(block)) = before else { return false };
        (block.header.number, block.hash) == (self.block, self.block_hash)
    }

    pub(super) fn check(&self) -> Result<(), EntryError> {
        // Block 0 has no transactions: it changes nothing.
        if !(1..=INTEGER_MAX).contains(&self.block.0) {
            return Err(EntryError::Form("block".to_owned()));
        }
        Ok(self.parameters.check()?)
    }
}
