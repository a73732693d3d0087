//! Addresses: `0x41` and the last 20 bytes of a Keccak-256, in hex or base58check
//! (tronprotocol/documentation-en, "Account").

use std::{fmt, str::FromStr};

use k256::ecdsa::VerifyingKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::hash;

/// The first byte of every address.
const PREFIX: u8 = 0x41;

/// An address, its 21 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address([u8; 21]);

/// What is no address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it is no TRON address: 42 hex digits that begin with 41, or their base58check")]
pub struct AddressError;

impl Address {
    /// The address of which these are the last 20 bytes.
    #[must_use]
    pub fn of_last(last: &[u8; 20]) -> Self {
        let mut bytes = [PREFIX; 21];
        bytes[1..].copy_from_slice(last);
        Self(bytes)
    }

    /// Reads 21 bytes.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, AddressError> {
        match <[u8; 21]>::try_from(bytes) {
            Ok(bytes) if bytes[0] == PREFIX => Ok(Self(bytes)),
            _ => Err(AddressError),
        }
    }

    /// Reads 42 hex digits.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn of_hex(text: &str) -> Result<Self, AddressError> {
        Self::of_bytes(&hex::decode(text).map_err(|_| AddressError)?)
    }

    /// Reads base58check.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn of_base58(text: &str) -> Result<Self, AddressError> {
        // 25 bytes have 34 characters; a bound keeps long texts from costing their square.
        if text.len() != 34 {
            return Err(AddressError);
        }
        let bytes = bs58::decode(text).with_check(None).into_vec().map_err(|_| AddressError)?;
        Self::of_bytes(&bytes)
    }

    /// The address of a public key.
    #[must_use]
    pub fn of_key(key: &VerifyingKey) -> Self {
        // The point's two coordinates, without the tag that says they are both there.
        Self::of_digest(&hash::keccak(&key.to_sec1_point(false).as_bytes()[1..]))
    }

    /// The address of a contract that `owner` creates with transaction `id`
    /// (`WalletUtil.generateContractAddress` of java-tron).
    #[must_use]
    pub fn of_contract(id: &[u8; 32], owner: Self) -> Self {
        Self::of_digest(&hash::keccak(&[id.as_slice(), &owner.0].concat()))
    }

    fn of_digest(digest: &[u8; 32]) -> Self {
        let mut bytes = [PREFIX; 21];
        bytes[1..].copy_from_slice(&digest[12..]);
        Self(bytes)
    }

    /// All 21 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 21] {
        &self.0
    }

    /// The 20 bytes that the virtual machine knows it by.
    #[must_use]
    pub fn last(&self) -> &[u8] {
        &self.0[1..]
    }

    /// Its 42 hex digits.
    #[must_use]
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }

    /// As the virtual machine has it in 32 bytes.
    #[must_use]
    pub fn word(&self) -> [u8; 32] {
        let mut word = [0; 32];
        word[12..].copy_from_slice(self.last());
        word
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::of_base58(text).or_else(|_| Self::of_hex(text))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(self.0).with_check().into_string())
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
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_nothing_else() {
        // USDT's contract on mainnet, as TRONSCAN has it in both forms.
        let base58 = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t";
        let hex = "41a614f803b6fd780986a42c78ec9c7f77e6ded13c";
        let address: Address = base58.parse().unwrap();
        assert_eq!(address.hex(), hex);
        assert_eq!(hex.parse(), Ok(address));
        assert_eq!(address.to_string(), base58);
        let rows = [
            "",
            &base58[1..],
            &format!("{base58}t"),
            "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6T",
            &hex[2..],
            &format!("42{}", &hex[2..]),
            &format!("0x{hex}"),
        ];
        for row in rows {
            assert_eq!(row.parse::<Address>(), Err(AddressError), "{row}");
        }
    }
}
