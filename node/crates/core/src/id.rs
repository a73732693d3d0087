//! Identifiers: sessions, nodes, chunks, segments and places in the ledger log.
//!
//! Each is a type of its own, so that no two bare integers can be exchanged by mistake.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::{Builder, Uuid, Variant, Version};

use crate::hash::{Hash, parse_lower_hex};

/// Why a text is no identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not a version 4 UUID in its one canonical form.
    #[error(
        "a session id is a lower-case version 4 UUID such as 6f1d9c1e-3a52-4c0e-9d0b-5a1f6f1f7a10"
    )]
    Session,
    /// Not 16 lower-case hex digits.
    #[error("a node id is 16 lower-case hex digits")]
    Node,
    /// Not an owner's name.
    #[error("an owner is 1 to 64 characters of A-Z a-z 0-9 . _ : @ -")]
    Owner,
}

/// A session's single-use id: a random UUID (RFC 9562, version 4), written hyphenated and in lower
/// case, 16 bytes in binary formats.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Uuid);

impl SessionId {
    /// The id made of 16 random bytes; six bits are overwritten by version and variant.
    #[must_use]
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(Builder::from_random_bytes(bytes).into_uuid())
    }

    /// The id whose binary form is `bytes`.
    ///
    /// # Errors
    /// [`IdError::Session`] where version or variant are not those of a random UUID.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, IdError> {
        let uuid = Uuid::from_bytes(bytes);
        let random = uuid.get_version() == Some(Version::Random);
        if random && uuid.get_variant() == Variant::RFC4122 {
            Ok(Self(uuid))
        } else {
            Err(IdError::Session)
        }
    }

    /// The 16 bytes of the binary form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.as_hyphenated(), f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SessionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let uuid = Uuid::try_parse(text).map_err(|_| IdError::Session)?;
        let id = Self::from_bytes(uuid.into_bytes())?;
        // The parser takes braces, URNs, upper case and bare digits too; one form is ours.
        if id.to_string() == text { Ok(id) } else { Err(IdError::Session) }
    }
}

/// A node's id: the first 8 bytes of SHA-256 of its Ed25519 public key, in hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; 8]);

impl NodeId {
    /// The id of the node with this Ed25519 public key (RFC 8032 encoding).
    #[must_use]
    pub fn of_public_key(key: &[u8; 32]) -> Self {
        let mut id = [0; 8];
        id.copy_from_slice(&Hash::of(key).0[..8]);
        Self(id)
    }

    /// The origin line of the node's log, and the name of its log key: `lucid/<node id>`.
    #[must_use]
    pub fn log_origin(&self) -> String {
        format!("lucid/{self}")
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for NodeId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        parse_lower_hex(text).map(Self).ok_or(IdError::Node)
    }
}

/// Who a session belongs to: a wallet address, or a local name. 1 to 64 characters of
/// `A-Z a-z 0-9 . _ : @ -`, so that it needs no escaping anywhere.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(String);

impl Owner {
    /// The owner's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Owner {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._:@-".contains(&c);
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError::Owner)
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! text_serde {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

text_serde!(SessionId, NodeId, Owner);

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        #[derive(Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number!(
    /// A chunk's place in its session, from zero. A session has at most 2^32 - 1 chunks.
    ChunkIndex,
    u32
);
number!(
    /// A segment's place in its chunk, from zero.
    SegmentIndex,
    u32
);
number!(
    /// An entry's place in the ledger log, from zero.
    EntryIndex,
    u64
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_have_one_form() {
        let id = SessionId::from_random([0xff; 16]);
        assert_eq!(id.to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(SessionId::from_bytes(*id.as_bytes()), Ok(id));
        for bad in [
            "",
            "FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF",
            "{ffffffff-ffff-4fff-bfff-ffffffffffff}",
            "urn:uuid:ffffffff-ffff-4fff-bfff-ffffffffffff",
            "ffffffffffff4fffbfffffffffffffff",
            "ffffffff-ffff-1fff-bfff-ffffffffffff",
            "ffffffff-ffff-4fff-ffff-ffffffffffff",
            "ffffffff-ffff-4fff-bfff-ffffffffffff ",
            "../../../../etc/passwd",
        ] {
            assert_eq!(bad.parse::<SessionId>(), Err(IdError::Session), "{bad:?}");
        }
    }

    #[test]
    fn node_ids_come_from_the_key() {
        let id = NodeId::of_public_key(&[0; 32]);
        assert_eq!(id.to_string(), "66687aadf862bd77");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.log_origin(), "lucid/66687aadf862bd77");
        for bad in ["", "66687AADF862BD77", "66687aadf862bd7", "66687aadf862bd770"] {
            assert_eq!(bad.parse::<NodeId>(), Err(IdError::Node), "{bad:?}");
        }
    }

    #[test]
    fn owners_need_no_escaping() {
        for good in ["local", "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8", "ops@host:1_2.x-y"] {
            assert_eq!(good.parse::<Owner>().map(|o| o.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", " ", "a b", "é", "a\n", "a\"", &"x".repeat(65)] {
            assert_eq!(bad.parse::<Owner>(), Err(IdError::Owner), "{bad:?}");
        }
    }
}
