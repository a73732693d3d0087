//! Which kernels exist, which of them this CPU runs, and which one is the default.

use std::fmt;

use super::lanes;
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
    /// ARMv8 SHA2, one message.
    Armv8X1,
    /// ARMv8 SHA2, two messages.
    Armv8X2,
    /// ARMv8 SHA2, four messages.
    Armv8X4,
}

impl Kernel {
    const ALL: [Self; 8] = [
        Self::PortableX1,
        Self::PortableX2,
        Self::PortableX4,
        Self::ShaNiX1,
        Self::ShaNiX2,
        Self::Armv8X1,
        Self::Armv8X2,
        Self::Armv8X4,
    ];

    /// The default on a CPU with these features; the module's table says why these widths.
    pub const fn best_for(features: Features) -> Self {
        if features.has(Feature::ShaNi) {
            Self::ShaNiX2
        } else if features.has(Feature::ArmSha2) {
            Self::Armv8X4
        } else {
            Self::PortableX4
        }
    }

    /// The implementation, as reports show it: `sha-ni`, `armv8-sha2` or `portable`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PortableX1 | Self::PortableX2 | Self::PortableX4 => "portable",
            Self::ShaNiX1 | Self::ShaNiX2 => "sha-ni",
            Self::Armv8X1 | Self::Armv8X2 | Self::Armv8X4 => "armv8-sha2",
        }
    }

    /// How many messages are hashed together: 1, 2 or 4.
    pub const fn lanes(self) -> usize {
        match self {
            Self::PortableX1 | Self::ShaNiX1 | Self::Armv8X1 => 1,
            Self::PortableX2 | Self::ShaNiX2 | Self::Armv8X2 => 2,
            Self::PortableX4 | Self::Armv8X4 => 4,
        }
    }

    /// Whether this CPU has the instructions.
    pub fn is_available(self) -> bool {
        match self {
            Self::PortableX1 | Self::PortableX2 | Self::PortableX4 => true,
            Self::ShaNiX1 | Self::ShaNiX2 => cpu::features().has(Feature::ShaNi),
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
