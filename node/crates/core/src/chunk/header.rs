//! The 48-byte header of a chunk file.

use serde::{Deserialize, Serialize};

use super::{CHUNK_BYTES_MAX, PayloadLayout};
use crate::id::{ChunkIndex, SessionId};

/// The AEAD that seals the segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Suite {
    /// 1: AES-256-GCM (RFC 5116); with C2SP chunked-encryption, *Cobblestone-256*.
    Aes256Gcm,
    /// 2: ChaCha20-Poly1305 (RFC 8439), for processors without AES instructions.
    ChaCha20Poly1305,
}

impl Suite {
    /// The suite's number in headers and manifests.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Aes256Gcm => 1,
            Self::ChaCha20Poly1305 => 2,
        }
    }

    /// Its name in the IANA registry of AEAD algorithms, which the key schedule commits to.
    #[must_use]
    pub fn iana_name(self) -> &'static str {
        match self {
            Self::Aes256Gcm => "AEAD_AES_256_GCM",
            Self::ChaCha20Poly1305 => "AEAD_CHACHA20_POLY1305",
        }
    }
}

impl TryFrom<u8> for Suite {
    type Error = HeaderError;

    fn try_from(number: u8) -> Result<Self, HeaderError> {
        match number {
            1 => Ok(Self::Aes256Gcm),
            2 => Ok(Self::ChaCha20Poly1305),
            number => Err(HeaderError::Suite(number)),
        }
    }
}

impl From<Suite> for u8 {
    fn from(suite: Suite) -> Self {
        suite.number()
    }
}

/// How the plaintext became the payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Codec {
    /// 0: the payload is the plaintext.
    Stored,
    /// 1: the payload is one zstd frame (RFC 8878) with its content size, no dictionary.
    Zstd,
}

impl Codec {
    /// The codec's number in headers and manifests.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Stored => 0,
            Self::Zstd => 1,
        }
    }
}

impl TryFrom<u8> for Codec {
    type Error = HeaderError;

    fn try_from(number: u8) -> Result<Self, HeaderError> {
        match number {
            0 => Ok(Self::Stored),
            1 => Ok(Self::Zstd),
            number => Err(HeaderError::Codec(number)),
        }
    }
}

impl From<Codec> for u8 {
    fn from(codec: Codec) -> Self {
        codec.number()
    }
}

/// Why 48 bytes are no chunk header. Each says what was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The first four bytes are not `LUC1`.
    #[error("not a chunk file: it does not begin with LUC1")]
    Magic,
    /// A later version.
    #[error("chunk format version {0} is not known here (1 is); a newer lucid-node reads it")]
    Version(u8),
    /// No such suite.
    #[error("cipher suite {0} is not known here")]
    Suite(u8),
    /// No such codec.
    #[error("codec {0} is not known here")]
    Codec(u8),
    /// Bytes 7 and 28 to 31 are zero in version 1.
    #[error("a reserved header byte is not zero")]
    Reserved,
    /// The session id is no version 4 UUID.
    #[error("the header's session id is not a version 4 UUID")]
    Session,
    /// No chunk is empty or larger than 16 MiB.
    #[error("a chunk of {0} plaintext bytes: it must be 1 to 16,777,216")]
    PlainBytes(u64),
    /// A stored payload is as long as the plaintext, a compressed one shorter.
    #[error("a payload of {payload} bytes does not go with {plain} plaintext bytes")]
    PayloadBytes {
        /// Plaintext length the header claims.
        plain: u64,
        /// Payload length the header claims.
        payload: u64,
    },
}

/// The first 48 bytes of a chunk file, all integers big-endian:
///
/// | offset | bytes | field |
/// | --- | --- | --- |
/// | 0 | 4 | magic `LUC1` |
/// | 4 | 1 | format version, 1 |
/// | 5 | 1 | [`Suite`] |
/// | 6 | 1 | [`Codec`] |
/// | 7 | 1 | zero |
/// | 8 | 16 | session id |
/// | 24 | 4 | chunk index |
/// | 28 | 4 | zero |
/// | 32 | 8 | plaintext length |
/// | 40 | 8 | payload length |
///
/// Fixed offsets and natural alignment, so that any language reads it with one `unpack`. A chunk is
/// never empty, and a compressed payload is always shorter than its plaintext: what would not
/// shrink is stored, so a compressed payload is never the longer way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkHeader {
    /// The AEAD of the segments.
    pub suite: Suite,
    /// How plaintext became payload.
    pub codec: Codec,
    /// The session the chunk belongs to.
    pub session: SessionId,
    /// The chunk's place in it.
    pub index: ChunkIndex,
    /// Plaintext length in bytes, 1 to 16 MiB.
    pub plain_bytes: u32,
    /// Payload length in bytes, after compression.
    pub payload_bytes: u32,
}

impl ChunkHeader {
    /// Length of a header in bytes.
    pub const BYTES: usize = 48;

    /// The first four bytes of every chunk file.
    pub const MAGIC: [u8; 4] = *b"LUC1";

    const VERSION: u8 = 1;

