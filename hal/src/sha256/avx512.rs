//! AVX-512: sixteen messages, one in each position of a register.
//!
//! From FIPS 180-4 §6.2.2. Eight working words and sixteen of the schedule are 24 of the 32 registers;
//! what the compiler spills all the same it loads while the vector units are busy. A rotation is one
//! instruction (`VPRORD`), and so is any function of three words (`VPTERNLOGD`). The blocks are turned
//! from one message in a register to one word of all messages in a register as they are read.

#![allow(unsafe_code)] // Instructions need their detection, unaligned loads need pointers.
#![allow(clippy::many_single_char_names)] // a to h, k and w are FIPS 180-4's own names.

use std::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_loadu_si512, _mm512_ror_epi32, _mm512_set1_epi32,
    _mm512_set4_epi32, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_shuffle_i32x4,
    _mm512_srli_epi32, _mm512_storeu_si512, _mm512_ternarylogic_epi32, _mm512_unpackhi_epi32,
    _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};
use std::array;

use super::{
    compress::{Block, Compress, ROUND_CONSTANTS, State},
    lanes::WIDE,
};
use crate::cpu;

// The truth tables of `VPTERNLOGD`: bit 4x + 2y + z is the value at x, y, z.
const XOR: i32 = 0b1001_0110;
const CHOICE: i32 = 0b1100_1010;
const MAJORITY: i32 = 0b1110_1000;

/// Proof that this CPU has AVX-512 F and BW: it is made by detection alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// The proof, where detection found the instructions.
    pub(crate) fn detect() -> Option<Self> {
        cpu::features().has_avx512().then_some(Self(()))
    }
}

impl Compress for Avx512 {
    fn compress<const N: usize>(self, states: &mut [State; N], runs: [&[Block]; N]) {
        const { assert!(N == WIDE) }
        let runs = array::from_fn(|lane| runs[lane]);
        // SAFETY: an `Avx512` exists only where detection found AVX-512 F and BW.
        unsafe { compress(states, runs) }
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
fn compress(states: &mut [State], runs: [&[Block]; WIDE]) {
    let mut working: [__m512i; 8] = array::from_fn(|row| {
        let words: [u32; WIDE] = array::from_fn(|lane| states[lane][row]);
        // SAFETY: `words` is 64 readable bytes, and this load needs no alignment.
        unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
    });
    for index in 0..runs[0].len() {
        let mut words = load_words(runs, index);
        let mut now = working;
        let (scheduled, last) = ROUND_CONSTANTS.as_chunks::<16>().0.split_at(3);
        for constants in scheduled {
            eight_rounds::<0, true>(&mut now, &mut words, constants);
            eight_rounds::<8, true>(&mut now, &mut words, constants);
        }
        eight_rounds::<0, false>(&mut now, &mut words, &last[0]);
        eight_rounds::<8, false>(&mut now, &mut words, &last[0]);
        for (word, new) in working.iter_mut().zip(now) {
            *word = _mm512_add_epi32(*word, new);
        }
    }
    for (row, vector) in working.into_iter().enumerate() {
        let mut words = [0_u32; WIDE];
        // SAFETY: `words` is 64 writable bytes, and this store needs no alignment.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) }
        for (state, word) in states.iter_mut().zip(words) {
            state[row] = word;
        }
    }
}

/// Rounds `FIRST` to `FIRST + 7` of sixteen; `SCHEDULE` where later rounds need the words that take
/// these words' place.
#[inline]
#[target_feature(enable = "avx512f")]
fn eight_rounds<const FIRST: usize, const SCHEDULE: bool>(
    state: &mut [__m512i; 8],
    words: &mut [__m512i; 16],
    constants: &[u32; 16],
) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    // A round yields the new e, in the place of d, and the new a, in the place of h; renaming the
    // words moves the other six.
    macro_rules! round {
        ($t:literal: $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident) => {
            let keyed = add(words[FIRST + $t], splat(constants[FIRST + $t]));
            let sum = add(add($h, keyed), add(big1($e), function::<CHOICE>($e, $f, $g)));
            $d = add($d, sum);
            $h = add(sum, add(big0($a), function::<MAJORITY>($a, $b, $c)));
            if SCHEDULE {
                schedule(words, FIRST + $t);
            }
        };
    }
    round!(0: a b c d e f g h);
    round!(1: h a b c d e f g);
    round!(2: g h a b c d e f);
    round!(3: f g h a b c d e);
    round!(4: e f g h a b c d);
    round!(5: d e f g h a b c);
    round!(6: c d e f g h a b);
    round!(7: b c d e f g h a);
    *state = [a, b, c, d, e, f, g, h];
}

/// Replaces word `t` of the ring by that of 16 rounds later.
#[inline]
#[target_feature(enable = "avx512f")]
fn schedule(words: &mut [__m512i; 16], t: usize) {
    let word = |distance: usize| words[(t + distance) % 16];
    words[t] = add(add(small1(word(14)), word(9)), add(small0(word(1)), word(0)));
}

/// The words of a block of each message: `[t]` has word `t` of all of them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_words(runs: [&[Block]; WIDE], index: usize) -> [__m512i; 16] {
    let swap_bytes_of_words = _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203);
    let mut rows = [_mm512_setzero_si512(); WIDE];
    for (row, run) in rows.iter_mut().zip(runs) {
        // SAFETY: a block is 64 readable bytes, and this load needs no alignment.
        let little_endian = unsafe { _mm512_loadu_si512(run[index].as_ptr().cast()) };
        *row = _mm512_shuffle_epi8(little_endian, swap_bytes_of_words);
    }
    transpose(&rows)
}

