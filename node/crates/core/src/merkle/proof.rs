//! Inclusion and consistency: who can prove what, and who believes it.
//!
//! Verification follows the algorithms of RFC 9162 §2.1.3.2 and §2.1.4.2 step by step (the proofs
//! are those of RFC 6962). Two rules come from the transparency-dev vectors, where the RFC is
//! silent: trees of equal size are consistent when their roots are equal and the path is empty, and
//! nothing is said about an empty old tree, so that a consistency claim from size 0 is refused.

use super::{LeafHashes, SourceError, consistency_path_from, inclusion_path_from, node_hash};
use crate::Hash;

/// Why there is no such proof, or why it proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf is not in the tree.
    #[error("leaf {index} is beyond a tree of {size} leaves")]
    IndexBeyondTree {
        /// The leaf asked for.
        index: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// A tree does not shrink.
    #[error("an old tree of {old_size} leaves is larger than a new one of {new_size}")]
    OldTreeLarger {
        /// Leaves in the old tree.
        old_size: u64,
        /// Leaves in the new tree.
        new_size: u64,
    },
    /// Every tree extends the empty one; a proof of that says nothing.
    #[error("consistency with an empty tree is not a statement")]
    OldTreeEmpty,
    /// The path ends before it reaches the root.
    #[error("a path of {length} hashes is too short")]
    PathTooShort {
        /// Hashes in the path.
        length: usize,
    },
    /// The path goes on past the root.
    #[error("a path of {length} hashes is too long")]
    PathTooLong {
        /// Hashes in the path.
        length: usize,
    },
    /// The path leads to another root.
    #[error("the path leads to root {computed}, not {expected}")]
    RootMismatch {
        /// The root that was to be proven.
        expected: Hash,
        /// The root that the path gives.
        computed: Hash,
    },
    /// The path starts from another old tree.
    #[error("the path starts from old root {computed}, not {expected}")]
    OldRootMismatch {
        /// The old root that was to be proven.
        expected: Hash,
        /// The old root that the path gives.
        computed: Hash,
    },
}

impl ProofError {
    /// Consistency is said of `0 < old_size <= new_size`.
    pub(super) fn check_sizes(old_size: u64, new_size: u64) -> Result<(), Self> {
        if old_size > new_size {
            return Err(Self::OldTreeLarger { old_size, new_size });
        }
        if old_size == 0 {
            return Err(Self::OldTreeEmpty);
        }
        Ok(())
    }

    fn roots_match(expected: Hash, computed: Hash) -> Result<(), Self> {
        if expected == computed { Ok(()) } else { Err(Self::RootMismatch { expected, computed }) }
    }
}

/// The audit path of leaf `index` in the tree over `leaves` (leaf hashes), from the leaf's sibling
/// up: PATH of RFC 6962 §2.1.1.
///
/// # Errors
///
/// [`ProofError::IndexBeyondTree`].
pub fn inclusion_proof(leaves: &[Hash], index: u64) -> Result<Vec<Hash>, ProofError> {
    inclusion_path_from(&LeafHashes(leaves), leaves.len() as u64, index).map_err(infallible)
}

/// The proof that the tree over the first `old_size` of `leaves` (leaf hashes) is a prefix of the
/// tree over all of them: PROOF of RFC 6962 §2.1.2.
///
/// # Errors
///
/// [`ProofError::OldTreeEmpty`], [`ProofError::OldTreeLarger`].
pub fn consistency_proof(leaves: &[Hash], old_size: u64) -> Result<Vec<Hash>, ProofError> {
    let new_size = leaves.len() as u64;
    consistency_path_from(&LeafHashes(leaves), old_size, new_size).map_err(infallible)
}

fn infallible(error: SourceError<core::convert::Infallible>) -> ProofError {
    match error {
        SourceError::Proof(error) => error,
        SourceError::Source(never) => match never {},
    }
}