    /// The header's 48 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..4].copy_from_slice(&Self::MAGIC);
        bytes[4] = Self::VERSION;
        bytes[5] = self.suite.number();
        bytes[6] = self.codec.number();
        bytes[8..24].copy_from_slice(self.session.as_bytes());
        bytes[24..28].copy_from_slice(&self.index.0.to_be_bytes());
        bytes[32..40].copy_from_slice(&u64::from(self.plain_bytes).to_be_bytes());
        bytes[40..48].copy_from_slice(&u64::from(self.payload_bytes).to_be_bytes());
        bytes
    }

    /// Reads a header; what parses serialises to the same bytes.
    ///
    /// # Errors
    /// [`HeaderError`], naming the field.
    pub fn parse(bytes: &[u8; Self::BYTES]) -> Result<Self, HeaderError> {
        let field = |at: usize| u64::from_be_bytes(take(bytes, at));
        if bytes[..4] != Self::MAGIC {
            return Err(HeaderError::Magic);
        }
        if bytes[4] != Self::VERSION {
            return Err(HeaderError::Version(bytes[4]));
        }
        let suite = Suite::try_from(bytes[5])?;
        let codec = Codec::try_from(bytes[6])?;
        if bytes[7] != 0 || take::<4>(bytes, 28) != [0; 4] {
            return Err(HeaderError::Reserved);
        }
        let session = SessionId::from_bytes(take(bytes, 8)).map_err(|_| HeaderError::Session)?;
        let (plain, payload) = (field(32), field(40));
        let Ok(plain_bytes @ 1..=CHUNK_BYTES_MAX) = u32::try_from(plain) else {
            return Err(HeaderError::PlainBytes(plain));
        };
        let fits = match codec {
            Codec::Stored => payload == plain,
            Codec::Zstd => (1..plain).contains(&payload),
        };
        let payload_bytes = match u32::try_from(payload) {
            Ok(count) if fits => count,
            _ => return Err(HeaderError::PayloadBytes { plain, payload }),
        };
        let index = ChunkIndex(u32::from_be_bytes(take(bytes, 24)));
        Ok(Self { suite, codec, session, index, plain_bytes, payload_bytes })
    }

    /// How the payload is cut into segments.
    #[must_use]
    pub fn layout(&self) -> PayloadLayout {
        PayloadLayout::of_payload(self.payload_bytes)
    }
}

fn take<const N: usize>(bytes: &[u8; ChunkHeader::BYTES], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> ChunkHeader {
        ChunkHeader {
            suite: Suite::Aes256Gcm,
            codec: Codec::Zstd,
            session: SessionId::from_random([7; 16]),
            index: ChunkIndex(3),
            plain_bytes: 100,
            payload_bytes: 40,
        }
    }

    fn altered(change: impl FnOnce(&mut [u8; 48])) -> Result<ChunkHeader, HeaderError> {
        let mut bytes = sample().to_bytes();
        change(&mut bytes);
        ChunkHeader::parse(&bytes)
    }

    #[test]
    fn layout_is_the_documented_one() {
        let text = hex::encode(sample().to_bytes());
        let expected = "4c554331\
                        01010100\
                        07070707070747078707070707070707\
                        0000000300000000\
                        0000000000000064\
                        0000000000000028";
        assert_eq!(text, expected);
        assert_eq!(altered(|_| ()), Ok(sample()));
    }

    #[test]
    fn malformed_headers_are_named() {
        use HeaderError as E;
        assert_eq!(altered(|b| b[0] = b'l'), Err(E::Magic));
        assert_eq!(altered(|b| b[3] = b'2'), Err(E::Magic));
        assert_eq!(altered(|b| b[4] = 2), Err(E::Version(2)));
        assert_eq!(altered(|b| b[5] = 0), Err(E::Suite(0)));
        assert_eq!(altered(|b| b[5] = 3), Err(E::Suite(3)));
        assert_eq!(altered(|b| b[6] = 2), Err(E::Codec(2)));
        assert_eq!(altered(|b| b[7] = 1), Err(E::Reserved));
        assert_eq!(altered(|b| b[31] = 1), Err(E::Reserved));
        assert_eq!(altered(|b| b[14] = 0x17), Err(E::Session));
        assert_eq!(altered(|b| b[39] = 0), Err(E::PlainBytes(0)));
        assert_eq!(altered(|b| b[32] = 1), Err(E::PlainBytes((1 << 56) + 100)));
        assert_eq!(altered(|b| b[36] = 1), Err(E::PlainBytes((1 << 24) + 100)));
        assert_eq!(altered(|b| b[47] = 100), Err(E::PayloadBytes { plain: 100, payload: 100 }));
        assert_eq!(altered(|b| b[47] = 0), Err(E::PayloadBytes { plain: 100, payload: 0 }));
        assert_eq!(altered(|b| b[6] = 0), Err(E::PayloadBytes { plain: 100, payload: 40 }));
    }

    proptest! {
        #[test]
        fn what_parses_serialises_to_the_same_bytes(
            place in 0_usize..48, value: u8, second in 0_usize..48, other: u8,
        ) {
            let mut bytes = sample().to_bytes();
            bytes[place] = value;
            bytes[second] = other;
            if let Ok(header) = ChunkHeader::parse(&bytes) {
                prop_assert_eq!(header.to_bytes(), bytes);
            }
        }
    }
}
