//! The tree over a block's transactions (java-tron, `MerkleTree`).
//!
//! A leaf is the SHA-256 of a transaction's whole message, result and all; a parent that of its two
//! children's hashes; the last of an odd row is carried up as it is. There is no tag that tells leaves from
//! parents: a parent's 64 bytes could be taken for a transaction's, were transactions that short. One
//! with a signature never is.

use super::TronError;
use crate::Hash;

/// A transaction's way to its block's root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    /// The transaction's place in the block, counted from 0.
    pub index: u32,
    /// Transactions in the block. The header does not say it: it is believed as far as the path leads
    /// to the root.
    pub count: u32,
    /// The hashes beside the way, from the leaf up. Where the way is carried up there is none.
    pub beside: Vec<Hash>,
}

fn parent(left: &Hash, right: &Hash) -> Hash {
    Hash::of_parts(&[left.as_bytes(), right.as_bytes()])
}

fn row_above(row: &[Hash]) -> Vec<Hash> {
    let join = |pair: &[Hash]| match pair {
        [left, right] => parent(left, right),
        carried => carried[0],
    };
    row.chunks(2).map(join).collect()
}

/// The root over `leaves`; all zeros over none, as headers of empty blocks have it.
#[must_use]
pub fn root(leaves: &[Hash]) -> Hash {
    let mut row = leaves.to_vec();
    while row.len() > 1 {
        row = row_above(&row);
    }
    row.first().copied().unwrap_or_default()
}

impl Path {
    /// The path of leaf `index`.
    ///
    /// # Errors
    /// [`TronError::PathIndex`] where there is no such leaf.
    pub fn of(leaves: &[Hash], index: u32) -> Result<Self, TronError> {
        let count = u32::try_from(leaves.len()).unwrap_or(u32::MAX);
        if index >= count {
            return Err(TronError::PathIndex { index, count });
        }
        let (mut row, mut at, mut beside) = (leaves.to_vec(), index as usize, Vec::new());
        while row.len() > 1 {
            beside.extend(row.get(at ^ 1));
            row = row_above(&row);
            at /= 2;
        }
        Ok(Self { index, count, beside })
    }

    /// Checks that `leaf` is at this place under `root`.
    ///
    /// # Errors
    /// [`TronError::PathIndex`], [`TronError::PathLength`], [`TronError::PathRoot`].
    pub fn check(&self, leaf: &Hash, root: &Hash) -> Result<(), TronError> {
        let (index, count) = (self.index, self.count);
        if index >= count {
            return Err(TronError::PathIndex { index, count });
        }
        let wanted = self.steps().flatten().count();
        if self.beside.len() != wanted {
            let found = self.beside.len();
            return Err(TronError::PathLength { index, count, found, wanted });
        }
        let mut beside = self.beside.iter();
        let mut hash = *leaf;
        // In each step with a neighbour one hash is taken: as many as were just counted.
        for is_right in self.steps().flatten() {
            let Some(other) = beside.next() else { break };
            hash = if is_right { parent(other, &hash) } else { parent(&hash, other) };
        }
        if hash == *root { Ok(()) } else { Err(TronError::PathRoot) }
    }

    /// For each row from the leaves up: whether the way is a right child, or nothing where it has no
    /// neighbour and is carried up.
    fn steps(&self) -> impl Iterator<Item = Option<bool>> {
        let (mut at, mut last) = (self.index, self.count.saturating_sub(1));
        core::iter::from_fn(move || {
            if last == 0 {
                return None;
            }
            let step = (at ^ 1 <= last).then_some(at % 2 == 1);
            (at, last) = (at / 2, last / 2);
            Some(step)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The root by java-tron's rule, one row after another, written differently: the oracle.
    fn by_recursion(leaves: &[Hash]) -> Hash {
        if leaves.len() == 1 {
            return leaves[0];
        }
        // The left part is the largest full tree: rows pair from the left and carry the rest.
        let left = leaves.len().next_power_of_two() / 2;
        parent(&by_recursion(&leaves[..left]), &by_recursion(&leaves[left..]))
    }

    #[test]
    fn every_leaf_of_every_size_has_one_path() {
        let all: Vec<Hash> = (0..70_u32).map(|n| Hash::of(&n.to_be_bytes())).collect();
        for count in 1..=all.len() {
            let leaves = &all[..count];
            let top = root(leaves);
            assert_eq!(top, by_recursion(leaves), "{count}");
            for index in 0..count as u32 {
                let path = Path::of(leaves, index).unwrap();
                assert_eq!(path.check(&leaves[index as usize], &top), Ok(()), "{index}/{count}");
                refuses_what_is_not_it(&path, &leaves[index as usize], &top);
            }
            let index = count as u32;
            assert!(matches!(Path::of(leaves, index), Err(TronError::PathIndex { .. })));
        }
        assert_eq!(root(&[]), Hash::default());
        assert!(Path::of(&[], 0).is_err());
    }

    fn refuses_what_is_not_it(path: &Path, leaf: &Hash, top: &Hash) {
        assert_eq!(path.check(&Hash::of(b"another"), top), Err(TronError::PathRoot));
        assert_eq!(path.check(leaf, &Hash::of(b"another")), Err(TronError::PathRoot));
        let mut longer = path.clone();
        longer.beside.push(Hash::default());
        assert!(matches!(longer.check(leaf, top), Err(TronError::PathLength { .. })));
        let mut shorter = path.clone();
        if shorter.beside.pop().is_some() {
            assert!(matches!(shorter.check(leaf, top), Err(TronError::PathLength { .. })));
        }
        for at in 0..path.beside.len() {
            let mut altered = path.clone();
            altered.beside[at].0[31] ^= 1;
            assert_eq!(altered.check(leaf, top), Err(TronError::PathRoot));
        }
        let beyond = Path { index: path.count, ..path.clone() };
        assert!(matches!(beyond.check(leaf, top), Err(TronError::PathIndex { .. })));
        // Another place with as many steps turns elsewhere.
        for index in (0..path.count).filter(|index| *index != path.index) {
            let moved = Path { index, ..path.clone() };
            assert!(moved.check(leaf, top).is_err(), "{index} for {}", path.index);
        }
        let none = Path { count: 0, index: 0, beside: Vec::new() };
        assert!(none.check(leaf, top).is_err());
    }
}
