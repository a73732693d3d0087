//! The frontier of a growing tree: what must be kept to append leaves and know the root.

use super::{EMPTY_ROOT, Subtree, SubtreeSource, frontier, node_hash};
use crate::Hash;

/// The perfect subtrees a tree of `len` leaves splits into, largest (leftmost) first: one hash for
/// each set bit of `len`, so at most 64. Enough to append to the tree and to know its root, not to
/// prove anything.
///
/// Leaves are streamed in with [`push`](Self::push); a tree that is already stored is taken up with
/// [`load`](Self::load) or [`from_subtrees`](Self::from_subtrees) and costs no leaf.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CompactRange {
    len: u64,
    subtrees: Vec<Hash>,
}

/// Why a subtree does not fit a [`CompactRange`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// A subtree of 2^`level` leaves can only start at a multiple of 2^`level`.
    #[error("a subtree of 2^{level} leaves cannot start at leaf {len}")]
    Misaligned {
        /// The subtree's height.
        level: u32,
        /// Leaves in the range so far.
        len: u64,
    },
    /// The tree would have more leaves than a u64 counts.
    #[error("a tree of {len} leaves has no room for 2^{level} more")]
    TooLarge {
        /// The subtree's height.
        level: u32,
        /// Leaves in the range so far.
        len: u64,
    },
    /// A frontier has one hash for each set bit of its length.
    #[error("the frontier of {len} leaves has {} hashes, not {got}", len.count_ones())]
    FrontierLength {
        /// Leaves the frontier is said to cover.
        len: u64,
        /// Hashes given.
        got: usize,
    },
}

impl CompactRange {
    /// The range without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The range of `len` leaves from the hashes of its perfect subtrees, largest first, as
    /// [`subtrees`](Self::subtrees) gives them.
    ///
    /// # Errors
    ///
    /// [`RangeError::FrontierLength`] where the count of hashes is not that of `len`'s set bits.
    pub fn from_subtrees(len: u64, subtrees: Vec<Hash>) -> Result<Self, RangeError> {
        if subtrees.len() != len.count_ones() as usize {
            return Err(RangeError::FrontierLength { len, got: subtrees.len() });
        }
        Ok(Self { len, subtrees })
    }

    /// The range of the first `len` leaves of the tree that `source` stores. Asks for at most 64
    /// subtrees, largest first.
    ///
    /// # Errors
    ///
    /// The source's.
    pub fn load<S: SubtreeSource + ?Sized>(source: &S, len: u64) -> Result<Self, S::Error> {
        let subtrees = frontier(len)
            .map(|Subtree { level, index }| source.subtree(level, index))
            .collect::<Result<_, _>>()?;
        Ok(Self { len, subtrees })
    }

    /// Leaves in the range.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a range is compared by its length, in u64")]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The hashes of the perfect subtrees, largest first.
    #[must_use]
    pub fn subtrees(&self) -> &[Hash] {
        &self.subtrees
    }

    /// Appends one leaf, given its leaf hash.
    ///
    /// # Panics
    ///
    /// After 2^64 - 1 leaves, which nobody lives to append.
    pub fn push(&mut self, leaf: Hash) {
        assert!(self.len < u64::MAX, "a tree of 2^64 leaves");
        self.carry(0, leaf);
    }

    /// Appends the perfect subtree of 2^`level` leaves whose root is `hash`: the stored hashes of
    /// full tiles stand for their leaves.
    ///
    /// # Errors
    ///
    /// [`RangeError::Misaligned`] unless the range's length is a multiple of 2^`level`, and
    /// [`RangeError::TooLarge`] where the length would overflow. The range is then unchanged.
    pub fn append_subtree(&mut self, level: u32, hash: Hash) -> Result<(), RangeError> {
        let len = self.len;
        let leaves = 1_u64.checked_shl(level).ok_or(RangeError::TooLarge { level, len })?;
        if len.checked_add(leaves).is_none() {
            return Err(RangeError::TooLarge { level, len });
        }
        if !len.is_multiple_of(leaves) {
            return Err(RangeError::Misaligned { level, len });
        }
        self.carry(level, hash);
        Ok(())
    }

