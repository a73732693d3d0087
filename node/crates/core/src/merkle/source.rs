//! Proofs from stored subtrees: what a log with a million entries answers without reading them.

use core::convert::Infallible;

use super::{CompactRange, ProofError, range::fold, root};
use crate::Hash;

/// A perfect subtree's place in any tree: the 2^`level` leaves from `index << level` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subtree {
    /// Height above the leaves; a leaf is at level 0.
    pub level: u32,
    /// Which of the subtrees of that level, from the left.
    pub index: u64,
}

/// Where the hashes of perfect subtrees are kept: tiles on disk, a database, an array of leaves.
pub trait SubtreeSource {
    /// Why a hash could not be read.
    type Error;

    /// The hash of the perfect subtree of 2^`level` leaves that starts at leaf `index << level`.
    ///
    /// The functions of this module ask only for subtrees that lie wholly inside the tree whose
    /// size they were given.
    ///
    /// # Errors
    ///
    /// The source's own: it does not have the hash, or cannot read it.
    fn subtree(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// Leaf hashes in memory as a source: each subtree is hashed anew from its leaves.
///
/// # Panics
///
/// `subtree` panics where it is asked for leaves it does not have; proofs for a `size` of at most
/// the slice's length never ask for them.
#[derive(Debug, Clone, Copy)]
pub struct LeafHashes<'a>(pub &'a [Hash]);

impl SubtreeSource for LeafHashes<'_> {
    type Error = Infallible;

    fn subtree(&self, level: u32, index: u64) -> Result<Hash, Infallible> {
        // A slice's indexes are usize, so a place that does not fit one is beyond the slice.
        let place = |index: u64| usize::try_from(index << level).expect("leaves are in memory");
        Ok(root(&self.0[place(index)..place(index + 1)]))
    }
}

/// Why a path could not be made from stored subtrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SourceError<E> {
    /// No such proof exists.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The source failed.
    #[error("a stored subtree hash could not be read")]
    Source(#[source] E),
}

/// The perfect subtrees that a tree of `size` leaves splits into, largest (leftmost) first: one for
/// each set bit of `size`.
pub fn frontier(size: u64) -> impl Iterator<Item = Subtree> {
    perfect_subtrees(0, size)
}

/// The perfect subtrees of the leaves `[start, end)`, largest first. `start` must be a multiple of
/// the power of two at or above `end - start`, which the right side of an RFC 6962 split always is.
fn perfect_subtrees(start: u64, end: u64) -> impl Iterator<Item = Subtree> {
    let mut at = start;
    core::iter::from_fn(move || {
        let level = (end - at).checked_ilog2()?;
        let subtree = Subtree { level, index: at >> level };
        debug_assert_eq!(subtree.index << level, at, "the range is aligned");
        at += 1 << level;
        Some(subtree)
    })
}

/// The root over the leaves `[start, end)`, not empty and aligned as [`perfect_subtrees`] wants.
fn range_root<S>(source: &S, start: u64, end: u64) -> Result<Hash, SourceError<S::Error>>
where
    S: SubtreeSource + ?Sized,
{
    let hashes: Vec<Hash> = perfect_subtrees(start, end)
        .map(|Subtree { level, index }| source.subtree(level, index))
        .collect::<Result<_, _>>()
        .map_err(SourceError::Source)?;
    Ok(fold(&hashes))
}

/// Where RFC 6962 splits `leaves` (at least 2): the largest power of two below it.
fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

/// The root of the tree of the first `size` leaves (RFC 6962 §2.1). Asks for at most 64 subtrees.
///
/// # Errors
///
/// The source's.
pub fn root_from<S>(source: &S, size: u64) -> Result<Hash, S::Error>
where
    S: SubtreeSource + ?Sized,
{
    Ok(CompactRange::load(source, size)?.root())
}

/// The audit path of leaf `index` in the tree of the first `size` leaves: PATH of RFC 6962 §2.1.1,
/// from the leaf's sibling up. Asks for O(log² size) subtrees at most, each inside the tree.
///
/// # Errors
///
/// [`ProofError::IndexBeyondTree`] unless `index < size`; the source's.
pub fn inclusion_path_from<S>(
    source: &S,
    size: u64,
    index: u64,
) -> Result<Vec<Hash>, SourceError<S::Error>>
where
    S: SubtreeSource + ?Sized,
{
    if index >= size {
        return Err(ProofError::IndexBeyondTree { index, size }.into());
    }
    let (mut start, mut end) = (0, size);
    let mut path = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range_root(source, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(source, start, middle)?);
            start = middle;
        }
    }
    // Found from the root down, published from the leaf up.
    path.reverse();
    Ok(path)
}

