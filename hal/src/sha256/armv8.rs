//! ARMv8 Cryptographic Extension: four rounds in a pair of instructions, on NEON registers.
//!
//! From Arm's description of `SHA256H`, `SHA256H2`, `SHA256SU0` and `SHA256SU1` (Arm ARM, C7.2) and
//! FIPS 180-4. Four lanes need 8 registers for state and 16 for the schedule, and the constants are
//! loaded once for all lanes: 32 registers hold that.

#![allow(unsafe_code)] // Instructions need their detection, vector loads need pointers.

use std::arch::aarch64::{
    uint32x4_t, vaddq_u32, vdupq_n_u32, vld1q_u8, vld1q_u32, vreinterpretq_u32_u8, vrev32q_u8,
    vsha256h2q_u32, vsha256hq_u32, vsha256su0q_u32, vsha256su1q_u32, vst1q_u32,
};

use super::compress::{Block, Compress, ROUND_CONSTANTS, State};
use crate::cpu::{self, Feature};

/// Proof that this CPU has the SHA2 extension: it is made by detection alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Armv8(());

impl Armv8 {
    /// The proof, where detection found the instructions.
    pub(crate) fn detect() -> Option<Self> {
        cpu::features().has(Feature::ArmSha2).then_some(Self(()))
    }
}

impl Compress for Armv8 {
    fn compress<const N: usize>(self, states: &mut [State; N], runs: [&[Block]; N]) {
        // SAFETY: an `Armv8` exists only where detection found SHA2, which implies NEON.
        unsafe { compress(states, runs) }
    }
}

#[target_feature(enable = "sha2")]
fn compress<const N: usize>(states: &mut [State; N], runs: [&[Block]; N]) {
    let mut lanes = [Lane::new(); N];
    for (lane, state) in lanes.iter_mut().zip(states.iter()) {
        lane.load_state(state);
    }
    for index in 0..runs[0].len() {
        let before = lanes;
        for (lane, run) in lanes.iter_mut().zip(runs) {
            lane.load_words(&run[index]);
        }
        let (scheduled, last) = ROUND_CONSTANTS.as_chunks::<16>().0.split_at(3);
        for constants in scheduled {
            four_rounds::<N, 0, true>(&mut lanes, constants);
            four_rounds::<N, 1, true>(&mut lanes, constants);
            four_rounds::<N, 2, true>(&mut lanes, constants);
            four_rounds::<N, 3, true>(&mut lanes, constants);
        }
        four_rounds::<N, 0, false>(&mut lanes, &last[0]);
        four_rounds::<N, 1, false>(&mut lanes, &last[0]);
        four_rounds::<N, 2, false>(&mut lanes, &last[0]);
        four_rounds::<N, 3, false>(&mut lanes, &last[0]);
        for (lane, before) in lanes.iter_mut().zip(before) {
            lane.abcd = vaddq_u32(lane.abcd, before.abcd);
            lane.efgh = vaddq_u32(lane.efgh, before.efgh);
        }
    }
    for (lane, state) in lanes.iter().zip(states) {
        lane.store_state(state);
    }
}

/// Rounds `4 * Q` to `4 * Q + 3` of sixteen in every lane; `SCHEDULE` where a later round needs the
/// words that take these words' place.
#[inline]
#[target_feature(enable = "sha2")]
fn four_rounds<const N: usize, const Q: usize, const SCHEDULE: bool>(
    lanes: &mut [Lane; N],
    constants: &[u32; 16],
) {
    let constants = load(&constants.as_chunks::<4>().0[Q]);
    for lane in lanes {
        lane.rounds::<Q>(constants);
        if SCHEDULE {
            lane.schedule::<Q>();
        }
    }
}

/// One message's working variables, and the 16 schedule words that are still needed, as a ring of
/// fours.
#[derive(Clone, Copy)]
struct Lane {
    abcd: uint32x4_t,
    efgh: uint32x4_t,
    words: [uint32x4_t; 4],
}

impl Lane {
    #[inline]
    #[target_feature(enable = "neon")]
    fn new() -> Self {
        let zero = vdupq_n_u32(0);
        Self { abcd: zero, efgh: zero, words: [zero; 4] }
    }

    /// Four rounds with the words at `Q` of the ring.
    #[inline]
    #[target_feature(enable = "sha2")]
    fn rounds<const Q: usize>(&mut self, constants: uint32x4_t) {
        let keyed = vaddq_u32(self.words[Q], constants);
        // Both instructions want the values from before the four rounds.
        let abcd = vsha256hq_u32(self.abcd, self.efgh, keyed);
        self.efgh = vsha256h2q_u32(self.efgh, self.abcd, keyed);
        self.abcd = abcd;
    }

    /// Replaces the words at `Q` of the ring by those of 16 rounds later.
    #[inline]
    #[target_feature(enable = "sha2")]
    fn schedule<const Q: usize>(&mut self) {
        let word = |distance: usize| self.words[(Q + distance) % 4];
        let partial = vsha256su0q_u32(word(0), word(1));
        self.words[Q] = vsha256su1q_u32(partial, word(2), word(3));
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn load_words(&mut self, block: &Block) {
        for (words, bytes) in self.words.iter_mut().zip(block.as_chunks::<16>().0) {
            // SAFETY: `bytes` is 16 readable bytes, and a load of bytes needs no alignment.
            let big_endian = unsafe { vld1q_u8(bytes.as_ptr()) };
            *words = vreinterpretq_u32_u8(vrev32q_u8(big_endian));
        }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn load_state(&mut self, state: &State) {
        let (halves, _) = state.as_chunks::<4>();
        self.abcd = load(&halves[0]);
        self.efgh = load(&halves[1]);
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn store_state(&self, state: &mut State) {
        let (halves, _) = state.as_chunks_mut::<4>();
        for (words, vector) in halves.iter_mut().zip([self.abcd, self.efgh]) {
            // SAFETY: `words` is four writable words, aligned as words are.
            unsafe { vst1q_u32(words.as_mut_ptr(), vector) }
        }
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn load(words: &[u32; 4]) -> uint32x4_t {
    // SAFETY: `words` is four readable words, aligned as words are.
    unsafe { vld1q_u32(words.as_ptr()) }
}
