//! TRON addresses: base58check of `0x41` and the last 20 bytes of the Keccak-256 of a public key
//! (<https://developers.tron.network/docs/account>). Mainnet, Shasta and Nile share the prefix.

use std::{fmt, str::FromStr};

use k256::ecdsa::VerifyingKey;
use lucid_core::Owner;
use sha3::{Digest, Keccak256};

/// The first byte of every address.
const PREFIX: u8 = 0x41;
/// Characters of an address: 25 bytes that begin with `0x41` always have so many.
const CHARACTERS: usize = 34;

/// An address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address([u8; 20]);

/// A text that is no address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it is no TRON address: 34 characters in base58check that begin with T")]
pub struct AddressError;

impl Address {
    /// The address of a public key.
    #[must_use]
    pub fn of_key(key: &VerifyingKey) -> Self {
        let point = key.to_sec1_point(false);
        // Without the tag that says the point is not compressed.
        let hash = Keccak256::digest(&point.as_bytes()[1..]);
        let mut bytes = [0; 20];
        bytes.copy_from_slice(&hash[12..]);
        Self(bytes)
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
        match bytes.split_first() {
            Some((&PREFIX, rest)) => Ok(Self(rest.try_into().map_err(|_| AddressError)?)),
            _ => Err(AddressError),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [PREFIX; 21];
        bytes[1..].copy_from_slice(&self.0);
        f.write_str(&bs58::encode(bytes).with_check().into_string())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form() {
        // The USDT contract, and TRON's own example account.
        for text in ["TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8"] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(address.owner().as_str(), text);
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
    }
}
