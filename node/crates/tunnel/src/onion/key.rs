//! The private key of an onion service.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use curve25519_dalek::{EdwardsPoint, scalar::clamp_integer};
use sha2::{Digest, Sha512};
use zeroize::Zeroizing;

use super::OnionAddress;

/// An Ed25519 key as the seed of RFC 8032, from which tor's own form is made. Wiped when dropped; no `Debug`.
#[derive(Clone)]
pub struct OnionKey {
    seed: Zeroizing<[u8; 32]>,
}

impl OnionKey {
    /// The key of 32 random bytes.
    #[must_use]
    pub fn from_seed(seed: Zeroizing<[u8; 32]>) -> Self {
        Self { seed }
    }

    /// Scalar (32, clamped) ‖ PRF secret (32): SHA-512 of the seed (RFC 8032 §5.1.5), which is what tor wants, since
    /// it blinds keys and cannot blind a seed.
    fn expanded(&self) -> Zeroizing<[u8; 64]> {
        let mut expanded = Zeroizing::new([0; 64]);
        expanded.copy_from_slice(&Sha512::digest(self.seed.as_slice()));
        let mut scalar = Zeroizing::new([0; 32]);
        scalar.copy_from_slice(&expanded[..32]);
        expanded[..32].copy_from_slice(&clamp_integer(*scalar));
        expanded
    }

    /// The service's address.
    ///
    /// # Panics
    /// Never: a clamped multiple of the base point is in the large group.
    #[must_use]
    pub fn address(&self) -> OnionAddress {
        let expanded = self.expanded();
        let mut scalar = Zeroizing::new([0; 32]);
        scalar.copy_from_slice(&expanded[..32]);
        let public = EdwardsPoint::mul_base_clamped(*scalar).compress().to_bytes();
        OnionAddress::of(public)
            .expect("a clamped multiple of the base point is in the large group")
    }

    /// The key as `ADD_ONION` takes it: `ED25519-V3:` and the base64 of 64 bytes.
    pub(crate) fn blob(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(128));
        text.push_str("ED25519-V3:");
        STANDARD.encode_string(self.expanded().as_slice(), &mut text);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(seed: &str) -> OnionKey {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(seed, bytes.as_mut_slice()).unwrap();
        OnionKey::from_seed(bytes)
    }

    #[test]
    fn public_keys_are_those_of_rfc_8032() {
        // §7.1, tests 1 to 3.
        for (seed, public) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            ),
            (
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            ),
        ] {
            assert_eq!(hex::encode(key(seed).address().public()), public);
        }
    }

    #[test]
    fn the_expanded_key_is_that_of_a_published_example() {
        // RFC 8032 §7.1, test 1; its SHA-512, clamped, as tor's documentation of the format asks.
        let blob = key("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").blob();
        let bytes = STANDARD.decode(blob.strip_prefix("ED25519-V3:").unwrap()).unwrap();
        let expected = "307c83864f2833cb427a2ef1c00a013cfdff2768d980c0a3a520f006904de94f\
                        9b4f0afe280b746a778684e75442502057b7473a03f08f96f5a38e9287e01f8f";
        assert_eq!(hex::encode(bytes), expected);
    }
}
