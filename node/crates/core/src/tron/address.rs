//! TRON addresses: `0x41` and the last 20 bytes of the Keccak-256 of a public key
//! (<https://developers.tron.network/docs/account>). Mainnet, Shasta and Nile share the prefix.

use core::{fmt, str::FromStr};

use k256::ecdsa::VerifyingKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha3::{Digest, Keccak256};

use crate::{Owner, hash::parse_lower_hex};

/// The first byte of every address.
const PREFIX: u8 = 0x41;
/// Characters of an address: 25 bytes that begin with `0x41` always have so many.
const CHARACTERS: usize = 34;

/// An address. Its text is base58check, 34 characters that begin with T; its bytes are 21.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address([u8; 20]);

/// What is no address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it is no TRON address: 34 characters in base58check that begin with T")]
pub struct AddressError;

impl Address {
    /// Bytes of an address: `0x41`, then 20.
    pub const BYTES: usize = 21;

    /// The address of a public key.
    #[must_use]
    pub fn of_key(key: &VerifyingKey) -> Self {
        let point = key.to_sec1_point(false);
        // Without the tag that says the point is not compressed.
        Self::of_hash(&Keccak256::digest(&point.as_bytes()[1..]).into())
    }

    /// The address that ends with the last 20 bytes of a Keccak-256.
    pub(super) fn of_hash(hash: &[u8; 32]) -> Self {
        let mut bytes = [0; 20];
        bytes.copy_from_slice(&hash[12..]);
        Self(bytes)
    }

    /// The address with these 20 bytes behind the prefix, as contracts have it.
    #[must_use]
    pub const fn from_evm(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The 20 bytes behind the prefix, as contracts have them.
    #[must_use]
    pub fn evm(&self) -> &[u8; 20] {
        &self.0
    }

    /// Reads the 21 bytes that messages have.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AddressError> {
        match bytes.split_first() {
            Some((&PREFIX, rest)) => Ok(Self(rest.try_into().map_err(|_| AddressError)?)),
            _ => Err(AddressError),
        }
    }

    /// The 21 bytes that messages have.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [PREFIX; Self::BYTES];
        bytes[1..].copy_from_slice(&self.0);
        bytes
    }

    /// Reads the form that TRON's HTTP API has: 42 lower-case hex digits that begin with 41.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn from_hex(text: &str) -> Result<Self, AddressError> {
        let bytes: [u8; Self::BYTES] = parse_lower_hex(text).ok_or(AddressError)?;
        Self::from_bytes(&bytes)
    }

    /// The form that TRON's HTTP API has: 42 lower-case hex digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.to_bytes())
    }

    /// The address as an owner's name.
    ///
    /// # Panics
    /// Never: base58 is within an owner's characters.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.to_string().parse().expect("base58 is within an owner's characters")
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() != CHARACTERS {
            return Err(AddressError);
        }
        let bytes = bs58::decode(text).with_check(None).into_vec().map_err(|_| AddressError)?;
        Self::from_bytes(&bytes)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(self.to_bytes()).with_check().into_string())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form() {
        // The USDT contract, and TRON's own example account.
        for (text, hex) in [
            ("TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", "41a614f803b6fd780986a42c78ec9c7f77e6ded13c"),
            ("TJRabPrwbZy45sbavfcjinPJC18kjpRTv8", "415cbdd86a2fa8dc4bddd8a8f69dba48572eec07fb"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(address.owner().as_str(), text);
            assert_eq!(address.to_hex(), hex);
            assert_eq!(Address::from_hex(hex), Ok(address));
            assert_eq!(Address::from_bytes(&address.to_bytes()), Ok(address));
            assert_eq!(Address::from_evm(*address.evm()), address);
            assert_eq!(serde_json::to_string(&address).unwrap(), format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Address>(&format!("\"{text}\"")).unwrap(), address);
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "T",
            "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6u",
            "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6",
            "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6tt",
            " TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
            "tR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            "41a614f803b6fd780986a42c78ec9c7f77e6ded13c",
            "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj0t",
        ] {
            assert_eq!(text.parse::<Address>(), Err(AddressError), "{text}");
        }
        for hex in [
            "",
            "a614f803b6fd780986a42c78ec9c7f77e6ded13c",
            "40a614f803b6fd780986a42c78ec9c7f77e6ded13c",
            "a0a614f803b6fd780986a42c78ec9c7f77e6ded13c",
            "41A614F803B6FD780986A42C78EC9C7F77E6DED13C",
            "0x41a614f803b6fd780986a42c78ec9c7f77e6ded1",
            "41a614f803b6fd780986a42c78ec9c7f77e6ded13",
            "41a614f803b6fd780986a42c78ec9c7f77e6ded13c00",
        ] {
            assert_eq!(Address::from_hex(hex), Err(AddressError), "{hex}");
        }
        for bytes in [&[][..], &[0x41], &[0x41; 20], &[0x41; 22], &[0x42; 21]] {
            assert_eq!(Address::from_bytes(bytes), Err(AddressError), "{bytes:?}");
        }
    }
}
