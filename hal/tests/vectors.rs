//! Published vectors, and which kernel was chosen to compute them.

use lucid_hal::cpu::{self, Feature};
use lucid_hal::sha256::{Kernel, kernels, sha256_prefixed, sha256_prefixed_many_with};

/// The message's first byte is the prefix: the API has no unprefixed entry.
fn check(message: &[u8], digest: &str) {
    let digest = unhex(digest);
    let (&prefix, rest) = message.split_first().expect("a vector with a byte");
    for kernel in kernels() {
        // Enough copies for a whole group and a remainder.
        let mut digests = [[0; 32]; 5];
        sha256_prefixed_many_with(kernel, prefix, &[rest; 5], &mut digests);
        for found in digests {
            assert_eq!(found, digest, "{kernel}");
        }
    }
    assert_eq!(sha256_prefixed(prefix, rest), digest);
}

fn unhex(digits: &str) -> [u8; 32] {
    assert_eq!(digits.len(), 64);
    std::array::from_fn(|byte| {
        u8::from_str_radix(&digits[2 * byte..2 * byte + 2], 16).expect("hex digits")
    })
}

#[test]
fn fips_180_4_examples() {
    check(b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check(
        b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    );
    let million = vec![b'a'; 1_000_000];
    check(&million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

#[test]
fn rfc_6962_leaf_of_the_empty_message() {
    // H(0x00), from RFC 6962's reference implementation; with a prefix there is no empty input.
    check(&[0x00], "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
}

/// The kernel must follow the features that the standard library detects, read here without the
/// crate. A run under emulation prints which path it took.
#[test]
fn the_kernel_chosen_is_the_one_the_features_allow() {
    #[cfg(target_arch = "x86_64")]
    let (expected, name) = {
        let sha = std::arch::is_x86_feature_detected!("sha")
            && std::arch::is_x86_feature_detected!("ssse3")
            && std::arch::is_x86_feature_detected!("sse4.1");
        let wide = std::arch::is_x86_feature_detected!("avx512f")
            && std::arch::is_x86_feature_detected!("avx512bw");
        if wide && (!sha || cpu::features().is_intel()) {
            (Kernel::Avx512X16, "avx512")
        } else if sha {
            (Kernel::ShaNiX2, "sha-ni")
        } else {
            (Kernel::PortableX4, "portable")
        }
    };
    #[cfg(target_arch = "aarch64")]
    let (expected, name) = if std::arch::is_aarch64_feature_detected!("sha2") {
        (Kernel::Armv8X4, "armv8-sha2")
    } else {
        (Kernel::PortableX4, "portable")
    };
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let (expected, name) = (Kernel::PortableX4, "portable");

    let names = cpu::features().names();
    let available: Vec<String> = kernels().iter().map(ToString::to_string).collect();
    println!("features {names:?}\nkernels {available:?}\nchosen {}", cpu::best_sha256());
    assert_eq!(cpu::best_sha256(), expected);
    assert_eq!(cpu::best_sha256().name(), name);
    assert!(kernels().contains(&expected));
    assert!(kernels().contains(&Kernel::PortableX1));
}

#[test]
fn names_are_those_of_the_features_present() {
    let features = cpu::features();
    for feature in [Feature::ShaNi, Feature::AesNi, Feature::Neon, Feature::ArmSha2] {
        assert_eq!(features.names().contains(&feature.name()), features.has(feature));
    }
}
