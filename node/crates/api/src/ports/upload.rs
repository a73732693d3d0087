//! Uploads: a body, cut into chunks.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use lucid_core::SessionId;
use serde::{Deserialize, Serialize};

use super::{Answer, Session};
use crate::Problem;

/// A request's body. An error is where the client went away or was too slow: what came before it
/// counts.
pub type BodyStream = BoxStream<'static, Result<Bytes, Problem>>;

/// How a checksum is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChecksumAlgorithm {
    /// SHA-1, which tus 1.0 asks every server for: against accidents, not against people.
    Sha1,
    /// SHA-256.
    Sha256,
    /// CRC-32C.
    Crc32c,
}

/// What the whole body must hash to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checksum {
    /// How.
    pub algorithm: ChecksumAlgorithm,
    /// The digest in hex.
    pub digest: String,
}

impl fmt::Debug for Checksum {
    /// Without the digest: that of a short body would give the body away.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checksum").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// One request's worth of an upload.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadJob {
    /// The session.
    pub session_id: SessionId,
    /// Where the body belongs; the upload must be there.
    pub offset: u64,
    /// Bytes of the body, where its head says so.
    pub body_bytes: Option<u64>,
    /// Where given, the whole body is checked before any of it counts; it is then at most
    /// [`UploadJob::CHECKED_BYTES_MAX`] long.
    pub checksum: Option<Checksum>,
}

impl UploadJob {
    /// Largest body with a checksum, in bytes: it is held in memory until its end.
    pub const CHECKED_BYTES_MAX: u64 = 16 << 20;
}

/// How an upload request ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uploaded {
    /// Bytes acknowledged, those of this request among them.
    pub offset: u64,
    /// The session, sealed where its length was reached.
    pub session: Session,
}

/// The session-chunker.
#[async_trait]
pub trait Chunker: Send + Sync {
    /// Cuts a body into chunks and has them sealed and acknowledged. When this returns well, all of the
    /// body is durable. When the body ends early, what came of it is durable all the same, and the
    /// body's own error is given.
    ///
    /// # Errors
    /// Those of [`super::Sessions::begin_upload`]; `too_large` beyond the upload's length,
    /// `checksum_mismatch`, the body's, the encryptor's.
    ///
    /// # Cancel safety
    /// Dropped, it lets go of the upload, and what was acknowledged stays.
    async fn upload(&self, job: UploadJob, body: BodyStream) -> Answer<Uploaded>;
}