/// The root to which `path` leads from the leaf hash `leaf` at `index` in a tree of `size` leaves
/// (RFC 9162 §2.1.3.2, steps 1 to 4). Its length is checked here, its root by the caller.
///
/// # Errors
///
/// [`ProofError::IndexBeyondTree`], [`ProofError::PathTooShort`], [`ProofError::PathTooLong`].
pub fn root_from_inclusion(
    size: u64,
    index: u64,
    leaf: Hash,
    path: &[Hash],
) -> Result<Hash, ProofError> {
    if index >= size {
        return Err(ProofError::IndexBeyondTree { index, size });
    }
    let mut climb = Climb { node: index, last: size - 1 };
    let mut root = leaf;
    for &sibling in path {
        let next = climb.next().ok_or(ProofError::PathTooLong { length: path.len() })?;
        root = match next {
            Side::Left => node_hash(sibling, root),
            Side::Right => node_hash(root, sibling),
        };
    }
    if climb.at_root() { Ok(root) } else { Err(ProofError::PathTooShort { length: path.len() }) }
}

/// Checks that the leaf hash `leaf` is at `index` in the tree of `size` leaves with root `root`
/// (RFC 9162 §2.1.3.2).
///
/// # Errors
///
/// As [`root_from_inclusion`], and [`ProofError::RootMismatch`].
pub fn verify_inclusion(
    root: Hash,
    size: u64,
    index: u64,
    leaf: Hash,
    path: &[Hash],
) -> Result<(), ProofError> {
    ProofError::roots_match(root, root_from_inclusion(size, index, leaf, path)?)
}

/// Checks that the tree of `old_size` leaves with root `old_root` is a prefix of the tree of
/// `new_size` leaves with root `new_root` (RFC 9162 §2.1.4.2).
///
/// # Errors
///
/// Every variant but [`ProofError::IndexBeyondTree`].
pub fn verify_consistency(
    old_size: u64,
    old_root: Hash,
    new_size: u64,
    new_root: Hash,
    path: &[Hash],
) -> Result<(), ProofError> {
    ProofError::check_sizes(old_size, new_size)?;
    let length = path.len();
    if old_size == new_size {
        if length > 0 {
            return Err(ProofError::PathTooLong { length });
        }
        return ProofError::roots_match(new_root, old_root);
    }
    // Where the old tree is perfect, it is itself the subtree that the path starts from.
    let (start, rest) = if old_size.is_power_of_two() {
        (old_root, path)
    } else {
        let (first, rest) = path.split_first().ok_or(ProofError::PathTooShort { length })?;
        (*first, rest)
    };
    let mut climb = Climb { node: old_size - 1, last: new_size - 1 };
    climb.skip_right_edges();
    let (mut old, mut new) = (start, start);
    for &sibling in rest {
        match climb.next().ok_or(ProofError::PathTooLong { length })? {
            Side::Left => {
                old = node_hash(sibling, old);
                new = node_hash(sibling, new);
            }
            Side::Right => new = node_hash(new, sibling),
        }
    }
    if !climb.at_root() {
        return Err(ProofError::PathTooShort { length });
    }
    if old != old_root {
        return Err(ProofError::OldRootMismatch { expected: old_root, computed: old });
    }
    ProofError::roots_match(new_root, new)
}

/// On which side of the climbing node its sibling stands.
enum Side {
    Left,
    Right,
}

/// The way from a node up to the root: `fn` and `sn` of RFC 9162, here `node` and the `last` node
/// of the same level.
struct Climb {
    node: u64,
    last: u64,
}

impl Climb {
    /// The side of the next sibling, or none at the root.
    fn next(&mut self) -> Option<Side> {
        if self.at_root() {
            return None;
        }
        let side = if self.node & 1 == 1 || self.node == self.last {
            // The last node of a level may have no sibling there: it is promoted until it has one.
            if self.node & 1 == 0 {
                self.up(self.node.trailing_zeros());
            }
            Side::Left
        } else {
            Side::Right
        };
        self.up(1);
        Some(side)
    }

    /// Climbs while the node is its parent's right child, as the last subtree of an old tree does:
    /// the nodes passed hold old leaves only.
    fn skip_right_edges(&mut self) {
        self.up(self.node.trailing_ones());
    }

    /// At most 63 levels: a `node` is below 2^64 - 1, and where its zeros are counted it is not 0.
    fn up(&mut self, levels: u32) {
        self.node >>= levels;
        self.last >>= levels;
    }

    fn at_root(&self) -> bool {
        self.last == 0
    }
}

#[cfg(test)]
mod tests;
