//! The 32-bit word of FIPS 180-4, one at a time or four side by side.
//!
//! The compiler does not vectorise SHA-256 written over `[u32; 4]`: it judges rotations too dear
//! for vectors without a rotate instruction, and emits scalar code. So the four-wide word is spelt
//! in the intrinsics that every x86-64 and every AArch64 has (SSE2, NEON), with an array for other
//! architectures. NEON matters: a Raspberry Pi 4 has it and has no SHA instructions.

#![allow(unsafe_code)] // Intrinsics of the baseline, and an array seen as a register.

pub(crate) use vector::Four;

/// Arithmetic of FIPS 180-4 §3.2 on one word or on a vector of words.
pub(crate) trait Word: Copy {
    /// The same value in every position.
    fn splat(value: u32) -> Self;
    /// Addition modulo 2^32.
    fn add(self, other: Self) -> Self;
    /// Bitwise AND.
    fn and(self, other: Self) -> Self;
    /// Bitwise exclusive OR.
    fn xor(self, other: Self) -> Self;
    /// Shift right, filling with zeros.
    fn shift<const RIGHT: i32>(self) -> Self;
    /// Shift left, filling with zeros.
    fn shift_left<const LEFT: i32>(self) -> Self;

    /// Rotation by `RIGHT`; `LEFT` is 32 − `RIGHT`, which a const generic cannot compute.
    #[inline]
    fn rotate<const RIGHT: i32, const LEFT: i32>(self) -> Self {
        const { assert!(RIGHT + LEFT == 32) }
        // The halves share no bit, so XOR joins them as OR would.
        self.shift::<RIGHT>().xor(self.shift_left::<LEFT>())
    }
}

impl Word for u32 {
    #[inline]
    fn splat(value: u32) -> Self {
        value
    }

    #[inline]
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    #[inline]
    fn and(self, other: Self) -> Self {
        self & other
    }

    #[inline]
    fn xor(self, other: Self) -> Self {
        self ^ other
    }

    #[inline]
    fn shift<const RIGHT: i32>(self) -> Self {
        self >> RIGHT
    }

    #[inline]
    fn shift_left<const LEFT: i32>(self) -> Self {
        self << LEFT
    }
}

