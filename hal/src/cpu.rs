//! What this CPU can do, detected once.
//!
//! Owns detection and the names shown by `doctor`. Leaves the choice of a SHA-256 kernel to
//! [`crate::sha256`] and the choice of a cipher suite to the pipeline. Nothing overrides what was
//! detected: a kernel's soundness rests on it, so only this crate can make a [`Features`].

use std::sync::OnceLock;

use crate::sha256::Kernel;

/// One instruction-set extension Lucid has a use for, or reports because a library it links has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// x86: SHA-NI, with the SSSE3 and SSE4.1 that every use of it needs.
    ShaNi,
    /// x86: AES-NI.
    AesNi,
    /// x86: carry-less multiplication, for GHASH.
    Pclmulqdq,
    /// x86: AVX, enabled by the operating system too.
    Avx,
    /// x86: AVX2.
    Avx2,
    /// x86: AVX-512 Foundation.
    Avx512f,
    /// x86: AVX-512 on bytes and words.
    Avx512bw,
    /// x86: AVX-512 on 128- and 256-bit registers.
    Avx512vl,
    /// x86: AES-NI on wide registers.
    Vaes,
    /// x86: carry-less multiplication on wide registers.
    Vpclmulqdq,
    /// ARMv8: Advanced SIMD.
    Neon,
    /// ARMv8 Cryptographic Extension: AES.
    ArmAes,
    /// ARMv8 Cryptographic Extension: 64-bit polynomial multiplication, for GHASH.
    Pmull,
    /// ARMv8 Cryptographic Extension: SHA-256 (`sha2`).
    ArmSha2,
}

impl Feature {
    const ALL: [Self; 14] = [
        Self::ShaNi,
        Self::AesNi,
        Self::Pclmulqdq,
        Self::Avx,
        Self::Avx2,
        Self::Avx512f,
        Self::Avx512bw,
        Self::Avx512vl,
        Self::Vaes,
        Self::Vpclmulqdq,
        Self::Neon,
        Self::ArmAes,
        Self::Pmull,
        Self::ArmSha2,
    ];

    /// The vendor's short name, in lower case, as `doctor` and `/metrics` show it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ShaNi => "sha-ni",
            Self::AesNi => "aes-ni",
            Self::Pclmulqdq => "pclmulqdq",
            Self::Avx => "avx",
            Self::Avx2 => "avx2",
            Self::Avx512f => "avx512f",
            Self::Avx512bw => "avx512bw",
            Self::Avx512vl => "avx512vl",
            Self::Vaes => "vaes",
            Self::Vpclmulqdq => "vpclmulqdq",
            Self::Neon => "neon",
            Self::ArmAes => "aes",
            Self::Pmull => "pmull",
            Self::ArmSha2 => "sha2",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// The set of [`Feature`]s a CPU has. Read it with [`features`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    bits: u16,
    is_intel: bool,
}

impl Features {
    /// A set made by hand, for tests of what is chosen. Not public: see the module's invariant.
    #[cfg(test)]
    pub(crate) fn of(present: &[Feature]) -> Self {
        Self { bits: present.iter().fold(0, |bits, feature| bits | feature.bit()), is_intel: false }
    }

    /// The same, made by Intel.
    #[cfg(test)]
    pub(crate) fn by_intel(self) -> Self {
        Self { is_intel: true, ..self }
    }

    /// Whether the CPU has this extension.
    pub const fn has(self, feature: Feature) -> bool {
        self.bits & feature.bit() != 0
    }

    /// Whether it has AVX-512 on words, and on bytes to swap them.
    pub(crate) const fn has_avx512(self) -> bool {
        self.has(Feature::Avx512f) && self.has(Feature::Avx512bw)
    }

    /// Whether Intel made it, whose SHA unit is so slow that wide vectors without one are faster.
    pub const fn is_intel(self) -> bool {
        self.is_intel
    }

    /// Whether AES-GCM runs on instructions: AES with carry-less multiplication on x86, AES with
    /// PMULL on ARM. Without them ChaCha20-Poly1305 is faster and does not leak through caches.
    pub fn has_aes(&self) -> bool {
        (self.has(Feature::AesNi) && self.has(Feature::Pclmulqdq))
            || (self.has(Feature::ArmAes) && self.has(Feature::Pmull))
    }

    /// The names of all that is present, in a fixed order.
    pub fn names(&self) -> Vec<&'static str> {
        let present = Feature::ALL.into_iter().filter(|&feature| self.has(feature));
        present.map(Feature::name).collect()
    }
}

/// What this CPU has. The first call detects, later ones read.
pub fn features() -> &'static Features {
    static DETECTED: OnceLock<Features> = OnceLock::new();
    DETECTED.get_or_init(|| {
        let found = detect();
        let bits = found.iter().filter(|(_, is_present)| *is_present);
        let bits = bits.fold(0, |bits, (feature, _)| bits | feature.bit());
        Features { bits, is_intel: made_by_intel() }
    })
}

