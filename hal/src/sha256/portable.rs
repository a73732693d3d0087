//! The compression function without SHA instructions: one message in plain Rust, two to four in the
//! positions of the architecture's baseline vectors.
//!
//! Written from FIPS 180-4 §6.2.2 over [`Word`], so that both are the same code.

#![allow(clippy::many_single_char_names)] // a to h, k and w are FIPS 180-4's own names.

use std::array;

use super::compress::{Block, Compress, ROUND_CONSTANTS, State};
use super::word::{Four, Word};

/// Runs everywhere, so it needs no proof.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl Compress for Portable {
    fn compress<const N: usize>(self, states: &mut [State; N], runs: [&[Block]; N]) {
        const { assert!(N <= 4) }
        for index in 0..runs[0].len() {
            if N > 2 {
                compress_vector(states, runs.map(|run| &run[index]));
            } else {
                // Half-empty vectors lose against one message after the other.
                for (state, run) in states.iter_mut().zip(runs) {
                    rounds(state, array::from_fn(|row| word(&run[index], row)));
                }
            }
        }
    }
}

fn compress_vector<const N: usize>(states: &mut [State; N], blocks: [&Block; N]) {
    // Positions beyond the last message repeat it, and what they compute is dropped.
    let lanes: [usize; 4] = array::from_fn(|lane| lane.min(N - 1));
    let words = array::from_fn(|row| Four::from(lanes.map(|lane| word(blocks[lane], row))));
    let mut vectors = array::from_fn(|row| Four::from(lanes.map(|lane| states[lane][row])));
    rounds(&mut vectors, words);
    for (row, vector) in vectors.into_iter().enumerate() {
        for (state, word) in states.iter_mut().zip(<[u32; 4]>::from(vector)) {
            state[row] = word;
        }
    }
}

/// Word `row` of a block.
fn word(block: &Block, row: usize) -> u32 {
    u32::from_be_bytes(block.as_chunks::<4>().0[row])
}

/// The 64 rounds, and the addition of what was there before.
fn rounds<W: Word>(state: &mut [W; 8], block: [W; 16]) {
    let words = schedule(block);
    let mut s = *state;
    for (k, w) in ROUND_CONSTANTS.as_chunks::<8>().0.iter().zip(words.as_chunks::<8>().0) {
        let [a, b, c, d, e, f, g, h] = s;
        let (d, h) = round([a, b, c, d, e, f, g, h], k[0], w[0]);
        let (c, g) = round([h, a, b, c, d, e, f, g], k[1], w[1]);
        let (b, f) = round([g, h, a, b, c, d, e, f], k[2], w[2]);
        let (a, e) = round([f, g, h, a, b, c, d, e], k[3], w[3]);
        let (h, d) = round([e, f, g, h, a, b, c, d], k[4], w[4]);
        let (g, c) = round([d, e, f, g, h, a, b, c], k[5], w[5]);
        let (f, b) = round([c, d, e, f, g, h, a, b], k[6], w[6]);
        let (e, a) = round([b, c, d, e, f, g, h, a], k[7], w[7]);
        s = [a, b, c, d, e, f, g, h];
    }
    for (word, new) in state.iter_mut().zip(s) {
        *word = word.add(new);
    }
}

/// The message schedule W of §6.2.2, step 1.
fn schedule<W: Word>(block: [W; 16]) -> [W; 64] {
    let mut w = [W::splat(0); 64];
    w[..16].copy_from_slice(&block);
    for t in 16..64 {
        w[t] = small1(w[t - 2]).add(w[t - 7]).add(small0(w[t - 15])).add(w[t - 16]);
    }
    w
}

/// One round: the new e, in the place of d, and the new a, in the place of h. The caller renames
/// instead of moving the other six.
#[inline]
fn round<W: Word>([a, b, c, d, e, f, g, h]: [W; 8], k: u32, w: W) -> (W, W) {
    let sum1 = e.rotate::<6, 26>().xor(e.rotate::<11, 21>()).xor(e.rotate::<25, 7>());
    // Ch and Maj with one operation less than FIPS writes them, and no NOT, which SSE2 lacks.
    let choice = g.xor(e.and(f.xor(g)));
    let t1 = w.add(W::splat(k)).add(h).add(choice).add(sum1);
    let sum0 = a.rotate::<2, 30>().xor(a.rotate::<13, 19>()).xor(a.rotate::<22, 10>());
    let majority = b.xor(a.xor(b).and(b.xor(c)));
    (d.add(t1), t1.add(sum0).add(majority))
}

#[inline]
fn small0<W: Word>(x: W) -> W {
    x.rotate::<7, 25>().xor(x.rotate::<18, 14>()).xor(x.shift::<3>())
}

#[inline]
fn small1<W: Word>(x: W) -> W {
    x.rotate::<17, 15>().xor(x.rotate::<19, 13>()).xor(x.shift::<10>())
}