#[cfg(target_arch = "x86_64")]
mod vector {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_and_si128, _mm_set1_epi32, _mm_slli_epi32, _mm_srli_epi32,
        _mm_xor_si128,
    };

    use super::Word;

    /// Four words in an SSE2 register.
    #[derive(Clone, Copy)]
    pub(crate) struct Four(__m128i);

    impl From<[u32; 4]> for Four {
        #[inline]
        fn from(words: [u32; 4]) -> Self {
            // SAFETY: both types are 16 bytes, and any bits are a value of either.
            Self(unsafe { std::mem::transmute::<[u32; 4], __m128i>(words) })
        }
    }

    impl From<Four> for [u32; 4] {
        #[inline]
        fn from(four: Four) -> Self {
            // SAFETY: both types are 16 bytes, and any bits are a value of either.
            unsafe { std::mem::transmute::<__m128i, [u32; 4]>(four.0) }
        }
    }

    impl Word for Four {
        #[inline]
        fn splat(value: u32) -> Self {
            // SAFETY: SSE2 is part of x86-64.
            Self(unsafe { _mm_set1_epi32(value.cast_signed()) })
        }

        #[inline]
        fn add(self, other: Self) -> Self {
            // SAFETY: SSE2 is part of x86-64.
            Self(unsafe { _mm_add_epi32(self.0, other.0) })
        }

        #[inline]
        fn and(self, other: Self) -> Self {
            // SAFETY: SSE2 is part of x86-64.
            Self(unsafe { _mm_and_si128(self.0, other.0) })
        }

        #[inline]
        fn xor(self, other: Self) -> Self {
            // SAFETY: SSE2 is part of x86-64.
            Self(unsafe { _mm_xor_si128(self.0, other.0) })
        }

        #[inline]
        fn shift<const RIGHT: i32>(self) -> Self {
            // SAFETY: SSE2 is part of x86-64.
            Self(unsafe { _mm_srli_epi32::<RIGHT>(self.0) })
        }

        #[inline]
        fn shift_left<const LEFT: i32>(self) -> Self {
            // SAFETY: SSE2 is part of x86-64.
            Self(unsafe { _mm_slli_epi32::<LEFT>(self.0) })
        }
    }
}

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod vector {
    use std::arch::aarch64::{
        uint32x4_t, vaddq_u32, vandq_u32, vdupq_n_u32, veorq_u32, vshlq_n_u32, vshrq_n_u32,
    };

    use super::Word;

    /// Four words in a NEON register.
    #[derive(Clone, Copy)]
    pub(crate) struct Four(uint32x4_t);

    impl From<[u32; 4]> for Four {
        #[inline]
        fn from(words: [u32; 4]) -> Self {
            // SAFETY: both types are 16 bytes, and any bits are a value of either.
            Self(unsafe { std::mem::transmute::<[u32; 4], uint32x4_t>(words) })
        }
    }

    impl From<Four> for [u32; 4] {
        #[inline]
        fn from(four: Four) -> Self {
            // SAFETY: both types are 16 bytes, and any bits are a value of either.
            unsafe { std::mem::transmute::<uint32x4_t, [u32; 4]>(four.0) }
        }
    }

    impl Word for Four {
        #[inline]
        fn splat(value: u32) -> Self {
            // SAFETY: NEON is part of this target.
            Self(unsafe { vdupq_n_u32(value) })
        }

        #[inline]
        fn add(self, other: Self) -> Self {
            // SAFETY: NEON is part of this target.
            Self(unsafe { vaddq_u32(self.0, other.0) })
        }

        #[inline]
        fn and(self, other: Self) -> Self {
            // SAFETY: NEON is part of this target.
            Self(unsafe { vandq_u32(self.0, other.0) })
        }

        #[inline]
        fn xor(self, other: Self) -> Self {
            // SAFETY: NEON is part of this target.
            Self(unsafe { veorq_u32(self.0, other.0) })
        }

        #[inline]
        fn shift<const RIGHT: i32>(self) -> Self {
            // SAFETY: NEON is part of this target.
            Self(unsafe { vshrq_n_u32::<RIGHT>(self.0) })
        }

        #[inline]
        fn shift_left<const LEFT: i32>(self) -> Self {
            // SAFETY: NEON is part of this target.
            Self(unsafe { vshlq_n_u32::<LEFT>(self.0) })
        }
    }
}

#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little"))))]
mod vector {
    use super::Word;

    /// Four words in an array.
    #[derive(Clone, Copy)]
    pub(crate) struct Four([u32; 4]);

    impl From<[u32; 4]> for Four {
        fn from(words: [u32; 4]) -> Self {
            Self(words)
        }
    }

    impl From<Four> for [u32; 4] {
        fn from(four: Four) -> Self {
            four.0
        }
    }

    impl Four {
        #[inline]
        fn zip(self, other: Self, each: fn(u32, u32) -> u32) -> Self {
            Self(std::array::from_fn(|lane| each(self.0[lane], other.0[lane])))
        }
    }

    impl Word for Four {
        #[inline]
        fn splat(value: u32) -> Self {
            Self([value; 4])
        }

        #[inline]
        fn add(self, other: Self) -> Self {
            self.zip(other, u32::add)
        }

        #[inline]
        fn and(self, other: Self) -> Self {
            self.zip(other, u32::and)
        }

        #[inline]
        fn xor(self, other: Self) -> Self {
            self.zip(other, u32::xor)
        }

        #[inline]
        fn shift<const RIGHT: i32>(self) -> Self {
            Self(self.0.map(|word| word >> RIGHT))
        }

        #[inline]
        fn shift_left<const LEFT: i32>(self) -> Self {
            Self(self.0.map(|word| word << LEFT))
        }
    }
}