/// Sixteen rows of sixteen words, turned: row `t` of what is returned has word `t` of each row.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(rows: &[__m512i; 16]) -> [__m512i; 16] {
    // Within each quarter of a register, four rows of four words are turned by pairs of words, then
    // pairs of those: `fours[4 * i + j]` has word j of each quarter, of the rows 4 * i to 4 * i + 3.
    let mut fours = *rows;
    for (out, row) in fours.as_chunks_mut::<4>().0.iter_mut().zip(rows.as_chunks::<4>().0) {
        let low = [_mm512_unpacklo_epi32(row[0], row[1]), _mm512_unpacklo_epi32(row[2], row[3])];
        let high = [_mm512_unpackhi_epi32(row[0], row[1]), _mm512_unpackhi_epi32(row[2], row[3])];
        *out = [
            _mm512_unpacklo_epi64(low[0], low[1]),
            _mm512_unpackhi_epi64(low[0], low[1]),
            _mm512_unpacklo_epi64(high[0], high[1]),
            _mm512_unpackhi_epi64(high[0], high[1]),
        ];
    }
    // Then the quarters: word 4 * q + j is quarter q of the four vectors with word j.
    let mut turned = fours;
    for j in 0..4 {
        let of = |rows: usize| fours[4 * rows + j];
        let first = [
            _mm512_shuffle_i32x4::<0b01_00_01_00>(of(0), of(1)),
            _mm512_shuffle_i32x4::<0b01_00_01_00>(of(2), of(3)),
        ];
        let last = [
            _mm512_shuffle_i32x4::<0b11_10_11_10>(of(0), of(1)),
            _mm512_shuffle_i32x4::<0b11_10_11_10>(of(2), of(3)),
        ];
        turned[j] = _mm512_shuffle_i32x4::<0b10_00_10_00>(first[0], first[1]);
        turned[4 + j] = _mm512_shuffle_i32x4::<0b11_01_11_01>(first[0], first[1]);
        turned[8 + j] = _mm512_shuffle_i32x4::<0b10_00_10_00>(last[0], last[1]);
        turned[12 + j] = _mm512_shuffle_i32x4::<0b11_01_11_01>(last[0], last[1]);
    }
    turned
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(word: u32) -> __m512i {
    _mm512_set1_epi32(word.cast_signed())
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(x: __m512i, y: __m512i) -> __m512i {
    _mm512_add_epi32(x, y)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn function<const TABLE: i32>(x: __m512i, y: __m512i, z: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<TABLE>(x, y, z)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn big0(x: __m512i) -> __m512i {
    let (y, z) = (_mm512_ror_epi32::<13>(x), _mm512_ror_epi32::<22>(x));
    function::<XOR>(_mm512_ror_epi32::<2>(x), y, z)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn big1(x: __m512i) -> __m512i {
    let (y, z) = (_mm512_ror_epi32::<11>(x), _mm512_ror_epi32::<25>(x));
    function::<XOR>(_mm512_ror_epi32::<6>(x), y, z)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn small0(x: __m512i) -> __m512i {
    let (y, z) = (_mm512_ror_epi32::<18>(x), _mm512_srli_epi32::<3>(x));
    function::<XOR>(_mm512_ror_epi32::<7>(x), y, z)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn small1(x: __m512i) -> __m512i {
    let (y, z) = (_mm512_ror_epi32::<19>(x), _mm512_srli_epi32::<10>(x));
    function::<XOR>(_mm512_ror_epi32::<17>(x), y, z)
}