    /// The root of the tree (RFC 6962 §2.1); [`EMPTY_ROOT`] where it has no leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        fold(&self.subtrees)
    }

    /// Binary addition of 2^`level`: a subtree meets its equal and becomes the next larger one.
    /// No bit of `len` below `level` is set and the sum fits, as both callers checked.
    fn carry(&mut self, level: u32, hash: Hash) {
        let equals = (self.len >> level).trailing_ones() as usize;
        // Those subtrees are the last ones, smallest last, since no smaller one is there.
        let kept = self.subtrees.len() - equals;
        let merged =
            self.subtrees.drain(kept..).rev().fold(hash, |right, left| node_hash(left, right));
        self.subtrees.push(merged);
        self.len += 1 << level;
        debug_assert_eq!(self.subtrees.len(), self.len.count_ones() as usize);
    }
}

impl Extend<Hash> for CompactRange {
    fn extend<I: IntoIterator<Item = Hash>>(&mut self, leaves: I) {
        leaves.into_iter().for_each(|leaf| self.push(leaf));
    }
}

impl FromIterator<Hash> for CompactRange {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Self {
        let mut range = Self::new();
        range.extend(leaves);
        range
    }
}

/// The root over perfect subtrees that stand side by side, largest first: each split of RFC 6962
/// has the largest on its left, so they nest to the right.
pub(super) fn fold(subtrees: &[Hash]) -> Hash {
    let nested = subtrees.iter().copied().rev().reduce(|right, left| node_hash(left, right));
    nested.unwrap_or(EMPTY_ROOT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::{LeafHashes, oracle};

    #[test]
    fn root_at_every_length() {
        let leaves = oracle::leaves(300);
        let mut range = CompactRange::new();
        for (len, leaf) in (0..).zip(&leaves) {
            assert_eq!(range.len(), len as u64);
            assert_eq!(range.root(), oracle::root(&leaves[..len]), "{len} leaves");
            assert_eq!(CompactRange::load(&LeafHashes(&leaves), len as u64).unwrap(), range);
            let again = CompactRange::from_subtrees(range.len(), range.subtrees().to_vec());
            assert_eq!(again.as_ref(), Ok(&range));
            range.push(*leaf);
        }
        assert_eq!(range.root(), oracle::root(&leaves));
    }

    /// Appends subtrees of the `levels` over consecutive leaves; `Ok` is the length reached.
    fn check(levels: &[u32], want: Result<u64, RangeError>) {
        let leaves = oracle::leaves(64);
        let mut range = CompactRange::new();
        let got = levels.iter().try_for_each(|&level| {
            let start = usize::try_from(range.len()).unwrap();
            let end = leaves.len().min(start + (1_usize << level.min(6)));
            range.append_subtree(level, oracle::root(&leaves[start..end]))
        });
        assert_eq!(got.map(|()| range.len()), want, "{levels:?}");
        let len = usize::try_from(range.len()).unwrap();
        assert_eq!(range.root(), oracle::root(&leaves[..len]), "{levels:?}");
    }

    #[test]
    fn subtrees_append_where_they_are_aligned() {
        check(&[], Ok(0));
        check(&[0, 0, 0], Ok(3));
        check(&[5], Ok(32));
        check(&[3, 3, 4], Ok(32));
        check(&[2, 1, 0, 0], Ok(8));
        check(&[1, 1, 2, 3, 4], Ok(32));
        check(&[0, 1], Err(RangeError::Misaligned { level: 1, len: 1 }));
        check(&[3, 2, 3], Err(RangeError::Misaligned { level: 3, len: 12 }));
        check(&[0, 63], Err(RangeError::Misaligned { level: 63, len: 1 }));
        check(&[64], Err(RangeError::TooLarge { level: 64, len: 0 }));
        check(&[u32::MAX], Err(RangeError::TooLarge { level: u32::MAX, len: 0 }));
    }

    #[test]
    fn length_ends_at_the_last_u64() {
        let mut range = CompactRange::new();
        for level in (0..64).rev() {
            range.append_subtree(level, EMPTY_ROOT).unwrap();
        }
        assert_eq!(range.len(), u64::MAX);
        let full = range.clone();
        let refused = RangeError::TooLarge { level: 0, len: u64::MAX };
        assert_eq!(range.append_subtree(0, EMPTY_ROOT), Err(refused));
        assert_eq!(range, full);
    }

    #[test]
    fn frontier_has_a_hash_for_each_set_bit() {
        for (len, got) in [(0, 1), (1, 0), (5, 1), (5, 3), (u64::MAX, 63)] {
            let refused = RangeError::FrontierLength { len, got };
            assert_eq!(CompactRange::from_subtrees(len, vec![EMPTY_ROOT; got]), Err(refused));
        }
    }
}
