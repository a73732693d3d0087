//! Addresses of onion services, version 3.

use std::{fmt, str::FromStr};

use curve25519_dalek::edwards::CompressedEdwardsY;
use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use sha3::{Digest, Sha3_256};

/// What the checksum is made over, before the key.
const CHECKSUM: &[u8] = b".onion checksum";
/// The only version.
const VERSION: u8 = 3;
/// Characters before `.onion`.
const LABEL_CHARS: usize = 56;

/// Why a text is no address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AddressError {
    /// Not its form.
    #[error("an onion address is 56 letters a-z and digits 2-7, and .onion")]
    Form,
    /// Mistyped.
    #[error("the onion address has a typing error: its checksum is another one")]
    Checksum,
    /// Of a later or earlier kind.
    #[error("the onion address is of version {0}; this node knows version 3")]
    Version(u8),
    /// No key of the curve, or one that many private keys have.
    #[error("the onion address holds no usable public key")]
    Key,
}

/// An address, `LABEL.onion`: label = base32(public key (32) ‖ checksum (2) ‖ version (1)), lower-case, where
/// checksum = SHA3-256(".onion checksum" ‖ public key ‖ version), its first two bytes (rend-spec-v3 §6). The key is
/// Ed25519, a point of the large group only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OnionAddress([u8; 32]);

impl OnionAddress {
    /// The address of a public key.
    ///
    /// # Errors
    /// [`AddressError::Key`].
    pub fn of(public: [u8; 32]) -> Result<Self, AddressError> {
        let point = CompressedEdwardsY(public).decompress().ok_or(AddressError::Key)?;
        match point.is_torsion_free() && !point.is_small_order() {
            true => Ok(Self(public)),
            false => Err(AddressError::Key),
        }
    }

    /// The Ed25519 public key.
    #[must_use]
    pub fn public(&self) -> &[u8; 32] {
        &self.0
    }

    /// What is before `.onion`: tor's `ServiceID`.
    #[must_use]
    pub fn label(&self) -> String {
        let mut bytes = [0; 35];
        bytes[..32].copy_from_slice(&self.0);
        bytes[32..34].copy_from_slice(&checksum(&self.0));
        bytes[34] = VERSION;
        BASE32_NOPAD.encode(&bytes).to_ascii_lowercase()
    }

    /// Reads a label without `.onion`.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn from_label(label: &str) -> Result<Self, AddressError> {
        let is_one = |byte: u8| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte);
        if label.len() != LABEL_CHARS || !label.bytes().all(is_one) {
            return Err(AddressError::Form);
        }
        let bytes = BASE32_NOPAD.decode(label.to_ascii_uppercase().as_bytes());
        let bytes: [u8; 35] =
            bytes.ok().and_then(|b| b.try_into().ok()).ok_or(AddressError::Form)?;
        let (key, rest) = bytes.split_first_chunk::<32>().ok_or(AddressError::Form)?;
        match rest {
            [_, _, version] if *version != VERSION => Err(AddressError::Version(*version)),
            [a, b, _] if [*a, *b] == checksum(key) => Self::of(*key),
            _ => Err(AddressError::Checksum),
        }
    }
}

fn checksum(public: &[u8; 32]) -> [u8; 2] {
    let hash = Sha3_256::new().chain_update(CHECKSUM).chain_update(public);
    let hash = hash.chain_update([VERSION]).finalize();
    [hash[0], hash[1]]
}

impl fmt::Display for OnionAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.onion", self.label())
    }
}

impl fmt::Debug for OnionAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for OnionAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::from_label(text.strip_suffix(".onion").ok_or(AddressError::Form)?)
    }
}

impl TryFrom<String> for OnionAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<OnionAddress> for String {
    fn from(address: OnionAddress) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of rend-spec-v3 §6, and torproject.org's own address.
    const PUBLISHED: [&str; 4] = [
        "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion",
        "sp3k262uwy4r2k3ycr5awluarykdpag6a7y33jxop4cs2lu5uz5sseqd.onion",
        "xa4r2iadxm55fbnqgwwi5mymqdcofiu3w6rpbtqn7b2dyn7mgwj64jyd.onion",
        "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion",
    ];

    #[test]
    fn published_addresses_are_read_and_written() {
        for text in PUBLISHED {
            let address: OnionAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(OnionAddress::of(*address.public()), Ok(address));
        }
    }

    #[test]
    fn others_are_refused() {
        let good = PUBLISHED[0];
        let of = |key: [u8; 32], version: u8| {
            let hash = Sha3_256::new().chain_update(CHECKSUM).chain_update(key);
            let hash = hash.chain_update([version]).finalize();
            let bytes = [key.as_slice(), &hash[..2], &[version]].concat();
            BASE32_NOPAD.encode(&bytes).to_ascii_lowercase() + ".onion"
        };
        // The neutral element: every signature's equation holds for it.
        let neutral: [u8; 32] = std::array::from_fn(|place| u8::from(place == 0));
        let rows = [
            (good.replace(".onion", ""), AddressError::Form),
            (good.to_uppercase(), AddressError::Form),
            (good.replacen("pg6", "pg1", 1), AddressError::Form),
            (good.replacen("pg6", "pg", 1), AddressError::Form),
            (format!("www.{good}"), AddressError::Form),
            (format!("{good}."), AddressError::Form),
            (String::new(), AddressError::Form),
            (good.replacen("pg6", "pg5", 1), AddressError::Checksum),
            (of([1; 32], 2), AddressError::Version(2)),
            (of(neutral, 3), AddressError::Key),
            (of([0xff; 32], 3), AddressError::Key),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<OnionAddress>(), Err(expected), "{text}");
        }
    }
}
