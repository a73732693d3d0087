//! The parameters in force for a session. A session commits to their hash, so that nobody can say
//! later that it was recorded under other rules.

use serde::{Deserialize, Serialize};

use crate::{
    Hash,
    chunk::{CHUNK_BYTES_DEFAULT, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, Suite},
    json,
};

/// A parameter out of its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The chunk size.
    #[error("chunk size {0} is not between 65536 (64 KiB) and 16777216 (16 MiB)")]
    ChunkBytes(u32),
    /// The compression level.
    #[error("zstd level {0} is not between 1 and 9")]
    ZstdLevel(u8),
    /// A later version.
    #[error("policy version {0} is not known here (1 is)")]
    Version(u32),
}

/// What a session is recorded under, in RFC 8785 form in its `session.opened` entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Most plaintext bytes in a chunk; only a pause of the source or its end makes a shorter one.
    pub chunk_bytes: u32,
    /// The AEAD of the segments.
    pub suite: Suite,
    version: u32,
    /// zstd's compression level, 1 to 9.
    pub zstd_level: u8,
}

impl Policy {
    /// Compression level where none is configured.
    pub const ZSTD_LEVEL_DEFAULT: u8 = 3;

    /// Highest compression level: above it zstd's own tables outgrow the pipeline's memory bound.
    pub const ZSTD_LEVEL_MAX: u8 = 9;

    /// A policy within its bounds.
    ///
    /// # Errors
    /// [`PolicyError`] with the bounds.
    pub fn new(chunk_bytes: u32, zstd_level: u8, suite: Suite) -> Result<Self, PolicyError> {
        let policy = Self { chunk_bytes, suite, version: 1, zstd_level };
        policy.check()?;
        Ok(policy)
    }

    /// The defaults with this suite.
    #[must_use]
    pub fn with_suite(suite: Suite) -> Self {
        let zstd_level = Self::ZSTD_LEVEL_DEFAULT;
        Self { chunk_bytes: CHUNK_BYTES_DEFAULT, suite, version: 1, zstd_level }
    }

    /// Checks the bounds of a policy that was read.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn check(&self) -> Result<(), PolicyError> {
        if self.version != 1 {
            return Err(PolicyError::Version(self.version));
        }
        if !(CHUNK_BYTES_MIN..=CHUNK_BYTES_MAX).contains(&self.chunk_bytes) {
            return Err(PolicyError::ChunkBytes(self.chunk_bytes));
        }
        if !(1..=Self::ZSTD_LEVEL_MAX).contains(&self.zstd_level) {
            return Err(PolicyError::ZstdLevel(self.zstd_level));
        }
        Ok(())
    }

    /// SHA-256 of the policy's canonical JSON.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash::of(&json::to_canonical(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_and_bounds() {
        let policy = Policy::with_suite(Suite::Aes256Gcm);
        let text = r#"{"chunk_bytes":8388608,"suite":1,"version":1,"zstd_level":3}"#;
        assert_eq!(json::to_canonical(&policy), text.as_bytes());
        assert_eq!(policy.hash(), Hash::of(text.as_bytes()));
        assert_eq!(Policy::new(65_536, 9, Suite::Aes256Gcm).map(|p| p.chunk_bytes), Ok(65_536));
        let new = |bytes, level| Policy::new(bytes, level, Suite::Aes256Gcm).map(|_| ());
        assert_eq!(new(65_535, 3), Err(PolicyError::ChunkBytes(65_535)));
        assert_eq!(new(16_777_217, 3), Err(PolicyError::ChunkBytes(16_777_217)));
        assert_eq!(new(65_536, 0), Err(PolicyError::ZstdLevel(0)));
        assert_eq!(new(65_536, 10), Err(PolicyError::ZstdLevel(10)));
    }
}
