//! The one hash of every format: SHA-256 (FIPS 180-4), 32 bytes, lower-case hex in JSON and on the
//! command line.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// A SHA-256 digest, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

/// Why a text is no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 lower-case hex digits")]
pub struct HashParseError;

impl Hash {
    /// Bytes in a hash.
    pub const BYTES: usize = 32;

    /// SHA-256 of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// SHA-256 of the concatenation of `parts`.
    #[must_use]
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// The digest's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = HashParseError;

    fn from_str(text: &str) -> Result<Self, HashParseError> {
        parse_lower_hex(text).map(Self).ok_or(HashParseError)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A hash, or how one begins: at least 8 of its 64 hex digits, in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HashPrefix {
    first: Hash,
    last: Hash,
    digits: usize,
}

/// Why a text is no hash and no beginning of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a hash is 64 lower-case hex digits, or at least the first 8 of them")]
pub struct HashPrefixError;

impl HashPrefix {
    /// The shortest beginning that is searched for, in hex digits: few hashes of a node share it.
    pub const DIGITS_MIN: usize = 8;

    /// The first hash that begins so.
    #[must_use]
    pub fn first(&self) -> Hash {
        self.first
    }

    /// The last hash that begins so.
    #[must_use]
    pub fn last(&self) -> Hash {
        self.last
    }

    /// Whether a hash begins so.
    #[must_use]
    pub fn takes(&self, hash: &Hash) -> bool {
        (self.first..=self.last).contains(hash)
    }
}

impl From<Hash> for HashPrefix {
    fn from(hash: Hash) -> Self {
        Self { first: hash, last: hash, digits: 2 * Hash::BYTES }
    }
}

impl FromStr for HashPrefix {
    type Err = HashPrefixError;

    fn from_str(text: &str) -> Result<Self, HashPrefixError> {
        let digits = text.len();
        if !(Self::DIGITS_MIN..=2 * Hash::BYTES).contains(&digits) {
            return Err(HashPrefixError);
        }
        let filled = |digit: &str| {
            let text = text.to_owned() + &digit.repeat(2 * Hash::BYTES - digits);
            text.parse().map_err(|_| HashPrefixError)
        };
        Ok(Self { first: filled("0")?, last: filled("f")?, digits })
    }
}

impl fmt::Display for HashPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.first.to_string()[..self.digits])
    }
}

impl Serialize for HashPrefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HashPrefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// `N` bytes from exactly `2 N` lower-case hex digits; upper case is another encoding of the same
/// value and therefore refused.
#[must_use]
pub fn parse_lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.bytes().any(|digit| digit.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

/// The bytes of lower-case hex digits, at most `bytes_max`; nothing for any other text.
#[must_use]
pub fn parse_lower_hex_bytes(text: &str, bytes_max: usize) -> Option<Vec<u8>> {
    let digits = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    let short = text.len().div_ceil(2) <= bytes_max;
    (short && text.bytes().all(digits)).then(|| hex::decode(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_encoding_only() {
        let hash = Hash::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text, "FIPS 180-4, B.1");
        assert_eq!(text.parse(), Ok(hash));
        for bad in [&text.to_uppercase(), &text[1..], &format!("{text}0"), "", " "] {
            assert_eq!(bad.parse::<Hash>(), Err(HashParseError), "{bad}");
        }
        assert_eq!(Hash::of_parts(&[b"a", b"", b"bc"]), hash);
    }

    #[test]
    fn bytes_in_hex_are_bounded() {
        for (text, bytes) in [
            ("", Some(vec![])),
            ("00ff", Some(vec![0, 255])),
            ("00ffaa", None),
            ("00f", None),
            ("0", None),
            ("00FF", None),
            ("0g", None),
            (" 00", None),
            ("é", None),
        ] {
            assert_eq!(parse_lower_hex_bytes(text, 2), bytes, "{text}");
        }
    }

    #[test]
    fn beginnings_of_hashes() {
        let hash = Hash::of(b"x");
        let text = hash.to_string();
        for digits in 8..=64 {
            let prefix: HashPrefix = text[..digits].parse().unwrap();
            assert_eq!(prefix.to_string(), text[..digits]);
            assert!(prefix.takes(&hash), "{digits}");
            // One other digit, and it is another beginning.
            let other = if text.as_bytes()[digits - 1] == b'0' { '1' } else { '0' };
            let other: HashPrefix = format!("{}{other}", &text[..digits - 1]).parse().unwrap();
            assert!(!other.takes(&hash), "{digits}");
        }
        assert_eq!(text.parse(), Ok(HashPrefix::from(hash)));
        let upper = text.to_uppercase();
        for bad in ["", "1234567", &format!("{text}0"), &upper, "0x123456", "12345678 ", "ä2345678"]
        {
            assert_eq!(bad.parse::<HashPrefix>(), Err(HashPrefixError), "{bad}");
        }
    }
}
