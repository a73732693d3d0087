//! Every proof against the definition, and what a changed one is worth.

use proptest::prelude::*;

use super::*;
use crate::merkle::{EMPTY_ROOT, oracle};

#[test]
fn every_inclusion_up_to_300_leaves() {
    let leaves = oracle::leaves(300);
    for size in [1, 2, 3, 7, 8, 9, 64, 255, 256, 257, 300] {
        let tree = &leaves[..size];
        let root = oracle::root(tree);
        for (index, &leaf) in tree.iter().enumerate() {
            let path = inclusion_proof(tree, index as u64).unwrap();
            assert_eq!(path, oracle::path(index, tree), "{index} of {size}");
            verify_inclusion(root, size as u64, index as u64, leaf, &path).unwrap();
        }
    }
}

#[test]
fn every_consistency_up_to_70_leaves() {
    let leaves = oracle::leaves(70);
    for new in 1..=70 {
        let tree = &leaves[..new];
        let new_root = oracle::root(tree);
        for old in 1..=new {
            let path = consistency_proof(tree, old as u64).unwrap();
            assert_eq!(path, oracle::subproof(old, tree, true), "{old} to {new}");
            let old_root = oracle::root(&tree[..old]);
            verify_consistency(old as u64, old_root, new as u64, new_root, &path).unwrap();
        }
    }
}

#[test]
fn what_cannot_be_proven_is_refused() {
    let leaves = oracle::leaves(5);
    let beyond = |index, size| ProofError::IndexBeyondTree { index, size };
    assert_eq!(inclusion_proof(&leaves, 5), Err(beyond(5, 5)));
    assert_eq!(inclusion_proof(&[], 0), Err(beyond(0, 0)));
    assert_eq!(verify_inclusion(EMPTY_ROOT, 0, 0, EMPTY_ROOT, &[]), Err(beyond(0, 0)));
    let larger = ProofError::OldTreeLarger { old_size: 6, new_size: 5 };
    assert_eq!(consistency_proof(&leaves, 6), Err(larger));
    assert_eq!(consistency_proof(&leaves, 0), Err(ProofError::OldTreeEmpty));
    let empty = verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, &[]);
    assert_eq!(empty, Err(ProofError::OldTreeEmpty));
}

#[test]
fn paths_of_a_wrong_length_are_named() {
    let leaves = oracle::leaves(6);
    let root = oracle::root(&leaves);
    let mut path = inclusion_proof(&leaves, 4).unwrap();
    let check = |path: &[Hash], want| {
        assert_eq!(verify_inclusion(root, 6, 4, leaves[4], path), want, "{}", path.len());
    };
    check(&path, Ok(()));
    check(&path[..1], Err(ProofError::PathTooShort { length: 1 }));
    check(&[], Err(ProofError::PathTooShort { length: 0 }));
    path.push(root);
    check(&path, Err(ProofError::PathTooLong { length: 3 }));

    let old_root = oracle::root(&leaves[..3]);
    let mut path = consistency_proof(&leaves, 3).unwrap();
    let check = |path: &[Hash], want| {
        assert_eq!(verify_consistency(3, old_root, 6, root, path), want, "{}", path.len());
    };
    check(&path, Ok(()));
    check(&path[..3], Err(ProofError::PathTooShort { length: 3 }));
    check(&[], Err(ProofError::PathTooShort { length: 0 }));
    path.push(root);
    check(&path, Err(ProofError::PathTooLong { length: 5 }));
}

#[test]
fn the_largest_sizes_end() {
    let path = [EMPTY_ROOT; 65];
    for index in [0, 1, 1 << 63, u64::MAX - 2, u64::MAX - 1] {
        let any = |length| root_from_inclusion(u64::MAX, index, EMPTY_ROOT, &path[..length]);
        let accepted: Vec<_> = (0..=65).filter(|&length| any(length).is_ok()).collect();
        assert_eq!(accepted.len(), 1, "{index} has one path length, not {accepted:?}");
        let old = index + 1;
        assert!(verify_consistency(old, EMPTY_ROOT, u64::MAX, EMPTY_ROOT, &path).is_err());
    }
}

proptest! {
    /// Whatever is changed in a statement, its proof no longer proves it.
    #[test]
    fn a_changed_inclusion_is_refused(size in 1_u64..200, at in any::<prop::sample::Index>(),
                                      hit in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let leaves = oracle::leaves(size);
        let index = at.index(leaves.len());
        let mut path = oracle::path(index, &leaves);
        let (root, leaf, index) = (oracle::root(&leaves), leaves[index], index as u64);
        prop_assert_eq!(inclusion_proof(&leaves, index), Ok(path.clone()));
        prop_assert_eq!(verify_inclusion(root, size, index, leaf, &path), Ok(()));

        let other = hit.index(leaves.len() + 1) as u64;
        prop_assert_eq!(verify_inclusion(root, size, other, leaf, &path).is_ok(), other == index);
        let flipped = flip(leaf, hit, bit);
        prop_assert!(verify_inclusion(root, size, index, flipped, &path).is_err());
        prop_assert!(verify_inclusion(flip(root, hit, bit), size, index, leaf, &path).is_err());
        if !path.is_empty() {
            let place = hit.index(path.len());
            path[place] = flip(path[place], hit, bit);
            prop_assert!(verify_inclusion(root, size, index, leaf, &path).is_err());
        }
    }

    #[test]
    fn a_changed_consistency_is_refused(new in 1_u64..200, at in any::<prop::sample::Index>(),
                                        hit in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let leaves = oracle::leaves(new);
        let old = at.index(leaves.len()) + 1;
        let mut path = oracle::subproof(old, &leaves, true);
        let (old_root, root) = (oracle::root(&leaves[..old]), oracle::root(&leaves));
        let old = old as u64;
        prop_assert_eq!(consistency_proof(&leaves, old), Ok(path.clone()));
        prop_assert_eq!(verify_consistency(old, old_root, new, root, &path), Ok(()));

        let (bad_old, bad_new) = (flip(old_root, hit, bit), flip(root, hit, bit));
        prop_assert!(verify_consistency(old, bad_old, new, root, &path).is_err());
        prop_assert!(verify_consistency(old, old_root, new, bad_new, &path).is_err());
        if !path.is_empty() {
            let place = hit.index(path.len());
            path[place] = flip(path[place], hit, bit);
            prop_assert!(verify_consistency(old, old_root, new, root, &path).is_err());
        }
    }
}

fn flip(mut hash: Hash, byte: prop::sample::Index, bit: u8) -> Hash {
    hash.0[byte.index(Hash::BYTES)] ^= 1 << bit;
    hash
}
