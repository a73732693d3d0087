//! Every kernel that this CPU can run, held against the `sha2` crate: all small lengths, the edges
//! of blocks and segments, uneven groups, unaligned messages.

use lucid_hal::sha256::{
    Kernel, kernels, sha256_prefixed, sha256_prefixed_many, sha256_prefixed_many_with,
};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

/// A sealed segment: 16,384 bytes and the AEAD's tag.
const SEGMENT_BYTES: usize = 16_400;

fn oracle(prefix: u8, message: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update([prefix]).chain_update(message).finalize().into()
}

/// Bytes in which neither a shift by a byte nor a swap of blocks goes unnoticed.
fn sample(len: usize, seed: usize) -> Vec<u8> {
    let mut state = seed as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

fn check_with(kernel: Kernel, prefix: u8, messages: &[&[u8]]) {
    let expected: Vec<[u8; 32]> = messages.iter().map(|message| oracle(prefix, message)).collect();
    let mut digests = vec![[0xee; 32]; messages.len()];
    sha256_prefixed_many_with(kernel, prefix, messages, &mut digests);
    let lengths: Vec<usize> = messages.iter().map(|message| message.len()).collect();
    assert_eq!(digests, expected, "{kernel}, prefix {prefix}, lengths {lengths:?}");
}

/// Checks every kernel, and the entry points that choose one.
fn check(prefix: u8, messages: &[&[u8]]) {
    for kernel in kernels() {
        check_with(kernel, prefix, messages);
    }
    let mut digests = vec![[0; 32]; messages.len()];
    sha256_prefixed_many(prefix, messages, &mut digests);
    for (digest, message) in digests.iter().zip(messages) {
        assert_eq!(*digest, oracle(prefix, message));
        assert_eq!(*digest, sha256_prefixed(prefix, message));
    }
}

fn check_lengths(prefix: u8, lengths: &[usize]) {
    let data: Vec<Vec<u8>> =
        lengths.iter().enumerate().map(|(seed, &len)| sample(len, seed)).collect();
    let messages: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
    check(prefix, &messages);
}

#[test]
fn every_short_length_alone_and_in_company() {
    for len in 0..=300 {
        check_lengths(0x00, &[len]);
        check_lengths(0x00, &[len; 4]);
        check_lengths(0x00, &[len; 16]);
        // Three neighbours, each in another phase of the padding.
        check_lengths(0x01, &[len, len + 1, len + 9]);
    }
}

#[test]
fn edges_of_blocks_and_segments() {
    // 16 KiB ± a block, and a segment with its tag ± a byte: where a last chunk may end.
    for len in (16_384 - 64..=16_384 + 64).chain(SEGMENT_BYTES - 1..=SEGMENT_BYTES + 1) {
        check_lengths(0x00, &[len; 2]);
        check_lengths(0x00, &[SEGMENT_BYTES, len, SEGMENT_BYTES]);
        check_lengths(0x00, &[SEGMENT_BYTES, SEGMENT_BYTES, SEGMENT_BYTES, len]);
    }
}

#[test]
fn tree_nodes_of_every_count() {
    for count in (0..=35).chain(47..=49) {
        check_lengths(0x01, &vec![64; count]);
    }
}

#[test]
fn segments_of_every_count() {
    for count in (0..=9).chain(15..=17).chain([26, 33]) {
        check_lengths(0x00, &vec![SEGMENT_BYTES; count]);
    }
    // A wide group of which one ends before the others, wherever it stands.
    for short in 0..16 {
        let mut lengths = [SEGMENT_BYTES; 16];
        lengths[short] = 100 + 997 * short;
        check_lengths(0x00, &lengths);
    }
}

#[test]
fn lengths_mixed_in_one_call() {
    check_lengths(0x00, &[0, SEGMENT_BYTES]);
    check_lengths(0x00, &[SEGMENT_BYTES, 0, 1]);
    check_lengths(0x00, &[62, 63, 64, 65]);
    check_lengths(0x00, &[54, 55, 118, 119]);
    check_lengths(0x00, &[127, 126, 128, 1_000, 0, 63, 4_096, SEGMENT_BYTES, 191]);
    check_lengths(0x00, &[SEGMENT_BYTES, SEGMENT_BYTES, SEGMENT_BYTES, SEGMENT_BYTES, 17]);
}

#[test]
fn messages_may_start_at_any_address() {
    let data: Vec<Vec<u8>> = (0..4).map(|seed| sample(1_024 + 32, seed)).collect();
    for offset in 0..16 {
        let message = |lane: usize| &data[lane][offset + lane..offset + lane + 1_024 - 3 * lane];
        check(0x00, &[message(0)]);
        check(0x00, &[message(0), message(1), message(2), message(3)]);
    }
}

#[test]
fn every_prefix_counts() {
    for prefix in 0..=u8::MAX {
        check_lengths(prefix, &[64, 200, 3]);
    }
}

#[test]
#[should_panic(expected = "a digest for each message")]
fn slices_of_different_lengths_panic() {
    sha256_prefixed_many(0x00, &[b"one", b"two"], &mut [[0; 32]]);
}

#[test]
fn a_kernel_that_is_not_available_panics() {
    let foreign = if cfg!(target_arch = "x86_64") { Kernel::Armv8X1 } else { Kernel::ShaNiX1 };
    assert!(!foreign.is_available());
    assert!(!kernels().contains(&foreign));
    let hash = || sha256_prefixed_many_with(foreign, 0, &[b"x"], &mut [[0; 32]]);
    assert!(std::panic::catch_unwind(hash).is_err());
}

proptest! {
    #[test]
    fn any_messages_hash_as_the_oracle_says(
        prefix: u8,
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 0..40),
    ) {
        let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
        check(prefix, &messages);
    }
}
