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

use crate::{Hash, merkle};

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
