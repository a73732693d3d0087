//! Which kernels exist, which of them this CPU runs, and which one is the default.

use std::fmt;

use super::lanes;
#[cfg(target_arch = "x86_64")]
use super::lanes::Narrow;
use super::portable::Portable;
use crate::cpu::{self, Feature, Features};

/// An implementation of SHA-256 and the number of messages it interleaves.
///
/// Messages left over by the widest group run in narrower groups of the same implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Plain Rust, one message.
    PortableX1,
    /// Plain Rust, two messages in turn: two of a vector's four positions are slower than that.
    PortableX2,
    /// The architecture's baseline vectors (SSE2, NEON), four messages.
    PortableX4,
    /// x86 SHA-NI, one message.
    ShaNiX1,
    /// x86 SHA-NI, two messages: the most whose state fits 16 registers. Four run as two pairs.
    ShaNiX2,
    /// x86 AVX-512, sixteen messages; those left over run on SHA-NI, or on plain Rust without it.
    Avx512X16,
    /// ARMv8 SHA2, one message.
    Armv8X1,
    /// ARMv8 SHA2, two messages.
    Armv8X2,
    /// ARMv8 SHA2, four messages.
    Armv8X4,
}

impl Kernel {
    const ALL: [Self; 9] = [
        Self::PortableX1,
        Self::PortableX2,
        Self::PortableX4,
        Self::ShaNiX1,
        Self::ShaNiX2,
        Self::Avx512X16,
        Self::Armv8X1,
        Self::Armv8X2,
        Self::Armv8X4,
    ];

    /// The default on a CPU with these features; the module's table says why these widths.
    pub const fn best_for(features: Features) -> Self {
        if features.has_avx512() && (features.is_intel() || !features.has(Feature::ShaNi)) {
            Self::Avx512X16
        } else if features.has(Feature::ShaNi) {
            Self::ShaNiX2
        } else if features.has(Feature::ArmSha2) {
            Self::Armv8X4
        } else {
            Self::PortableX4
        }
    }

    /// The implementation, as reports show it: `avx512`, `sha-ni`, `armv8-sha2` or
    /// `portable`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PortableX1 | Self::PortableX2 | Self::PortableX4 => "portable",
            Self::ShaNiX1 | Self::ShaNiX2 => "sha-ni",
            Self::Avx512X16 => "avx512",
            Self::Armv8X1 | Self::Armv8X2 | Self::Armv8X4 => "armv8-sha2",
        }
    }

    /// How many messages are hashed together: 1, 2, 4 or 16.
    pub const fn lanes(self) -> usize {
        match self {
            Self::PortableX1 | Self::ShaNiX1 | Self::Armv8X1 => 1,
            Self::PortableX2 | Self::ShaNiX2 | Self::Armv8X2 => 2,
            Self::PortableX4 | Self::Armv8X4 => 4,
            Self::Avx512X16 => 16,
        }
    }

    /// Whether this CPU has the instructions.
    pub fn is_available(self) -> bool {
        match self {
            Self::PortableX1 | Self::PortableX2 | Self::PortableX4 => true,
            Self::ShaNiX1 | Self::ShaNiX2 => cpu::features().has(Feature::ShaNi),
            Self::Avx512X16 => cpu::features().has_avx512(),
            Self::Armv8X1 | Self::Armv8X2 | Self::Armv8X4 => cpu::features().has(Feature::ArmSha2),
        }
    }

    /// Hashes with this kernel; `messages` and `digests` are equally long.
    pub(super) fn hash(self, prefix: u8, messages: &[&[u8]], digests: &mut [[u8; 32]]) {
        let width = self.lanes();
        match self {
            Self::PortableX1 | Self::PortableX2 | Self::PortableX4 => {
                lanes::hash(Portable, width, prefix, messages, digests);
            }
            #[cfg(target_arch = "x86_64")]
            Self::ShaNiX1 | Self::ShaNiX2 => {
                let sha_ni = super::x86::ShaNi::detect().expect("a CPU with SHA-NI");
                lanes::hash(sha_ni, width, prefix, messages, digests);
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512X16 => {
                let wide = super::avx512::Avx512::detect().expect("a CPU with AVX-512 F and BW");
                // Sixteen take as long as ten in pairs by SHA-NI, or two and a half by SSE2.
                if let Some(compress) = super::x86::ShaNi::detect() {
                    let narrow = Narrow { compress, width: 2, enough: 10 };
                    lanes::hash_wide(wide, narrow, prefix, messages, digests);
                } else {
                    let narrow = Narrow { compress: Portable, width: 4, enough: 3 };
                    lanes::hash_wide(wide, narrow, prefix, messages, digests);
                }
            }
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::Armv8X1 | Self::Armv8X2 | Self::Armv8X4 => {
                let armv8 = super::armv8::Armv8::detect().expect("a CPU with the SHA2 extension");
                lanes::hash(armv8, width, prefix, messages, digests);
            }
            _ => panic!("{self} is a kernel of another architecture"),
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x{}", self.name(), self.lanes())
    }
}

/// The kernels that this CPU can run, the portable ones first.
pub fn kernels() -> Vec<Kernel> {
    Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()).collect()
}
