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
            1 => hash_group::<C, C, 1>(compress, compress, prefix, group, out),
            2 => hash_group::<C, C, 2>(compress, compress, prefix, group, out),
            3 => hash_group::<C, C, 3>(compress, compress, prefix, group, out),
            4 => hash_group::<C, C, 4>(compress, compress, prefix, group, out),
            _ => unreachable!("a group of {size}"),
        }
        start += size;
    }
}

/// How many messages a wide kernel runs together: as many words as a register has.
#[cfg(target_arch = "x86_64")]
pub(crate) const WIDE: usize = 16;

/// What hashes the messages that a wide kernel leaves over, `width` at a time.
///
/// Positions without a message cost as much as those with one: from `enough` messages on the wide
/// kernel is the faster one all the same.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Narrow<C> {
    pub(crate) compress: C,
    pub(crate) width: usize,
    pub(crate) enough: usize,
}

/// Hashes all messages in groups of [`WIDE`] neighbours with `wide`, and what is left over with
/// `narrow`, where it is too little for a group.
#[cfg(target_arch = "x86_64")]
pub(crate) fn hash_wide<W: Compress, C: Compress>(
    wide: W,
    narrow: Narrow<C>,
    prefix: u8,
    messages: &[&[u8]],
    digests: &mut [[u8; 32]],
) {
    assert_eq!(messages.len(), digests.len());
    for (group, out) in messages.chunks(WIDE).zip(digests.chunks_mut(WIDE)) {
        if group.len() == WIDE {
            hash_group::<W, C, WIDE>(wide, narrow.compress, prefix, group, out);
        } else if group.len() >= narrow.enough {
            // Positions beyond the last message repeat it, and what they compute is dropped.
            let filled: [&[u8]; WIDE] = array::from_fn(|lane| group[lane.min(group.len() - 1)]);
            let mut found = [[0; 32]; WIDE];
            hash_group::<W, C, WIDE>(wide, narrow.compress, prefix, &filled, &mut found);
            out.copy_from_slice(&found[..group.len()]);
        } else {
            hash(narrow.compress, narrow.width, prefix, group, out);
        }
    }
}

/// Runs `N` messages together over the blocks that all of them have, then each one alone.
fn hash_group<C: Compress, A: Compress, const N: usize>(
    compress: C,
    alone: A,
    prefix: u8,
    messages: &[&[u8]],
    digests: &mut [[u8; 32]],
) {
    let mut padded: [Padded<'_>; N] = array::from_fn(|lane| Padded::new(prefix, messages[lane]));
    let mut states = [INITIAL_STATE; N];
    while feed(compress, &mut states, &mut padded) {}

    if N > 1 {
        for (state, message) in states.iter_mut().zip(&mut padded) {
            while feed(alone, array::from_mut(state), array::from_mut(message)) {}
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
