//! Where a chain stands: its id, and what of the log a block is after.

use core::fmt;

use lucid_core::Hash;
use serde::{Deserialize, Serialize};

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
