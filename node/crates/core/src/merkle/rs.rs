//! RFC 6962 trees built by the `rs_merkle` crate: all nodes in memory, any path at once.

use rs_merkle::{Hasher, MerkleTree};

use super::{EMPTY_ROOT, ProofError, leaf_hash, node_hash};
use crate::Hash;

/// The rules of RFC 6962 §2.1 for `rs_merkle`: domain-separated SHA-256, a node without a sibling
/// promoted unchanged. Pairing neighbours and promoting the odd one gives the same tree as
/// splitting at the largest power of two.
#[derive(Debug, Clone, Copy)]
pub struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = [u8; Hash::BYTES];

    /// The hash of a leaf's bytes.
    fn hash(data: &[u8]) -> Self::Hash {
        leaf_hash(data).0
    }

    fn concat_and_hash(left: &Self::Hash, right: Option<&Self::Hash>) -> Self::Hash {
        right.map_or(*left, |right| node_hash(Hash(*left), Hash(*right)).0)
    }
}

/// The tree over a finished session's chunks or a chunk's segments, for proofs of many leaves.
///
/// Holds every node several times over (about 160 bytes a leaf): for a tree of at most some million
/// leaves. A tree that is only to be hashed is a [`CompactRange`](super::CompactRange), and one
/// that is stored is a [`SubtreeSource`](super::SubtreeSource).
pub struct SessionTree {
    tree: MerkleTree<Rfc6962>,
    leaves: usize,
}

impl SessionTree {
    /// The tree over `leaves`, which are leaf hashes. Takes `leaves.len() - 1` node hashes.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "the tree owns its leaves from here on")]
    pub fn from_leaves(leaves: Vec<Hash>) -> Self {
        let hashes: Vec<_> = leaves.iter().map(|leaf| leaf.0).collect();
        Self { tree: MerkleTree::from_leaves(&hashes), leaves: leaves.len() }
    }

    /// Leaves in the tree.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.leaves as u64
    }

    /// The root (RFC 6962 §2.1); [`EMPTY_ROOT`] where there are no leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.tree.root().map_or(EMPTY_ROOT, Hash)
    }

    /// The audit path of leaf `index` (RFC 6962 §2.1.1), from its sibling up. Hashes nothing.
    ///
    /// # Errors
    ///
    /// [`ProofError::IndexBeyondTree`].
    pub fn path(&self, index: u64) -> Result<Vec<Hash>, ProofError> {
        let beyond = ProofError::IndexBeyondTree { index, size: self.size() };
        let place = usize::try_from(index).map_err(|_| beyond)?;
        if place >= self.leaves {
            return Err(beyond);
        }
        Ok(self.tree.proof(&[place]).proof_hashes().iter().copied().map(Hash).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::{inclusion_proof, oracle, root, verify_inclusion};

    #[test]
    fn gives_rfc_6962_roots_and_paths_up_to_300_leaves() {
        let leaves = oracle::leaves(300);
        for size in 0..=300 {
            let hashes = &leaves[..size];
            let tree = SessionTree::from_leaves(hashes.to_vec());
            assert_eq!(tree.root(), root(hashes), "{size}");
            assert_eq!(tree.size(), size as u64);
            for (index, &leaf) in (0..).zip(hashes) {
                let path = tree.path(index).unwrap();
                assert_eq!(Ok(&path), inclusion_proof(hashes, index).as_ref(), "{index}, {size}");
                verify_inclusion(tree.root(), tree.size(), index, leaf, &path).unwrap();
            }
            let index = size as u64;
            let beyond = Err(ProofError::IndexBeyondTree { index, size: index });
            assert_eq!(tree.path(index), beyond);
        }
    }

    #[test]
    fn hashes_leaves_as_leaves() {
        assert_eq!(Rfc6962::hash(b"entry"), leaf_hash(b"entry").0);
    }
}
