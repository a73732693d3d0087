//! Messages into groups, groups through the compression function.

use std::array;

use super::compress::{Compress, INITIAL_STATE, State};
use super::message::Padded;

/// Hashes all messages in groups of `width` (1 to 4) neighbours, the rest in smaller groups.
pub(crate) fn hash<C: Compress>(
    compress: C,
    width: usize,
    prefix: u8,
    messages: &[&[u8]],
    digests: &mut [[u8; 32]],
) {
    assert_eq!(messages.len(), digests.len());
    let mut start = 0;
    while start < messages.len() {
        let size = width.min(messages.len() - start);
        let group = &messages[start..start + size];
        let out = &mut digests[start..start + size];
        match size {
            1 => hash_group::<C, 1>(compress, prefix, group, out),
            2 => hash_group::<C, 2>(compress, prefix, group, out),
            3 => hash_group::<C, 3>(compress, prefix, group, out),
            4 => hash_group::<C, 4>(compress, prefix, group, out),
            _ => unreachable!("a group of {size}"),
        }
        start += size;
    }
}

/// Runs `N` messages together over the blocks that all of them have, then each one alone.
fn hash_group<C: Compress, const N: usize>(
    compress: C,
    prefix: u8,
    messages: &[&[u8]],
    digests: &mut [[u8; 32]],
) {
    let mut padded: [Padded<'_>; N] = array::from_fn(|lane| Padded::new(prefix, messages[lane]));
    let mut states = [INITIAL_STATE; N];
    while feed(compress, &mut states, &mut padded) {}

    if N > 1 {
        for (state, message) in states.iter_mut().zip(&mut padded) {
            while feed(compress, array::from_mut(state), array::from_mut(message)) {}
        }
    }
    for (digest, state) in digests.iter_mut().zip(&states) {
        *digest = to_bytes(state);
    }
}

/// Feeds the longest run that all messages have; `false` once one of them has none left.
fn feed<C: Compress, const N: usize>(
    compress: C,
    states: &mut [State; N],
    messages: &mut [Padded<'_>; N],
) -> bool {
    let mut runs = messages.each_ref().map(Padded::run);
    let shared = runs.iter().map(|run| run.len()).min().unwrap_or(0);
    if shared == 0 {
        return false;
    }
    for run in &mut runs {
        *run = &run[..shared];
    }
    compress.compress(states, runs);
    for message in messages {
        message.advance(shared);
    }
    true
}

fn to_bytes(state: &State) -> [u8; 32] {
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}
