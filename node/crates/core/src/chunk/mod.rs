//! The chunk file: a 48-byte header, then one message of C2SP *chunked-encryption*
//! (<https://c2sp.org/chunked-encryption>, Cobblestone-256 or its ChaCha20-Poly1305 sibling).
//!
//! ```text
//! 0    header        48 bytes
//! 48   salt          24 bytes, fresh at every sealing attempt
//! 72   commitment    32 bytes
//! 104  segments      16,400 bytes each (16,384 of payload and a 16-byte tag), the last one shorter
//! ```
//!
//! The header comes first and in the clear because it is the *context* of the key schedule: every
//! byte of it is bound into the commitment, so a header cannot be exchanged without the commitment
//! failing. This module owns header, sizes and key schedule; sealing itself is the pipeline's.

mod header;
mod layout;
mod schedule;

pub use header::{ChunkHeader, Codec, HeaderError, Suite};
pub use layout::{LayoutError, PayloadLayout, SEALED_SEGMENT_BYTES, SEGMENT_BYTES, TAG_BYTES};
pub(crate) use schedule::hkdf_expand_sha512;
pub use schedule::{COMMITMENT_BYTES, Commitment, MessageKeys, NONCE_BYTES, SALT_BYTES, Salt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{Hash, hash::parse_lower_hex, merkle};

/// Bytes before the first segment: header, salt and commitment.
pub const PREFIX_BYTES: usize = ChunkHeader::BYTES + SALT_BYTES + COMMITMENT_BYTES;

/// Smallest chunk size that can be configured, in bytes of plaintext.
pub const CHUNK_BYTES_MIN: u32 = 64 << 10;

/// Largest chunk size that can be configured, in bytes of plaintext.
pub const CHUNK_BYTES_MAX: u32 = 16 << 20;

/// Chunk size where none is configured, in bytes of plaintext.
pub const CHUNK_BYTES_DEFAULT: u32 = 8 << 20;

/// What a session's tree commits to about one chunk: everything in its file but the segments, which
/// the chunk root stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkSummary {
    /// The file's header.
    pub header: ChunkHeader,
    /// The message's salt.
    pub salt: Salt,
    /// The message's key commitment.
    pub commitment: Commitment,
    /// Root of the tree over the sealed segments.
    pub chunk_root: Hash,
}

impl ChunkSummary {
    /// Length of a summary: header, salt, commitment and chunk root.
    pub const BYTES: usize = PREFIX_BYTES + Hash::BYTES;

    /// The summary's bytes: header ‖ salt ‖ commitment ‖ chunk root, what the session leaf hashes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..48].copy_from_slice(&self.header.to_bytes());
        bytes[48..72].copy_from_slice(&self.salt.0);
        bytes[72..104].copy_from_slice(&self.commitment.0);
        bytes[104..].copy_from_slice(self.chunk_root.as_bytes());
        bytes
    }

    /// Reads what [`ChunkSummary::to_bytes`] gives.
    ///
    /// # Errors
    /// [`HeaderError`].
    ///
    /// # Panics
    /// Never: the lengths add up.
    pub fn parse(bytes: &[u8; Self::BYTES]) -> Result<Self, HeaderError> {
        let (header, rest) = bytes.split_first_chunk().expect("the lengths add up");
        let (salt, rest) = rest.split_first_chunk().expect("the lengths add up");
        let (commitment, rest) = rest.split_first_chunk().expect("the lengths add up");
        let (chunk_root, _) = rest.split_first_chunk().expect("the lengths add up");
        Ok(Self {
            header: ChunkHeader::parse(header)?,
            salt: Salt(*salt),
            commitment: Commitment(*commitment),
            chunk_root: Hash(*chunk_root),
        })
    }

    /// The session tree's leaf: H(0x00 ‖ header ‖ salt ‖ commitment ‖ chunk root).
    #[must_use]
    pub fn session_leaf(&self) -> Hash {
        merkle::leaf_hash_parts(&[
            &self.header.to_bytes(),
            &self.salt.0,
            &self.commitment.0,
            self.chunk_root.as_bytes(),
        ])
    }

    /// How the chunk's payload is cut into segments.
    #[must_use]
    pub fn layout(&self) -> PayloadLayout {
        self.header.layout()
    }
}

impl Serialize for ChunkSummary {
    /// 272 lower-case hex digits of its bytes: nothing that the session leaf hashes can be left out.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.to_bytes()))
    }
}

impl<'de> Deserialize<'de> for ChunkSummary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes: [u8; Self::BYTES] = parse_lower_hex(&text)
            .ok_or_else(|| D::Error::custom("a chunk's summary is 272 lower-case hex digits"))?;
        Self::parse(&bytes).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChunkIndex, SessionId};

    #[test]
    fn summaries_come_back_from_json_and_from_nothing_else() {
        let header = ChunkHeader {
            suite: Suite::Aes256Gcm,
            codec: Codec::Zstd,
            session: SessionId::from_random([7; 16]),
            index: ChunkIndex(3),
            plain_bytes: 100,
            payload_bytes: 50,
        };
        let (salt, commitment) = (Salt([1; 24]), Commitment([2; 32]));
        let summary = ChunkSummary { header, salt, commitment, chunk_root: Hash([3; 32]) };
        let text = serde_json::to_string(&summary).unwrap();
        assert_eq!(text.len(), 2 + 2 * ChunkSummary::BYTES);
        assert_eq!(serde_json::from_str::<ChunkSummary>(&text).unwrap(), summary);
        let magic = text.replacen("4c", "4d", 1);
        for bad in [text.to_uppercase(), magic, text.replacen("00", "", 1), "\"\"".to_owned()] {
            assert!(serde_json::from_str::<ChunkSummary>(&bad).is_err(), "{bad}");
        }
    }
}
