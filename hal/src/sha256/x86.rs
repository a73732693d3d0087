//! SHA-NI: two rounds in an instruction, on legacy SSE registers.
//!
//! From Intel's description of `SHA256RNDS2`, `SHA256MSG1` and `SHA256MSG2` (SDM volume 2) and
//! FIPS 180-4. Each lane is written as if it were alone; the lanes' steps alternate in program order
//! at every four rounds, which is close enough for the CPU to overlap them.

#![allow(unsafe_code)] // Instructions need their detection, unaligned loads need pointers.

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_loadu_si128, _mm_set_epi64x,
    _mm_setzero_si128, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32,
    _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_storeu_si128, _mm256_zeroupper,
};

use super::compress::{Block, Compress, ROUND_CONSTANTS, State};
use crate::cpu::{self, Feature};

/// Proof that this CPU has SHA-NI, SSSE3 and SSE4.1: it is made by detection alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShaNi {
    has_avx: bool,
}

impl ShaNi {
    /// The proof, where detection found the instructions.
    pub(crate) fn detect() -> Option<Self> {
        let features = cpu::features();
        let has_avx = features.has(Feature::Avx);
        features.has(Feature::ShaNi).then_some(Self { has_avx })
    }
}

impl Compress for ShaNi {
    fn compress<const N: usize>(self, states: &mut [State; N], runs: [&[Block]; N]) {
        if self.has_avx {
            // SAFETY: `has_avx` is what detection said of AVX.
            unsafe { clear_upper_halves() }
        }
        // SAFETY: a `ShaNi` exists only where detection found SHA-NI, SSSE3 and SSE4.1.
        unsafe { compress(states, runs) }
    }
}

/// Marks the upper halves of the vector registers as unused. AEAD code that ran before leaves them
/// dirty, and legacy SSE instructions then wait for them: measured, SHA-NI at 40 % of its speed.
#[target_feature(enable = "avx")]
fn clear_upper_halves() {
    _mm256_zeroupper();
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
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
            lane.abef = _mm_add_epi32(lane.abef, before.abef);
            lane.cdgh = _mm_add_epi32(lane.cdgh, before.cdgh);
        }
    }
    for (lane, state) in lanes.iter().zip(states) {
        lane.store_state(state);
    }
}

/// One message's working variables in the order the instructions want them (named from the most
/// significant word down), and the 16 schedule words that are still needed, as a ring of fours.
#[derive(Clone, Copy)]
struct Lane {
    abef: __m128i,
    cdgh: __m128i,
    words: [__m128i; 4],
}

impl Lane {
    #[inline]
    #[target_feature(enable = "sse2")]
    fn new() -> Self {
        let zero = _mm_setzero_si128();
        Self { abef: zero, cdgh: zero, words: [zero; 4] }
    }

    /// Four rounds with the words at `Q` of the ring.
    #[inline]
    #[target_feature(enable = "sha,sse2")]
    fn rounds<const Q: usize>(&mut self, constants: __m128i) {
        // An instruction yields the new a, b, e, f; the old ones are the new c, d, g, h. So after
        // two instructions that write crosswise, both names are right again.
        let keyed = _mm_add_epi32(self.words[Q], constants);
        self.cdgh = _mm_sha256rnds2_epu32(self.cdgh, self.abef, keyed);
        let keyed_high = _mm_shuffle_epi32::<0b00_00_11_10>(keyed);
        self.abef = _mm_sha256rnds2_epu32(self.abef, self.cdgh, keyed_high);
    }

    /// Replaces the words at `Q` of the ring by those of 16 rounds later.
    #[inline]
    #[target_feature(enable = "sha,ssse3")]
    fn schedule<const Q: usize>(&mut self) {
        let word = |distance: usize| self.words[(Q + distance) % 4];
        let (w0, w1, w2, w3) = (word(0), word(1), word(2), word(3));
        let nine_back_from_sixteen = _mm_alignr_epi8::<4>(w3, w2);
        let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), nine_back_from_sixteen);
        self.words[Q] = _mm_sha256msg2_epu32(sum, w3);
    }

    #[inline]
    #[target_feature(enable = "ssse3")]
    fn load_words(&mut self, block: &Block) {
        let swap_bytes_of_words = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        for (words, bytes) in self.words.iter_mut().zip(block.as_chunks::<16>().0) {
            // SAFETY: `bytes` is 16 readable bytes, and this load needs no alignment.
            let little_endian = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
            *words = _mm_shuffle_epi8(little_endian, swap_bytes_of_words);
        }
    }

    #[inline]
    #[target_feature(enable = "sse4.1,ssse3")]
    fn load_state(&mut self, state: &State) {
        let [dcba, hgfe] = load_pair(state);
        let cdab = _mm_shuffle_epi32::<0b10_11_00_01>(dcba);
        let efgh = _mm_shuffle_epi32::<0b00_01_10_11>(hgfe);
        self.abef = _mm_alignr_epi8::<8>(cdab, efgh);
        self.cdgh = _mm_blend_epi16::<0b1111_0000>(efgh, cdab);
    }

    #[inline]
    #[target_feature(enable = "sse4.1,ssse3")]
    fn store_state(&self, state: &mut State) {
        let feba = _mm_shuffle_epi32::<0b00_01_10_11>(self.abef);
        let dchg = _mm_shuffle_epi32::<0b10_11_00_01>(self.cdgh);
        let dcba = _mm_blend_epi16::<0b1111_0000>(feba, dchg);
        let hgfe = _mm_alignr_epi8::<8>(dchg, feba);
        for (words, vector) in state.as_chunks_mut::<4>().0.iter_mut().zip([dcba, hgfe]) {
            // SAFETY: `words` is 16 writable bytes, and this store needs no alignment.
            unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), vector) }
        }
    }
}

#[inline]
#[target_feature(enable = "sse2")]
fn load_pair(words: &[u32; 8]) -> [__m128i; 2] {
    let mut vectors = [_mm_setzero_si128(); 2];
    for (vector, words) in vectors.iter_mut().zip(words.as_chunks::<4>().0) {
        // SAFETY: `words` is 16 readable bytes, and this load needs no alignment.
        *vector = unsafe { _mm_loadu_si128(words.as_ptr().cast()) };
    }
    vectors
}

/// Rounds `4 * Q` to `4 * Q + 3` of sixteen in every lane; `SCHEDULE` where a later round needs the
/// words that take these words' place.
#[inline]
#[target_feature(enable = "sha,ssse3")]
fn four_rounds<const N: usize, const Q: usize, const SCHEDULE: bool>(
    lanes: &mut [Lane; N],
    constants: &[u32; 16],
) {
    let four = &constants.as_chunks::<4>().0[Q];
    // SAFETY: `four` is 16 readable bytes, and this load needs no alignment.
    let constants = unsafe { _mm_loadu_si128(four.as_ptr().cast()) };
    for lane in lanes {
        lane.rounds::<Q>(constants);
        if SCHEDULE {
            lane.schedule::<Q>();
        }
    }
}