/// The proof that the tree of the first `old_size` leaves is a prefix of the tree of the first
/// `new_size`: PROOF of RFC 6962 §2.1.2, empty where both are the same tree.
///
/// # Errors
///
/// [`ProofError::OldTreeEmpty`] and [`ProofError::OldTreeLarger`] unless `0 < old_size <= new_size`;
/// the source's.
pub fn consistency_path_from<S>(
    source: &S,
    old_size: u64,
    new_size: u64,
) -> Result<Vec<Hash>, SourceError<S::Error>>
where
    S: SubtreeSource + ?Sized,
{
    ProofError::check_sizes(old_size, new_size)?;
    let (mut start, mut end) = (0, new_size);
    let mut path = Vec::new();
    while end != old_size {
        let middle = start + split(end - start);
        if old_size <= middle {
            path.push(range_root(source, middle, end)?);
            end = middle;
        } else {
            path.push(range_root(source, start, middle)?);
            start = middle;
        }
    }
    // A verifier has the old root already, so the last subtree is left out where it is all of it.
    if start > 0 {
        path.push(range_root(source, start, end)?);
    }
    path.reverse();
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::merkle::oracle;

    /// Answers from leaves, and notes the subtrees asked for.
    struct Asked<'a>(LeafHashes<'a>, RefCell<Vec<Subtree>>);

    impl SubtreeSource for Asked<'_> {
        type Error = &'static str;

        fn subtree(&self, level: u32, index: u64) -> Result<Hash, &'static str> {
            self.1.borrow_mut().push(Subtree { level, index });
            if level == 4 && index == 3 {
                return Err("tile lost");
            }
            self.0.subtree(level, index).map_err(|never| match never {})
        }
    }

    #[test]
    fn frontier_is_the_set_bits() {
        let check = |size, want: &[(u32, u64)]| {
            let got: Vec<_> = frontier(size).map(|tree| (tree.level, tree.index)).collect();
            assert_eq!(got, want, "{size}");
        };
        check(0, &[]);
        check(1, &[(0, 0)]);
        check(7, &[(2, 0), (1, 2), (0, 6)]);
        check(8, &[(3, 0)]);
        check(70_000, &[(16, 0), (12, 16), (8, 272), (6, 1092), (5, 2186), (4, 4374)]);
        assert_eq!(frontier(u64::MAX).count(), 64);
    }

    #[test]
    fn asks_for_few_subtrees_inside_the_tree() {
        let leaves = oracle::leaves(45);
        let source = Asked(LeafHashes(&leaves), RefCell::default());
        for size in 1..=45 {
            for other in 0..size {
                inclusion_path_from(&source, size, other).unwrap();
                consistency_path_from(&source, other + 1, size).unwrap();
                for tree in source.1.borrow_mut().drain(..) {
                    assert!((tree.index + 1) << tree.level <= size, "{tree:?} of {size}");
                }
            }
        }
        inclusion_path_from(&source, 45, 44).unwrap();
        assert_eq!(source.1.borrow().len(), 3, "three whole left sides");
    }

    #[test]
    fn a_source_that_fails_is_reported() {
        let leaves = oracle::leaves(64);
        let source = Asked(LeafHashes(&leaves), RefCell::default());
        let lost = Err(SourceError::Source("tile lost"));
        assert_eq!(inclusion_path_from(&source, 64, 40), lost);
        assert_eq!(consistency_path_from(&source, 40, 64), lost);
        assert_eq!(root_from(&source, 64), Ok(oracle::root(&leaves)));
        assert!(root_from(&Asked(LeafHashes(&leaves), RefCell::default()), 48).is_ok());
    }

    #[test]
    fn the_largest_tree_has_paths() {
        /// A tree whose every subtree has the same hash: its paths have the right length.
        struct Same;
        impl SubtreeSource for Same {
            type Error = Infallible;
            fn subtree(&self, level: u32, index: u64) -> Result<Hash, Infallible> {
                assert!(level < 64 && index <= u64::MAX >> level);
                Ok(Hash([7; 32]))
            }
        }
        for (index, want) in [(0, 64), (u64::MAX / 2, 64), (u64::MAX - 1, 63)] {
            assert_eq!(inclusion_path_from(&Same, u64::MAX, index).unwrap().len(), want);
        }
        for old in [1, 1 << 63, u64::MAX - 1, u64::MAX] {
            assert!(consistency_path_from(&Same, old, u64::MAX).unwrap().len() <= 64);
        }
    }
}