/// The SHA-256 kernel that [`crate::sha256`] uses on this CPU; [`Kernel::name`] is for reports
/// (`avx512`, `sha-ni`, `armv8-sha2`, `portable`).
pub fn best_sha256() -> Kernel {
    Kernel::best_for(*features())
}

#[cfg(target_arch = "x86_64")]
fn detect() -> [(Feature, bool); 10] {
    use std::arch::is_x86_feature_detected as has;
    let sha = has!("sha") && has!("ssse3") && has!("sse4.1");
    [
        (Feature::ShaNi, sha),
        (Feature::AesNi, has!("aes")),
        (Feature::Pclmulqdq, has!("pclmulqdq")),
        (Feature::Avx, has!("avx")),
        (Feature::Avx2, has!("avx2")),
        (Feature::Avx512f, has!("avx512f")),
        (Feature::Avx512bw, has!("avx512bw")),
        (Feature::Avx512vl, has!("avx512vl")),
        (Feature::Vaes, has!("vaes")),
        (Feature::Vpclmulqdq, has!("vpclmulqdq")),
    ]
}

/// The vendor as CPUID's leaf 0 spells it, in EBX, EDX, ECX.
#[cfg(target_arch = "x86_64")]
fn made_by_intel() -> bool {
    let vendor = std::arch::x86_64::__cpuid(0);
    [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened() == b"GenuineIntel"
}

#[cfg(not(target_arch = "x86_64"))]
fn made_by_intel() -> bool {
    false
}

#[cfg(target_arch = "aarch64")]
fn detect() -> [(Feature, bool); 4] {
    use std::arch::is_aarch64_feature_detected as has;
    [
        (Feature::Neon, has!("neon")),
        (Feature::ArmAes, has!("aes")),
        (Feature::Pmull, has!("pmull")),
        // The kernel is written for little-endian vectors, as every supported system has them.
        (Feature::ArmSha2, cfg!(target_endian = "little") && has!("sha2")),
    ]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn detect() -> [(Feature, bool); 0] {
    []
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(present: &[Feature], names: &[&str], has_aes: bool, kernel: &str) {
        let features = Features::of(present);
        assert_eq!(features.names(), names);
        assert_eq!(features.has_aes(), has_aes, "{names:?}");
        assert_eq!(Kernel::best_for(features).name(), kernel, "{names:?}");
    }

    #[test]
    fn features_decide_cipher_and_names() {
        let portable = "portable";
        check(&[], &[], false, portable);
        check(&[Feature::AesNi], &["aes-ni"], false, portable);
        check(&[Feature::Neon], &["neon"], false, portable);
        check(&[Feature::ArmAes], &["aes"], false, portable);
        let both = [Feature::Pclmulqdq, Feature::AesNi];
        check(&both, &["aes-ni", "pclmulqdq"], true, portable);
        let pi5 = [Feature::Pmull, Feature::ArmAes, Feature::Neon];
        check(&pi5, &["neon", "aes", "pmull"], true, portable);
        // Halves of the two architectures do not add up to a whole.
        check(&[Feature::AesNi, Feature::Pmull], &["aes-ni", "pmull"], false, portable);
    }

    #[test]
    fn kernel_follows_features() {
        check(&[Feature::ShaNi], &["sha-ni"], false, "sha-ni");
        check(&[Feature::ShaNi, Feature::Avx], &["sha-ni", "avx"], false, "sha-ni");
        check(&[Feature::ArmSha2], &["sha2"], false, "armv8-sha2");
        // Sixteen lanes where there is no SHA unit, or a slow one.
        let avx512 = [Feature::Avx512f, Feature::Avx512bw];
        check(&avx512, &["avx512f", "avx512bw"], false, "avx512");
        check(&[Feature::Avx512f], &["avx512f"], false, "portable");
        let both = [Feature::ShaNi, Feature::Avx512f, Feature::Avx512bw];
        check(&both, &["sha-ni", "avx512f", "avx512bw"], false, "sha-ni");
        assert_eq!(Kernel::best_for(Features::of(&both).by_intel()), Kernel::Avx512X16);
        let sha = Features::of(&[Feature::ShaNi, Feature::Avx512f]).by_intel();
        assert_eq!(Kernel::best_for(sha), Kernel::ShaNiX2);
    }

    #[test]
    fn all_lists_each_feature_at_its_own_bit() {
        for (index, feature) in Feature::ALL.into_iter().enumerate() {
            assert_eq!(feature as usize, index, "{}", feature.name());
        }
    }

    #[test]
    fn detection_is_stable() {
        assert_eq!(features(), features());
        let best = best_sha256();
        println!("features {:?}, SHA-256 kernel {best}", features().names());
    }
}
