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

/// The 64 rounds, and the addition of what was there before. Only the sixteen latest words of the message schedule are kept, each
/// renewed once it was used: with the eight working words they fit the registers that ARM has, and rounds and schedule overlap.
fn rounds<W: Word>(state: &mut [W; 8], mut w: [W; 16]) {
    let (first, last) = ROUND_CONSTANTS.as_chunks::<16>().0.split_at(3);
    let mut s = *state;
    for k in first {
        s = sixteen::<W, true>(s, &mut w, k);
    }
    for k in last {
        s = sixteen::<W, false>(s, &mut w, k);
    }
    for (word, new) in state.iter_mut().zip(s) {
        *word = word.add(new);
    }
}

/// Sixteen rounds; the schedule goes on where it `RENEWS`.
#[allow(
    clippy::inline_always,
    reason = "a call would have the words in memory, and not in registers"
)]
#[inline(always)]
fn sixteen<W: Word, const RENEWS: bool>(s: [W; 8], w: &mut [W; 16], k: &[u32; 16]) -> [W; 8] {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = s;
    macro_rules! round {
        ($t:literal, $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident) => {
            ($d, $h) = round([$a, $b, $c, $d, $e, $f, $g, $h], k[$t], w[$t]);
            if RENEWS {
                // Word t + 16 in the place of word t (§6.2.2, step 1).
                let (near, far) = (small1(w[($t + 14) % 16]), small0(w[($t + 1) % 16]));
                w[$t] = near.add(w[($t + 9) % 16]).add(far).add(w[$t]);
            }
        };
    }
    macro_rules! eight {
        ($t0:literal $t1:literal $t2:literal $t3:literal $t4:literal $t5:literal $t6:literal $t7:literal) => {
            round!($t0, a b c d e f g h);
            round!($t1, h a b c d e f g);
            round!($t2, g h a b c d e f);
            round!($t3, f g h a b c d e);
            round!($t4, e f g h a b c d);
            round!($t5, d e f g h a b c);
            round!($t6, c d e f g h a b);
            round!($t7, b c d e f g h a);
        };
    }
    eight!(0 1 2 3 4 5 6 7);
    eight!(8 9 10 11 12 13 14 15);
    [a, b, c, d, e, f, g, h]
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
