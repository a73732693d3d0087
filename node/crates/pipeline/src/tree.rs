//! Chunk trees, several hashes at a time (RFC 6962 §2.1).

use lucid_core::{Hash, chunk::SEALED_SEGMENT_BYTES};
use lucid_hal::sha256::sha256_prefixed_many;

use crate::window::WINDOW_SEGMENTS;

/// Leaves of consecutive sealed segments: `sealed` is cut every 16,400 bytes, and each cut's
/// H(0x00 ‖ segment) is appended to `leaves`.
///
/// # Panics
/// Where `sealed` holds more than a window's segments.
pub fn hash_segments(sealed: &[u8], leaves: &mut Vec<[u8; 32]>) {
    let mut segments: [&[u8]; WINDOW_SEGMENTS] = [&[]; WINDOW_SEGMENTS];
    let mut count = 0;
    for segment in sealed.chunks(SEALED_SEGMENT_BYTES) {
        segments[count] = segment;
        count += 1;
    }
    let start = leaves.len();
    leaves.resize(start + count, [0; 32]);
    sha256_prefixed_many(0x00, &segments[..count], &mut leaves[start..]);
}

/// Root of the tree over `leaves`, which are overwritten.
///
/// Level by level, each pair's H(0x01 ‖ left ‖ right) in place and a lone last node carried up as it
/// is: the same tree as RFC 6962's split at the largest power of two. The empty tree's root is the
/// hash of nothing, but no chunk is empty.
#[must_use]
pub fn root_in_place(leaves: &mut [[u8; 32]]) -> Hash {
    const PAIRS: usize = 64;
    let mut width = leaves.len();
    if width == 0 {
        return lucid_core::merkle::EMPTY_ROOT;
    }
    while width > 1 {
        let pairs = width / 2;
        for start in (0..pairs).step_by(PAIRS) {
            let count = PAIRS.min(pairs - start);
            let mut parents = [[0; 32]; PAIRS];
            let level = &leaves[2 * start..2 * (start + count)];
            let mut messages: [&[u8]; PAIRS] = [&[]; PAIRS];
            for (message, pair) in messages.iter_mut().zip(level.chunks_exact(2)) {
                *message = pair.as_flattened();
            }
            sha256_prefixed_many(0x01, &messages[..count], &mut parents[..count]);
            leaves[start..start + count].copy_from_slice(&parents[..count]);
        }
        if width % 2 == 1 {
            leaves[pairs] = leaves[width - 1];
        }
        width = pairs + width % 2;
    }
    Hash(leaves[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use lucid_core::merkle;

    #[test]
    fn the_same_root_as_the_core() {
        for count in (0..70).chain([127, 128, 129, 512, 513, 1025]) {
            let leaves: Vec<Hash> = (0..count).map(|i: u32| Hash::of(&i.to_be_bytes())).collect();
            let mut work: Vec<[u8; 32]> = leaves.iter().map(|leaf| leaf.0).collect();
            assert_eq!(root_in_place(&mut work), merkle::root(&leaves), "{count} leaves");
        }
    }

    #[test]
    fn segments_are_cut_and_prefixed() {
        let sealed: Vec<u8> = (0..3 * SEALED_SEGMENT_BYTES + 5).map(|i| i as u8).collect();
        let mut leaves = vec![[9; 32]];
        hash_segments(&sealed, &mut leaves);
        let expected: Vec<_> = sealed.chunks(SEALED_SEGMENT_BYTES).map(merkle::leaf_hash).collect();
        assert_eq!(leaves[0], [9; 32], "what was there stays");
        assert_eq!(leaves[1..].iter().map(|l| Hash(*l)).collect::<Vec<_>>(), expected);
    }
}
