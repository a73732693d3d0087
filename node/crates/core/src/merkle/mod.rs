//! Merkle trees as RFC 6962 §2.1 defines them, over SHA-256.
//!
//! This module owns what a tree's bytes mean: leaf and node hashes, roots, inclusion and consistency
//! proofs, and the C2SP tlog-tiles coordinates a tree is stored under. It leaves to others where the
//! hashes are kept; whoever keeps them implements [`SubtreeSource`].
//!
//! A tree of `n > 1` leaves splits at the largest power of two below `n`, so its left side is always
//! *perfect* (2^k leaves) and every ragged range is a few perfect subtrees, largest first. All
//! functions here rest on that: [`CompactRange`] holds just those subtrees, proofs ask for just
//! those.
//!
//! Invariants:
//! - leaves and nodes are hashed in different domains (0x00 and 0x01), so no node passes as a leaf;
//! - a proof function returns exactly the path its verifier accepts, for every size and index;
//! - nothing here is secret, so nothing is compared in constant time.

mod bundle;
mod proof;
mod range;
mod rs;
mod source;
mod tile;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::{
    bundle::{BundleError, ENTRY_BYTES_MAX, decode_bundle, encode_bundle},
    proof::{
        ProofError, consistency_proof, inclusion_proof, root_from_inclusion, verify_consistency,
        verify_inclusion,
    },
    range::{CompactRange, RangeError},
    rs::{Rfc6962, SessionTree},
    source::{
        LeafHashes, SourceError, Subtree, SubtreeSource, consistency_path_from, frontier,
        inclusion_path_from, root_from,
    },
    tile::{
        EntryBundle, HashTile, TILE_HEIGHT, TILE_WIDTH, TileError, TilePath, TileSlice, bundles_of,
        partial_width, tiles_of,
    },
};

use crate::Hash;

/// The root of the tree without leaves: SHA-256 of the empty string (RFC 6962 §2.1).
pub const EMPTY_ROOT: Hash = Hash([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// A tree, named by its size and root: how far of a log something has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TreeHead {
    /// Leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
}

impl TreeHead {
    /// The tree without leaves.
    pub const EMPTY: Self = Self { size: 0, root: EMPTY_ROOT };
}

/// What a leaf's bytes are prefixed with before hashing.
const LEAF_PREFIX: u8 = 0x00;
/// What a node's two children are prefixed with before hashing.
const NODE_PREFIX: u8 = 0x01;

/// The hash of a leaf: H(0x00 ‖ `data`) (RFC 6962 §2.1).
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Hash {
    leaf_hash_parts(&[data])
}

/// The hash of the leaf whose bytes are the concatenation of `parts`: H(0x00 ‖ parts…).
#[must_use]
pub fn leaf_hash_parts(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([LEAF_PREFIX]);
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

/// The hash of an inner node: H(0x01 ‖ `left` ‖ `right`) (RFC 6962 §2.1).
#[must_use]
pub fn node_hash(left: Hash, right: Hash) -> Hash {
    let mut bytes = [NODE_PREFIX; 1 + 2 * Hash::BYTES];
    bytes[1..=Hash::BYTES].copy_from_slice(left.as_bytes());
    bytes[1 + Hash::BYTES..].copy_from_slice(right.as_bytes());
    Hash::of(&bytes)
}

/// The root of the tree over `leaves`, which are leaf hashes: MTH of RFC 6962 §2.1.
///
/// Takes `leaves.len() - 1` node hashes and O(log n) memory.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    leaves.iter().copied().collect::<CompactRange>().root()
}

/// Trees for the tests of this module: leaves that differ, and the definition of RFC 6962 §2.1
/// written down as it stands there, without any of the shortcuts under test.
#[cfg(test)]
mod oracle {
    use super::{EMPTY_ROOT, Hash, leaf_hash, node_hash};

    pub(super) fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect()
    }

    /// The largest power of two below `count`, found by doubling.
    fn split(count: usize) -> usize {
        let mut k = 1;
        while 2 * k < count {
            k *= 2;
        }
        k
    }

    /// MTH.
    pub(super) fn root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => EMPTY_ROOT,
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len()));
                node_hash(root(left), root(right))
            }
        }
    }

    /// PATH(m, D[n]) of §2.1.1.
    pub(super) fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let k = split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut path, sibling) = if index < k {
            (path(index, left), root(right))
        } else {
            (path(index - k, right), root(left))
        };
        path.push(sibling);
        path
    }

    /// SUBPROOF(m, D[n], b) of §2.1.2.
    pub(super) fn subproof(old: usize, leaves: &[Hash], complete: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if complete { Vec::new() } else { vec![root(leaves)] };
        }
        let k = split(leaves.len());
        let (left, right) = leaves.split_at(k);
        let (mut path, sibling) = if old <= k {
            (subproof(old, left, complete), root(right))
        } else {
            (subproof(old - k, right, false), root(left))
        };
        path.push(sibling);
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_rfc_6962() {
        // The roots of the trees over these eight entries are published with the vectors in
        // `tests/data/rfc6962` (transparency-dev/merkle).
        let entries = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let leaves: Vec<Hash> =
            entries.iter().map(|entry| leaf_hash(&hex::decode(entry).unwrap())).collect();
        for (count, want) in (1..).zip(roots) {
            assert_eq!(root(&leaves[..count]).to_string(), want, "{count} leaves");
        }
        assert_eq!(root(&[]), EMPTY_ROOT);
        assert_eq!(EMPTY_ROOT, Hash::of(b""));
        assert_eq!(leaf_hash_parts(&[b"20", b"", b"21"]), leaf_hash(b"2021"));
    }
}
