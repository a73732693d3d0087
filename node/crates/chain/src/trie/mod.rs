//! Ethereum's Merkle-Patricia trie (Yellow Paper, appendix D), kept by path and updated in place.
//!
//! This module owns how a trie changes: given the old root and what to put and to remove, it reads the
//! nodes on the way, and answers the new root and the nodes to write; and whether values that were read
//! elsewhere are what a trie has ([`hold`]). It leaves to `state` where nodes
//! are kept ([`Nodes`]) and when the changes become true.
//!
//! A node is kept under its *path*, the nibbles from the root, not under its hash: the head's tries are
//! the only ones, so what a change replaces is overwritten, what it drops is removed, and nothing has to
//! count references. A node of fewer than 32 bytes stands in its parent (appendix D) and has its own row
//! all the same, so that there is one way to read. The cost of an update follows what changed: the nodes
//! on the paths of the changed keys, and a neighbour where a branch is left with one child.
//!
//! Weighed: `alloy-trie` encodes and decodes nodes here, and its `HashBuilder` is the oracle in the tests,
//! but it computes a root from all leaves in order, so a block would cost what the state weighs; reth's
//! incremental walker over it is part of reth. `eth_trie` keeps nodes by hash: either every old node stays
//! for ever, or two equal subtrees lose theirs together, and each has a lock of its own around it.

mod change;
mod hold;
mod node;
#[cfg(test)]
mod tests;

use alloy_primitives::{B256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, Nibbles};

pub(crate) use self::{change::Trie, hold::hold};
use crate::error::ChainError;

/// Where the nodes of one trie are read from, by path.
pub(crate) trait Nodes {
    /// The RLP of the node at `path`.
    ///
    /// # Errors
    /// The database's.
    fn node(&self, path: &Nibbles) -> Result<Option<Vec<u8>>, ChainError>;

    /// What the trie is called in errors.
    fn name(&self) -> String;
}

/// What an update of a trie ends in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Updated {
    /// The new root.
    pub(crate) root: B256,
    /// Nodes to write (RLP) and to remove (`None`), by path.
    pub(crate) nodes: Vec<(Nibbles, Option<Vec<u8>>)>,
}

/// Puts (`Some`) and removes (`None`) `changes` in the trie of `root`. Keys are hashed already, in any
/// order, each once.
///
/// # Errors
/// The source's, and [`ChainError::Damaged`] where a node is not the one that its parent names.
pub(crate) fn update(
    nodes: &dyn Nodes,
    root: B256,
    changes: impl IntoIterator<Item = (B256, Option<Vec<u8>>)>,
) -> Result<Updated, ChainError> {
    let mut trie = Trie::open(nodes, root);
    for (key, value) in changes {
        let key = Nibbles::unpack(key);
        match value {
            Some(value) => trie.put(&key, value)?,
            None => trie.remove(&key)?,
        }
    }
    Ok(trie.close())
}

/// The hash that names a trie whose root node is `rlp`.
fn root_of(rlp: Option<&[u8]>) -> B256 {
    rlp.map_or(EMPTY_ROOT_HASH, keccak256)
}
